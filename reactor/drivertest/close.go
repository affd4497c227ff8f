package drivertest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"lars/reactor/driver"
)

// errCause is a cause of the suite's own for Close.
var errCause = errors.New("drivertest: a cause")

func closeCases() []testCase {
	var all []testCase
	for _, where := range []string{"Opener", "Received", "Drained", "Task", "Timer"} {
		all = append(all, bothSides("Close/In"+where, func(e *env) { closeIn(e, where) })...)
	}
	all = append(all, bothSides("Close/AddressesStay", closeAddressesStay)...)
	all = append(all, bothSides("Close/SendsAllFirst", closeSendsAllFirst)...)
	all = append(all, bothSides("Close/UnreadInput", closeUnreadInput)...)
	all = append(all, bothSides("Close/LeavesInput", closeLeavesInput)...)
	all = append(all, bothSides("Close/AbortDropsOutput", closeAbortDropsOutput)...)
	all = append(all, bothSides("Close/AbortsWaitingClose", closeAbortsWaitingClose)...)
	all = append(all, bothSides("Close/Twice", closeTwice)...)
	all = append(all, bothSides("Close/PeerCloses", closePeerCloses)...)
	all = append(all, bothSides("Close/HalfClose", closeHalfClose)...)
	all = append(all, bothSides("Close/HalfCloseSlowReader", closeHalfCloseSlowReader)...)
	all = append(all, bothSides("Close/RacesPeer", closeRacesPeer)...)
	return all
}

// closeIn closes inside one kind of callback, without and with a cause. The
// output before it arrives without one; Closed comes after the callback (see
// loop.run), with the cause itself.
func closeIn(e *env, where string) {
	en := e.open(driver.Config{})
	for _, cause := range []error{nil, errCause} {
		shut := func(c *conn) {
			if where != "Drained" {
				c.write([]byte("bye"))
			}
			c.Close(cause)
			if _, err := c.Alloc(1); !errors.Is(err, driver.ErrClosed) {
				e.errorf("Alloc after Close in %s returned %v, want ErrClosed", where, err)
			}
			c.Flush()
		}
		r, c := en.connect(smallBuffers(driver.ConnOptions{OutputBytesMax: 50_000}), closeHooks(where, shut))
		before := closeTrigger(where, r, c, shut)
		if err := c.awaitClosed(); err != cause {
			e.fatalf("Close(%v) in %s: closed with %v", cause, where, err)
		}
		rest := string(r.expectEnd())
		if want := "bye"; cause == nil && where != "Drained" && rest != want {
			e.fatalf("Close(nil) in %s: the peer read %q after %d bytes, want %q", where, rest, before, want)
		}
	}
}

func closeHooks(where string, shut func(c *conn)) (h hooks) {
	switch where {
	case "Opener":
		h.opened = shut
	case "Received":
		h.received = func(c *conn, view []byte) int { shut(c); return len(view) }
	case "Drained":
		h.drained = shut
	}
	return h
}

// closeTrigger makes the callback happen and returns how many bytes the peer
// has read.
func closeTrigger(where string, r *raw, c *conn, shut func(c *conn)) (before int) {
	switch where {
	case "Received":
		r.send([]byte("x"))
	case "Drained":
		s := newStream(40)
		c.loop.do(func() { before = c.stuff(s, 2000) })
		if err := r.tryStream(newStream(40), before); err != nil {
			r.fatal("read", err)
		}
	case "Task":
		c.loop.do(func() { shut(c) })
	case "Timer":
		c.loop.do(func() { c.loop.after(0, func() { shut(c) }) })
	}
	return before
}

