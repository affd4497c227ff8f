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
	snap     *route.Snapshot
	loaded   bool // snap is of the store
	request  wire.GetRouteRequest
	answers  answers
	asked    [1]route.Module // scratch
	routes   pusher
	hints    pusher // to those that asked for them
	hinted   map[route.Module]*hints
	counters loopCounters
}

func newLoop(s *Service, rl *reactor.Loop) *loop {
	l := &loop{s: s, loop: rl}
	l.routes.init(l, l.sendRoute, &l.counters.pushes)
	l.hints.init(l, l.sendHints, &l.counters.hintPushes)
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
		l.sendRoute(q.Conn, m)
		return
	}
	l.subscribe(&l.routes, q.Conn, m)
	if l.request.Hints {
		l.subscribe(&l.hints, q.Conn, m)
	} else {
		l.hints.subs.Unsubscribe(q.Conn, m)
	}
	l.countSubscriptions()
	if l.loaded {
		l.sendRoute(q.Conn, m)
		return
	}
	l.counters.held.Add(1)
	l.asked[0] = m
	l.routes.subs.Mark(l.asked[:]) // the first load answers
}

// subscribe gives up a subscription to a module without hosts for a new one that
// finds no room: agents forget the modules that do not exist, and never say so.
func (l *loop) subscribe(p *pusher, c *reactor.Conn, m route.Module) {
	err := p.subs.Subscribe(c, m)
	if err != nil && l.loaded && p.subs.Shed(c, l.empty) {
		err = p.subs.Subscribe(c, m)
	}
	if err != nil {
		l.counters.refused.Add(1)
	}
}

func (l *loop) empty(m route.Module) bool { return len(l.snap.Lookup(m)) == 0 }

func (l *loop) countSubscriptions() {
	l.counters.subscriptions.Store(int64(l.routes.subs.Len()))
	l.counters.hintSubscriptions.Store(int64(l.hints.subs.Len()))
}

// sendRoute encodes the route in force into the connection's output. False: the
// connection is closed, since a lost answer would never be noticed.
func (l *loop) sendRoute(c *reactor.Conn, m route.Module) bool {
	a := l.answers.encode(l.snap, m)
	if a.hosts == 0 {
		l.counters.unknown.Add(1)
	}
	if a.cut {
		l.counters.cut.Add(1)
	}
	return l.send(c, wire.IDGetRouteResponse, a.body)
}

func (l *loop) send(c *reactor.Conn, id int32, body []byte) bool {
	err := c.Write(id, body)
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
		l.routes.add(l.s.conns.Of(l.loop)...)
	}
	l.routes.mark(changed)
}

func (l *loop) closed(c *reactor.Conn) {
	l.routes.subs.Close(c)
	l.hints.subs.Close(c)
	l.countSubscriptions()
}
