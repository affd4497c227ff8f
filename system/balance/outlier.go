package balance

import (
	"time"
)

// The outlier layer: it takes hosts out of use that fail, and lets them back.
//
// Sources: Envoy's outlier detection (consecutive failures, success rate
// against the peers, caps, ejection times that grow) and slow start; Finagle's
// failure accrual (jittered back-off, a probe before the host returns).
// Departures:
//
//   - A host is ejected only for failing more than its callers do elsewhere,
//     see callers; Envoy's plain counts eject healthy hosts when all fail
//     alike, which makes a brown-out worse.
//   - The spread that a success rate is held against is that of the host's own
//     number of calls (binomial), not the spread between hosts: with N hosts
//     one of them is never more than (N-1)/sqrt(N) deviations from the mean,
//     so Envoy's rule cannot fire below about six hosts at its default of 1.9,
//     or below eleven at 3.
//   - Caps hold for a host that goes out, not for one that stays out: a failed
//     probe ejects again whatever the cap says.
//   - A host comes back after Successes calls, one at a time.

// evidence is what is known against a host.
type evidence struct {
	failStreak, hardStreak uint32
	succStreak             uint32
	// rowSurprise is how unlikely the failures in a row are, in bits.
	rowSurprise float32
	tallies
	variance float32 // of expected
	// others are the tallies without the calls of main, the caller with the
	// most failures, as far as one counter can tell (Misra, Gries 1982).
	others    tallies
	main      uint32
	mainFails float32
	mainSince time.Duration

	// A row of one caller's failures is worth less than that of several.
	rowCaller  uint32
	rowMany    bool
	hard       bool // ejected for not answering
	wasFailing bool // failing, as far as the candidates know
	lastCaller uint32
	rowSince   time.Duration
	lastAt     time.Duration // last report
	otherAt    time.Duration // last report of another caller than the last

	told hint

	level uint32 // ejections in succession
	calm  time.Duration
	until time.Duration // the ejection's time is up
	tried time.Duration // last half-open call
}

// tallies are calls, failures, and failures to be expected of their callers;
// aged.
type tallies struct{ calls, fails, expected float32 }

func (t *tallies) add(failed bool, expected float32) {
	t.calls++
	t.expected += expected
	if failed {
		t.fails++
	}
}

func (t *tallies) age(keep float32) {
	t.calls *= keep
	t.fails *= keep
	t.expected *= keep
}

// clear forgets shares.
func (p *pool) clear(s *slot) {
	p.sum.fails -= s.fails
	p.sum.expected -= s.expected
	e := &s.evidence
	e.tallies, e.others, e.variance, e.mainFails = tallies{}, tallies{}, 0, 0
}

// excess says that failures are more than margin, a share of calls, above what
// is expected.
func (t *tallies) excess(margin float64) bool {
	return t.fails-t.expected >= float32(margin)*t.calls
}

// failing says that a host in use has had nothing but failures for so long
// that only a cap, or doubt, keeps it in use.
func (p *pool) failing(s *slot) bool {
	c := &p.cfg
	return p.outlier && (c.Consecutive > 0 && s.hardStreak >= uint32(c.Consecutive) ||
		c.SoftConsecutive > 0 && s.failStreak >= uint32(c.SoftConsecutive))
}

// age lets shares count for less. Few calls are kept six times longer, or a
// quiet module would never have enough of them to tell.
func (e *evidence) age(window, n float32, enough int) {
	if e.calls < float32(enough) {
		window *= 6
	}
	keep := window / (window + n)
	e.tallies.age(keep)
	e.others.age(keep)
	e.variance *= keep
	e.mainFails *= keep
}

