package drivertest

import (
	"errors"
	"io"
	"time"

	"lars/reactor/driver"
)

func pauseCases() []testCase {
	var all []testCase
	all = append(all, bothSides("Pause/HoldsInput", pauseHoldsInput)...)
	all = append(all, bothSides("Pause/InOpener", pauseInOpener)...)
	all = append(all, bothSides("Pause/ResumeShowsUnconsumed", pauseResumeShowsUnconsumed)...)
	all = append(all, bothSides("Pause/ResumeInReceived", pauseResumeInReceived)...)
	all = append(all, bothSides("Pause/OverInputLimit", pauseOverInputLimit)...)
	all = append(all, bothSides("Pause/ThenPeerCloses", pauseThenPeerCloses)...)
	all = append(all, bothSides("Pause/ThenClose", pauseThenClose)...)
	all = append(all, bothSides("Pause/DoesNotSpin", pauseDoesNotSpin)...)
	return all
}

// passLoop lets the loop handle what has arrived: several rounds of a timer and
// a posted function, which a wrong Received has every chance to precede.
func (l *loop) passLoop() {
	e := l.en.e
	e.Helper()
	for range 3 {
		passed := false
		l.do(func() { l.after(2*time.Millisecond, func() { e.note(func() { passed = true }) }) })
		e.await("a timer runs", func() bool { return passed })
	}
}

// pauseHoldsInput pauses from a task, sends, and wants nothing until Resume.
func pauseHoldsInput(e *env) {
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{}, echoHooks())
	s := newStream(20)
	for range 5 {
		m := s.next(100)
		c.loop.do(c.Pause)
		r.send(m)
		c.loop.passLoop() // conn.checkView fails the case if m is shown
		c.loop.do(c.Resume)
		r.expect(m)
	}
}

func pauseInOpener(e *env) {
	h := echoHooks()
	h.opened = (*conn).Pause
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{}, h)
	r.send([]byte("early"))
	c.loop.passLoop()
	c.loop.do(c.Resume)
	r.expect([]byte("early"))
}

// pauseResumeShowsUnconsumed: no new byte comes, so only Resume can show the
// old ones again.
func pauseResumeShowsUnconsumed(e *env) {
	take := 0
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{}, hooks{
		received: func(c *conn, view []byte) int {
			if take < len(view) {
				c.Pause()
			}
			return c.echo(view[:min(take, len(view))])
		},
	})
	r.send([]byte("0123456789"))
	c.awaitShown(10)
	c.loop.passLoop()
	c.loop.do(func() { take = 3; c.Resume() })
	r.expect([]byte("012"))
	c.loop.do(func() { take = 100; c.Resume() })
	r.expect([]byte("3456789"))
}

// pauseResumeInReceived pauses and resumes in one call: what it left is shown
// again afterwards, not inside.
func pauseResumeInReceived(e *env) {
	r, _ := e.open(driver.Config{}).connect(driver.ConnOptions{}, hooks{
		received: func(c *conn, view []byte) int {
			c.Pause()
			c.Resume()
			return c.echo(view[:1])
		},
	})
	r.send([]byte("abcdef"))
	r.expect([]byte("abcdef"))
}

// pauseOverInputLimit: a paused connection is not closed, however much waits.
func pauseOverInputLimit(e *env) {
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{InputBytesMax: 1000}, echoHooks())
	c.loop.do(c.Pause)
	m := newStream(21).next(20_000)
	r.send(m)
	c.loop.passLoop()
	if c.isOver() {
		e.fatalf("closed while paused: %v", c.err)
	}
	c.loop.do(c.Resume)
	r.expect(m)
}

// pauseThenPeerCloses: the peer's last bytes are shown after Resume, before
// Closed.
func pauseThenPeerCloses(e *env) {
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{}, hooks{})
	c.loop.do(c.Pause)
	r.send([]byte("last words"))
	r.Close()
	c.loop.passLoop()
	c.loop.do(c.Resume)
	c.awaitBytes(10)
	if err := c.awaitClosed(); !errors.Is(err, io.EOF) {
		e.fatalf("closed with %v, want io.EOF", err)
	}
}

func pauseThenClose(e *env) {
	en := e.open(driver.Config{})
	for _, cause := range []error{nil, errCause} {
		r, c := en.connect(driver.ConnOptions{}, hooks{})
		c.loop.do(c.Pause)
		c.loop.do(func() { c.Close(cause) })
		if err := c.awaitClosed(); err != cause {
			e.fatalf("closed with %v, want %v", err, cause)
		}
		r.expectEnd()
	}
}

// pauseDoesNotSpin: input and the peer's close that wait at a paused
// connection must not make the loop turn. A loop that turns for them alone
// makes thousands of rounds in the time; drivers that do not count their waits
// cannot fail here.
func pauseDoesNotSpin(e *env) {
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{}, hooks{})
	c.loop.do(c.Pause)
	r.send(make([]byte, 1000))
	r.CloseWrite()
	c.loop.passLoop()
	before, done := c.loop.Stats().Waits, false
	c.loop.do(func() { c.loop.after(50*time.Millisecond, func() { e.note(func() { done = true }) }) })
	e.await("a timer runs", func() bool { return done })
	if n := c.loop.Stats().Waits - before; n > 40 {
		e.fatalf("the loop asked for events %d times while its only connection was paused", n)
	}
	c.loop.do(c.Resume)
	c.awaitClosed()
}
