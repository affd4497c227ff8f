package drivertest

import (
	"errors"
	"io"
	"syscall"

	"lars/reactor/driver"
)

func resetCases() []testCase {
	var all []testCase
	all = append(all, bothSides("Reset/BeforeInput", resetBeforeInput)...)
	all = append(all, bothSides("Reset/AfterInput", resetAfterInput)...)
	all = append(all, bothSides("Reset/WithUnsentOutput", resetWithUnsentOutput)...)
	all = append(all, bothSides("Reset/WhilePaused", resetWhilePaused)...)
	all = append(all, bothSides("Reset/WhileClosing", resetWhileClosing)...)
	all = append(all, bothSides("Reset/AfterClose", resetAfterClose)...)
	all = append(all, bothSides("Reset/WriteAfterwards", resetWriteAfterwards)...)
	all = append(all, testCase{name: "Reset/BeforeAccept", needs: needListen, f: resetBeforeAccept})
	return all
}

// checkReset judges the error of a connection that the peer reset.
func (e *env) checkReset(err error) {
	e.Helper()
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return
	}
	if e.h.ResetAsEOF && errors.Is(err, io.EOF) {
		return
	}
	e.fatalf("after the peer's reset: closed with %v, want ECONNRESET", err)
}

func resetBeforeInput(e *env) {
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{}, hooks{})
	r.reset()
	e.checkReset(c.awaitClosed())
}

func resetAfterInput(e *env) {
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{}, echoHooks())
	r.send([]byte("x"))
	r.expect([]byte("x"))
	r.reset()
	e.checkReset(c.awaitClosed())
}

func resetWithUnsentOutput(e *env) {
	r, c := e.open(driver.Config{}).connect(smallBuffers(driver.ConnOptions{OutputBytesMax: 200_000}), hooks{})
	c.loop.do(func() { c.stuff(newStream(50), 5000) })
	r.reset()
	e.checkReset(c.awaitClosed())
}

// resetWhilePaused: Closed may come at once or after Resume, but once.
func resetWhilePaused(e *env) {
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{}, hooks{})
	c.loop.do(c.Pause)
	r.send([]byte("lost"))
	r.reset()
	c.loop.passLoop()
	c.loop.do(func() {
		if !c.isOver() {
			c.Resume()
		}
	})
	e.checkReset(c.awaitClosed())
}

// resetWhileClosing: Close(nil) waits for a peer that resets instead of
// reading. Both ends have a say; nil and the reset are right, once.
func resetWhileClosing(e *env) {
	r, c := e.open(driver.Config{}).connect(smallBuffers(driver.ConnOptions{OutputBytesMax: 200_000}), hooks{})
	c.loop.do(func() { c.stuff(newStream(51), 5000); c.Close(nil) })
	r.reset()
	if err := c.awaitClosed(); err != nil {
		e.checkReset(err)
	}
}

// resetAfterClose: our kernel has all output, the peer's has not when it resets:
// then not everything was sent, and Closed must not say so.
func resetAfterClose(e *env) {
	const size = 200_000 // as in closeUnreadInput
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{SendBufferBytes: size}, hooks{})
	c.loop.do(func() {
		c.write(newStream(52).next(size))
		c.Close(nil)
	})
	c.loop.passLoop()
	r.reset()
	e.checkReset(c.awaitClosed())
}

// resetWriteAfterwards writes while the loop may not know of the reset yet:
// the error arrives in Closed, not in the callback that writes.
func resetWriteAfterwards(e *env) {
	en := e.open(driver.Config{})
	for range 10 {
		r, c := en.connect(driver.ConnOptions{}, hooks{})
		held, isReset := false, make(chan struct{})
		c.loop.post(func() {
			e.note(func() { held = true })
			<-isReset
			for range 3 {
				if _, err := c.Conn.Alloc(10); err != nil && !errors.Is(err, driver.ErrClosed) {
					e.errorf("Alloc after the peer's reset returned %v, want nil or ErrClosed", err)
				}
				c.Flush()
			}
			if c.isOver() {
				e.errorf("Closed was called inside Flush")
			}
		})
		e.await("the loop is held", func() bool { return held })
		r.reset()
		close(isReset)
		e.checkReset(c.awaitClosed())
	}
}

// resetBeforeAccept connects and resets while the loop is held, so that most
// connections are dead before the driver sees them; the listener must live on.
func resetBeforeAccept(e *env) {
	en := e.open(driver.Config{})
	s := en.serve(driver.ListenOptions{}, echoHooks())
	g := en.loops[0].hold()
	for range 20 {
		r := e.rawDial(s.Addr())
		r.send([]byte("gone"))
		r.reset()
	}
	g.release()
	r := e.rawDial(s.Addr())
	r.send([]byte("alive"))
	r.expect([]byte("alive"))
	e.await("Closed for every connection that was opened and reset", func() bool {
		over := 0
		for _, c := range s.conns {
			if c.isClosed {
				over++
			}
		}
		return over == len(s.conns)-1
	})
}