// weigh takes in what a call says about its host and its caller, and returns the
// share of failures that was to be expected of the caller.
func (p *pool) weigh(now time.Duration, s *slot, r Result) float32 {
	failed := r.Outcome != OK
	share := p.callers.expect(r.Caller)
	p.callers.add(r.Caller, failed, s.failStreak)
	if failed {
		s.blame(now, r.Caller)
	}
	s.tallies.add(failed, share)
	p.sum.add(failed, share)
	if r.Caller != s.main {
		s.others.add(failed, share)
	}
	s.variance += float32(share * (1 - min(share, 1)))
	if r.Caller != s.lastCaller {
		s.otherAt, s.lastCaller = s.lastAt, r.Caller
	}
	s.lastAt = now
	if !failed {
		s.succStreak++
		s.failStreak, s.hardStreak, s.rowSurprise = 0, 0, 0
		return share
	}
	s.succStreak = 0
	if s.failStreak == 0 {
		s.rowCaller, s.rowMany, s.rowSince = r.Caller, false, now
	}
	s.rowMany = s.rowMany || s.rowCaller != r.Caller
	s.failStreak++
	if r.Outcome == Hard {
		s.hardStreak++
	} else {
		s.hardStreak = 0 // it is there
	}
	if share < hopeless {
		s.rowSurprise += surprise(share)
	}
	return share
}

// blame keeps account of the caller with the most failures.
func (e *evidence) blame(now time.Duration, caller uint32) {
	switch {
	case caller == e.main:
		e.mainFails++
	case e.mainFails >= 1:
		e.mainFails--
	default:
		e.main, e.mainFails, e.mainSince = caller, 1, now
		if e.others.fails < 1 {
			e.others = tallies{} // they are its own as well
		}
	}
}

// judge decides what a report leads to.
func (p *pool) judge(now time.Duration, s *slot, r Result, expected float32) {
	switch {
	case s.state == HalfOpen, s.state == Overloaded && s.picked:
		p.tried(now, s, r, expected)
	case s.state == Overloaded: // of a call from before
	case r.Outcome == OK:
		if s.wasFailing {
			s.wasFailing = false
			p.rebuild(false)
		}
	default:
		if why, hard, guilty := p.guilty(now, s); guilty && p.room(s, hard) {
			p.eject(now, s, why, hard)
			p.rebuild(false)
		} else if !s.wasFailing && p.failing(s) {
			s.wasFailing = true
			p.rebuild(false)
		}
	}
}

// guilty says whether the evidence is enough to eject a host in use.
func (p *pool) guilty(now time.Duration, s *slot) (why Reason, hard, yes bool) {
	c, trust := &p.cfg, float32(1)
	if s.told.doubt > 0 {
		trust = s.told.trust
	}
	reached := func(streak uint32, limit int) bool {
		return limit > 0 && streak > 0 && float32(streak) >= float32(limit)*trust
	}
	if s.rowSurprise >= max(surprise(float32(c.Chance))*trust, leastSurprise) && p.agreed(now, s) {
		if reached(s.hardStreak, c.Consecutive) {
			return HardStreak, true, true
		}
		if reached(s.failStreak, c.SoftConsecutive) {
			return ErrorStreak, true, true
		}
	}
	if !p.unusual(s) || !p.confirmed(now, s) {
		return 0, false, false
	}
	if c.FailureShare > 0 && s.calls >= float32(c.FailureMin) && s.fails >= float32(c.FailureShare)*s.calls {
		return FailureShare, false, true
	}
	if c.Sigmas > 0 && s.calls >= float32(c.PeersMin) && p.hosts-p.out > c.Peers {
		return WorseThanPeers, false, true
	}
	return 0, false, false
}

// unusual says that a host's failures are more than Sigmas standard deviations
// above those expected, and more than Margin. What is expected is corrected by
// how the other hosts fare against it: what is known of a caller lags behind
// when all hosts begin to fail, and has this host's failures in it. One failure
// is left out, since small numbers are not as normal as that.
func (p *pool) unusual(s *slot) bool {
	const smooth = 2 // failures, for a module that has hardly any
	others := max(0, p.sum.fails-s.fails) + smooth
	expected := others / (max(0, p.sum.expected-s.expected) + smooth)
	excess := s.fails - max(float32(s.expected*expected), leastFails*s.calls)
	if excess < float32(p.cfg.Margin)*s.calls {
		return false
	}
	excess--
	sigmas := float32(p.cfg.Sigmas)
	if sigmas < 0 {
		sigmas = 4 // for FailureShare
	}
	return excess > 0 && float32(excess*excess) >= float32(sigmas*sigmas)*max(s.variance*expected, leastFails*s.calls)
}

