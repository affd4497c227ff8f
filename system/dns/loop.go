package dns

import (
	"errors"

	"lars/reactor"
	"lars/system/route"
	"lars/system/wire"
)

// Errors that connections are closed with.
var (
	errUnsent  = errors.New("dns: no room for an answer")
	errTooSlow = errors.New("dns: subscriber takes nothing")
)

// loop is the part of the service that lives on one loop of the reactor. All of
// it, the counters apart, is used on that loop only.
type loop struct {
	s        *Service
	loop     *reactor.Loop
	subs     *route.Subscriptions[*reactor.Conn]
	snap     *route.Snapshot
	loaded   bool // snap is of the store
	request  wire.GetRouteRequest
	answers  answers
	asked    [1]route.Module // scratch
	pusher   pusher
	counters loopCounters
}

func newLoop(s *Service, rl *reactor.Loop) *loop {
	l := &loop{s: s, loop: rl, subs: route.NewSubscriptions[*reactor.Conn](s.cfg.limits())}
	l.pusher.init(l)
	return l
}

// getRoute answers one request and subscribes its connection.
func (l *loop) getRoute(q *reactor.Request) {
	l.counters.requests.Add(1)
	if err := l.request.Decode(q.Body); err != nil {
		l.counters.malformed.Add(1)
		return
	}
	m := route.Module{ModID: l.request.ModID, CmdID: l.request.CmdID}
	if !m.Valid() {
		l.counters.badModule.Add(1)
		l.send(q.Conn, m)
		return
	}
	if err := l.subs.Subscribe(q.Conn, m); err != nil {
		l.counters.refused.Add(1)
	}
	l.counters.subscriptions.Store(int64(l.subs.Len()))
	if l.loaded {
		l.send(q.Conn, m)
		return
	}
	l.counters.held.Add(1)
	l.asked[0] = m
	l.subs.Mark(l.asked[:]) // the first load answers
}

// send encodes the route in force into the connection's output. False: the
// connection is closed, since a lost answer would never be noticed.
func (l *loop) send(c *reactor.Conn, m route.Module) bool {
	a := l.answers.encode(l.snap, m)
	if a.hosts == 0 {
		l.counters.unknown.Add(1)
	}
	if a.cut {
		l.counters.cut.Add(1)
	}
	err := c.Write(wire.IDGetRouteResponse, a.body)
	if err == nil {
		return true
	}
	if !errors.Is(err, reactor.ErrClosed) {
		l.counters.unsent.Add(1)
		c.Close(errUnsent)
	}
	return false
}

// publish puts a snapshot in force and begins to push what changed.
func (l *loop) publish(next *route.Snapshot, changed []route.Module) {
	first := !l.loaded
	l.snap, l.loaded = next, true
	l.answers.forget()
	if first {
		l.pusher.add(l.s.conns.Of(l.loop)...)
	} else {
		l.pusher.add(l.subs.Mark(changed)...)
	}
	l.pusher.run()
}

func (l *loop) closed(c *reactor.Conn) {
	l.subs.Close(c)
	l.counters.subscriptions.Store(int64(l.subs.Len()))
}
