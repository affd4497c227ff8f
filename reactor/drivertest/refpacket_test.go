package drivertest

import (
	"errors"
	"net"
	"net/netip"

	"lars/reactor/driver"
)

type refPacket struct {
	loop  *refLoop
	udp   *net.UDPConn
	opts  driver.PacketOptions
	h     driver.PacketHandler
	local netip.AddrPort
	gone  chan struct{}

	out     []refDatagram
	latest  netip.AddrPort // of bugWrongSender
	bytes   int
	closing bool
	closed  bool
}

type refDatagram struct {
	to   netip.AddrPort
	data []byte
}

func (en *refEngine) ListenPacket(dl driver.Loop, o driver.PacketOptions, h driver.PacketHandler) (driver.PacketConn, error) {
	l, err := en.mine(dl)
	if err != nil {
		return nil, err
	}
	if o.OutputBytesMax == 0 {
		o.OutputBytesMax = driver.OutputBytesDefault
	}
	udp, err := openUDP(en, o)
	if err != nil {
		return nil, err
	}
	if o.RecvBufferBytes > 0 {
		udp.SetReadBuffer(o.RecvBufferBytes)
	}
	p := &refPacket{loop: l, udp: udp, opts: o, h: h, gone: make(chan struct{}), local: udp.LocalAddr().(*net.UDPAddr).AddrPort()}
	started := l.push(func() {
		if l.shut {
			p.finish(driver.ErrEngineClosed)
			return
		}
		l.socks[p] = true
		en.wg.Go(p.read)
	})
	if !started {
		udp.Close()
		return nil, driver.ErrEngineClosed
	}
	return p, nil
}

func openUDP(en *refEngine, o driver.PacketOptions) (*net.UDPConn, error) {
	var lc net.ListenConfig
	var d net.Dialer
	if o.ReusePort && en.bug != bugNoReusePort || en.bug == bugListenTwice {
		lc.Control, d.Control = reusePort, reusePort
	}
	local := ""
	if o.Local.IsValid() {
		local = o.Local.String()
	}
	if o.Peer.IsValid() && en.bug != bugNotConnected {
		if o.Local.IsValid() {
			d.LocalAddr = net.UDPAddrFromAddrPort(o.Local)
		}
		c, err := d.DialContext(en.ctx, "udp", o.Peer.String())
		if err != nil {
			return nil, err
		}
		return c.(*net.UDPConn), nil
	}
	c, err := lc.ListenPacket(en.ctx, "udp", local)
	if err != nil && en.bug == bugListenTwice {
		c, err = lc.ListenPacket(en.ctx, "udp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

func (p *refPacket) read() {
	b := make([]byte, 64<<10)
	if p.loop.en.bug == bugTruncates {
		b = b[:2048]
	}
	for {
		n, from, err := p.udp.ReadFromUDPAddrPort(b)
		next := make(chan struct{})
		ok := p.loop.push(func() {
			defer close(next)
			p.input(from, b[:n], err)
		})
		if !ok || errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case <-next:
		case <-p.gone:
			return
		}
	}
}

func (p *refPacket) input(from netip.AddrPort, view []byte, err error) {
	switch {
	case p.closing || p.closed:
	case p.loop.en.bug == bugDropsEmpty && err == nil && len(view) == 0:
	case err != nil && p.loop.en.bug == bugFailedSilent:
	case err != nil && p.loop.en.bug == bugPacketDies:
		p.finish(err)
	case err != nil:
		p.h.Failed(err)
	default:
		p.h.Received(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), view)
		p.Flush()
	}
}

func (p *refPacket) finish(err error) {
	if p.closed {
		return
	}
	p.closed = true
	close(p.gone)
	p.udp.Close()
	delete(p.loop.socks, p)
	switch p.loop.en.bug {
	case bugNeverClosed:
		return
	case bugReceivedAfterClosed: // after Close
		p.h.Received(p.local, []byte{1})
	}
	p.h.Closed(err)
}

func (p *refPacket) Alloc(n int, to netip.AddrPort) ([]byte, error) {
	switch {
	case p.closing || p.closed:
		return nil, driver.ErrClosed
	case n > driver.DatagramBytesMax && p.loop.en.bug != bugNoTooLong:
		return nil, driver.ErrTooLong
	case p.loop.en.bug != bugNoOutputLimit && (len(p.out) >= driver.DatagramsMax || p.bytes > 0 && p.bytes+n > p.opts.OutputBytesMax):
		return nil, driver.ErrOutputFull
	}
	p.bytes += n
	if p.loop.en.bug == bugWrongSender && p.latest.IsValid() {
		p.latest, to = to, p.latest
	} else {
		p.latest = to
	}
	p.out = append(p.out, refDatagram{to, make([]byte, n)})
	return p.out[len(p.out)-1].data, nil
}

// Flush may block in package net while the kernel's buffer is full; on the
// local host that does not last.
func (p *refPacket) Flush() {
	if p.closed {
		return
	}
	out := p.out
	p.out, p.bytes = nil, 0
	for i, d := range out {
		if p.loop.en.bug == bugLosesDatagram && i == len(out)-1 && i > 0 {
			return
		}
		var err error
		if p.loop.en.bug == bugNotConnected && p.opts.Peer.IsValid() {
			_, err = p.udp.WriteToUDPAddrPort(d.data, p.opts.Peer)
		} else if p.opts.Peer.IsValid() {
			_, err = p.udp.Write(d.data)
		} else {
			_, err = p.udp.WriteToUDPAddrPort(d.data, d.to)
		}
		if err != nil {
			p.loop.push(func() { p.input(netip.AddrPort{}, nil, err) })
		}
	}
}

func (p *refPacket) Unsent() int {
	if p.closed && p.loop.en.bug == bugUnsentLost {
		return 0
	}
	return len(p.out)
}

func (p *refPacket) Close(cause error) {
	if !p.closing {
		if cause == nil && p.loop.en.bug != bugDatagramsDrop || p.loop.en.bug == bugDatagramsGo {
			p.Flush()
		}
		p.closing = true
		if p.loop.en.bug == bugWrongCause {
			cause = errors.New("drivertest: not the cause")
		}
		p.loop.push(func() { p.finish(cause) })
	}
}

func (p *refPacket) LocalAddr() netip.AddrPort {
	if p.loop.en.bug == bugPortUnknown {
		return p.opts.Local
	}
	return netip.AddrPortFrom(p.local.Addr().Unmap(), p.local.Port())
}
func (p *refPacket) Loop() driver.Loop { return p.loop }