// agreed says whether the failures in a row are those of two callers, or those
// of the only caller. When others used the host not long before, their word is
// waited for: a success would have ended the row.
func (p *pool) agreed(now time.Duration, s *slot) bool {
	return s.rowMany || p.cfg.Grace < 0 || now-s.rowSince >= p.cfg.Grace || s.rowSince-s.otherAt > p.cfg.Window
}

// confirmed is agreed for shares: those of the callers besides the one with the
// most failures show the same, or it is the only one.
func (p *pool) confirmed(now time.Duration, s *slot) bool {
	if s.others.calls >= 1 {
		return s.others.fails >= 1 && s.others.excess(p.cfg.Margin)
	}
	return p.cfg.Grace < 0 || now-s.mainSince >= p.cfg.Grace || s.mainSince-s.otherAt > p.cfg.Window
}

// room says whether one host more may go out.
func (p *pool) room(s *slot, hard bool) bool {
	limit := p.cfg.SoftCap
	if hard {
		limit = p.cfg.HardCap
	}
	return !s.host.Draining && p.out+1 <= min(max(1, int(limit*float64(p.hosts))), p.hosts-1)
}

// eject takes a host out for a time that grows with each time in succession.
// The candidates are to be made anew.
func (p *pool) eject(now time.Duration, s *slot, why Reason, hard bool) {
	p.leave(s)
	s.level++
	d := min(p.cfg.Base*time.Duration(min(s.level, 1<<20)), p.cfg.EjectMax)
	if p.cfg.Jitter > 0 {
		d += time.Duration(float64(d) * float64(p.rnd.float()*2-1) * p.cfg.Jitter)
	}
	s.until, s.hard = now+d, hard
	s.ejections++
	s.ejectedAt, s.ejectedWhy = now, why
	p.clear(s)
	s.succStreak, s.wasFailing = 0, false
	if s.told.doubt > 0 {
		p.credit = 0 // others have found out, and will again
	}
	p.due = min(p.due, s.until)
	p.move(now, s, Overloaded, why, s.until)
}

// trial finds a host for a half-open call: its time is up, nothing of it is in
// flight. Of several, that which waits longest. -1: none.
func (p *pool) trial(now time.Duration) int32 {
	found, next := int32(-1), never
	for _, i := range p.outs {
		s := &p.slots[i]
		if now < s.until {
			next = min(next, s.until)
			continue
		}
		if s.state == Overloaded {
			p.halfOpen(now, s)
		}
		if s.inFlight > 0 || s.picked {
			continue // a report, or its loss, will set due
		}
		next = now
		if found < 0 || s.tried < p.slots[found].tried {
			found = i
		}
	}
	p.due = next
	if found >= 0 {
		p.slots[found].tried = now
	}
	return found
}

// halfOpen ends the time of an ejection.
func (p *pool) halfOpen(now time.Duration, s *slot) {
	s.succStreak = 0 // of calls from before
	p.move(now, s, HalfOpen, TimeUp, 0)
}

// brownOut is the share of failures above which a failed probe says nothing of
// the host, and a good one is enough: calls fail elsewhere, too, and who wants
// three good ones then keeps out hosts that are as well as the others.
const brownOut = 0.25

// tried takes in the outcome of a half-open call, or of any call to a
// host that is out but has to be used.
func (p *pool) tried(now time.Duration, s *slot, r Result, expected float32) {
	p.due = now
	successes, brownOut := p.cfg.Successes, expected > brownOut
	if brownOut {
		successes = 1
	}
	if r.Outcome == OK {
		p.credit = p.cfg.ProbeEvery // it cost nobody anything
	}
	switch {
	case r.Outcome == OK && s.succStreak >= uint32(successes):
		s.calm = now
		p.clear(s)
		p.enter(now, s, SuccessStreak, false)
		p.rebuild(false)
	case r.Outcome != OK && s.state == HalfOpen && !brownOut:
		p.eject(now, s, ProbeFailed, s.hard || r.Outcome == Hard)
		p.rebuild(false)
	}
}

// forgive shortens the succession of a host that has been in use for long.
func (p *pool) forgive(now time.Duration, s *slot) {
	if s.level > 0 && !s.state.Out() && now-s.calm >= p.cfg.Forgive {
		s.level--
		s.calm = now
	}
}
