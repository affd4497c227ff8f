package epoll

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below are made on non-blocking descriptors and cannot sleep, so
// they use RawSyscall, which skips the Go scheduler's bookkeeping.

func rawRead(fd int, p []byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), e
}

func rawWrite(fd int, p []byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), e
}

func rawWritev(fd int, iov []unix.Iovec) (int, unix.Errno) {
	n, _, e := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(iov))), uintptr(len(iov)))
	return int(n), e
}

func epollCtl(epfd, op, fd int, ev *unix.EpollEvent) error {
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(ev)), 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// epollNap is epollWait for a short time, without telling the scheduler.
func epollNap(epfd int, events []unix.EpollEvent, timeout int) int {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(timeout), 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

// epollWait sleeps for at most timeout milliseconds (-1: for ever). An
// interrupted wait is a wait without events.
func epollWait(epfd int, events []unix.EpollEvent, timeout int) int {
	n, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(timeout), 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

// family is the address family of a socket for addr.
func family(addr netip.AddrPort) int {
	if addr.Addr().Unmap().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// sockaddr is addr as the unix package takes it.
func sockaddr(addr netip.AddrPort) unix.Sockaddr {
	a := addr.Addr().Unmap()
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: a.As4()}
	}
	sa := &unix.SockaddrInet6{Port: int(addr.Port()), Addr: a.As16()}
	sa.ZoneId = zoneID(a)
	return sa
}

// addrPort is the inverse of sockaddr; anything but IP gives the zero value.
func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// rawAddr is an address as the kernel writes and reads it. It has room for an
// IPv6 one, and its family says which it is.
type rawAddr unix.RawSockaddrInet6

// rawAccept takes a connection and its peer's address. The descriptor is
// non-blocking, so the call cannot sleep.
func rawAccept(fd int, peer *rawAddr) (int, unix.Errno) {
	size := uint32(unix.SizeofSockaddrInet6)
	n, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(peer)),
		uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(n), e
}

func (r *rawAddr) addrPort() netip.AddrPort {
	if r.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(r))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), swap16(v4.Port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(r.Addr).Unmap(), swap16(r.Port))
}

// set writes an address for a socket of a family and returns its size. An
// address that the socket cannot have is left for the kernel to refuse.
func (r *rawAddr) set(to netip.AddrPort, v6 bool) uint32 {
	a := to.Addr()
	if v6 {
		*r = rawAddr{Family: unix.AF_INET6, Port: swap16(to.Port()), Addr: a.As16(), Scope_id: zoneID(a)}
		return unix.SizeofSockaddrInet6
	}
	v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(r))
	v4.Family, v4.Port = unix.AF_INET, swap16(to.Port())
	if a = a.Unmap(); a.Is4() {
		v4.Addr = a.As4()
	} else {
		v4.Family = unix.AF_INET6
	}
	return unix.SizeofSockaddrInet4
}

// swap16 changes between the host's byte order, which is little-endian here,
// and the network's.
func swap16(n uint16) uint16 { return n<<8 | n>>8 }
