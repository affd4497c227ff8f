package epoll

import (
	"net"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"lars/reactor/driver"
)

const (
	batchMax = 64 // datagrams per system call
	// inBytes is one more than the longest datagram, rounded up.
	inBytes = 64 << 10
	// outKeepBytes is the output space that a socket keeps when at rest.
	outKeepBytes = 64 << 10
	// receivesPerEvent batches, then the loop's other sockets have their turn.
	receivesPerEvent = 4
)

// packet is one UDP socket.
type packet struct {
	h     driver.PacketHandler
	loop  *loop
	opts  driver.PacketOptions
	fd    int
	slot  uint32
	local netip.AddrPort

	v6      bool
	waiting bool // for the kernel to take output
	started bool // has a slot
	closed  bool
	told    bool
	cause   error

	out   []byte     // datagrams waiting, one behind the other
	queue []datagram // where they stand and where they go
}

type datagram struct {
	off, n int
	to     netip.AddrPort
}

// batches are what all UDP sockets of a loop receive into and send by: input is
// lent for the time of a callback only, and pages that no datagram reaches cost no
// more than their addresses.
type batches struct {
	recv batch
	in   []byte // batchMax datagrams of inBytes
	used int    // messages of recv that the last call filled
	send batch
}

// batch is the argument of recvmmsg and sendmmsg.
type batch struct {
	msgs  [batchMax]mmsghdr
	iovs  [batchMax]unix.Iovec
	names [batchMax]rawAddr
}

type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// ListenPacket implements driver.Engine.
func (e *engine) ListenPacket(dl driver.Loop, o driver.PacketOptions, h driver.PacketHandler) (driver.PacketConn, error) {
	l, err := e.own(dl)
	if err != nil {
		return nil, err
	}
	if o.OutputBytesMax == 0 {
		o.OutputBytesMax = driver.OutputBytesDefault
	}
	fd, v6, err := packetSocket(o)
	if err != nil {
		return nil, err
	}
	p := &packet{h: h, loop: l, opts: o, fd: fd, v6: v6, local: localAddr(fd)}
	if !l.Post(p.start) {
		_ = unix.Close(fd)
		return nil, driver.ErrEngineClosed
	}
	return p, nil
}

func packetSocket(o driver.PacketOptions) (fd int, v6 bool, err error) {
	at := o.Local
	if !at.IsValid() {
		at = o.Peer
	}
	fam := unix.AF_INET
	if at.IsValid() {
		fam = family(at)
	}
	fd, err = socket(fam, unix.SOCK_DGRAM, func(fd int) error {
		if err := setBuffers(fd, o.SendBufferBytes, o.RecvBufferBytes); err != nil {
			return err
		}
		if o.ReusePort {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
				return os.NewSyscallError("setsockopt", err)
			}
		}
		if err := bindPacket(fd, fam, o.Local); err != nil {
			return err
		}
		if o.Peer.IsValid() {
			if err := unix.Connect(fd, sockaddr(o.Peer)); err != nil {
				return &net.OpError{Op: "dial", Net: "udp", Addr: net.UDPAddrFromAddrPort(o.Peer), Err: os.NewSyscallError("connect", err)}
			}
		}
		return nil
	})
	return fd, fam == unix.AF_INET6, err
}

// bindPacket binds to local, or to any free port so that the socket has an
// address before it sends.
func bindPacket(fd, fam int, local netip.AddrPort) error {
	if !local.IsValid() {
		wildcard := netip.IPv4Unspecified()
		if fam == unix.AF_INET6 {
			wildcard = netip.IPv6Unspecified()
		}
		local = netip.AddrPortFrom(wildcard, 0)
	}
	return bind(fd, "udp", local)
}

// datagrams are the loop's batches, made for its first UDP socket.
func (l *loop) datagrams() *batches {
	if l.batches == nil {
		l.batches = newBatches()
	}
	return l.batches
}

func newBatches() *batches {
	all := &batches{in: make([]byte, batchMax*inBytes), used: batchMax}
	b := &all.recv
	for i := range batchMax {
		b.iovs[i].Base = &all.in[i*inBytes]
		b.iovs[i].SetLen(inBytes)
		h := &b.msgs[i].hdr
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
	}
	return all
}

func (p *packet) start() {
	if p.closed {
		return
	}
	l := p.loop
	p.slot, p.started = l.insert(nil, p), true
	if err := l.register(p.slot, p.fd, unix.EPOLLIN); err != nil {
		p.Close(err)
	}
}

func (p *packet) ready(events uint32) {
	if p.waiting && (p.closed || events&unix.EPOLLOUT != 0) {
		p.waiting = false
		p.loop.modify(p.slot, p.fd, p.events())
		p.submit()
	}
	if events&(unix.EPOLLIN|unix.EPOLLERR) != 0 {
		for range receivesPerEvent {
			if p.closed || !p.receive() {
				break
			}
		}
	}
	p.settle()
}

// events that the socket asks for; nothing is received once it is closed.
func (p *packet) events() (e uint32) {
	if !p.closed {
		e = unix.EPOLLIN
	}
	if p.waiting {
		e |= unix.EPOLLOUT
	}
	return e
}

