package evio

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lars/reactor/driver"
)

// tune sets what evio does not. A socket that refuses an option works without.
func tune(fd int, o driver.ConnOptions) {
	unix.CloseOnExec(fd)
	if !o.Delay {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if o.KeepAlive > 0 { // evio would set it after the handler has been made
		seconds := max(int(o.KeepAlive.Round(time.Second)/time.Second), 1)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds)
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds)
	}
	if o.SendBufferBytes > 0 {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, o.SendBufferBytes)
	}
	if o.RecvBufferBytes > 0 {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, o.RecvBufferBytes)
	}
}

func fromSockaddr(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// spareDescriptors returns an error unless n more descriptors can be opened.
func spareDescriptors(n int) error {
	spare := make([]int, 0, n)
	defer func() {
		for _, fd := range spare {
			_ = unix.Close(fd)
		}
	}()
	for range n {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("open", err)
		}
		spare = append(spare, fd)
	}
	return nil
}

// releaseAddress closes the listening socket that an evio loop waits on, for
// evio does that only together with all connections. Its descriptors stay
// open for evio to close, but lead to another socket, on which nothing comes.
func releaseAddress(epoll int) error {
	fd, err := listenerOf(epoll)
	if err != nil {
		return err
	}
	all, err := sameSocket(fd)
	if err != nil {
		return err
	}
	dead, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(dead)
	if err := unix.Bind(dead, &unix.SockaddrUnix{}); err != nil { // any free abstract name
		return os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(dead, 1); err != nil {
		return os.NewSyscallError("listen", err)
	}
	for _, fd := range all {
		if err := unix.Dup3(dead, fd, unix.O_CLOEXEC); err != nil {
			return os.NewSyscallError("dup3", err)
		}
	}
	return nil
}

// waitedFor lists the descriptors that an epoll descriptor waits for. The
// kernel tells them in lines "tfd: <descriptor> events: ...".
func waitedFor(epoll int) (all []int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", epoll))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "tfd:" {
			fd, err := strconv.Atoi(f[1])
			if err != nil {
				return nil, err
			}
			all = append(all, fd)
		}
	}
	return all, nil
}

// listenerOf finds the listening socket among them.
func listenerOf(epoll int) (fd int, err error) {
	all, err := waitedFor(epoll)
	if err != nil {
		return -1, err
	}
	for _, fd := range all {
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && on == 1 {
			return fd, nil
		}
	}
	return -1, errNoListener
}

// markLoops sets close-on-exec on each epoll descriptor that waits for the
// listener, and on all that it waits for.
func markLoops(listener int) error {
	all, err := descriptors("anon_inode:[eventpoll]")
	if err != nil {
		return err
	}
	for _, epoll := range all {
		waited, err := waitedFor(epoll)
		if err != nil || !slices.Contains(waited, listener) {
			continue // one that is being closed, or another's
		}
		for _, fd := range append(waited, epoll) {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// sameSocket lists all descriptors of a socket.
func sameSocket(fd int) (all []int, err error) {
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return nil, err
	}
	return descriptors(name)
}

// descriptors lists those that lead to name.
func descriptors(name string) (all []int, err error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && to == name {
			n, err := strconv.Atoi(e.Name())
			if err != nil {
				return nil, err
			}
			all = append(all, n)
		}
	}
	return all, nil
}
