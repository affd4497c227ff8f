package balance

import (
	"math"
	"time"

	"lars/system/route"
)

// pool is what all algorithms but classic and elb have in common: the hosts,
// what is known of each, which of them may be picked. A chooser picks among
// those; the outlier layer, when it is on, takes hosts out and lets them back.
//
// Picks touch dense slices only. What follows from time alone is done by
// advance, every so often and not at each pick. Arithmetic is such that equal
// inputs give equal picks on every machine: no transcendental functions, and
// products are rounded before they are added (an explicit conversion keeps a
// compiler from fusing the two).
type pool struct {
	cfg     Settings
	chooser chooser
	// weighted: the algorithm heeds weights.
	weighted bool
	outlier  bool
	rnd      rng

	slots []slot
	free  []int32
	index map[uint64]int32
	round uint32 // number of the last Update

	all     candidates // everything that may be picked
	zones   []zone     // parts of all, if zones matter
	uniform bool       // all candidates have the same share
	hosts   int        // not draining
	out     int        // of these, ejected
	outs    []int32    // those
	warming int

	inFlight uint32  // of all hosts
	mean     float32 // latency of a success, ns
	callers  callers
	sum      tallies // of all hosts

	wake     time.Duration // when advance has work
	interval time.Duration // when the next interval ends
	rotate   time.Duration // when calls in flight are next counted as older
	due      time.Duration // when a half-open call may be due
	credit   int           // picks since the last half-open call that did not succeed

	hinted, doubtful bool // there are new hints to heed; old ones
	changes          []Change
	given            bool // changes are with the caller
}

// slot is one host. What picks read comes first.
type slot struct {
	addr     route.Host
	inFlight uint32  // picked and neither reported nor lost
	older    uint32  // of these, picked before the last rotation
	share    float32 // of picks, the largest being 1
	inverse  float32 // 1/weight, in mean weights, warming counted
	latency  float32 // peak EWMA, ns
	penalty  float32 // of failures in a row, ns
	load     float32 // inFlight, in shares of the weight
	cost     float32 // of one call more: Finagle's product of latency and load
	rif      float32 // load when latency was taken, EWMA
	warmth   float32 // part of its full share, of a warming host
	stride   uint16  // share for round robin
	state    State
	picked   bool // it is a candidate
	host     Host
	seen     uint32        // the last Update that named it
	seenAt   time.Duration // last latency

	evidence
	record
}

// record is what people want to know of a host.
type record struct {
	since, added, ejectedAt time.Duration
	succ, err               uint64
	ejections               uint32
	why, ejectedWhy         Reason
}

// chooser is an algorithm: it picks one of the candidates in set, which is not
// empty.
type chooser interface {
	choose(p *pool, set *candidates, a Ask) int32
	// rebuilt tells of new candidates; hosts says that hosts came or left, or
	// changed their weight.
	rebuilt(p *pool, hosts bool)
}

const never = time.Duration(math.MaxInt64)

// intervalEvery is how often shares of failures and estimates age.
const intervalEvery = time.Second

// warmEvery is how often the shares of warming hosts grow.
const warmEvery = 100 * time.Millisecond

// latencyUnknown stands in until a latency is known, in ns.
const latencyUnknown = float32(time.Millisecond)

func newPool(s Settings, seed uint64, weighted bool, c chooser) *pool {
	p := &pool{
		cfg: s, chooser: c, weighted: weighted, outlier: s.Outlier != Off,
		rnd: rng(mix(seed + 1)), index: map[uint64]int32{}, mean: latencyUnknown,
		wake: math.MinInt64, due: never, credit: s.ProbeEvery,
	}
	p.all.next = int(p.rnd.next() >> 33)
	return p
}

// adopt goes on by the settings of a new pool, and by its algorithm.
func (p *pool) adopt(now time.Duration, fresh *pool) {
	p.begin(now) // what was due before
	if p.cfg.Algorithm != fresh.cfg.Algorithm {
		p.chooser = fresh.chooser
	}
	p.cfg, p.weighted, p.outlier = fresh.cfg, fresh.weighted, fresh.outlier
	p.rotate = min(p.rotate, now+p.cfg.CallTimeout)
	p.wake, p.due = now, now
	for i := range p.slots {
		s := &p.slots[i]
		if s.state == Gone {
			continue
		}
		s.until = min(s.until, now+p.cfg.EjectMax)
		s.wasFailing = p.failing(s)
		if !p.outlier || p.cfg.HintTTL < 0 {
			s.told = hint{}
		}
		if !p.outlier && s.state.Out() {
			p.enter(now, s, SwitchedOff, false)
		}
	}
	p.rebuild(true)
}

