// Package crowd surrounds a load with connections of another kind: Idle ones,
// which send nothing, and Stalled ones, which ask and never read. Each is a
// driver for a target of package run:
//
//	target.Drive = crowd.Idle{Conns: 9000}.Run
//	target.Drive = crowd.Stalled{Readers: 20, SendBytes: 16 << 20, MemoryBytes: 128 << 20}.Run
//
// The load itself is load.Run's, and so are its figures; what the crowd found
// wrong stands in Result.Faults. Whether the load feels the crowd tells the same
// load without it, measured beside.
//
// Connections are bare descriptors: package net would add its poller and a
// goroutine's worth of memory for each on this side.
package crowd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"lars/bench/load"
	"lars/bench/proc"
)

// Dial opens n connections, which block. On an error it returns those that it
// has opened, too.
func Dial(ctx context.Context, addr netip.AddrPort, n int) (fds []int, err error) {
	return dial(ctx, addr, n, 0)
}

// dial asks for receive buffers of a size; 0 leaves them to the kernel.
func dial(ctx context.Context, addr netip.AddrPort, n, receive int) (fds []int, err error) {
	to := &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().Unmap().As4()}
	for range n {
		if ctx.Err() != nil {
			return fds, context.Cause(ctx)
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fds, fmt.Errorf("connection %d: %w", len(fds), err)
		}
		fds = append(fds, fd)
		if receive > 0 {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receive); err != nil {
				return fds, fmt.Errorf("connection %d: %w", len(fds), err)
			}
		}
		if err := connect(fd, to); err != nil {
			return fds, fmt.Errorf("connection %d: %w", len(fds), err)
		}
	}
	return fds, nil
}

func connect(fd int, to unix.Sockaddr) error {
	for {
		if err := unix.Connect(fd, to); err != unix.EINTR {
			return err
		}
	}
}

// Close ends connections by a reset, which leaves no port in TIME_WAIT for the
// next server.
func Close(fds []int) {
	for _, fd := range fds {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		_ = unix.Close(fd)
	}
}

const (
	pollEvery  = 10 * time.Millisecond
	acceptMost = 20 * time.Second
	filesSlack = 8 // descriptors that a runtime may have closed meanwhile
)

// Accepted waits until a process holds so many descriptors.
func Accepted(ctx context.Context, pid, files int) error {
	for deadline := time.Now().Add(acceptMost); ; {
		n, err := proc.OpenFiles(pid)
		if err != nil {
			return err
		}
		if n >= files-filesSlack {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("holds %d descriptors after %v, %d were opened", n, acceptMost, files)
		}
		if err := wait(ctx, pollEvery); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Idle is connections that send nothing.
type Idle struct {
	Conns int
}

// Run makes the load while the crowd is connected. All of it must be at the end.
func (i Idle) Run(ctx context.Context, c load.Config) (*load.Result, error) {
	if err := proc.NeedFiles(i.Conns + c.Conns + filesSpare); err != nil {
		return nil, fmt.Errorf("%w: %d idle connections: %w", load.ErrConfig, i.Conns, err)
	}
	files := 0
	for _, pid := range c.PIDs {
		n, err := proc.OpenFiles(pid)
		if err != nil {
			return nil, err
		}
		files = n
	}
	fds, err := Dial(ctx, c.Addr, i.Conns)
	defer Close(fds)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", load.ErrDial, err)
	}
	for _, pid := range c.PIDs {
		if err := Accepted(ctx, pid, files+len(fds)); err != nil {
			return nil, fmt.Errorf("the server %w", err)
		}
	}
	r, err := load.Run(ctx, c)
	if err != nil {
		return nil, err
	}
	if gone := ended(fds); gone > 0 {
		r.Faults = append(r.Faults, fmt.Sprintf("%d of %d idle connections were ended by the server, or sent something", gone, len(fds)))
	}
	return r, nil
}

// filesSpare is for everything that is no connection.
const filesSpare = 64

// ended counts the connections that are not at rest.
func ended(fds []int) (n int) {
	var b [1]byte
	for _, fd := range fds {
		_, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if !errors.Is(err, unix.EAGAIN) {
			n++
		}
	}
	return n
}
