package drivertest

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// A Net is where the suite's own sockets live, the peers of the driver under
// test. The default is the kernel's network on the local host; a driver that
// has no kernel brings its own, in which 127.0.0.1 and ::1 are the host of the
// driver. All methods may be called from any goroutine, and block.
type Net interface {
	// Dial connects a TCP socket.
	Dial(to netip.AddrPort, timeout time.Duration) (Stream, error)
	// Listen opens a TCP listener; its Accept returns a Stream.
	Listen(at netip.AddrPort) (Listener, error)
	// ListenPacket opens a UDP socket.
	ListenPacket(at netip.AddrPort) (PacketSocket, error)
	// Silent returns an address where connecting hangs until it is closed.
	Silent() (netip.AddrPort, io.Closer, error)
	// Exhaust makes the driver's accept fail for want of descriptors, until
	// restore, where that can be done inside this process. Otherwise ok is
	// false, and the suite lowers the limit of a process of its own.
	Exhaust() (restore func(), ok bool)
	// Descriptors reports whether the driver's connections are descriptors of
	// this process, with options that can be read. When false the suite
	// asserts that a driver opens none.
	Descriptors() bool
}

// A Stream is a TCP socket of the suite. Its addresses are *net.TCPAddr.
type Stream interface {
	net.Conn
	CloseWrite() error
	SetLinger(seconds int) error // with 0, Close resets
}

// A Listener is a TCP listener of the suite.
type Listener interface {
	net.Listener
	SetDeadline(time.Time) error
}

// A PacketSocket is a UDP socket of the suite. Its address is a *net.UDPAddr.
type PacketSocket interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	SetDeadline(time.Time) error
	Close() error
}

// kernelNet is the kernel's network.
type kernelNet struct{}

func (kernelNet) Dial(to netip.AddrPort, timeout time.Duration) (Stream, error) {
	c, err := net.DialTimeout("tcp", to.String(), timeout)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

func (kernelNet) Listen(at netip.AddrPort) (Listener, error) {
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

func (kernelNet) ListenPacket(at netip.AddrPort) (PacketSocket, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (kernelNet) Exhaust() (func(), bool) { return nil, false }
func (kernelNet) Descriptors() bool       { return true }

// Silent listens with a backlog that is full: further connections hang, as
// Linux drops their first segment.
func (kernelNet) Silent() (at netip.AddrPort, _ io.Closer, err error) {
	var all descriptorList
	defer func() {
		if err != nil {
			all.Close()
		}
	}()
	fd, err := all.socket()
	if err != nil {
		return at, nil, err
	}
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		return at, nil, err
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return at, nil, err
	}
	for range 8 {
		client, err := all.socket()
		if err != nil {
			return at, nil, err
		}
		if unix.Connect(client, sa) != unix.EINPROGRESS {
			continue
		}
		// A handshake on the local host is done at once unless it hangs.
		poll := []unix.PollFd{{Fd: int32(client), Events: unix.POLLOUT}}
		if n, _ := unix.Poll(poll, 200); n == 0 {
			break
		}
	}
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(sa.(*unix.SockaddrInet4).Port)), all, nil
}

// descriptorList is sockets that were made without package net.
type descriptorList []int

// socket makes a non-blocking TCP socket.
func (l *descriptorList) socket() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		*l = append(*l, fd)
	}
	return fd, err
}

func (l descriptorList) Close() error {
	for _, fd := range l {
		_ = unix.Close(fd)
	}
	return nil
}
