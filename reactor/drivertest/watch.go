package drivertest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"lars/reactor/driver"
)

// An engine is one of the driver's, under watch.
type engine struct {
	e      *env
	eng    driver.Engine
	start  time.Time // before it was opened
	loops  []*loop
	closed atomic.Bool // Close has returned nil
}

func newEngine(e *env, eng driver.Engine, start time.Time) *engine {
	en := &engine{e: e, eng: eng, start: start}
	for i, l := range eng.Loops() {
		if l.Index() != i {
			e.errorf("loop %d says its index is %d", i, l.Index())
		}
		en.loops = append(en.loops, &loop{Loop: l, en: en})
	}
	return en
}

// close closes the engine within the patience of the case. No callback may run
// once it has returned.
func (en *engine) close() {
	if en.closed.Load() {
		return
	}
	ctx, cancel := en.e.within()
	defer cancel()
	if err := en.closeWith(ctx); err != nil {
		en.e.errorf("Engine.Close: %v", err)
		return
	}
	en.closed.Store(true)
}

// closeWith is Engine.Close for a driver that may ignore the context.
func (en *engine) closeWith(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- en.eng.Close(ctx) }()
	select {
	case err := <-done:
		return err
	case <-time.After(2 * en.e.patience):
		return errors.New("Close did not return although its context had ended")
	}
}

// loopOf finds the watch of a driver's loop.
func (en *engine) loopOf(l driver.Loop) *loop {
	if l != nil && l.Index() >= 0 && l.Index() < len(en.loops) && en.loops[l.Index()].Loop == l {
		return en.loops[l.Index()]
	}
	en.e.errorf("a connection is on a loop that is not of its engine")
	return en.loops[0]
}

// A loop is one of the driver's, under watch.
type loop struct {
	driver.Loop
	en   *engine
	busy atomic.Pointer[string] // the callback that runs
	last time.Duration          // latest Now; on the loop
}

// run runs a callback of the loop and fails the case when another one runs.
func (l *loop) run(what string, f func()) {
	e := l.en.e
	if l.en.closed.Load() {
		e.errorf("%s was called after Engine.Close had returned", what)
		return
	}
	if !l.busy.CompareAndSwap(nil, &what) {
		e.errorf("%s was called while another callback of the same loop ran", what)
		return // what it shares with the other one cannot be touched
	}
	l.checkNow(what)
	f()
	l.busy.Store(nil)
}

// checkNow asserts that the loop's clock never goes back and is never ahead.
func (l *loop) checkNow(what string) {
	now := l.Now()
	if now < l.last || now < 0 {
		l.en.e.errorf("in %s: Now went back from %v to %v", what, l.last, now)
	}
	if real := time.Since(l.en.start); now > real {
		l.en.e.errorf("in %s: Now is %v, but only %v have passed since before Open", what, now, real)
	}
	l.last = now
}

// post is Post under watch.
func (l *loop) post(f func()) bool {
	return l.Post(func() { l.run("a posted function", f) })
}

// after is After under watch.
func (l *loop) after(d time.Duration, f func()) (cancel func()) {
	return l.After(d, func() { l.run("a timer", f) })
}

// do runs f on the loop and returns when it has run. Only on the case's own
// goroutine.
func (l *loop) do(f func()) {
	e := l.en.e
	e.Helper()
	done := false
	if !l.post(func() { f(); e.note(func() { done = true }) }) {
		e.fatalf("Post reported false on an open engine")
	}
	e.await("a posted function runs", func() bool { return done })
}

