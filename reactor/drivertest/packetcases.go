package drivertest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"lars/reactor/driver"
)

func packetCases() []testCase {
	all := []testCase{
		{name: "Packet/Sizes", f: packetSizes},
		{name: "Packet/TooLong", f: packetTooLong},
		{name: "Packet/ManySenders", f: packetManySenders},
		{name: "Packet/Batch", f: packetBatch},
		{name: "Packet/Push", f: packetPush},
		{name: "Packet/Connected", f: packetConnected},
		{name: "Packet/ConnectedOnlyPeer", f: packetConnectedOnlyPeer},
		{name: "Packet/Unreachable", f: packetUnreachable},
		{name: "Packet/BadAddress", f: packetBadAddress},
		{name: "Packet/OutputLimit", f: packetOutputLimit},
		{name: "Packet/Close", f: packetClose},
		{name: "Packet/CloseSendsFirst", f: packetCloseSendsFirst},
		{name: "Packet/AbortDropsOutput", f: packetAbortDropsOutput},
		{name: "Packet/CloseInReceived", f: packetCloseInReceived},
		{name: "Packet/PortInUse", f: packetPortInUse},
		{name: "Packet/AnyLocal", f: packetAnyLocal},
		{name: "Packet/ReusePort", f: packetReusePort},
		{name: "Packet/IPv6", f: packetIPv6},
		{name: "Packet/EngineClosed", f: packetEngineClosed},
	}
	for i := range all {
		all[i].needs = needPacket
	}
	return all
}

// echoSocket opens an echoing socket of the driver on a free port.
func (e *env) echoSocket() *packet {
	e.Helper()
	en := e.open(driver.Config{})
	return en.packet(en.loops[0], driver.PacketOptions{Local: loopback()}, echoPackets())
}

func packetSizes(e *env) {
	p, r := e.echoSocket(), e.rawPacket()
	s := newStream(60)
	sizes := []int{
		0, 1, 2, 7, 8, 9, 28, 100, 508, 1023, 1024, 1025, 1472, 1473, 2048, 4096, 8192, 9000,
		16384, 32768, 65000, 65506, 65507,
	}
	for _, n := range sizes {
		m := s.next(n)
		r.send(p.LocalAddr(), m)
		r.expect(p.LocalAddr(), m)
	}
}

func packetTooLong(e *env) {
	p, r := e.echoSocket(), e.rawPacket()
	p.loop.do(func() {
		for _, n := range []int{driver.DatagramBytesMax + 1, 1 << 16, 1 << 24} {
			if _, err := p.Alloc(n, r.addr()); !errors.Is(err, driver.ErrTooLong) {
				e.errorf("Alloc of a datagram of %d bytes returned %v, want ErrTooLong", n, err)
			}
		}
		p.write(r.addr(), []byte("fits"))
		p.Flush()
	})
	r.expect(p.LocalAddr(), []byte("fits"))
}

// packetManySenders: each reply goes to the sender that asked.
func packetManySenders(e *env) {
	p := e.echoSocket()
	var peers []*rawPacket
	for range 20 {
		peers = append(peers, e.rawPacket())
	}
	for round := range 10 {
		for i, r := range peers {
			r.send(p.LocalAddr(), fmt.Appendf(nil, "sender %d round %d", i, round))
		}
		for i, r := range peers {
			r.expect(p.LocalAddr(), fmt.Appendf(nil, "sender %d round %d", i, round))
		}
	}
}

// packetBatch lets datagrams of several senders pile up while the loop is
// held: all arrive, those of each sender in order, and so do the replies.
func packetBatch(e *env) {
	p := e.echoSocket()
	const senders, each = 3, 40
	for range 3 {
		g := p.loop.hold()
		var peers [senders]*rawPacket
		for i := range peers {
			peers[i] = e.rawPacket()
		}
		for n := range each {
			for i, r := range peers {
				r.send(p.LocalAddr(), numberedDatagram(i, n))
			}
		}
		g.release()
		for i, r := range peers {
			for n := range each {
				r.expect(p.LocalAddr(), numberedDatagram(i, n))
			}
		}
	}
}