// closeAddressesStay: in Closed and afterwards the addresses are what they
// were, also when nobody asked before.
func closeAddressesStay(e *env) {
	en := e.open(driver.Config{})
	for _, end := range []string{"Close(nil)", "Close(cause)", "the peer's close", "the peer's reset"} {
		var local, remote netip.AddrPort
		r, c := en.connect(driver.ConnOptions{}, hooks{
			closed: func(c *conn, _ error) { local, remote = c.LocalAddr(), c.RemoteAddr() },
		})
		us, peer := r.RemoteAddr().(*net.TCPAddr).AddrPort(), r.addr()
		switch end {
		case "Close(nil)":
			c.loop.do(func() { c.Close(nil) })
		case "Close(cause)":
			c.loop.do(func() { c.Close(errCause) })
		case "the peer's close":
			r.Close()
		case "the peer's reset":
			r.reset()
		}
		c.awaitClosed()
		if local != us || remote != peer {
			e.errorf("in Closed, after %s: %v - %v, want %v - %v", end, local, remote, us, peer)
		}
		if remote = c.RemoteAddr(); remote != peer {
			e.errorf("some time after %s: the peer is %v, want %v", end, remote, peer)
		}
	}
}

// closeSendsAllFirst closes with much unsent, some of it not even flushed.
func closeSendsAllFirst(e *env) {
	r, c := e.open(driver.Config{}).connect(smallBuffers(driver.ConnOptions{OutputBytesMax: 500_000}), hooks{})
	s, sent := newStream(41), 0
	c.loop.do(func() {
		sent = c.stuff(s, 5000)
		c.Close(nil)
	})
	c.loop.passLoop()
	if c.isOver() {
		e.fatalf("Closed (%v) before the peer had read %d bytes", c.err, sent)
	}
	if err := r.tryStream(newStream(41), sent); err != nil {
		r.fatal("read", err)
	}
	r.expectEOF()
	if err := c.awaitClosed(); err != nil {
		e.fatalf("closed with %v, want nil", err)
	}
}

// closeUnreadInput closes on a peer that goes on sending, with more output than
// the peer's kernel takes before it is read: a kernel that finds input unread, or
// gets more, resets the connection and drops the output it holds.
func closeUnreadInput(e *env) {
	const size = 200_000
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{SendBufferBytes: size}, hooks{})
	go func() {
		for p := make([]byte, 10_000); ; {
			if _, err := r.Write(p); err != nil {
				return // closed
			}
		}
	}()
	e.await("input", func() bool { return c.receivedBytes > 0 })
	c.loop.do(func() {
		c.write(newStream(46).next(size))
		c.Close(nil)
	})
	for range 3 { // in which a driver may have closed
		c.loop.passLoop()
	}
	if err := r.tryStream(newStream(46), size); err != nil {
		e.fatalf("of %d bytes before Close(nil): %v", size, err)
	}
	r.expectEnd() // perhaps a reset: the peer still sends
	if err := c.awaitClosed(); err != nil {
		e.fatalf("closed with %v, want nil", err)
	}
}

// closeLeavesInput: what a handler that closes leaves of its input is no input that
// waits for it, however much there is.
func closeLeavesInput(e *env) {
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{InputBytesMax: 1000}, hooks{
		received: func(c *conn, view []byte) int {
			c.write([]byte("bye"))
			c.Close(nil)
			return 0
		},
	})
	r.send(make([]byte, 6000))
	r.expect([]byte("bye"))
	if err := c.awaitClosed(); err != nil {
		e.fatalf("closed with %v, want nil", err)
	}
}

func closeAbortDropsOutput(e *env) {
	r, c := e.open(driver.Config{}).connect(smallBuffers(driver.ConnOptions{OutputBytesMax: 500_000}), hooks{})
	s := newStream(42)
	c.loop.do(func() {
		c.stuff(s, 5000)
		c.Close(errCause)
	})
	// The peer reads nothing: Closed must not wait for it.
	if err := c.awaitClosed(); err != errCause {
		e.fatalf("closed with %v, want the cause", err)
	}
	if err := newStream(42).check(r.expectEnd()); err != nil {
		e.fatalf("before the abort: %v", err)
	}
}