// receive takes one batch and reports whether there may be more.
func (p *packet) receive() bool {
	all := p.loop.datagrams()
	b := &all.recv
	for i := range all.used { // the kernel wrote the lengths of the addresses
		b.msgs[i].hdr.Namelen = unix.SizeofSockaddrInet6
	}
	all.used = 0
	n, errno := mmsg(unix.SYS_RECVMMSG, p.fd, b.msgs[:])
	p.loop.stats.Reads++
	if errno != 0 {
		if errno != unix.EAGAIN && errno != unix.EINTR {
			p.fail(os.NewSyscallError("recvmmsg", errno))
			return true
		}
		return false
	}
	all.used = n
	for i := range n {
		m := &b.msgs[i]
		p.loop.stats.ReadBytes += uint64(m.n)
		at := i * inBytes
		p.h.Received(b.names[i].addrPort(), all.in[at:at+int(m.n)])
		if p.closed {
			return false
		}
	}
	p.Flush()
	return n == batchMax
}

// Alloc implements driver.PacketConn.
func (p *packet) Alloc(n int, to netip.AddrPort) ([]byte, error) {
	switch {
	case p.closed:
		return nil, driver.ErrClosed
	case n > driver.DatagramBytesMax:
		return nil, driver.ErrTooLong
	case len(p.queue) >= driver.DatagramsMax, len(p.out) > 0 && len(p.out)+n > p.opts.OutputBytesMax:
		return nil, driver.ErrOutputFull
	}
	off := len(p.out)
	if cap(p.out)-off < n {
		bigger := make([]byte, off, max(2*cap(p.out), off+n, 4<<10))
		copy(bigger, p.out)
		p.out = bigger
	}
	p.out = p.out[:off+n]
	p.queue = append(p.queue, datagram{off, n, to})
	return p.out[off : off+n : off+n], nil
}

// Flush implements driver.PacketConn.
func (p *packet) Flush() {
	if !p.closed {
		p.submit()
	}
}

func (p *packet) submit() {
	if p.waiting || len(p.queue) == 0 {
		return
	}
	sent := 0
	for sent < len(p.queue) {
		n, errno := p.sendSome(p.queue[sent:])
		p.loop.stats.Writes++
		if errno == unix.EAGAIN {
			p.wait(sent)
			return
		}
		for _, d := range p.queue[sent : sent+n] {
			p.loop.stats.WriteBytes += uint64(d.n)
		}
		sent += n
		if errno != 0 && errno != unix.EINTR {
			// A connected socket tells an earlier datagram's fate with this
			// call; the datagram itself was not tried. Others are refused.
			if errno != unix.ECONNREFUSED {
				sent++
			}
			p.fail(os.NewSyscallError("sendmmsg", errno))
		}
	}
	p.queue = p.queue[:0]
	p.out = p.out[:0]
	if cap(p.out) > outKeepBytes {
		p.out = nil
	}
}

// fail tells the handler once no callback is running.
func (p *packet) fail(err error) {
	p.loop.Post(func() {
		if !p.closed {
			p.h.Failed(err)
		}
	})
}

// wait keeps what is not sent until the kernel takes output again.
func (p *packet) wait(sent int) {
	p.queue = p.queue[:copy(p.queue, p.queue[sent:])]
	p.waiting = true
	p.loop.modify(p.slot, p.fd, p.events())
}

func (p *packet) sendSome(queue []datagram) (int, unix.Errno) {
	b := &p.loop.datagrams().send
	n := min(len(queue), batchMax)
	for i, d := range queue[:n] {
		iov, h := &b.iovs[i], &b.msgs[i].hdr
		iov.Base = unsafe.SliceData(p.out[d.off:])
		iov.SetLen(d.n)
		h.Iov = iov
		h.SetIovlen(1)
		h.Name, h.Namelen = nil, 0
		if !p.opts.Peer.IsValid() {
			h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
			h.Namelen = b.names[i].set(d.to, p.v6)
		}
	}
	n, errno := mmsg(unix.SYS_SENDMMSG, p.fd, b.msgs[:n])
	if errno != 0 {
		n = 0
	}
	return n, errno
}

// Unsent implements driver.PacketConn.
func (p *packet) Unsent() int { return len(p.queue) }

// Close implements driver.PacketConn.
func (p *packet) Close(cause error) {
	if p.end(cause) {
		p.loop.Post(p.settle)
	}
}

// end reports whether the cause counts: it is the first, or ends a drain.
func (p *packet) end(cause error) bool {
	if p.closed && (cause == nil || !p.draining()) {
		return false
	}
	p.closed, p.cause = true, cause
	if p.waiting {
		p.loop.modify(p.slot, p.fd, p.events())
	}
	if p.draining() {
		p.submit()
	}
	return true
}

// draining reports that output is to be sent before the end.
func (p *packet) draining() bool { return p.closed && p.cause == nil && len(p.queue) > 0 }

// settle tells the handler once no callback is running.
func (p *packet) settle() {
	if !p.closed || p.told || p.draining() {
		return
	}
	p.told = true
	if p.started {
		p.loop.remove(p.slot)
	}
	_ = unix.Close(p.fd)
	p.h.Closed(p.cause)
	p.out, p.queue = nil, nil
}

func (p *packet) abort(err error) {
	p.end(err)
	p.settle()
}

// LocalAddr implements driver.PacketConn.
func (p *packet) LocalAddr() netip.AddrPort { return p.local }

// Loop implements driver.PacketConn.
func (p *packet) Loop() driver.Loop { return p.loop }

func mmsg(call uintptr, fd int, msgs []mmsghdr) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}
