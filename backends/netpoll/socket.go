package netpoll

import (
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"lars/reactor/driver"
)

// adopt takes the socket of a connection away from package net, which has set
// its options. It has no way to give a descriptor away, only a duplicate.
func (e *engine) adopt(tcp *net.TCPConn, o driver.ConnOptions) (*conn, error) {
	defer tcp.Close()
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &conn{engine: e, options: o, local: addrPort(tcp.LocalAddr()), remote: addrPort(tcp.RemoteAddr())}
	failed := raw.Control(func(fd uintptr) { c.fd, err = dup(int(fd), e.nextMin()) })
	return c, errors.Join(failed, err)
}

// abandon releases an adopted socket that was not started.
func (c *conn) abandon() { _ = unix.Close(c.fd) }

// Descriptors of race builds are taken from this range in turn.
const (
	raceDescriptorMin = 1000
	raceDescriptors   = 8000
)

// dup makes another descriptor of the same socket, at least min.
func dup(fd, min int) (int, error) {
	other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, min)
	if err == unix.EINVAL && min > 0 { // above the limit on descriptors
		return dup(fd, 0)
	}
	return other, os.NewSyscallError("dup", err)
}

// nextMin is the least descriptor that a new connection should have.
func (e *engine) nextMin() int {
	if !raceEnabled {
		return 0
	}
	return raceDescriptorMin + int(e.turn.Add(1)%raceDescriptors)
}

// addrPort is the address in the form of the seam.
func addrPort(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// tcpClose is the kernel's state of a connection that was reset (TCP_CLOSE in
// tcp_states.h); after an orderly end of the peer it is CLOSE_WAIT.
const tcpClose = 7

// wasReset reports whether the connection ended by a reset.
func wasReset(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == tcpClose
}
