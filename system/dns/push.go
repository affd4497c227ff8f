package dns

import (
	"sync/atomic"
	"time"

	"lars/reactor"
	"lars/system/route"
)

const (
	// pushBytesHigh is the unsent output above which a subscriber waits.
	pushBytesHigh = 64 << 10
	// pushesPerTurn bounds what is pushed before the loop sees to requests.
	pushesPerTurn = 512
	// retryEvery is how often those that wait are looked at.
	retryEvery = 20 * time.Millisecond
)

// pusher tells subscribers what is marked for them. A connection with marks is
// in ready or in waiting, once.
type pusher struct {
	l       *loop
	subs    *route.Subscriptions[*reactor.Conn]
	send    func(c *reactor.Conn, m route.Module) bool // what is in force; false: c is closed
	pushes  *atomic.Uint64
	ready   []*reactor.Conn // ready[first:]
	first   int
	waiting []waiter
	again   func() // run, made once
	look    func() // retry, made once
	posted  bool   // again is
	timed   bool   // look is
}

// waiter is a subscriber whose output has to drain first.
type waiter struct {
	conn  *reactor.Conn
	left  int           // of its output when that last changed
	since time.Duration // when that was
}

func (p *pusher) init(l *loop, send func(*reactor.Conn, route.Module) bool, pushes *atomic.Uint64) {
	p.l, p.send, p.pushes = l, send, pushes
	p.subs = route.NewSubscriptions[*reactor.Conn](l.s.cfg.limits())
	p.again = func() {
		p.posted = false
		p.run()
	}
	p.look = func() {
		p.timed = false
		p.retry()
	}
}

// mark has the modules told to their subscribers.
func (p *pusher) mark(modules []route.Module) {
	p.add(p.subs.Mark(modules)...)
	p.run()
}

func (p *pusher) add(conns ...*reactor.Conn) { p.ready = append(p.ready, conns...) }

// run pushes for one turn and asks for another if something is left.
func (p *pusher) run() {
	for budget := pushesPerTurn; budget > 0 && p.first < len(p.ready); {
		budget -= p.push(p.ready[p.first], budget)
	}
	if p.first*2 >= len(p.ready) {
		n := copy(p.ready, p.ready[p.first:])
		clear(p.ready[n:])
		p.ready, p.first = p.ready[:n], 0
	}
	if len(p.ready) > 0 && !p.posted {
		p.posted = p.l.loop.Post(p.again)
	}
}

// push sends to the first ready connection what is marked for it, at most
// budget messages, and returns how many it spent, at least one. The connection
// stays first when more is left.
func (p *pusher) push(c *reactor.Conn, budget int) (spent int) {
	for spent < budget {
		if full(c) {
			p.wait(c)
			break
		}
		m, ok := p.subs.Next(c)
		if !ok || !p.send(c, m) {
			break
		}
		p.pushes.Add(1)
		spent++
	}
	c.Flush()
	if spent < budget {
		p.ready[p.first] = nil
		p.first++
	}
	return max(spent, 1)
}

// full reports whether the connection has no room even after a flush.
func full(c *reactor.Conn) bool {
	if c.Closed() || c.Buffered() <= pushBytesHigh {
		return false
	}
	c.Flush()
	return c.Buffered() > pushBytesHigh
}

func (p *pusher) wait(c *reactor.Conn) {
	p.l.counters.deferred.Add(1)
	p.waiting = append(p.waiting, waiter{c, c.Buffered(), p.l.loop.Now()})
	p.arm()
}

func (p *pusher) arm() {
	if !p.timed && len(p.waiting) > 0 {
		p.timed = true
		p.l.loop.After(retryEvery, p.look)
	}
}

// retry moves those that have room again to ready, and closes those that took
// nothing for long.
func (p *pusher) retry() {
	now, kept := p.l.loop.Now(), p.waiting[:0]
	for _, w := range p.waiting {
		if w.conn.Closed() {
			continue
		}
		switch left := w.conn.Buffered(); {
		case left <= pushBytesHigh:
			p.add(w.conn)
		case left != w.left: // more only until its requests are paused too
			kept = append(kept, waiter{w.conn, left, now})
		case now-w.since > p.l.s.cfg.SlowTimeout:
			p.l.counters.slow.Add(1)
			w.conn.Close(errTooSlow)
		default:
			kept = append(kept, w)
		}
	}
	clear(p.waiting[len(kept):])
	p.waiting = kept
	p.arm()
	p.run()
}
