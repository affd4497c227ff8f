package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lars/bench/load"
	"lars/bench/proc"
)

// Calls are the system calls of a server under the load of the run, counted
// from outside in a phase of its own, because counting slows the server.
type Calls struct {
	Target   int
	Total    uint64
	Requests uint64 // answered meanwhile
	Tool     string // that counted: perf or strace
	// ByName holds those of the names that were asked for.
	ByName map[string]uint64
}

// PerRequest is the system calls for each request.
func (c Calls) PerRequest() float64 {
	if c.Requests == 0 {
		return 0
	}
	return float64(c.Total) / float64(c.Requests)
}

const (
	callsLoad = time.Second // of load that is counted
	// callsLead is for the tool to attach, while the connections stand and
	// nothing is sent; callsTail is for the last replies.
	callsLead = 1200 * time.Millisecond
	callsTail = 800 * time.Millisecond
)

// errMissed is counting that began after the load: a machine too busy for it.
var errMissed = errors.New("the counting tool was not ready in time: the machine is too busy")

// calls counts for each started server. A machine without a tool for it gives a
// note, and no figure.
func (p *Plan) calls(ctx context.Context, r *Result) error {
	if !p.config.Calls {
		return nil
	}
	for i, t := range p.config.Targets {
		if len(t.Command) == 0 || ctx.Err() != nil {
			continue
		}
		p.observe(r, Progress{Target: t.Name, Rounds: p.config.Rounds, Extra: "counting system calls", Expected: p.expected()})
		got, err := p.callsOf(ctx, t)
		switch {
		case errors.Is(err, proc.ErrNoCounter):
			r.Notes = append(r.Notes, err.Error())
			return nil
		case errors.Is(err, errMissed):
			r.Notes = append(r.Notes, fmt.Sprintf("system calls of %s: %v", t.Name, err))
			continue
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("%s, system calls: %w", t.Name, err)
		}
		got.Target = i
		r.Calls = append(r.Calls, got)
	}
	return nil
}

// counting is a tool at work.
type counting struct {
	done  chan struct{}
	calls proc.Syscalls
	from  time.Time // the tool counted from here, or from a little earlier
	err   error
}

func countCalls(ctx context.Context, pid int, names []string) *counting {
	c := &counting{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.calls, c.err = proc.CountSyscalls(ctx, pid, callsLead+callsLoad+callsTail, names...)
		c.from = time.Now().Add(-c.calls.Elapsed)
	}()
	return c
}

// callsOf counts over a whole load, from before its first request until after
// its last reply: so neither rate nor clock enters the figure.
func (p *Plan) callsOf(ctx context.Context, t Target, names ...string) (Calls, error) {
	server, err := p.start(ctx, &t)
	if err != nil {
		return Calls{}, err
	}
	defer server.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var tool *counting
	c := p.config.Load
	c.Addr, c.Workers, c.CPUs = server.addr, p.config.Workers, p.cpus.Generator
	c.Workload = p.config.workloadOf(&t)
	c.Warmup, c.Duration = 0, callsLoad
	// The first phase is announced when all connections stand and before
	// anything is sent: the place to wait for the tool.
	c.OnPhase = func(load.Phase) {
		if tool == nil {
			tool = countCalls(ctx, server.pid(), names)
			_ = wait(ctx, callsLead) // the load ends by itself when ctx has ended
		}
	}
	result, err := load.Run(ctx, c)
	if err != nil {
		return Calls{}, errors.Join(err, server.alive())
	}
	<-tool.done
	switch {
	case tool.err != nil:
		return Calls{}, tool.err
	case tool.from.After(result.Started):
		return Calls{}, errMissed
	}
	return Calls{Total: tool.calls.Total, Tool: tool.calls.Tool, Requests: result.Completed, ByName: tool.calls.ByName}, nil
}