// numberedDatagram has a length of its own, the empty one included.
func numberedDatagram(sender, n int) []byte {
	b := make([]byte, 8*(n%5))
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], uint64(sender)<<32|uint64(n))
	}
	return b
}

// packetPush sends outside Received, several datagrams to several peers with
// one Flush.
func packetPush(e *env) {
	p, a, b := e.echoSocket(), e.rawPacket(), e.rawPacket()
	p.loop.do(func() {
		for i := range 20 {
			p.write(a.addr(), fmt.Appendf(nil, "to a %d", i))
			p.write(b.addr(), fmt.Appendf(nil, "to b %d", i))
		}
		p.Flush()
		p.Flush() // with nothing to send
	})
	for i := range 20 {
		a.expect(p.LocalAddr(), fmt.Appendf(nil, "to a %d", i))
		b.expect(p.LocalAddr(), fmt.Appendf(nil, "to b %d", i))
	}
}

func packetConnected(e *env) {
	en := e.open(driver.Config{Loops: 2})
	r := e.rawPacket()
	p := en.packet(en.loops[1], driver.PacketOptions{Peer: r.addr()}, packetHooks{
		received: func(p *packet, from netip.AddrPort, view []byte) {
			if from != r.addr() {
				e.errorf("a datagram of a connected socket came from %v, want %v", from, r.addr())
			}
			p.write(netip.AddrPort{}, append([]byte("re:"), view...)) // to is ignored
		},
	})
	p.loop.do(func() { p.write(netip.AddrPort{}, []byte("hello")); p.Flush() })
	r.expect(p.LocalAddr(), []byte("hello"))
	r.send(p.LocalAddr(), []byte("well"))
	r.expect(p.LocalAddr(), []byte("re:well"))
}

func packetConnectedOnlyPeer(e *env) {
	en := e.open(driver.Config{})
	r, stranger := e.rawPacket(), e.rawPacket()
	p := en.packet(en.loops[0], driver.PacketOptions{Local: loopback(), Peer: r.addr()}, echoPackets())
	stranger.send(p.LocalAddr(), []byte("stranger"))
	r.send(p.LocalAddr(), []byte("peer"))
	r.expect(p.LocalAddr(), []byte("peer"))
	p.loop.do(func() {})
	if p.received != 1 {
		e.fatalf("a connected socket received %d datagrams, want only the peer's", p.received)
	}
}

// packetUnreachable: nobody is at the peer's port. Failed says so, the socket
// stays open, and works once somebody is.
func packetUnreachable(e *env) {
	en := e.open(driver.Config{})
	gone := e.rawPacket()
	addr := gone.addr()
	gone.Close()
	p := en.packet(en.loops[0], driver.PacketOptions{Peer: addr}, packetHooks{})
	for i := range 3 {
		p.loop.do(func() { p.write(addr, []byte("anybody?")); p.Flush() })
		e.await("Failed for an unreachable peer", func() bool { return len(p.failures) > i })
	}
	for _, err := range p.failures {
		if !errors.Is(err, syscall.ECONNREFUSED) {
			e.fatalf("Failed with %v, want ECONNREFUSED", err)
		}
	}
	r := e.rawPacketAt(addr)
	p.loop.do(func() { p.write(addr, []byte("now")); p.Flush() })
	r.expect(p.LocalAddr(), []byte("now"))
	if p.isClosed {
		e.fatalf("the socket was closed: %v", p.err)
	}
}

// packetBadAddress: a datagram that the kernel refuses for good is dropped and
// reported, the others around it go out.
func packetBadAddress(e *env) {
	p, r := e.echoSocket(), e.rawPacket()
	bad := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 0)
	p.loop.do(func() {
		p.write(r.addr(), []byte("one"))
		p.write(bad, []byte("bad"))
		p.write(r.addr(), []byte("two"))
		p.Flush()
	})
	r.expect(p.LocalAddr(), []byte("one"))
	r.expect(p.LocalAddr(), []byte("two"))
	e.await("Failed for a datagram to port 0", func() bool { return len(p.failures) == 1 })
	p.loop.do(func() {
		if _, err := p.Alloc(3, netip.AddrPort{}); err == nil { // no address at all
			p.Flush()
		}
	})
	r.send(p.LocalAddr(), []byte("healthy"))
	r.expect(p.LocalAddr(), []byte("healthy"))
}

