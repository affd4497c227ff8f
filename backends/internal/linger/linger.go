// Package linger tells when a TCP connection can be closed without loss.
//
// A socket that is closed with input unread, or that gets input afterwards,
// resets the connection, and the kernel drops what output it still holds (RFC
// 1122, 4.2.2.13; tcp_close and tcp_rcv_state_process of Linux). A server that
// closes on a peer with requests under way would lose replies that it made. So a
// closing connection lingers: its output ends, its input is read and dropped, and
// its descriptor stays open until the peer's kernel has acknowledged all output.
package linger

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dropBytes = 1 << 20 // of input, by one call
	dropsMax  = 4       // calls, however fast the peer sends

	waitMin = time.Millisecond
	waitMax = 64 * time.Millisecond
)

// Unacked drops the input that has come on a socket that does not block, and
// returns how many bytes of its output the peer's kernel has not acknowledged.
// Closing loses nothing when there are none, or after the peer's own end, for
// which it returns none as well. Otherwise it ends the output, for which the peer
// may be waiting: it may acknowledge the last of it only when it has something to
// say, or after 40 ms. An error, such as of a reset, means that output was lost.
// The kernel tells of a reset once only: to whoever else reads the socket, perhaps.
func Unacked(fd int) (int, error) {
	ended, err := drop(fd)
	left := Left(fd)
	switch {
	case left == 0:
		return 0, nil
	case ended && isClosed(fd):
		return left, os.NewSyscallError("read", unix.ECONNRESET)
	case ended:
		return 0, nil
	}
	_ = unix.Shutdown(fd, unix.SHUT_WR) // again does nothing
	return left, err
}

// Left is the number alone, and 0 of a descriptor that is no socket.
func Left(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

// isClosed reports whether the kernel has given the connection up: then it will
// send no more of what is left.
func isClosed(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == unix.BPF_TCP_CLOSE
}

// drop takes input, and reports whether it has ended.
func drop(fd int) (ended bool, err error) {
	for range dropsMax {
		// With MSG_TRUNC the kernel drops input of TCP without copying it (tcp(7)).
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), 0, dropBytes, unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == unix.EAGAIN || errno == unix.EINTR:
			return false, nil
		case errno != 0:
			return false, os.NewSyscallError("read", errno)
		case n == 0:
			return true, nil
		case n < dropBytes:
			return false, nil
		}
	}
	return false, nil
}

// A Pace says when to look again, since nothing tells of an acknowledgement:
// often at first, rarely for a peer that takes its time.
type Pace struct {
	wait time.Duration
	left int
}

// Next is how long to wait while so many bytes are left.
func (p *Pace) Next(left int) time.Duration {
	if left != p.left { // the peer takes some
		p.wait = 0
	}
	p.left = left
	p.wait = min(max(2*p.wait, waitMin), waitMax)
	return p.wait
}
