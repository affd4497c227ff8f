package balance

import (
	"time"

	"lars/system/route"
)

// Lars is the algorithm of the original C++ Lars (its load_balance.cpp). Picks
// and reports take constant time and allocate nothing. Its one deliberate
// difference beside the mended bugs: time counts in nanoseconds, not in whole
// seconds of the wall clock.
type Lars struct {
	cfg      Config
	hosts    hosts
	idle     ring
	overload ring
	access   int    // picks since the last probe: the original's _access_cnt
	round    uint32 // number of the last Update
	changes  []Change
}

var _ Balancer = (*Lars)(nil)

// New makes a balancer without hosts. The error says which field of cfg has no
// meaning.
func New(cfg Config) (*Lars, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	return &Lars{cfg: cfg, hosts: hosts{index: map[uint64]int32{}}}, nil
}

// Len returns how many hosts there are.
func (b *Lars) Len() int { return b.idle.n + b.overload.n }

// Pick takes the idle host that is due. While some host is overloaded, every
// pick after ProbeNum others takes an overloaded one instead; with no idle
// host those others are refused. key is ignored.
func (b *Lars) Pick(_ time.Duration, _ uint64) Choice {
	switch {
	case b.overload.n == 0 && b.idle.n == 0:
		return Choice{}
	case b.overload.n == 0:
		return b.choose(&b.idle, false) // access stays as it is, as in the original
	case b.access >= b.cfg.ProbeNum:
		b.access = 0
		return b.choose(&b.overload, true)
	}
	b.access++
	if b.idle.n == 0 {
		return Choice{Verdict: Overload}
	}
	return b.choose(&b.idle, false)
}

func (b *Lars) choose(from *ring, probe bool) Choice {
	i := from.rotate(b.hosts.slab)
	return Choice{Host: b.hosts.slab[i].addr, Verdict: Picked, Probe: probe}
}

// Report counts a call and moves the host between the lists when a threshold
// is passed. Windows and timeouts are looked at here alone: without reports
// for a host nothing about it changes.
func (b *Lars) Report(now time.Duration, r Result) Effects {
	b.changes = b.changes[:0]
	i, ok := b.hosts.find(r.Host)
	if !ok {
		return Effects{Unknown: true}
	}
	h := &b.hosts.slab[i]
	h.count(r.Failed)
	if to, why, move := b.judge(h, r.Failed); move {
		b.move(now, i, to, why)
	} else {
		b.expire(now, i)
	}
	return Effects{Changes: b.changes}
}

func (h *host) count(failed bool) {
	if failed {
		h.rateErr++
		h.err++
		h.errStreak++
		h.succStreak = 0
		return
	}
	h.rateSucc++
	h.succ++
	h.succStreak++
	h.errStreak = 0
}

// judge looks at the rates and streaks after one more call.
func (b *Lars) judge(h *host, failed bool) (to State, why Reason, move bool) {
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
	return h.state, h.why, false
}

// expire ends an idle host's window, or an overloaded host's time.
func (b *Lars) expire(now time.Duration, i int32) {
	h := &b.hosts.slab[i]
	switch {
	case h.state == Overloaded && now-h.window >= b.cfg.OverloadTimeout:
		b.move(now, i, Idle, OverloadTimeout)
	case h.state == Idle && now-h.window >= b.cfg.IdleTimeout:
		if b.badWindow(h) {
			b.move(now, i, Overloaded, WindowErrors)
		} else {
			b.open(h, now)
		}
	}
}

func (b *Lars) badWindow(h *host) bool {
	calls := float64(h.succ) + float64(h.err)
	return calls > 0 && float64(h.err)/calls >= float64(b.cfg.WindowErrRate)
}

// move puts a host at the back of the other list.
func (b *Lars) move(now time.Duration, i int32, to State, why Reason) {
	h := &b.hosts.slab[i]
	b.ring(h.state).remove(b.hosts.slab, i)
	h.state, h.why, h.since = to, why, now
	b.open(h, now)
	b.ring(to).push(b.hosts.slab, i)
	b.changes = append(b.changes, Change{Host: h.addr, To: to, Why: why, At: now})
}

// open begins a window: the original's set_idle and set_overload.
func (b *Lars) open(h *host, now time.Duration) {
	h.window = now
	h.rateSucc, h.rateErr = uint32(b.cfg.InitSuccCnt), 0
	if h.state == Overloaded {
		h.rateSucc, h.rateErr = 0, uint32(b.cfg.InitErrCnt)
	}
	h.succ, h.err, h.succStreak, h.errStreak = 0, 0, 0, 0
}

func (b *Lars) ring(s State) *ring {
	if s == Overloaded {
		return &b.overload
	}
	return &b.idle
}

// Update removes the hosts that list does not name and puts new ones at the
// back of the idle list, in the order of list.
func (b *Lars) Update(now time.Duration, list []route.Host) Effects {
	b.changes = b.changes[:0]
	b.round++
	for _, addr := range list {
		if i, ok := b.hosts.find(addr); ok {
			b.hosts.slab[i].seen = b.round
		}
	}
	b.sweep(now, &b.idle)
	b.sweep(now, &b.overload)
	e := Effects{}
	for _, addr := range list {
		if _, ok := b.hosts.find(addr); ok {
			continue
		}
		if b.Len() >= b.cfg.HostsMax {
			e.Refused++
			continue
		}
		b.add(now, addr)
	}
	e.Changes = b.changes
	return e
}

// sweep removes the hosts of a ring that this round's Update did not name.
func (b *Lars) sweep(now time.Duration, r *ring) {
	i := r.head
	for n := r.n; n > 0; n-- {
		h := &b.hosts.slab[i]
		following := h.next
		if h.seen != b.round {
			r.remove(b.hosts.slab, i)
			b.hosts.remove(i)
			b.changes = append(b.changes, Change{Host: h.addr, To: Gone, Why: Removed, At: now})
		}
		i = following
	}
}

func (b *Lars) add(now time.Duration, addr route.Host) {
	i := b.hosts.add(addr)
	h := &b.hosts.slab[i]
	h.seen, h.since = b.round, now
	b.open(h, now) // the window begins now; in the original at no time (bug B8)
	b.idle.push(b.hosts.slab, i)
	b.changes = append(b.changes, Change{Host: addr, To: Idle, Why: Added, At: now})
}

// Tick does nothing: this algorithm acts on reports alone.
func (b *Lars) Tick(time.Duration) Effects { return Effects{} }

// AppendStates appends idle hosts, then overloaded ones: the order in which
// the original's agent reports them.
func (b *Lars) AppendStates(dst []HostState) []HostState {
	for _, r := range [...]ring{b.idle, b.overload} {
		i := r.head
		for range r.n {
			h := &b.hosts.slab[i]
			dst = append(dst, h.readable())
			i = h.next
		}
	}
	return dst
}

func (h *host) readable() HostState {
	return HostState{
		Host: h.addr, State: h.state, Why: h.why, Since: h.since, Window: h.window,
		RateSucc: h.rateSucc, RateErr: h.rateErr, Succ: h.succ, Err: h.err,
		SuccStreak: h.succStreak, ErrStreak: h.errStreak,
	}
}