func packetOutputLimit(e *env) {
	en := e.open(driver.Config{})
	r := e.rawPacket()
	p := en.packet(en.loops[0], driver.PacketOptions{Local: loopback(), OutputBytesMax: 4096}, packetHooks{})
	for range 3 {
		p.loop.do(func() {
			for i := range 8 {
				p.write(r.addr(), make([]byte, 512-8+i))
			}
			if _, err := p.Alloc(512, r.addr()); !errors.Is(err, driver.ErrOutputFull) {
				e.errorf("Alloc above OutputBytesMax returned %v, want ErrOutputFull", err)
			}
			p.Flush()
		})
		for i := range 8 {
			r.expect(p.LocalAddr(), make([]byte, 512-8+i))
		}
	}
	p.loop.do(func() { // those without a body take nothing of the limit in bytes
		for range driver.DatagramsMax {
			p.write(r.addr(), nil)
		}
		if _, err := p.Alloc(0, r.addr()); !errors.Is(err, driver.ErrOutputFull) {
			e.errorf("Alloc above DatagramsMax returned %v, want ErrOutputFull", err)
		}
		p.Close(errCause)
	})
}

func packetClose(e *env) {
	en := e.open(driver.Config{})
	for _, cause := range []error{nil, errCause} {
		p := en.packet(en.loops[0], driver.PacketOptions{Local: loopback()}, packetHooks{})
		addr := p.LocalAddr()
		p.loop.do(func() {
			p.Close(cause)
			p.Close(errors.New("drivertest: a second close"))
			if _, err := p.Alloc(1, addr); !errors.Is(err, driver.ErrClosed) {
				e.errorf("Alloc on a closing socket returned %v, want ErrClosed", err)
			}
			p.Flush()
		})
		if err := p.awaitClosed(); err != cause {
			e.fatalf("Close(%v): closed with %v", cause, err)
		}
		e.poll("the address is free", func() bool {
			r, err := en.eng.ListenPacket(p.loop.Loop, driver.PacketOptions{Local: addr}, &packet{loop: p.loop, en: en})
			if err == nil {
				p.loop.do(func() { r.Close(nil) })
			}
			return err == nil
		})
		p.loop.passLoop() // a second Closed would come now
	}
}

// packetCloseSendsFirst closes, in a callback and outside of one, with
// datagrams that are not even flushed.
func packetCloseSendsFirst(e *env) {
	en, r := e.open(driver.Config{}), e.rawPacket()
	write := func(p *packet) {
		for i := range unsentDatagrams {
			p.write(r.addr(), numberedDatagram(0, i))
		}
		p.Close(nil)
	}
	for _, inside := range []bool{false, true} {
		p := en.packet(en.loops[0], driver.PacketOptions{Local: loopback()}, packetHooks{
			received: func(p *packet, _ netip.AddrPort, _ []byte) { write(p) },
		})
		addr := p.LocalAddr()
		if inside {
			r.send(addr, nil)
		} else {
			p.loop.do(func() { write(p) })
		}
		if err := p.awaitClosed(); err != nil || p.dropped != 0 {
			e.fatalf("closed with %v and %d datagrams dropped, want nil and 0", err, p.dropped)
		}
		for i := range unsentDatagrams {
			r.expect(addr, numberedDatagram(0, i))
		}
	}
}

const unsentDatagrams = 100 // more than one call takes

func packetAbortDropsOutput(e *env) {
	en, r := e.open(driver.Config{}), e.rawPacket()
	p := en.packet(en.loops[0], driver.PacketOptions{Local: loopback()}, packetHooks{})
	p.loop.do(func() {
		for i := range unsentDatagrams {
			p.write(r.addr(), numberedDatagram(0, i))
		}
		if n := p.Unsent(); n != unsentDatagrams {
			e.errorf("Unsent is %d with %d datagrams allocated", n, unsentDatagrams)
		}
		p.Close(errCause)
	})
	if err := p.awaitClosed(); err != errCause || p.dropped != unsentDatagrams {
		e.fatalf("closed with %v and %d datagrams dropped, want the cause and %d", err, p.dropped, unsentDatagrams)
	}
	q := e.rawPacket()
	q.send(r.addr(), []byte("after"))
	r.expect(q.addr(), []byte("after"))
}

