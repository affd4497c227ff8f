package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"lars/bench/proc"
	"lars/bench/run/crowd"
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
		if len(t.Command) == 0 || t.Beside || ctx.Err() != nil {
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
	fds, err := crowd.Dial(ctx, server.addr, p.config.Idle)
	defer crowd.Close(fds)
	if err != nil {
		return Idle{}, err
	}
	if err := crowd.Accepted(ctx, server.pid(), files+len(fds)); err != nil {
		return Idle{}, server.failure(err.Error())
	}
	after, err := settled(ctx, server.pid())
	return Idle{Conns: len(fds), BeforeBytes: before, AfterBytes: after}, err
}

const (
	pollEvery   = 25 * time.Millisecond
	settleReads = 8               // equal readings, one after the other
	settleMost  = 3 * time.Second // then the last reading counts
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
