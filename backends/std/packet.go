package std

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"lars/backends/internal/serial"
	"lars/reactor/driver"
)

// arenaBytes is the room in which a socket keeps unsent datagrams before it
// asks the pool: it takes the answers to a burst of small requests.
const arenaBytes = 64 << 10

// failuresMax limits the errors that wait to be reported.
const failuresMax = 64

// packetConn is one UDP socket, on its loop.
type packetConn struct {
	loop    *serial.Loop
	h       driver.PacketHandler
	udp     *net.UDPConn
	raw     syscall.RawConn
	once    func(fd uintptr) bool // sendAll, bound
	options driver.PacketOptions
	to      address // of the datagram being sent

	unsent   []datagram
	bytes    int    // in unsent
	arena    []byte // holds the bytes of datagrams that are not pooled
	failures []error
	sending  bool // a sender goroutine lives
	queued   bool // waits for the loop to settle
	closed   bool // nothing but what is unsent is still to be done
	ended    bool // not even that
	told     bool // Closed has been called
	cause    error
}

type datagram struct {
	to     netip.AddrPort
	buf    []byte
	pooled bool
}

// ListenPacket opens a UDP socket on any serial loop, as
// driver.Engine.ListenPacket says. From any goroutine.
func ListenPacket(l *serial.Loop, o driver.PacketOptions, h driver.PacketHandler) (driver.PacketConn, error) {
	udp, err := openUDP(o)
	if err != nil {
		return nil, err
	}
	if o.OutputBytesMax == 0 {
		o.OutputBytesMax = driver.OutputBytesDefault
	}
	c := &packetConn{loop: l, h: h, udp: udp, options: o, arena: make([]byte, 0, arenaBytes)}
	c.raw, _ = udp.SyscallConn() // fails only for a nil connection
	c.once = c.sendAll
	c.to.init(udp, o)
	if !l.Add(c) {
		_ = udp.Close()
		return nil, driver.ErrEngineClosed
	}
	l.Go(c.read) // when it does not run, the engine is being closed and aborts c
	return c, nil
}

func openUDP(o driver.PacketOptions) (*net.UDPConn, error) {
	f := control(func(fd int) error {
		if o.ReusePort {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
				return err
			}
		}
		return setBuffers(fd, o.SendBufferBytes, o.RecvBufferBytes)
	})
	if o.Peer.IsValid() {
		d := net.Dialer{Control: f}
		if o.Local.IsValid() {
			d.LocalAddr = net.UDPAddrFromAddrPort(o.Local)
		}
		c, err := d.Dial("udp", o.Peer.String())
		if err != nil {
			return nil, err
		}
		return c.(*net.UDPConn), nil
	}
	local := ":0"
	if o.Local.IsValid() {
		local = o.Local.String()
	}
	lc := net.ListenConfig{Control: f}
	c, err := lc.ListenPacket(context.Background(), "udp", local)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// read is the socket's goroutine.
func (c *packetConn) read() {
	buf := make([]byte, driver.DatagramBytesMax+1)
	for {
		n, from, err := c.udp.ReadFromUDPAddrPort(buf)
		c.loop.Enter()
		c.loop.CountRead(n)
		switch {
		case c.closed:
		case err == nil:
			c.h.Received(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), buf[:n])
			c.Flush()
		case leavesOpen(err):
			c.h.Failed(err)
		default:
			c.Close(err)
		}
		c.loop.Settle()
		end := c.closed
		c.loop.Leave()
		if end {
			return
		}
	}
}

// leavesOpen tells errors of the path to a peer from those of the socket.
func leavesOpen(err error) bool {
	var e unix.Errno
	if !errors.As(err, &e) {
		return false
	}
	switch e {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENETDOWN,
		unix.EPERM, unix.EACCES, unix.EMSGSIZE, unix.ENOBUFS, unix.ENOMEM, unix.EINVAL,
		unix.EAFNOSUPPORT, unix.EADDRNOTAVAIL, unix.EPROTO, unix.ETIMEDOUT, unix.EDESTADDRREQ:
		return true
	}
	return false
}

// Alloc implements driver.PacketConn.
func (c *packetConn) Alloc(n int, to netip.AddrPort) ([]byte, error) {
	switch {
	case c.closed:
		return nil, driver.ErrClosed
	case n > driver.DatagramBytesMax:
		return nil, driver.ErrTooLong
	case len(c.unsent) >= driver.DatagramsMax, c.bytes > 0 && c.bytes+n > c.options.OutputBytesMax:
		return nil, driver.ErrOutputFull
	}
	d := datagram{to: to}
	if have := len(c.arena); cap(c.arena)-have >= n {
		c.arena = c.arena[:have+n]
		d.buf = c.arena[have:]
	} else {
		b, err := c.loop.Pool().Get(n)
		if err != nil {
			return nil, err
		}
		d.buf, d.pooled = b, true
	}
	c.unsent = append(c.unsent, d)
	c.bytes += n
	return d.buf, nil
}

// Flush implements driver.PacketConn.
func (c *packetConn) Flush() {
	if !c.closed {
		c.flush()
	}
}

func (c *packetConn) flush() {
	if c.sending || len(c.unsent) == 0 {
		return
	}
	if err := c.raw.Write(c.once); err != nil {
		c.Close(err)
	} else if len(c.unsent) > 0 {
		c.sending = c.loop.Go(c.drain)
	}
}

