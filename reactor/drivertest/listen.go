package drivertest

import (
	"errors"
	"net/netip"
	"syscall"

	"lars/reactor/driver"
)

func listenCases() []testCase {
	all := []testCase{
		{name: "Listen/Addresses", f: listenAddresses},
		{name: "Listen/PortInUse", f: listenPortInUse},
		{name: "Listen/CloseReleasesPort", f: listenCloseReleasesPort},
		{name: "Listen/CloseInCallback", f: listenCloseInCallback},
		{name: "Listen/Refuse", f: listenRefuse},
		{name: "Listen/SeveralListeners", f: listenSeveral},
		{name: "Listen/IPv6", f: listenIPv6},
		{name: "Listen/ReusePort", f: listenReusePort},
	}
	for i := range all {
		all[i].needs = needListen
	}
	for _, c := range childCases() {
		all = append(all, throughChild(c))
	}
	return all
}

func listenAddresses(e *env) {
	s := e.open(driver.Config{}).serve(driver.ListenOptions{}, echoHooks())
	r := e.rawDial(s.Addr())
	c := s.awaitConn(0)
	if local, remote := c.addresses(); local != s.Addr() || remote != r.addr() {
		e.fatalf("the connection is %v <- %v, want %v <- %v", local, remote, s.Addr(), r.addr())
	}
	e.poll("the listener counts one accepted connection", func() bool { return s.Stats().Accepted == 1 })
}

func listenPortInUse(e *env) {
	en := e.open(driver.Config{})
	_, used := e.rawListen()
	s := en.serve(driver.ListenOptions{}, hooks{})
	for _, addr := range []netip.AddrPort{used, s.Addr()} {
		l, err := en.eng.Listen(addr, driver.ListenOptions{}, en.opener(driver.ConnOptions{}, hooks{}, func(*conn) {}))
		if !errors.Is(err, syscall.EADDRINUSE) {
			e.errorf("Listen on a port in use returned %v, want EADDRINUSE", err)
		}
		if err == nil {
			l.Close()
		}
	}
}

// listenCloseReleasesPort: the address is free when Close returns, and the
// connections stay.
func listenCloseReleasesPort(e *env) {
	s := e.open(driver.Config{}).serve(driver.ListenOptions{}, echoHooks())
	r := e.rawDial(s.Addr())
	r.send([]byte("before"))
	r.expect([]byte("before"))
	if err := s.Close(); err != nil {
		e.fatalf("Listener.Close: %v", err)
	}
	l, err := e.h.Net.Listen(s.Addr())
	if err != nil {
		e.fatalf("after Listener.Close had returned: %v", err)
	}
	e.keep(l)
	r.send([]byte("after"))
	r.expect([]byte("after"))
}

// listenCloseInCallback closes the listener where an application would when it
// has seen enough connections.
func listenCloseInCallback(e *env) {
	var s *server
	h := echoHooks()
	h.opened = func(*conn) {
		var l driver.Listener
		e.look(func() { l = s.Listener })
		if err := l.Close(); err != nil {
			e.errorf("Listener.Close in an Opener: %v", err)
		}
	}
	s = e.open(driver.Config{}).serve(driver.ListenOptions{}, h)
	e.note(func() {}) // orders the assignment before the Opener's look
	r := e.rawDial(s.Addr())
	r.send([]byte("still open"))
	r.expect([]byte("still open"))
	if c, err := e.h.Net.Dial(s.Addr(), e.patience); !errors.Is(err, syscall.ECONNREFUSED) {
		if err == nil {
			c.Close()
		}
		e.fatalf("dialling the closed listener: %v, want ECONNREFUSED", err)
	}
}

// listenRefuse: an Opener that returns nil closes the connection at once, with
// no callback, and the listener stays healthy.
func listenRefuse(e *env) {
	en := e.open(driver.Config{})
	s := en.serve(driver.ListenOptions{}, hooks{
		refuse:   true,
		received: func(_ *conn, v []byte) int { e.errorf("Received on a refused connection"); return len(v) },
		closed:   func(*conn, error) { e.errorf("Closed on a refused connection") },
	})
	for range 20 {
		if rest := e.rawDial(s.Addr()).expectEnd(); len(rest) > 0 {
			e.fatalf("a refused peer received %d bytes", len(rest))
		}
	}
	e.poll("20 refused connections are counted, none is open", func() bool {
		return s.Stats().Refused == 20 && en.loops[0].Stats().Conns == 0
	})
}

func listenSeveral(e *env) {
	en := e.open(driver.Config{Loops: 2})
	a, b := en.serve(driver.ListenOptions{}, echoHooks()), en.serve(driver.ListenOptions{}, hooks{
		opened: func(c *conn) { c.write([]byte("b")); c.Flush() },
	})
	ra, rb := e.rawDial(a.Addr()), e.rawDial(b.Addr())
	ra.send([]byte("a"))
	ra.expect([]byte("a"))
	rb.expect([]byte("b"))
	a.Close()
	e.rawDial(b.Addr()).expect([]byte("b"))
}

// listenIPv6 wants the same answer as the suite's own network has.
func listenIPv6(e *env) {
	en := e.open(driver.Config{})
	addr := netip.MustParseAddrPort("[::1]:0")
	l, netErr := e.h.Net.Listen(addr)
	if netErr != nil {
		if _, err := en.eng.Listen(addr, driver.ListenOptions{}, en.opener(driver.ConnOptions{}, hooks{}, func(*conn) {})); err == nil {
			e.fatalf("Listen on %v succeeded, the suite's network says %v", addr, netErr)
		}
		return
	}
	l.Close()
	s := en.serveAt(addr, driver.ListenOptions{}, echoHooks())
	r := e.rawDial(s.Addr())
	r.send([]byte("six"))
	r.expect([]byte("six"))
	if _, remote := s.awaitConn(0).addresses(); remote != r.addr() {
		e.fatalf("RemoteAddr is %v, want %v", remote, r.addr())
	}
}

// listenReusePort opens two listeners on one port; each connection reaches one
// of them.
func listenReusePort(e *env) {
	en := e.open(driver.Config{Loops: 2})
	o := driver.ListenOptions{ReusePort: true}
	if !e.h.Driver.Abilities().ReusePort {
		if _, err := en.eng.Listen(loopback(), o, en.opener(o.Conn, hooks{}, func(*conn) {})); !errors.Is(err, driver.ErrUnsupported) {
			e.fatalf("without the ability, Listen with ReusePort returned %v, want ErrUnsupported", err)
		}
		return
	}
	a := en.serve(o, echoHooks())
	b := en.serveAt(a.Addr(), o, echoHooks())
	const n = 40
	for range n {
		r := e.rawDial(a.Addr())
		r.send([]byte("x"))
		r.expect([]byte("x"))
	}
	e.await("every connection has reached a listener", func() bool { return len(a.conns)+len(b.conns) == n })
}