func (p *pool) Len() int { return len(p.index) }

func (p *pool) Pick(now time.Duration, a Ask) Choice {
	if now >= p.wake {
		p.advance(now)
	}
	if now >= p.due && p.credit >= p.cfg.ProbeEvery {
		if i := p.trial(now); i >= 0 {
			p.credit = 0
			return p.take(i, true)
		}
	}
	set := &p.all
	if a.Zone != 0 && len(p.zones) > 0 {
		set = p.local(a.Zone)
	}
	if len(set.list) == 0 {
		return Choice{}
	}
	p.credit++
	return p.take(p.chooser.choose(p, set, a), false)
}

func (p *pool) take(i int32, probe bool) Choice {
	s := &p.slots[i]
	s.inFlight++
	p.inFlight++
	s.refresh()
	return Choice{Host: s.addr, Verdict: Picked, Probe: probe || s.state.Out()}
}

// Report updates what is known of the host and judges it.
func (p *pool) Report(now time.Duration, r Result) Effects {
	p.begin(now)
	i, ok := p.index[r.Host.Key()]
	if !ok {
		return p.effects(Effects{Unknown: true})
	}
	s := &p.slots[i]
	if s.inFlight > 0 {
		s.inFlight--
		p.inFlight--
		s.older -= min(s.older, 1) // the older one is likelier to be done
	}
	if r.Outcome == OK {
		s.succ++
	} else {
		s.err++
	}
	expected := p.weigh(now, s, r)
	p.observe(now, s, r)
	s.refresh()
	if p.outlier {
		p.judge(now, s, r, expected)
	}
	return p.effects(Effects{})
}

// fresh forgets the changes that the caller has had.
func (p *pool) fresh() {
	if p.given {
		p.changes, p.given = p.changes[:0], false
	}
}

// begin is where each call but Pick begins.
func (p *pool) begin(now time.Duration) {
	p.fresh()
	if now >= p.wake {
		p.advance(now)
	}
}

func (p *pool) effects(e Effects) Effects {
	e.Changes, p.given = p.changes, true
	return e
}

// move changes a host's state.
func (p *pool) move(now time.Duration, s *slot, to State, why Reason, until time.Duration) {
	p.fresh()
	p.changes = append(p.changes, Change{Host: s.addr, From: s.state, To: to, Why: why, At: now, Until: until})
	s.state, s.why, s.since = to, why, now
}

func (p *pool) Tick(now time.Duration) Effects {
	p.begin(now)
	return p.effects(Effects{})
}

// advance does what time brings.
func (p *pool) advance(now time.Duration) {
	if p.wake == math.MinInt64 { // the first time
		p.interval, p.rotate = now+intervalEvery, now+p.cfg.CallTimeout
	}
	if now >= p.rotate {
		p.forget()
		if now >= p.rotate+p.cfg.CallTimeout {
			p.forget() // all of them were picked before that
		}
		p.rotate = now + p.cfg.CallTimeout
		p.due = now
	}
	if now >= p.interval {
		p.age(now, float32((now-p.interval)/intervalEvery)+1)
		p.interval = now + intervalEvery
		p.hinted = p.hinted || p.doubtful
	}
	if p.hinted {
		p.heed(now)
	}
	p.wake = min(p.interval, p.rotate)
	if p.warming > 0 {
		p.warm(now)
		p.wake = min(p.wake, now+warmEvery)
	}
}

// forget gives up calls that were picked before the last rotation: their
// reports were lost, or there never are any.
func (p *pool) forget() {
	for i := range p.slots {
		s := &p.slots[i]
		s.inFlight -= s.older
		p.inFlight -= s.older
		s.older = s.inFlight
		s.refresh()
	}
}

// age lets the past count for less, n intervals after it did last.
func (p *pool) age(now time.Duration, n float32) {
	window := float32(p.cfg.Window) / float32(intervalEvery)
	p.callers.age(window / (window + n))
	p.sum = tallies{}
	fade := fade(time.Duration(n)*intervalEvery, p.cfg.Decay)
	for i := range p.slots {
		s := &p.slots[i]
		if s.state == Gone {
			continue
		}
		p.cool(now, s, fade)
		s.evidence.age(window, n, p.cfg.PeersMin)
		p.sum.fails += s.fails // anew, so that roundings do not add up
		p.sum.expected += s.expected
		p.forgive(now, s)
		if s.state == Overloaded && now >= s.until {
			p.halfOpen(now, s)
			p.due = now
		}
	}
}

