package balance

import (
	"time"

	"lars/system/route"
)

// classic is the algorithm of the original C++ Lars (its load_balance.cpp), and
// with elb set that of its ancestor Easy-Load-Balancer. Picks and reports take
// constant time and allocate nothing. Departures beside the mended bugs: time
// counts in nanoseconds, not in whole seconds of the wall clock; a host that
// drains is in neither list, unless all hosts drain. Weights, zones, callers
// and hints do not matter to it.
//
// What elb does differently: a failed call counts as one error for each 100 ms
// that it took, at most 50; the window rule wants WindowErrLimit bad windows in
// a row; the count of picks between probes starts anew whenever no host is
// overloaded; and the shipped numbers, see Config.
type classic struct {
	cfg      Config
	elb      bool
	hosts    hosts
	idle     ring
	overload ring
	drained  ring   // whatever their state
	access   int    // picks since the last probe: the original's _access_cnt
	round    uint32 // number of the last Update
	changes  []Change
}

func newClassic(cfg Config) *classic {
	return &classic{cfg: cfg.resolve(), hosts: hosts{index: map[uint64]int32{}}}
}

func newELB(cfg Config) *classic {
	return &classic{cfg: cfg.elb().resolve(), elb: true, hosts: hosts{index: map[uint64]int32{}}}
}

// Len returns how many hosts there are.
func (b *classic) Len() int { return b.idle.n + b.overload.n + b.drained.n }

// Pick takes the idle host that is due. While some host is overloaded, every
// pick after ProbeNum others takes an overloaded one instead; with no idle
// host those others are refused.
func (b *classic) Pick(_ time.Duration, _ Ask) Choice {
	switch {
	case b.overload.n == 0 && b.idle.n == 0:
		if b.drained.n > 0 {
			return b.choose(&b.drained)
		}
		return Choice{}
	case b.overload.n == 0:
		if b.elb {
			b.access = 0 // the original of this variant leaves it as it is
		}
		return b.choose(&b.idle)
	case b.access >= b.cfg.ProbeNum:
		b.access = 0
		return b.choose(&b.overload)
	}
	b.access++
	if b.idle.n == 0 {
		return Choice{Verdict: Overload}
	}
	return b.choose(&b.idle)
}

func (b *classic) choose(from *ring) Choice {
	h := &b.hosts.slab[from.rotate(b.hosts.slab)]
	return Choice{Host: h.addr, Verdict: Picked, Probe: h.state == Overloaded}
}

// Report counts a call and moves the host between the lists when a threshold
// is passed. Windows and timeouts are looked at here alone: without reports
// for a host nothing about it changes.
func (b *classic) Report(now time.Duration, r Result) Effects {
	b.changes = b.changes[:0]
	i, ok := b.hosts.find(r.Host)
	if !ok {
		return Effects{Unknown: true}
	}
	h := &b.hosts.slab[i]
	h.count(b.errors(r))
	if to, why, move := b.judge(h, r.Outcome != OK); move {
		b.move(now, i, to, why)
	} else {
		b.expire(now, i)
	}
	return Effects{Changes: b.changes}
}

// errors is how many errors a call counts as.
func (b *classic) errors(r Result) uint32 {
	if r.Outcome == OK {
		return 0
	}
	if b.elb {
		return uint32(min(max(r.Latency/(100*time.Millisecond), 1), 50))
	}
	return 1
}

func (h *host) count(errors uint32) {
	if errors > 0 {
		h.rateErr += errors
		h.err += errors
		h.errStreak += errors
		h.succStreak = 0
		return
	}
	h.rateSucc++
	h.succ++
	h.succStreak++
	h.errStreak = 0
}

// judge looks at the rates and streaks after one more call.
func (b *classic) judge(h *host, failed bool) (to State, why Reason, move bool) {
	calls := float64(h.rateSucc) + float64(h.rateErr)
	switch {
	case h.state == Idle && failed:
		if float64(h.rateErr)/calls > float64(b.cfg.ErrRate) {
			return Overloaded, ErrorRate, true
		}
		if h.errStreak >= uint32(b.cfg.ContinErrLimit) {
			return Overloaded, ErrorStreak, true
		}
	case h.state == Overloaded && !failed:
		if float64(h.rateSucc)/calls > float64(b.cfg.SuccRate) {
			return Idle, SuccessRate, true
		}
		if h.succStreak >= uint32(b.cfg.ContinSuccLimit) {
			return Idle, SuccessStreak, true
		}
	}
	return h.state, 0, false
}

// expire ends an idle host's window, or an overloaded host's time.
func (b *classic) expire(now time.Duration, i int32) {
	h := &b.hosts.slab[i]
	switch {
	case h.state == Overloaded && now-h.window >= b.cfg.OverloadTimeout:
		b.move(now, i, Idle, OverloadTimeout)
	case h.state == Idle && now-h.window >= b.cfg.IdleTimeout:
		if !b.badWindow(h) {
			h.badWindows = 0
		} else if h.badWindows++; int(h.badWindows) >= b.cfg.WindowErrLimit {
			b.move(now, i, Overloaded, WindowErrors)
			return
		}
		b.open(h, now)
	}
}

