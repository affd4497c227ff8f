package epoll

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"lars/reactor/driver"
)

// setConnOptions sets what accepted connections inherit from their listener
// on Linux, so that accepting costs no further system call.
func setConnOptions(fd int, o driver.ConnOptions) error {
	set := func(level, opt, value int) error {
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, opt, value))
	}
	if !o.Delay {
		if err := set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return err
		}
	}
	if o.KeepAlive > 0 {
		seconds := max(1, int(o.KeepAlive/time.Second))
		for _, kv := range [][3]int{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds},
		} {
			if err := set(kv[0], kv[1], kv[2]); err != nil {
				return err
			}
		}
	}
	return setBuffers(fd, o.SendBufferBytes, o.RecvBufferBytes)
}

func setBuffers(fd, send, recv int) error {
	if send > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, send); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if recv > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, recv); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// socket makes a non-blocking socket, prepares it with prepare, and closes it
// again when that fails.
func socket(family, kind int, prepare func(fd int) error) (int, error) {
	fd, err := unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := prepare(fd); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// bind binds fd, a socket of network, to addr, where an IPv6 wildcard also takes
// IPv4.
func bind(fd int, network string, addr netip.AddrPort) error {
	if family(addr) == unix.AF_INET6 && addr.Addr().IsUnspecified() {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	}
	if err := unix.Bind(fd, sockaddr(addr)); err != nil {
		return &net.OpError{Op: "listen", Net: network, Addr: net.TCPAddrFromAddrPort(addr), Err: os.NewSyscallError("bind", err)}
	}
	return nil
}

func localAddr(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPort(sa)
}

// zoneID is the interface index of a scoped address, or 0.
func zoneID(a netip.Addr) uint32 {
	if a.Zone() == "" {
		return 0
	}
	if n, err := strconv.ParseUint(a.Zone(), 10, 32); err == nil {
		return uint32(n)
	}
	if ifi, err := net.InterfaceByName(a.Zone()); err == nil {
		return uint32(ifi.Index)
	}
	return 0
}
