package run

import (
	"context"
	"net/netip"

	"lars/bench/load"
)

// Started is a server that a Plan has started, for packages that make the load
// of a round themselves.
type Started struct{ process *process }

// Start starts target i of the plan and waits until it can be loaded. The
// caller ends it with Stop.
func (p *Plan) Start(ctx context.Context, i int) (*Started, error) {
	server, err := p.start(ctx, &p.config.Targets[i])
	if err != nil {
		return nil, err
	}
	return &Started{server}, nil
}

// Addr is where it listens.
func (s *Started) Addr() netip.AddrPort { return s.process.addr }

// PID is its process.
func (s *Started) PID() int { return s.process.pid() }

// Err is nil while it runs, and then says how it ended, in its own words.
func (s *Started) Err() error { return s.process.alive() }

// AwaitEnd waits a moment for the end of a server that has dropped connections.
func (s *Started) AwaitEnd() { s.process.dying() }

// Stop ends it, waits for that, and returns the JSON object that it said at its
// end, nil without one.
func (s *Started) Stop() map[string]any {
	s.process.stop()
	return s.process.report()
}

// Processors are those of servers and generator.
func (p *Plan) Processors() Processors { return p.cpus }

// Config is what was prepared, with the defaults filled in.
func (p *Plan) Config() Config { return p.config }

// Workload is that of target i.
func (p *Plan) Workload(i int) load.Workload { return p.config.workloadOf(&p.config.Targets[i]) }

// PinGenerator keeps this process off the servers' processors until release is
// called.
func (p *Plan) PinGenerator() (release func(), err error) { return p.pinGenerator() }

// CountCalls counts the system calls of target i under the load of the plan, in
// a fresh process and a phase of its own, also by the names given.
func (p *Plan) CountCalls(ctx context.Context, i int, names ...string) (Calls, error) {
	c, err := p.callsOf(ctx, p.config.Targets[i], names...)
	c.Target = i
	return c, err
}

// Made is a result of rounds that somebody else has measured with the plan, with
// what they have against it.
func (p *Plan) Made(r Result, reasons ...load.Reason) *Result {
	r.Processors, r.against = p.cpus, reasons
	return &r
}