// closeAbortsWaitingClose: a second Close with a cause ends one that waits.
func closeAbortsWaitingClose(e *env) {
	r, c := e.open(driver.Config{}).connect(smallBuffers(driver.ConnOptions{OutputBytesMax: 500_000}), hooks{})
	c.loop.do(func() {
		c.stuff(newStream(43), 5000)
		c.Close(nil)
	})
	c.loop.passLoop()
	c.loop.do(func() { c.Close(errCause) })
	if err := c.awaitClosed(); err != errCause {
		e.fatalf("closed with %v, want the second Close's cause", err)
	}
	r.expectEnd()
}

// closeTwice: in one callback, the first cause stands.
func closeTwice(e *env) {
	en := e.open(driver.Config{})
	other := errors.New("drivertest: another cause")
	for _, t := range []struct{ first, second, want error }{
		{nil, nil, nil}, {errCause, nil, errCause}, {errCause, other, errCause},
	} {
		r, c := en.connect(driver.ConnOptions{}, hooks{})
		c.loop.do(func() { c.Close(t.first); c.Close(t.second) })
		if err := c.awaitClosed(); err != t.want {
			e.fatalf("Close(%v), Close(%v): closed with %v", t.first, t.second, err)
		}
		r.expectEnd()
		c.loop.passLoop() // a second Closed would come now
	}
}

func closePeerCloses(e *env) {
	en := e.open(driver.Config{})
	for _, n := range []int{0, 1, 100_000} {
		r, c := en.connect(driver.ConnOptions{}, hooks{})
		r.send(make([]byte, n))
		r.Close()
		if err := c.awaitClosed(); !errors.Is(err, io.EOF) {
			e.fatalf("the peer closed after %d bytes: closed with %v, want io.EOF", n, err)
		}
		if c.receivedBytes != n {
			e.fatalf("the peer closed after %d bytes: %d were received", n, c.receivedBytes)
		}
	}
}

// closeHalfClose: a peer that shuts its writing side still gets the replies to
// what it sent.
func closeHalfClose(e *env) {
	en := e.open(driver.Config{})
	for _, n := range []int{1, 1000} {
		r, c := en.connect(driver.ConnOptions{}, echoHooks())
		m := newStream(44).next(n)
		r.send(m)
		r.CloseWrite()
		r.expect(m)
		r.expectEOF()
		if err := c.awaitClosed(); !errors.Is(err, io.EOF) {
			e.fatalf("half close: closed with %v, want io.EOF", err)
		}
	}
}

// closeHalfCloseSlowReader: with more unsent than the kernel takes, a driver
// may drop it with the connection, but what arrives is a prefix of it.
func closeHalfCloseSlowReader(e *env) {
	r, c := e.open(driver.Config{}).connect(smallBuffers(driver.ConnOptions{OutputBytesMax: 500_000}), hooks{})
	sent := 0
	c.loop.do(func() { sent = c.stuff(newStream(45), 5000) })
	r.CloseWrite()
	c.loop.passLoop()
	rest := r.expectEnd()
	if err := newStream(45).check(rest); err != nil || len(rest) > sent {
		e.fatalf("%d bytes of %d arrived: %v", len(rest), sent, err)
	}
	if err := c.awaitClosed(); err == nil {
		e.fatalf("half close: closed with nil, want an error")
	}
}

// closeRacesPeer closes at both ends at the same time, many times.
func closeRacesPeer(e *env) {
	en := e.open(driver.Config{})
	for i := range scaled(100, 30) {
		r, c := en.connect(driver.ConnOptions{}, echoHooks())
		r.send(fmt.Appendf(nil, "message %d", i))
		c.loop.post(func() {
			if c.isOver() {
				return
			}
			c.Close([]error{nil, errCause}[i%2])
		})
		if i%3 == 0 {
			r.reset()
		} else {
			r.Close()
		}
		c.awaitClosed()
	}
}