// sendAll sends until the kernel has no room.
func (c *packetConn) sendAll(fd uintptr) bool {
	done := 0
	for ; done < len(c.unsent); done++ {
		err := c.to.send(int(fd), &c.unsent[done])
		if err == unix.EAGAIN {
			break
		}
		c.sent(done, err)
	}
	c.forget(done)
	return true
}

// sent counts a datagram that the kernel took or refused for good.
func (c *packetConn) sent(i int, err error) {
	c.loop.CountWrite(len(c.unsent[i].buf))
	if err != nil && len(c.failures) < failuresMax {
		c.failures = append(c.failures, os.NewSyscallError("sendto", err))
		c.await()
	}
}

// forget gives up the first n datagrams.
func (c *packetConn) forget(n int) {
	for _, d := range c.unsent[:n] {
		c.bytes -= len(d.buf)
		if d.pooled {
			c.loop.Pool().Put(d.buf)
		}
	}
	rest := copy(c.unsent, c.unsent[n:])
	clear(c.unsent[rest:])
	c.unsent = c.unsent[:rest]
	if rest == 0 {
		c.arena = c.arena[:0]
	}
}

// drain sends what the kernel had no room for, one datagram at a time, without
// the loop's lock while it waits. Only it takes datagrams while it lives, until
// end has ended its system calls.
func (c *packetConn) drain() {
	var to address
	to.init(c.udp, c.options)
	for {
		c.loop.Enter()
		if c.ended || len(c.unsent) == 0 {
			c.sending = false
			if c.closed {
				c.end()
			}
			c.loop.Leave()
			return
		}
		d := c.unsent[0]
		c.loop.Leave()
		var err error
		failed := c.raw.Write(func(fd uintptr) bool {
			err = to.send(int(fd), &d)
			return err != unix.EAGAIN
		})
		c.loop.Enter()
		if failed == nil && !c.ended {
			c.sent(0, err)
			c.forget(1)
		}
		c.loop.Leave()
	}
}

// Unsent implements driver.PacketConn.
func (c *packetConn) Unsent() int { return len(c.unsent) }

// Close implements driver.PacketConn.
func (c *packetConn) Close(cause error) {
	if c.closed && cause == nil || c.ended {
		return
	}
	c.closed, c.cause = true, cause
	if cause == nil {
		c.flush()
	}
	if cause != nil || !c.sending {
		c.end()
	}
}

// end gives up the socket. It waits for system calls of the reader and the
// sender that are under way, none of which waits for anything.
func (c *packetConn) end() {
	if !c.ended {
		c.ended = true
		_ = c.udp.Close()
		c.await()
	}
}

// Abort implements serial.Member.
func (c *packetConn) Abort(cause error) { c.Close(cause) }

// await has Settle called when the current callback has returned.
func (c *packetConn) await() {
	if !c.queued {
		c.queued = true
		c.loop.Await(c)
	}
}

// Settle implements serial.Settler.
func (c *packetConn) Settle() {
	c.queued = false
	for i := 0; i < len(c.failures) && !c.closed; i++ {
		c.h.Failed(c.failures[i])
	}
	c.failures = nil
	if c.ended && !c.told {
		c.told = true
		c.loop.Remove(c)
		c.h.Closed(c.cause)
		c.forget(len(c.unsent))
	}
}

// LocalAddr implements driver.PacketConn.
func (c *packetConn) LocalAddr() netip.AddrPort { return addrPort(c.udp.LocalAddr()) }

// Loop implements driver.PacketConn.
func (c *packetConn) Loop() driver.Loop { return c.loop }

// address holds the socket address of one send, so that sending allocates
// nothing.
type address struct {
	connected bool // no address on datagrams
	inet6     bool // the socket is IPv6, and takes IPv4 addresses mapped
	sa4       unix.SockaddrInet4
	sa6       unix.SockaddrInet6
}

func (a *address) init(udp *net.UDPConn, o driver.PacketOptions) {
	a.connected = o.Peer.IsValid()
	a.inet6 = udp.LocalAddr().(*net.UDPAddr).IP.To4() == nil
}

// send makes one system call that does not wait.
func (a *address) send(fd int, d *datagram) error {
	to, err := a.of(d.to)
	for err == nil {
		if err = unix.Sendto(fd, d.buf, unix.MSG_DONTWAIT, to); err == nil {
			return nil
		}
		if err == unix.EINTR {
			err = nil
		}
	}
	return err
}

func (a *address) of(to netip.AddrPort) (unix.Sockaddr, error) {
	ip := to.Addr()
	switch {
	case a.connected:
		return nil, nil
	case !ip.IsValid():
		return nil, unix.EDESTADDRREQ
	case a.inet6:
		a.sa6 = unix.SockaddrInet6{Port: int(to.Port()), Addr: ip.As16(), ZoneId: zoneID(ip.Zone())}
		return &a.sa6, nil
	case ip.Unmap().Is4():
		a.sa4 = unix.SockaddrInet4{Port: int(to.Port()), Addr: ip.Unmap().As4()}
		return &a.sa4, nil
	}
	return nil, unix.EAFNOSUPPORT
}

// zoneID is the index of a link's name, or 0.
func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0
	}
	return uint32(i.Index)
}
