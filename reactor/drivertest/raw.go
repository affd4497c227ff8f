package drivertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"lars/reactor/driver"
)

// A raw is a TCP socket of the suite: the peer of a connection of the driver.
// Its methods that fail the case belong on the case's own goroutine; try*
// methods may be used on any.
type raw struct {
	Stream
	e *env
}

func (e *env) newRaw(c Stream) *raw {
	e.keep(c)
	c.SetDeadline(time.Now().Add(e.patience))
	return &raw{c, e}
}

// rawDial connects to the driver.
func (e *env) rawDial(addr netip.AddrPort) *raw {
	e.Helper()
	r, err := e.tryDial(addr)
	if err != nil {
		e.fatalf("%v", err)
	}
	return r
}

func (e *env) tryDial(addr netip.AddrPort) (*raw, error) {
	c, err := e.h.Net.Dial(addr, e.patience)
	if err != nil {
		return nil, fmt.Errorf("the suite's own dial: %w", err)
	}
	return e.newRaw(c), nil
}

// rawListen listens for the driver to connect.
func (e *env) rawListen() (Listener, netip.AddrPort) {
	e.Helper()
	l, err := e.h.Net.Listen(loopback())
	if err != nil {
		e.fatalf("the suite's own listen: %v", err)
	}
	e.keep(l)
	l.SetDeadline(time.Now().Add(e.patience))
	return l, l.Addr().(*net.TCPAddr).AddrPort()
}

func (e *env) rawAccept(l Listener) *raw {
	e.Helper()
	c, err := l.Accept()
	if err != nil {
		e.fatalf("the suite's own accept: %v", err)
	}
	return e.newRaw(c.(Stream))
}

// fatal ends the case for an error of a socket, quietly if the case has failed
// already: its sockets are then closed.
func (r *raw) fatal(what string, err error) {
	r.e.Helper()
	if r.e.hasFailed() {
		r.e.FailNow()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r.e.fatalf("the peer did not get to %s within %v", what, r.e.patience)
	}
	r.e.fatalf("the peer's %s: %v", what, err)
}

func (r *raw) send(p []byte) {
	r.e.Helper()
	if _, err := r.Write(p); err != nil {
		r.fatal("send", err)
	}
}

// expect reads exactly want.
func (r *raw) expect(want []byte) {
	r.e.Helper()
	if err := r.tryExpect(want); err != nil {
		r.fatal("read", err)
	}
}

func (r *raw) tryExpect(want []byte) error {
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if err != nil {
		return fmt.Errorf("%d of %d bytes: %w", n, len(want), err)
	}
	if !bytes.Equal(got, want) {
		return errors.New(describeDifference(got, want))
	}
	return nil
}

// expectEOF reads an orderly end: no further byte, no reset.
func (r *raw) expectEOF() {
	r.e.Helper()
	rest, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		r.fatal("read of the end", err)
	}
	if len(rest) != 0 {
		r.e.fatalf("the peer read %d bytes more than were sent", len(rest))
	}
}

// expectEnd reads to an end of any kind and returns the bytes before it.
func (r *raw) expectEnd() []byte {
	r.e.Helper()
	rest, err := io.ReadAll(r)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		r.fatal("read of the end", err)
	}
	return rest
}

// reset closes so that the other end gets ECONNRESET.
func (r *raw) reset() {
	r.SetLinger(0)
	r.Close()
}

func (r *raw) addr() netip.AddrPort { return r.LocalAddr().(*net.TCPAddr).AddrPort() }

func describeDifference(got, want []byte) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("bytes differ at %d: got %x..., want %x... (lengths %d and %d)",
		i, got[i:min(i+8, len(got))], want[i:min(i+8, len(want))], len(got), len(want))
}

// addresses asks for them where that is allowed, on the loop.
func (c *conn) addresses() (local, remote netip.AddrPort) {
	c.loop.do(func() { local, remote = c.LocalAddr(), c.RemoteAddr() })
	return local, remote
}

// A server is a listener of the driver and what it accepted.
type server struct {
	driver.Listener
	e     *env
	conns []*conn // in order of their Openers; under env.mu
}

// serve listens on a free port.
func (en *engine) serve(o driver.ListenOptions, h hooks) *server {
	en.e.Helper()
	return en.serveAt(loopback(), o, h)
}

func (en *engine) serveAt(addr netip.AddrPort, o driver.ListenOptions, h hooks) *server {
	en.e.Helper()
	s := &server{e: en.e}
	l, err := en.eng.Listen(addr, o, en.opener(o.Conn, h, func(c *conn) { s.conns = append(s.conns, c) }))
	if err != nil {
		en.e.fatalf("Listen: %v", err)
	}
	s.Listener = l
	if l.Addr().Port() == 0 {
		en.e.fatalf("Listener.Addr has no port: %v", l.Addr())
	}
	return s
}

// awaitConn waits for the i-th accepted connection.
func (s *server) awaitConn(i int) (c *conn) {
	s.e.Helper()
	s.e.await("a connection is accepted", func() bool { return len(s.conns) > i })
	s.e.look(func() { c = s.conns[i] })
	return c
}

// dial connects to addr on loop l and waits for the Opener.
func (en *engine) dial(l *loop, addr netip.AddrPort, o driver.DialOptions, h hooks) *conn {
	e := en.e
	e.Helper()
	var c *conn
	err := en.eng.Dial(l.Loop, addr, o, en.opener(o.Conn, h, func(got *conn) { c = got }),
		func(err error) { e.errorf("the dial failed: %v", err) })
	if err != nil {
		e.fatalf("Dial: %v", err)
	}
	e.await("the dial's Opener is called", func() bool { return c != nil })
	if c.loop != l {
		e.fatalf("a connection dialled on loop %d is on loop %d", l.Index(), c.loop.Index())
	}
	return c
}

// connect makes one connection of the case's side with its raw peer, on the
// first loop of en unless the driver accepted it elsewhere.
func (en *engine) connect(o driver.ConnOptions, h hooks) (*raw, *conn) {
	e := en.e
	e.Helper()
	if e.side == dialled {
		l, addr := e.rawListen()
		c := en.dial(en.loops[0], addr, driver.DialOptions{Conn: o}, h)
		return e.rawAccept(l), c
	}
	s := en.serve(driver.ListenOptions{Conn: o}, h)
	r := e.rawDial(s.Addr())
	return r, s.awaitConn(0)
}
