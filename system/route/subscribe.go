package route

import (
	"cmp"
	"errors"
	"fmt"
)

// ErrSubscriptions says that a subscription would exceed a limit.
var ErrSubscriptions = errors.New("route: too many subscriptions")

// SubscriptionLimits bounds a Subscriptions; a subscription takes about 70
// bytes.
type SubscriptionLimits struct {
	PerConnMax int // of one connection; zero means 65,536
	TotalMax   int // of all together; zero means 4,194,304
}

// Subscriptions knows which connection subscribes to which module, and what
// each still has to be told. C identifies a connection and must never be used
// for another: an id with a generation, or a pointer.
//
// A change is not queued as a message but marked on the subscription: the
// shell takes marks with Next when the connection has room and sends what is
// then the newest route. So a slow connection holds no memory, several changes
// of a module become one push, and the newest always arrives.
//
// Subscribe, Unsubscribe, Shed and Next take constant time, Close time in proportion
// to the connection's modules, Mark to the subscribers of the changed modules.
// Not safe for concurrent use: one table per loop.
type Subscriptions[C comparable] struct {
	limits SubscriptionLimits
	conns  table[C]
	mods   table[Module]
	edges  slab[edge]
	find   map[pair]int32 // edge of a connection and a module
	woken  []C
}

// pair is the place of a connection and of a module in their tables.
type pair struct{ conn, mod int32 }

// edge is one subscription, on three lists: its connection's, its module's
// and, while marked, its connection's queue of marks. Links are places in
// edges plus one; 0 ends a list.
type edge struct {
	pair
	ofConn, ofMod, marks links
	marked               bool
}

type links struct{ prev, next int32 }

// NewSubscriptions makes an empty table.
func NewSubscriptions[C comparable](limits SubscriptionLimits) *Subscriptions[C] {
	limits.PerConnMax = cmp.Or(limits.PerConnMax, 1<<16)
	limits.TotalMax = cmp.Or(limits.TotalMax, 1<<22)
	return &Subscriptions[C]{
		limits: limits,
		conns:  table[C]{at: map[C]int32{}},
		mods:   table[Module]{at: map[Module]int32{}},
		find:   map[pair]int32{},
	}
}

// Len returns the number of subscriptions.
func (s *Subscriptions[C]) Len() int { return len(s.find) }

// Subscribe makes c hear of m from now on; once is enough. The error is
// ErrSubscriptions.
func (s *Subscriptions[C]) Subscribe(c C, m Module) error {
	conn, known := s.conns.at[c]
	if known {
		if mod, ok := s.mods.at[m]; ok {
			if _, ok := s.find[pair{conn, mod}]; ok {
				return nil
			}
		}
		if s.conns.get(conn).all.n >= s.limits.PerConnMax {
			return fmt.Errorf("%w: one connection, limit %d", ErrSubscriptions, s.limits.PerConnMax)
		}
	}
	if len(s.find) >= s.limits.TotalMax {
		return fmt.Errorf("%w: all connections, limit %d", ErrSubscriptions, s.limits.TotalMax)
	}
	p := pair{s.conns.place(c), s.mods.place(m)}
	e := s.edges.add(edge{pair: p})
	s.find[p] = e
	s.conns.get(p.conn).all.push(s, e, ofConn)
	s.mods.get(p.mod).all.push(s, e, ofMod)
	return nil
}

// Unsubscribe ends a subscription, its mark included; false if there is none.
func (s *Subscriptions[C]) Unsubscribe(c C, m Module) bool {
	conn, ok := s.conns.at[c]
	if !ok {
		return false
	}
	mod, ok := s.mods.at[m]
	if !ok {
		return false
	}
	e, ok := s.find[pair{conn, mod}]
	if ok {
		s.drop(e)
	}
	return ok
}

// shedLooks bounds what Shed looks at.
const shedLooks = 16

// Shed makes room: it ends a subscription of c to a module that spare says may
// go, and of which c has nothing to be told; false if there is none among the
// next few. Those go to the end, so that another Shed looks at others.
func (s *Subscriptions[C]) Shed(c C, spare func(Module) bool) bool {
	conn, ok := s.conns.at[c]
	if !ok {
		return false
	}
	all := &s.conns.get(conn).all
	for range min(shedLooks, all.n) {
		e := all.first
		if sub := s.edges.get(e); !sub.marked && spare(s.mods.get(sub.mod).key) {
			s.drop(e)
			return true
		}
		all.remove(s, e, ofConn)
		all.push(s, e, ofConn)
	}
	return false
}

// Close ends all subscriptions of a connection and returns how many there
// were.
func (s *Subscriptions[C]) Close(c C) int {
	conn, ok := s.conns.at[c]
	if !ok {
		return 0
	}
	n := s.conns.get(conn).all.n
	for range n { // dropping the last one forgets the connection
		s.drop(s.conns.get(conn).all.first)
	}
	return n
}

// Mark notes that the modules have changed and returns the connections that
// have something to be told and had nothing before, each once: wake them. The
// slice is valid until the next Mark.
func (s *Subscriptions[C]) Mark(changed []Module) []C {
	s.woken = s.woken[:0]
	for _, m := range changed {
		mod, ok := s.mods.at[m]
		if !ok {
			continue
		}
		for e := s.mods.get(mod).all.first; e != 0; e = s.edges.get(e).ofMod.next {
			s.mark(e)
		}
	}
	return s.woken
}

func (s *Subscriptions[C]) mark(e int32) {
	sub := s.edges.get(e)
	if sub.marked {
		return
	}
	sub.marked = true
	c := s.conns.get(sub.conn)
	if c.marked.n == 0 {
		s.woken = append(s.woken, c.key)
	}
	c.marked.push(s, e, marks)
}

// Next takes the module that has waited longest to be told to c; false when
// there is none. Send the route that is now in force.
func (s *Subscriptions[C]) Next(c C) (Module, bool) {
	conn, ok := s.conns.at[c]
	if !ok || s.conns.get(conn).marked.n == 0 {
		return Module{}, false
	}
	e := s.conns.get(conn).marked.first
	s.unmark(e)
	return s.mods.get(s.edges.get(e).mod).key, true
}

func (s *Subscriptions[C]) unmark(e int32) {
	sub := s.edges.get(e)
	if sub.marked {
		sub.marked = false
		s.conns.get(sub.conn).marked.remove(s, e, marks)
	}
}

// drop ends the subscription at e and forgets a connection or a module that
// has no other.
func (s *Subscriptions[C]) drop(e int32) {
	s.unmark(e)
	p := s.edges.get(e).pair
	conn, mod := s.conns.get(p.conn), s.mods.get(p.mod)
	conn.all.remove(s, e, ofConn)
	mod.all.remove(s, e, ofMod)
	delete(s.find, p)
	s.edges.remove(e)
	if conn.all.n == 0 {
		s.conns.remove(p.conn)
	}
	if mod.all.n == 0 {
		s.mods.remove(p.mod)
	}
}

// which selects one of an edge's three pairs of links.
type which uint8

const (
	ofConn which = iota
	ofMod
	marks
)

func (s *Subscriptions[C]) links(e int32, w which) *links {
	sub := s.edges.get(e)
	switch w {
	case ofConn:
		return &sub.ofConn
	case ofMod:
		return &sub.ofMod
	}
	return &sub.marks
}