// packetCloseInReceived closes with more datagrams waiting in the batch: none
// of them is shown any more.
func packetCloseInReceived(e *env) {
	en := e.open(driver.Config{})
	p := en.packet(en.loops[0], driver.PacketOptions{Local: loopback()}, packetHooks{
		received: func(p *packet, from netip.AddrPort, view []byte) {
			if p.received > 0 {
				e.errorf("Received after Close on a socket")
			}
			p.Close(errCause)
		},
	})
	g, r := p.loop.hold(), e.rawPacket()
	for range 10 {
		r.send(p.LocalAddr(), []byte("x"))
	}
	g.release()
	if err := p.awaitClosed(); err != errCause {
		e.fatalf("closed with %v, want the cause", err)
	}
}

func packetPortInUse(e *env) {
	en, r := e.open(driver.Config{}), e.rawPacket()
	p := &packet{loop: en.loops[0], en: en}
	if _, err := en.eng.ListenPacket(en.loops[0].Loop, driver.PacketOptions{Local: r.addr()}, p); !errors.Is(err, syscall.EADDRINUSE) {
		e.fatalf("ListenPacket on a port in use returned %v, want EADDRINUSE", err)
	}
}

// packetAnyLocal: the zero Local is any free port on any address.
func packetAnyLocal(e *env) {
	en, r := e.open(driver.Config{}), e.rawPacket()
	p := en.packet(en.loops[0], driver.PacketOptions{}, echoPackets())
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), p.LocalAddr().Port())
	r.send(to, []byte("any"))
	r.expect(to, []byte("any"))
}

// packetReusePort: two sockets on one port; every datagram reaches one.
func packetReusePort(e *env) {
	en := e.open(driver.Config{Loops: 2})
	o := driver.PacketOptions{Local: loopback(), ReusePort: true}
	a := en.packet(en.loops[0], o, echoPackets())
	o.Local = a.LocalAddr()
	b := en.packet(en.loops[1], o, echoPackets())
	const n = 40
	for range n {
		r := e.rawPacket()
		r.send(a.LocalAddr(), []byte("x"))
		r.expect(a.LocalAddr(), []byte("x"))
	}
	e.await("every datagram is received once", func() bool { return a.received+b.received == n })
}

func packetIPv6(e *env) {
	en := e.open(driver.Config{})
	local := netip.MustParseAddrPort("[::1]:0")
	if l, err := e.h.Net.Listen(local); err == nil {
		l.Close()
	} else {
		if _, err := en.eng.ListenPacket(en.loops[0].Loop, driver.PacketOptions{Local: local}, &packet{loop: en.loops[0], en: en}); err == nil {
			e.fatalf("ListenPacket on %v succeeded on a machine without it", local)
		}
		return
	}
	p := en.packet(en.loops[0], driver.PacketOptions{Local: local}, echoPackets())
	r := e.rawPacketAt(local)
	r.send(p.LocalAddr(), []byte("six"))
	r.expect(p.LocalAddr(), []byte("six"))
}

// packetEngineClosed closes the engine under a stream of datagrams.
func packetEngineClosed(e *env) {
	en := e.open(driver.Config{Loops: 2})
	p := en.packet(en.loops[0], driver.PacketOptions{Local: loopback()}, echoPackets())
	q := en.packet(en.loops[1], driver.PacketOptions{Peer: p.LocalAddr()}, echoPackets())
	q.loop.do(func() { q.write(p.LocalAddr(), []byte("ping")); q.Flush() })
	e.await("datagrams go to and fro", func() bool { return q.received > 10 })
	en.close()
	for _, s := range []*packet{p, q} {
		if err := s.awaitClosed(); !errors.Is(err, driver.ErrEngineClosed) {
			e.fatalf("closed with %v, want ErrEngineClosed", err)
		}
	}
}
