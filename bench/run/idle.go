package run

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lars/bench/proc"
)

// Idle is what connections cost that do nothing.
type Idle struct {
	Target int
	Conns  int
	// RSS of the server before and after the connections were opened, of the
	// process with the median growth.
	BeforeBytes, AfterBytes int64
	Samples                 []float64 // bytes per connection of each process
}

// idleRepeats is in how many fresh processes it is measured: a heap grows in
// steps, and where it stands when the connections come is chance.
const idleRepeats = 3

// BytesPerConn is the growth of the process's memory for each connection. What
// the kernel keeps for a socket is not in it.
func (i Idle) BytesPerConn() float64 {
	if i.Conns == 0 {
		return 0
	}
	return float64(i.AfterBytes-i.BeforeBytes) / float64(i.Conns)
}

// idle measures each started server.
func (p *Plan) idle(ctx context.Context, r *Result) error {
	if p.config.Idle == 0 {
		return nil
	}
	for i, t := range p.config.Targets {
		if len(t.Command) == 0 || ctx.Err() != nil {
			continue
		}
		p.observe(r, Progress{Target: t.Name, Rounds: p.config.Rounds, Extra: "memory of idle connections", Expected: p.expected()})
		got, err := p.idleMedian(ctx, t)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("%s, idle connections: %w", t.Name, err)
		}
		got.Target = i
		r.Idle = append(r.Idle, got)
	}
	return nil
}

func (p *Plan) idleMedian(ctx context.Context, t Target) (Idle, error) {
	var all []Idle
	var samples []float64
	for range idleRepeats {
		got, err := p.idleOf(ctx, t)
		if err != nil {
			return Idle{}, err
		}
		all, samples = append(all, got), append(samples, got.BytesPerConn())
	}
	slices.SortFunc(all, func(a, b Idle) int { return cmp.Compare(a.BytesPerConn(), b.BytesPerConn()) })
	median := all[len(all)/2]
	median.Samples = samples
	return median, nil
}

func (p *Plan) idleOf(ctx context.Context, t Target) (Idle, error) {
	server, err := p.start(ctx, &t)
	if err != nil {
		return Idle{}, err
	}
	defer server.stop()
	// The first connection brings in what every server needs once.
	if err := p.ask(ctx, &t, server.addr.String()); err != nil {
		return Idle{}, err
	}
	before, err := settled(ctx, server.pid())
	if err != nil {
		return Idle{}, err
	}
	files, err := proc.OpenFiles(server.pid())
	if err != nil {
		return Idle{}, err
	}
	fds, err := dialMany(ctx, server.addr, p.config.Idle)
	defer closeAll(fds)
	if err != nil {
		return Idle{}, err
	}
	if err := accepted(ctx, server, files+len(fds)); err != nil {
		return Idle{}, err
	}
	after, err := settled(ctx, server.pid())
	return Idle{Conns: len(fds), BeforeBytes: before, AfterBytes: after}, err
}

const (
	pollEvery   = 25 * time.Millisecond
	settleReads = 8               // equal readings, one after the other
	settleMost  = 3 * time.Second // then the last reading counts
	acceptMost  = 20 * time.Second
	filesSlack  = 8 // descriptors that a runtime may have closed meanwhile
)

// settled is the resident memory once it no longer changes.
func settled(ctx context.Context, pid int) (int64, error) {
	last, same := int64(-1), 0
	for deadline := time.Now().Add(settleMost); ; {
		m, err := proc.ReadMemory(pid)
		if err != nil {
			return 0, err
		}
		if m.RSSBytes == last {
			same++
		} else {
			last, same = m.RSSBytes, 0
		}
		if same >= settleReads || time.Now().After(deadline) {
			return last, nil
		}
		if err := wait(ctx, pollEvery); err != nil {
			return 0, err
		}
	}
}

// accepted waits until the server holds a descriptor for every connection.
func accepted(ctx context.Context, server *process, files int) error {
	for deadline := time.Now().Add(acceptMost); ; {
		n, err := proc.OpenFiles(server.pid())
		if err != nil {
			return server.failure("cannot be read: " + err.Error())
		}
		if n >= files-filesSlack {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server holds %d descriptors, %d connections were opened", n, files)
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

// dialMany opens n connections as bare descriptors: package net would add its
// poller and a goroutine's worth of memory for each on this side.
func dialMany(ctx context.Context, addr netip.AddrPort, n int) (fds []int, err error) {
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

func closeAll(fds []int) {
	for _, fd := range fds {
		// A reset leaves no port in TIME_WAIT for the next server.
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		_ = unix.Close(fd)
	}
}
