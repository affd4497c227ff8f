package drivertest

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"lars/reactor/driver"
)

func dialCases() []testCase {
	all := []testCase{
		{name: "Dial/Addresses", f: dialAddresses},
		{name: "Dial/Refused", f: dialRefused},
		{name: "Dial/Timeout", f: dialTimeout},
		{name: "Dial/Many", f: dialMany},
		{name: "Dial/RefusedByOpener", f: dialRefusedByOpener},
		{name: "Dial/PeerSpeaksFirst", f: dialPeerSpeaksFirst},
		{name: "Dial/ForeignLoop", f: dialForeignLoop},
		{name: "Dial/EngineClosed", f: dialEngineClosed},
	}
	for i := range all {
		all[i].needs = needDial
	}
	return all
}

// outcome counts how dials ended; exactly one way each.
type outcome struct {
	opened, failed int
	err            error // the latest
}

// tryDial dials on l; the outcome is under env.mu.
func (en *engine) tryDial(l *loop, addr netip.AddrPort, o driver.DialOptions, h hooks, out *outcome) error {
	e := en.e
	open := en.opener(o.Conn, h, func(*conn) { out.opened++ })
	return en.eng.Dial(l.Loop, addr, o, open, func(err error) {
		l.run("a failed dial's function", func() {
			e.note(func() { out.failed++; out.err = err })
		})
	})
}

// awaitOutcome waits for n ends and then for what might follow wrongly: the
// loops are passed once more.
func (en *engine) awaitOutcome(out *outcome, n int) {
	e := en.e
	e.Helper()
	e.await("the dial ends", func() bool { return out.opened+out.failed >= n })
	for _, l := range en.loops {
		l.do(func() {})
	}
	if out.opened+out.failed != n {
		e.fatalf("%d dials ended with %d opened and %d failed", n, out.opened, out.failed)
	}
}

func dialAddresses(e *env) {
	en := e.open(driver.Config{Loops: 2})
	l, addr := e.rawListen()
	c := en.dial(en.loops[1], addr, driver.DialOptions{}, echoHooks())
	r := e.rawAccept(l)
	want := r.RemoteAddr().String()
	if local, remote := c.addresses(); remote != addr || local.String() != want {
		e.fatalf("the connection is %v -> %v, want %v -> %v", local, remote, want, addr)
	}
}

// freePort returns an address where nobody listens.
func (e *env) freePort() netip.AddrPort {
	e.Helper()
	l, addr := e.rawListen()
	l.Close()
	return addr
}

func dialRefused(e *env) {
	en := e.open(driver.Config{Loops: 2})
	for _, l := range en.loops {
		var out outcome
		if err := en.tryDial(l, e.freePort(), driver.DialOptions{}, hooks{}, &out); err != nil {
			out.failed, out.err = 1, err // neither function is called then
		}
		en.awaitOutcome(&out, 1)
		if out.failed != 1 || !errors.Is(out.err, syscall.ECONNREFUSED) {
			e.fatalf("a refused dial: opened %d, failed %d with %v, want ECONNREFUSED", out.opened, out.failed, out.err)
		}
	}
}

// blackhole is an address where connecting hangs.
func (e *env) blackhole() netip.AddrPort {
	e.Helper()
	addr, c, err := e.h.Net.Silent()
	if err != nil {
		e.fatalf("the suite's own silent address: %v", err)
	}
	e.keep(c)
	return addr
}

func dialTimeout(e *env) {
	en := e.open(driver.Config{})
	var out outcome
	addr := e.blackhole()
	if err := en.tryDial(en.loops[0], addr, driver.DialOptions{Timeout: 30 * time.Millisecond}, hooks{}, &out); err != nil {
		e.fatalf("Dial: %v", err)
	}
	en.awaitOutcome(&out, 1)
	if out.failed != 1 || !errors.Is(out.err, driver.ErrDialTimeout) {
		e.fatalf("a dial that hangs: opened %d, failed %d with %v, want ErrDialTimeout", out.opened, out.failed, out.err)
	}
}

