package reactor

import (
	"sync/atomic"
	"time"

	"lars/reactor/driver"
)

// A Loop runs handlers, hooks, tasks and timers one at a time.
type Loop struct {
	r     *Reactor
	d     driver.Loop
	index int
	mail  mailbox

	// Only on the loop.
	conns connList // live ones
	req   Request  // lent to handlers
	// packetReq is the same for datagrams, so that neither kind has to clear
	// the other's fields.
	packetReq Request
	sweep     sweeper
	out       uint64 // messages sent in this callback
	outLen    int    // bytes of them

	counters counters
}

func newLoop(r *Reactor, d driver.Loop, index int) *Loop {
	l := &Loop{r: r, d: d, index: index}
	l.mail.loop = l
	l.mail.drain = l.mail.deliver
	l.req.loop, l.packetReq.loop = l, l
	l.sweep.loop = l
	return l
}

// Index of the loop in Reactor.Loops.
func (l *Loop) Index() int { return l.index }

// Now is the time since the reactor opened, read once per batch of events and
// never going back. Only on the loop.
func (l *Loop) Now() time.Duration { return l.d.Now() }

// Post runs f on the loop soon. Functions posted by one goroutine run in its
// order. It reports false, and f never runs, once the reactor is closed. What
// waits has no limit, so that a stop or a Shut never fails; whoever posts as fast
// as others ask bounds it himself, or uses Send or Offload, which do. After, Every
// and Conn.Shut are posts too.
func (l *Loop) Post(f func()) bool { return l.d.Post(f) }

// delayMax stands for any longer delay: 73 years, which can be added to a time
// without overflow.
const delayMax = time.Duration(1 << 61)

// A Timer is a task that waits for its time.
type Timer struct {
	loop    *Loop
	stopped atomic.Bool
	cancel  func() // of the driver's timer; only on the loop
}

// After runs f on the loop once d has passed (resolution one millisecond).
func (l *Loop) After(d time.Duration, f func()) *Timer {
	d = min(d, delayMax)
	t := &Timer{loop: l}
	l.Post(func() {
		t.arm(d, func() {
			t.stopped.Store(true)
			f()
		})
	})
	return t
}

// Every runs f on the loop once per interval d, first after d. Intervals that
// were missed, because the loop was busy, are skipped, not made up for.
func (l *Loop) Every(d time.Duration, f func()) *Timer {
	d = min(max(d, time.Millisecond), delayMax)
	t := &Timer{loop: l}
	var due time.Duration
	var tick func()
	tick = func() {
		f()
		if now := l.d.Now(); due+d <= now {
			due += (now - due) / d * d
		}
		due += d
		t.arm(due-l.d.Now(), tick)
	}
	l.Post(func() {
		due = l.d.Now() + d
		t.arm(d, tick)
	})
	return t
}

// arm sets the driver's timer. Only on the loop.
func (t *Timer) arm(d time.Duration, f func()) {
	if t.stopped.Load() {
		return
	}
	t.cancel = t.loop.d.After(d, func() {
		if !t.stopped.Load() {
			f()
		}
	})
}

// Stop prevents the timer from running again. On the timer's loop it is
// certain not to run afterwards; elsewhere it may be running meanwhile.
func (t *Timer) Stop() {
	if t.stopped.Swap(true) {
		return
	}
	t.loop.Post(func() {
		if t.cancel != nil {
			t.cancel()
		}
	})
}

// Offload runs work on the reactor's bounded pool of workers and then done on
// this loop. When too much work waits already it returns ErrBusy, which is
// counted, and ErrReactorClosed during and after a shutdown; neither is run
// then. done may be nil; it does not run once the reactor is closed. A
// connection that done uses may be gone by then, if only because its peer closed
// its sending half (see Endpoint.OnClose): its methods then return ErrClosed.
func (l *Loop) Offload(work, done func()) error {
	if v, ok := l.d.(driver.Offloader); ok {
		if l.r.closing.Load() || !v.Offload(work, done) {
			return ErrReactorClosed
		}
		return nil
	}
	err := l.r.workers.submit(func() {
		work()
		if done != nil {
			l.Post(done)
		}
	})
	if err == ErrBusy {
		l.counters.add(KindWorkersBusy)
	}
	return err
}

func (l *Loop) addConn(c *Conn) {
	l.conns.add(c)
	l.r.live.Add(1)
}

func (l *Loop) removeConn(c *Conn) {
	l.sweep.forget(c)
	l.conns.remove(c)
	l.r.live.Add(-1)
	l.r.checkDrained()
}

// connList is the live connections of a loop: a list through the connections
// themselves, which grows and shrinks without memory of its own.
type connList struct {
	head *Conn
	len  int
}

func (l *connList) add(c *Conn) {
	if c.next = l.head; c.next != nil {
		c.next.prev = c
	}
	l.head = c
	l.len++
}

func (l *connList) remove(c *Conn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.head = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.next, c.prev = nil, nil
	l.len--
}
