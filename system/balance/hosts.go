package balance

import (
	"time"

	"lars/system/route"
)

// host is one host of a module; within 64 bytes, a cache line.
type host struct {
	addr       route.Host
	next, prev int32         // neighbours in the ring it is on
	window     time.Duration // the original's idle_ts or overload_ts
	seen       uint32        // the last Update that named it
	rateSucc   uint32
	rateErr    uint32
	succ       uint32
	err        uint32
	succStreak uint32
	errStreak  uint32
	state      State
	badWindows uint8 // in a row
	draining   bool
}

// note is what only people want to know about a host.
type note struct {
	since      time.Duration
	ejectedAt  time.Duration
	ejections  uint32
	weight     uint32
	zone       uint16
	why        Reason
	ejectedWhy Reason
}

// hosts is a slab of hosts with an index. A host's place in the slab never
// changes while it lives; places of hosts that left are used again.
type hosts struct {
	slab  []host
	notes []note // beside slab
	free  []int32
	index map[uint64]int32
}

func (t *hosts) find(addr route.Host) (int32, bool) {
	i, ok := t.index[addr.Key()]
	return i, ok
}

// add makes a place for addr, which must not have one.
func (t *hosts) add(addr route.Host) int32 {
	var i int32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		i = int32(len(t.slab))
		t.slab, t.notes = append(t.slab, host{}), append(t.notes, note{})
	}
	t.slab[i] = host{addr: addr}
	t.index[addr.Key()] = i
	return i
}

// remove forgets the host and its address (the original forgets to: bug B7).
func (t *hosts) remove(i int32) {
	delete(t.index, t.slab[i].addr.Key())
	t.free = append(t.free, i)
}

func (t *hosts) readable(i int32) HostState {
	h, n := &t.slab[i], &t.notes[i]
	return HostState{
		Host:  Host{Host: h.addr, Weight: n.weight, Zone: n.zone, Draining: h.draining},
		State: h.state, Why: n.why, Since: n.since, Window: h.window,
		Ejections: n.ejections, EjectedAt: n.ejectedAt, EjectedWhy: n.ejectedWhy,
		Suspect: h.state.Out(), RateSucc: h.rateSucc, RateErr: h.rateErr, Succ: uint64(h.succ), Err: uint64(h.err),
		SuccStreak: h.succStreak, ErrStreak: h.errStreak,
	}
}

// ring is a circular list through a slab. head is due next; the original's
// "take the front, push it to the back" is one step of head.
type ring struct {
	head int32 // meaningful when n > 0
	n    int
}

// rotate returns the host that is due and moves on.
func (r *ring) rotate(slab []host) int32 {
	i := r.head
	r.head = slab[i].next
	return i
}

// push puts i at the back.
func (r *ring) push(slab []host, i int32) {
	h := &slab[i]
	if r.n == 0 {
		r.head, h.next, h.prev = i, i, i
	} else {
		back := slab[r.head].prev
		h.next, h.prev = r.head, back
		slab[back].next, slab[r.head].prev = i, i
	}
	r.n++
}

// remove takes i out.
func (r *ring) remove(slab []host, i int32) {
	h := &slab[i]
	slab[h.prev].next, slab[h.next].prev = h.next, h.prev
	if r.head == i {
		r.head = h.next
	}
	r.n--
}