// dialMany mixes dials that succeed and that are refused.
func dialMany(e *env) {
	en := e.open(driver.Config{Loops: 2})
	l, addr := e.rawListen()
	free := e.freePort()
	const n = 50
	var good, bad outcome
	for i := range n {
		if err := en.tryDial(en.loops[i%2], addr, driver.DialOptions{}, echoHooks(), &good); err != nil {
			e.fatalf("Dial: %v", err)
		}
		if err := en.tryDial(en.loops[i%2], free, driver.DialOptions{}, hooks{}, &bad); err != nil {
			e.note(func() { bad.failed++ })
		}
	}
	for range n {
		r := e.rawAccept(l)
		r.send([]byte("hello"))
		r.expect([]byte("hello"))
	}
	en.awaitOutcome(&good, n)
	en.awaitOutcome(&bad, n)
	if good.opened != n || bad.failed != n {
		e.fatalf("of %d good dials %d opened, of %d bad ones %d failed", n, good.opened, n, bad.failed)
	}
}

func dialRefusedByOpener(e *env) {
	en := e.open(driver.Config{})
	l, addr := e.rawListen()
	var out outcome
	refuse := hooks{
		refuse: true,
		closed: func(*conn, error) { e.errorf("Closed on a connection that the Opener refused") },
	}
	if err := en.tryDial(en.loops[0], addr, driver.DialOptions{}, refuse, &out); err != nil {
		e.fatalf("Dial: %v", err)
	}
	e.rawAccept(l).expectEnd()
	en.awaitOutcome(&out, 1)
	if out.opened != 1 {
		e.fatalf("the Opener was not called: %v", out.err)
	}
}

// dialPeerSpeaksFirst: bytes that may be there before the Opener runs are shown.
func dialPeerSpeaksFirst(e *env) {
	en := e.open(driver.Config{})
	l, addr := e.rawListen()
	var c *conn
	open := en.opener(driver.ConnOptions{}, echoHooks(), func(got *conn) { c = got })
	// Dialled from a callback, as applications do.
	en.loops[0].post(func() {
		if err := en.eng.Dial(en.loops[0].Loop, addr, driver.DialOptions{}, open, func(err error) { e.errorf("%v", err) }); err != nil {
			e.errorf("Dial: %v", err)
		}
	})
	r := e.rawAccept(l)
	r.send([]byte("first"))
	r.expect([]byte("first"))
	e.await("the Opener ran", func() bool { return c != nil })
}

func dialForeignLoop(e *env) {
	a, b := e.open(driver.Config{}), e.open(driver.Config{})
	_, addr := e.rawListen()
	var out outcome
	if err := a.tryDial(b.loops[0], addr, driver.DialOptions{}, hooks{}, &out); !errors.Is(err, driver.ErrForeignLoop) {
		e.errorf("Dial on a loop of another engine returned %v, want ErrForeignLoop", err)
	}
	if e.h.Driver.Abilities().Packet {
		_, err := a.eng.ListenPacket(b.loops[0].Loop, driver.PacketOptions{Local: loopback()}, &packet{loop: b.loops[0], en: b})
		if !errors.Is(err, driver.ErrForeignLoop) {
			e.errorf("ListenPacket on a loop of another engine returned %v, want ErrForeignLoop", err)
		}
	}
}

// dialEngineClosed closes the engine while a dial hangs: it must fail before
// Close returns, since exactly one of the two functions is called.
func dialEngineClosed(e *env) {
	en := e.open(driver.Config{})
	var out outcome
	if err := en.tryDial(en.loops[0], e.blackhole(), driver.DialOptions{Timeout: time.Hour}, hooks{}, &out); err != nil {
		e.fatalf("Dial: %v", err)
	}
	en.loops[0].do(func() {})
	en.close()
	var got outcome
	e.look(func() { got = out })
	if got.opened != 0 || got.failed != 1 || !errors.Is(got.err, driver.ErrEngineClosed) {
		e.fatalf("Engine.Close during a dial: opened %d, failed %d with %v, want ErrEngineClosed", got.opened, got.failed, got.err)
	}
}