// fade is about exp(-elapsed/constant), for an elapsed time well below it.
func fade(elapsed, constant time.Duration) float32 {
	return float32(constant) / (float32(constant) + float32(max(elapsed, 0)))
}

// warm lets the shares of warming hosts grow: linearly from SlowMin to 1, as
// Envoy does with an aggression of 1.
func (p *pool) warm(now time.Duration) {
	for i := range p.slots {
		s := &p.slots[i]
		if s.state != Warming {
			continue
		}
		s.warmth = max(float32(now-s.since)/float32(p.cfg.SlowStart), float32(p.cfg.SlowMin))
		if s.warmth >= 1 || p.cfg.SlowStart < 0 {
			p.move(now, s, Idle, TimeUp, 0)
			s.warmth = 1
			p.warming--
		}
	}
	p.shares()
}

// enter begins a host's use: slowly, unless nothing else is in use.
func (p *pool) enter(now time.Duration, s *slot, why Reason, first bool) {
	if first || p.cfg.SlowStart < 0 {
		s.warmth = 1
		p.move(now, s, Idle, why, 0)
		return
	}
	s.warmth = float32(p.cfg.SlowMin)
	p.warming++
	p.wake = min(p.wake, now+warmEvery)
	p.move(now, s, Warming, why, 0)
}

// leave ends what the counts say of a host that goes out of use or away.
func (p *pool) leave(s *slot) {
	if s.state == Warming {
		p.warming--
	}
}

// Update keeps the hosts that list names and adds new ones.
func (p *pool) Update(now time.Duration, list []Host) Effects {
	p.begin(now)
	p.round++
	first, changed := p.Len() == 0, false
	for n := range list {
		if i, ok := p.index[list[n].Key()]; ok && p.slots[i].seen != p.round {
			s := &p.slots[i]
			s.seen = p.round
			changed = changed || s.host != list[n]
			s.host = list[n]
		}
	}
	for i := range p.slots {
		if s := &p.slots[i]; s.state != Gone && s.seen != p.round {
			p.remove(now, int32(i))
			changed = true
		}
	}
	e := Effects{}
	for n := range list {
		if _, ok := p.index[list[n].Key()]; ok {
			continue
		}
		if p.Len() >= p.cfg.Classic.HostsMax {
			e.Refused++
			continue
		}
		p.add(now, list[n], first)
		changed = true
	}
	if changed {
		p.rebuild(true)
	}
	return p.effects(e)
}

func (p *pool) add(now time.Duration, h Host, first bool) {
	var i int32
	if n := len(p.free); n > 0 {
		i, p.free = p.free[n-1], p.free[:n-1]
	} else {
		i = int32(len(p.slots))
		p.slots = append(p.slots, slot{})
	}
	s := &p.slots[i]
	*s = slot{addr: h.Host, host: h, seen: p.round, state: Gone, latency: p.mean}
	s.added, s.otherAt, s.lastAt = now, math.MinInt64/2, math.MinInt64/2
	p.index[h.Key()] = i
	p.enter(now, s, Added, first)
}

func (p *pool) remove(now time.Duration, i int32) {
	s := &p.slots[i]
	p.leave(s)
	p.clear(s)
	p.inFlight -= s.inFlight
	p.move(now, s, Gone, Removed, 0)
	delete(p.index, s.addr.Key())
	*s = slot{state: Gone}
	p.free = append(p.free, i)
}

// AppendStates appends the candidates, then the others.
func (p *pool) AppendStates(dst []HostState) []HostState {
	for _, picked := range [...]bool{true, false} {
		for i := range p.slots {
			if s := &p.slots[i]; s.state != Gone && s.picked == picked {
				dst = append(dst, p.readable(s))
			}
		}
	}
	return dst
}

func (p *pool) readable(s *slot) HostState {
	h := HostState{
		Host: s.host, State: s.state, Why: s.why, Since: s.since,
		Ejections: s.ejections, EjectedAt: s.ejectedAt, EjectedWhy: s.ejectedWhy,
		InFlight: s.inFlight, Latency: time.Duration(s.latency + s.penalty),
		Window: s.added, Succ: s.succ, Err: s.err,
		SuccStreak: s.succStreak, ErrStreak: s.failStreak,
		Suspect: p.suspect(s), Doubtful: s.told.doubt > 0,
	}
	if s.state == Overloaded {
		h.Until = s.until
	}
	return h
}