// A gate holds a loop in a callback.
type gate struct {
	open chan struct{}
	once sync.Once
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// Close releases the gate when the case ends, however it ends.
func (g *gate) Close() error {
	g.release()
	return nil
}

// hold keeps the loop in a callback until the gate is released, and returns
// when it is there.
func (l *loop) hold() *gate {
	e := l.en.e
	e.Helper()
	g, held := &gate{open: make(chan struct{})}, false
	e.keep(g)
	l.post(func() {
		e.note(func() { held = true })
		<-g.open
	})
	e.await("the loop is held", func() bool { return held })
	return g
}

// hooks are what a case does on a connection; absent ones do nothing, and
// input is then consumed. They run on the connection's loop.
type hooks struct {
	opened   func(c *conn)
	refuse   bool // the Opener returns nil
	received func(c *conn, view []byte) int
	drained  func(c *conn)
	closed   func(c *conn, err error)
}

// A conn is one connection of the driver, under watch: a driver.Handler to the
// driver, a driver.Conn to the case.
type conn struct {
	driver.Conn
	h    hooks
	opts driver.ConnOptions
	loop *loop
	en   *engine

	// On the loop.
	paused, closing, resumed bool
	left                     []byte // unconsumed bytes that were shown

	// Under env.mu.
	receivedBytes int // consumed
	shownBytes    int // consumed or shown
	drains        int
	isClosed      bool
	err           error
}

// opener makes an Opener whose connections are under watch and are given to
// add, on their loop, before their hooks.
func (en *engine) opener(o driver.ConnOptions, h hooks, add func(c *conn)) driver.Opener {
	return func(dc driver.Conn) (handler driver.Handler) {
		c := &conn{Conn: dc, h: h, opts: o.WithDefaults(), en: en, loop: en.loopOf(dc.Loop())}
		c.loop.run("an Opener", func() {
			if h.opened != nil {
				h.opened(c)
			}
			if h.refuse {
				c.closing = true
			} else {
				handler = c
			}
			en.e.note(func() { add(c) })
		})
		return handler
	}
}

func (c *conn) Received(view []byte) (consumed int) {
	c.loop.run("Received", func() {
		c.checkView(view)
		consumed = len(view)
		if c.h.received != nil {
			consumed = c.h.received(c, view)
		}
		c.left = append(c.left[:0], view[consumed:]...)
		c.en.e.note(func() {
			c.shownBytes = c.receivedBytes + len(view)
			c.receivedBytes += consumed
		})
	})
	return consumed
}

// viewSlackBytes is how far a view may be over InputBytesMax: the limit is on
// what a handler leaves, and what one read of a loop brings comes on top.
const viewSlackBytes = 1 << 20

// checkView asserts what every view must be.
func (c *conn) checkView(view []byte) {
	e := c.en.e
	resumed := c.resumed
	c.resumed = false
	switch {
	case c.isOver():
		e.errorf("Received was called after Closed")
	case c.closing:
		e.errorf("Received was called after Close")
	case c.paused:
		e.errorf("Received was called on a paused connection")
	case len(view) == 0:
		e.errorf("Received was called without input")
	case len(view) > c.opts.InputBytesMax+viewSlackBytes:
		e.errorf("a view has %d bytes, InputBytesMax is %d", len(view), c.opts.InputBytesMax)
	case len(view) < len(c.left) || string(view[:len(c.left)]) != string(c.left):
		e.errorf("%d unconsumed bytes were not shown again unchanged; the view has %d", len(c.left), len(view))
	case len(view) == len(c.left) && !resumed:
		e.errorf("%d unconsumed bytes were shown again without new ones or Resume", len(c.left))
	}
}

func (c *conn) Drained() {
	c.loop.run("Drained", func() {
		if c.isOver() {
			c.en.e.errorf("Drained was called after Closed")
		}
		c.en.e.note(func() { c.drains++ })
		if c.h.drained != nil {
			c.h.drained(c)
		}
	})
}

func (c *conn) Closed(err error) {
	c.loop.run("Closed", func() {
		if c.isOver() {
			c.en.e.errorf("Closed was called twice, with %v and %v", c.err, err)
			return
		}
		if c.h.closed != nil {
			c.h.closed(c, err)
		}
		c.en.e.note(func() { c.isClosed, c.err = true, err })
	})
}

func (c *conn) isOver() (over bool) {
	c.en.e.look(func() { over = c.isClosed })
	return over
}

// Alloc checks the output limit. Another thread may only make Buffered fall,
// so each of the checks holds for backends that write beside the loop.
func (c *conn) Alloc(n int) ([]byte, error) {
	e, limit := c.en.e, c.opts.OutputBytesMax
	before := c.Buffered()
	b, err := c.Conn.Alloc(n)
	after := c.Buffered()
	switch {
	case c.closing && !errors.Is(err, driver.ErrClosed):
		e.errorf("Alloc on a closing connection returned %v, want ErrClosed", err)
	case errors.Is(err, driver.ErrOutputFull) && (before == 0 || before+n <= limit):
		e.errorf("Alloc(%d) returned ErrOutputFull with %d bytes buffered, limit %d", n, before, limit)
	case err == nil && after > limit && after > n:
		e.errorf("Alloc(%d) left %d bytes buffered, limit %d", n, after, limit)
	case err == nil && len(b) != n:
		e.errorf("Alloc(%d) returned %d bytes", n, len(b))
	}
	return b, err
}

func (c *conn) Pause()  { c.paused = true; c.Conn.Pause() }
func (c *conn) Resume() { c.paused, c.resumed = false, true; c.Conn.Resume() }

func (c *conn) Close(cause error) { c.closing = true; c.Conn.Close(cause) }

// write allocates and fills, and fails the case when it cannot.
func (c *conn) write(p []byte) {
	b, err := c.Alloc(len(p))
	if err != nil {
		c.en.e.errorf("Alloc(%d): %v", len(p), err)
		return
	}
	copy(b, p)
}

// awaitClosed waits for Closed and returns its error.
func (c *conn) awaitClosed() error {
	e := c.en.e
	e.Helper()
	e.await("Closed", func() bool { return c.isClosed })
	return c.err
}

// awaitBytes waits until n bytes are consumed.
func (c *conn) awaitBytes(n int) {
	c.en.e.Helper()
	c.en.e.await("bytes are consumed", func() bool { return c.receivedBytes >= n })
}

// awaitShown waits until n bytes of the stream have been shown.
func (c *conn) awaitShown(n int) {
	c.en.e.Helper()
	c.en.e.await("bytes are shown", func() bool { return c.shownBytes >= n })
}
