package drivertest

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"lars/reactor/driver"
)

// packetHooks are what a case does on a UDP socket; absent ones do nothing.
type packetHooks struct {
	received func(p *packet, from netip.AddrPort, view []byte)
	failed   func(p *packet, err error)
}

// A packet is one UDP socket of the driver, under watch.
type packet struct {
	driver.PacketConn
	h    packetHooks
	loop *loop
	en   *engine

	// Under env.mu.
	received int
	failures []error
	isClosed bool
	err      error
	dropped  int // unsent datagrams in Closed
}

// packet opens a UDP socket on l. The handler may be called before
// ListenPacket returns, so the hooks see the socket only once it has.
func (en *engine) packet(l *loop, o driver.PacketOptions, h packetHooks) *packet {
	e := en.e
	e.Helper()
	p := &packet{h: h, loop: l, en: en}
	pc, err := en.eng.ListenPacket(l.Loop, o, p)
	if err != nil {
		e.fatalf("ListenPacket: %v", err)
	}
	if pc.Loop() != l.Loop {
		e.fatalf("a socket opened on loop %d says another one", l.Index())
	}
	if pc.LocalAddr().Port() == 0 {
		e.fatalf("LocalAddr has no port: %v", pc.LocalAddr())
	}
	l.do(func() { p.PacketConn = pc })
	return p
}

func (p *packet) Received(from netip.AddrPort, view []byte) {
	p.loop.run("a socket's Received", func() {
		p.checkOpen("Received")
		if p.h.received != nil {
			p.h.received(p, from, view)
		}
		p.en.e.note(func() { p.received++ })
	})
}

func (p *packet) Failed(err error) {
	p.loop.run("Failed", func() {
		p.checkOpen("Failed")
		if err == nil {
			p.en.e.errorf("Failed was called with nil")
		}
		if p.h.failed != nil {
			p.h.failed(p, err)
		}
		p.en.e.note(func() { p.failures = append(p.failures, err) })
	})
}

func (p *packet) Closed(err error) {
	p.loop.run("a socket's Closed", func() {
		p.checkOpen("Closed")
		dropped := 0
		if p.PacketConn != nil { // it may be closed before it is known here
			dropped = p.Unsent()
		}
		p.en.e.note(func() { p.isClosed, p.err, p.dropped = true, err, dropped })
	})
}

func (p *packet) checkOpen(what string) {
	over := false
	p.en.e.look(func() { over = p.isClosed })
	if over {
		p.en.e.errorf("%s was called after Closed of a socket", what)
	}
}

// write allocates and fills a datagram, and fails the case when it cannot.
func (p *packet) write(to netip.AddrPort, b []byte) {
	d, err := p.Alloc(len(b), to)
	if err != nil {
		p.en.e.errorf("Alloc of a datagram of %d bytes: %v", len(b), err)
		return
	}
	if len(d) != len(b) {
		p.en.e.errorf("Alloc of a datagram of %d bytes returned %d", len(b), len(d))
	}
	copy(d, b)
}

func (p *packet) awaitClosed() error {
	p.en.e.Helper()
	p.en.e.await("Closed of a socket", func() bool { return p.isClosed })
	return p.err
}

// echoPackets answers each datagram to its sender.
func echoPackets() packetHooks {
	return packetHooks{received: func(p *packet, from netip.AddrPort, view []byte) { p.write(from, view) }}
}

// A rawPacket is a UDP socket of the suite.
type rawPacket struct {
	PacketSocket
	e *env
}

func (e *env) rawPacketAt(local netip.AddrPort) *rawPacket {
	e.Helper()
	c, err := e.h.Net.ListenPacket(local)
	if err != nil {
		e.fatalf("the suite's own UDP socket: %v", err)
	}
	e.keep(c)
	c.SetDeadline(time.Now().Add(e.patience))
	return &rawPacket{c, e}
}

func (e *env) rawPacket() *rawPacket { e.Helper(); return e.rawPacketAt(loopback()) }

func (r *rawPacket) addr() netip.AddrPort { return r.LocalAddr().(*net.UDPAddr).AddrPort() }

func (r *rawPacket) send(to netip.AddrPort, b []byte) {
	r.e.Helper()
	if _, err := r.WriteToUDPAddrPort(b, to); err != nil {
		r.e.fatalf("the suite's own datagram of %d bytes: %v", len(b), err)
	}
}

// expect reads one datagram, which must be want and come from the address.
func (r *rawPacket) expect(from netip.AddrPort, want []byte) {
	r.e.Helper()
	b := make([]byte, 1<<16)
	n, sender, err := r.ReadFromUDPAddrPort(b)
	switch {
	case r.e.hasFailed():
		r.e.FailNow()
	case errors.Is(err, net.ErrClosed) || err != nil:
		r.e.fatalf("waiting for a datagram of %d bytes: %v", len(want), err)
	case string(b[:n]) != string(want):
		r.e.fatalf("a datagram of %d bytes, want %d: %s", n, len(want), describeDifference(b[:n], want))
	case sender != from:
		r.e.fatalf("a datagram came from %v, want %v", sender, from)
	}
}
