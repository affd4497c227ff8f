package crowd

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lars/bench/load"
	"lars/bench/proc"
)

// Stalled is clients that ask and never read an answer.
type Stalled struct {
	Readers   int
	SendBytes int64 // that each of them tries to send
	// MemoryBytes is by how much the server may grow, in resident memory; 0
	// does not look. Without a process id there is nothing to look at.
	MemoryBytes int64
}

// receiveBytes is asked for the receive buffer of each: with little room here
// the answers stay with the server.
const receiveBytes = 4 << 10

// blockBytes is about how much of requests is made in advance, and sent again
// and again.
const blockBytes = 64 << 10

// Run makes the load while the readers stall. A server may stop reading from
// them, or end them; it may not keep what they do not take.
func (s Stalled) Run(ctx context.Context, c load.Config) (*load.Result, error) {
	before, err := memory(c.PIDs)
	if err != nil {
		return nil, err
	}
	fds, err := dial(ctx, c.Addr, s.Readers, receiveBytes)
	defer Close(fds)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", load.ErrDial, err)
	}
	p := s.pushers(fds, &c)
	if err := p.settle(ctx); err != nil {
		return nil, err
	}
	ctx2, stop := context.WithCancel(ctx)
	var pushing sync.WaitGroup
	pushing.Go(func() {
		for p.round() && wait(ctx2, pollEvery) == nil {
		}
	})
	r, err := load.Run(ctx, c)
	stop()
	pushing.Wait()
	if err != nil {
		return nil, err
	}
	after, err := memory(c.PIDs)
	if err != nil {
		return nil, err
	}
	if grown := after.RSSMaxBytes - before.RSSBytes; s.MemoryBytes > 0 && grown > s.MemoryBytes {
		r.Faults = append(r.Faults, fmt.Sprintf("the server grew by %d MiB with %d readers that stall, %d are allowed",
			grown>>20, s.Readers, s.MemoryBytes>>20))
	}
	return r, nil
}

// memory is that of the server, zero when it is not known.
func memory(pids []int) (m proc.Memory, err error) {
	for _, pid := range pids {
		if m, err = proc.ReadMemory(pid); err != nil {
			return m, err
		}
	}
	return m, nil
}

// pushers send on behalf of readers that stall.
type pushers struct {
	block []byte
	conns []pusher
}

type pusher struct {
	fd   int
	at   int   // in the block
	left int64 // to be sent
}

func (s Stalled) pushers(fds []int, c *load.Config) *pushers {
	p := &pushers{}
	w := c.Workload
	if w == nil {
		w = load.Echo{}
	}
	// Numbers and connections of no load: nobody reads the answers.
	for seq := uint64(0); len(p.block) < blockBytes; seq++ {
		p.block = w.MakeRequest(p.block, c.Conns, seq)
	}
	for _, fd := range fds {
		p.conns = append(p.conns, pusher{fd: fd, left: s.SendBytes})
	}
	return p
}

const (
	settleRounds = 30               // without a byte taken, one after the other
	settleMost   = 20 * time.Second // then the load begins all the same
)

// settle sends until no socket takes more, so that the load does not share its
// time with the server's work on what the readers asked.
func (p *pushers) settle(ctx context.Context) error {
	deadline := time.Now().Add(settleMost)
	for still := 0; still < settleRounds && time.Now().Before(deadline); still++ {
		before := p.left()
		p.round()
		if p.left() < before {
			still = 0
		}
		if err := wait(ctx, pollEvery); err != nil {
			return err
		}
	}
	return nil
}

func (p *pushers) left() (bytes int64) {
	for i := range p.conns {
		bytes += p.conns[i].left
	}
	return bytes
}

// round sends what the sockets take, and tells whether there is more to send.
func (p *pushers) round() (more bool) {
	for i := range p.conns {
		more = p.push(&p.conns[i]) || more
	}
	return more
}

func (p *pushers) push(c *pusher) (more bool) {
	for c.left > 0 {
		part := p.block[c.at:min(len(p.block), c.at+int(min(c.left, blockBytes)))]
		n, err := unix.SendmsgN(c.fd, part, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch err {
		case nil:
			c.left -= int64(n)
			c.at = (c.at + n) % len(p.block)
		case unix.EAGAIN, unix.EINTR:
			return true
		default: // the server has ended it
			c.left = 0
		}
	}
	return false
}