func (b *classic) badWindow(h *host) bool {
	calls := float64(h.succ) + float64(h.err)
	return calls > 0 && float64(h.err)/calls >= float64(b.cfg.WindowErrRate)
}

// move puts a host at the back of the other list.
func (b *classic) move(now time.Duration, i int32, to State, why Reason) {
	h, n := &b.hosts.slab[i], &b.hosts.notes[i]
	b.ring(h).remove(b.hosts.slab, i)
	b.changes = append(b.changes, Change{Host: h.addr, From: h.state, To: to, Why: why, At: now})
	h.state, h.badWindows, n.why, n.since = to, 0, why, now
	if to == Overloaded {
		n.ejections++
		n.ejectedAt, n.ejectedWhy = now, why
	}
	b.open(h, now)
	b.ring(h).push(b.hosts.slab, i)
}

// open begins a window: the original's set_idle and set_overload.
func (b *classic) open(h *host, now time.Duration) {
	h.window = now
	h.rateSucc, h.rateErr = uint32(b.cfg.InitSuccCnt), 0
	if h.state == Overloaded {
		h.rateSucc, h.rateErr = 0, uint32(b.cfg.InitErrCnt)
	}
	h.succ, h.err, h.succStreak, h.errStreak = 0, 0, 0, 0
}

// ring is the one that a host belongs on.
func (b *classic) ring(h *host) *ring {
	switch {
	case h.draining:
		return &b.drained
	case h.state == Overloaded:
		return &b.overload
	}
	return &b.idle
}

// Update removes the hosts that list does not name and puts new ones at the
// back of the idle list, in the order of list.
func (b *classic) Update(now time.Duration, list []Host) Effects {
	b.changes = b.changes[:0]
	b.round++
	for _, l := range list {
		if i, ok := b.hosts.find(l.Host); ok && b.hosts.slab[i].seen != b.round {
			b.hosts.slab[i].seen = b.round
			b.note(i, l)
		}
	}
	b.sweep(now, &b.idle)
	b.sweep(now, &b.overload)
	b.sweep(now, &b.drained)
	e := Effects{}
	for _, l := range list {
		if _, ok := b.hosts.find(l.Host); ok {
			continue
		}
		if b.Len() >= b.cfg.HostsMax {
			e.Refused++
			continue
		}
		b.add(now, l)
	}
	e.Changes = b.changes
	return e
}

// note takes in what the route says about a host besides its address.
func (b *classic) note(i int32, l Host) {
	h, n := &b.hosts.slab[i], &b.hosts.notes[i]
	n.weight, n.zone = l.Weight, l.Zone
	if h.draining != l.Draining {
		b.ring(h).remove(b.hosts.slab, i)
		h.draining = l.Draining
		b.ring(h).push(b.hosts.slab, i)
	}
}

// sweep removes the hosts of a ring that this round's Update did not name.
func (b *classic) sweep(now time.Duration, r *ring) {
	i := r.head
	for n := r.n; n > 0; n-- {
		h := &b.hosts.slab[i]
		following := h.next
		if h.seen != b.round {
			r.remove(b.hosts.slab, i)
			b.hosts.remove(i)
			b.changes = append(b.changes, Change{Host: h.addr, From: h.state, To: Gone, Why: Removed, At: now})
		}
		i = following
	}
}

func (b *classic) add(now time.Duration, l Host) {
	i := b.hosts.add(l.Host)
	h := &b.hosts.slab[i]
	h.seen, h.draining = b.round, l.Draining
	b.hosts.notes[i] = note{since: now, weight: l.Weight, zone: l.Zone}
	b.open(h, now) // the window begins now; in the original at no time (bug B8)
	b.ring(h).push(b.hosts.slab, i)
	b.changes = append(b.changes, Change{Host: l.Host, From: Gone, To: Idle, Why: Added, At: now})
}

// Tick does nothing: this algorithm acts on reports alone.
func (b *classic) Tick(time.Duration) Effects { return Effects{} }

// Hint does nothing: agents of the original do not talk to each other.
func (b *classic) Hint(time.Duration, route.Host, uint32, uint32) bool { return false }

// AppendStates appends idle hosts, then overloaded ones: the order in which
// the original's agent reports them. Those that drain are last.
func (b *classic) AppendStates(dst []HostState) []HostState {
	for _, r := range [...]ring{b.idle, b.overload, b.drained} {
		i := r.head
		for range r.n {
			dst = append(dst, b.hosts.readable(i))
			i = b.hosts.slab[i].next
		}
	}
	return dst
}
