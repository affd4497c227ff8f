package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lars/bench/load"
	"lars/bench/record"
)

// Session keeps the servers of a plan running while one after another is loaded
// for a window at a time: for searches that decide after each window what comes
// next. Make it with Plan.Open. One goroutine uses it.
type Session struct {
	plan    *Plan
	servers []*process // by target; nil for one that was there already
	result  *Result
	release func()
}

// Open starts every server of the plan.
func (p *Plan) Open(ctx context.Context) (*Session, error) {
	release, err := p.pinGenerator()
	if err != nil {
		return nil, err
	}
	s := &Session{plan: p, release: release, result: &Result{Config: p.config, Processors: p.cpus, Started: time.Now(), Notes: p.Notes}}
	for i := range p.config.Targets {
		var server *process
		if t := &p.config.Targets[i]; len(t.Command) > 0 {
			if server, err = p.start(ctx, t); err != nil {
				s.Close()
				return nil, fmt.Errorf("%s: %w", t.Name, err)
			}
		}
		s.servers = append(s.servers, server)
	}
	return s, nil
}

// Close ends the servers. It may be called twice.
func (s *Session) Close() {
	for i, server := range s.servers {
		if server != nil {
			server.stop()
			s.servers[i] = nil
		}
	}
	s.release()
	s.release = func() {}
}

// Window loads a target as the plan says, but at the given rate and with the
// given seed.
func (s *Session) Window(ctx context.Context, target int, rate float64, seed uint64) (*load.Result, error) {
	t := &s.plan.config.Targets[target]
	round := Round{Target: target}
	addr, pid, server := t.Addr, t.PID, s.servers[target]
	if server != nil {
		addr, pid = server.addr, server.pid()
	}
	round.Server.PID = pid
	m := &meter{plan: s.plan, result: s.result, round: &round}
	c := s.plan.loadConfig(addr, pid, t, round, m)
	c.Rate, c.Seed = rate, seed
	m.begin()
	drive := load.Run
	if t.Drive != nil {
		drive = t.Drive
	}
	got, err := drive(ctx, c)
	if server != nil && ctx.Err() == nil && (err != nil || got.Disconnected > 0) {
		server.dying()
		err = errors.Join(err, server.alive())
	}
	if err != nil {
		return nil, err
	}
	m.end(got)
	s.result.Windows = append(s.result.Windows, round.Machine)
	for _, r := range got.Remarks {
		if r.Verdict == load.Invalid { // a generator failed: no window can follow
			s.result.against = append(s.result.against, r)
		}
	}
	return got, nil
}

// Record closes the session and gives what is known of it in the form of the
// result files: circumstances and verdict. The figures are the caller's to add.
// Reasons are what the caller has against the result.
func (s *Session) Record(ctx context.Context, l Labels, reasons ...load.Reason) *record.Bundle {
	s.Close()
	s.result.Elapsed = time.Since(s.result.Started)
	s.result.Cut = ctx.Err() != nil
	s.result.against = append(s.result.against, reasons...)
	return s.result.Record(l)
}
