package run

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/proc"
	"lars/bench/record"
)

// Interval is a slice of a round: its counts, and its response times without
// the empty counters.
type Interval struct {
	Phase        load.Phase
	Start, End   time.Duration // since the first request was due
	Counts       load.Counts
	Response     []hist.Bucket
	P50, P99     time.Duration // of the response; 0 without any
	ServerCPU    time.Duration
	ServerKnown  bool
	GeneratorCPU time.Duration
	InFlight     int64
	Queued       int64
}

// meter reads server and machine before the load and after it, never between:
// on a machine of two processors whatever runs beside the load is measured by
// it. Only the CPU times of the measured time come from within, by the workers.
type meter struct {
	plan   *Plan
	result *Result
	round  *Round
	last   Progress

	before  proc.System
	sched   proc.Scheduling
	schedOK bool
	own     time.Duration // CPU of server and generator so far
	ready   bool          // before and own were readable
}

// measure runs one round of one target, in a fresh process of it.
func (p *Plan) measure(ctx context.Context, r *Result, round Round) (Round, error) {
	t := &p.config.Targets[round.Target]
	addr, pid := t.Addr, t.PID
	var server *process
	if len(t.Command) > 0 {
		var err error
		if server, err = p.start(ctx, t); err != nil {
			return round, err
		}
		defer server.stop()
		addr, pid = server.addr, server.pid()
	}
	round.Server.PID = pid
	m := &meter{plan: p, result: r, round: &round}
	config := p.loadConfig(addr, pid, t, round, m)
	drive := load.Run
	if t.Drive != nil {
		drive = t.Drive
	}
	m.begin()
	got, err := drive(ctx, config)
	if err != nil {
		if server != nil && ctx.Err() == nil {
			server.dying()
			err = errors.Join(err, server.alive())
		}
		return round, err
	}
	round.Load = got
	m.end(got)
	round.Reasons = got.Judge()
	round.Correctness = correctness(&round)
	if server != nil {
		p.dismiss(ctx, server, t, &round)
	}
	return round, nil
}

// dismiss ends the server of a round and hears what it has to say: not of a load
// that somebody stopped, as what was under way then is no fault of a server.
func (p *Plan) dismiss(ctx context.Context, server *process, t *Target, round *Round) {
	if round.Load.Disconnected+round.Load.WarmupCounts.Disconnected > 0 {
		server.dying()
	}
	if err := server.alive(); err != nil {
		round.Reasons = append(round.Reasons, load.Reason{Verdict: load.Invalid, Text: err.Error()})
	}
	began := time.Now()
	server.stop()
	round.Server.Ending = time.Since(began)
	round.Server.Report = server.report()
	if t.Check != nil && ctx.Err() == nil {
		found := t.Check(round)
		round.Reasons = append(round.Reasons, found...)
		for _, f := range found {
			if f.Verdict == load.Invalid {
				round.Correctness.Violations = append(round.Correctness.Violations, f.Text)
			}
		}
	}
}

// Sent is what was sent in a round, from first to last, warm-up included.
func (r *Round) Sent() (sent uint64) {
	for i := range r.Intervals {
		sent += r.Intervals[i].Counts.Sent
	}
	return sent
}

// correctness is what the generator knows by itself.
func correctness(r *Round) record.Correctness {
	all := r.Load.Counts
	all.Add(&r.Load.WarmupCounts)
	c := record.Correctness{
		Sent: int64(r.Sent()), Lost: int64(all.Lost), Duplicated: int64(all.Duplicated), StaleRoutes: int64(all.Stale),
		Violations: append([]string{}, r.Load.Violations()...),
	}
	for i := range r.Intervals {
		c.Acked += int64(r.Intervals[i].Counts.Completed)
	}
	return c
}

// loadConfig is the load of one round: the same for every target of a round,
// with a seed of its own for each round.
func (p *Plan) loadConfig(addr netip.AddrPort, pid int, t *Target, round Round, m *meter) load.Config {
	c := p.config.Load
	c.Addr, c.Workload = addr, p.config.workloadOf(t)
	c.Workers = p.config.Workers
	c.CPUs = p.cpus.Generator
	c.Seed += uint64(round.Index)
	if pid != 0 {
		c.PIDs = []int{pid}
	}
	c.OnInterval, c.OnPhase = m.interval, m.phase
	m.last = Progress{Target: t.Name, Round: round.Index, Rounds: p.config.Rounds, Expected: p.expected()}
	return c
}

func (m *meter) phase(ph load.Phase) {
	m.last.Phase = ph
	m.observe()
}

func (m *meter) begin() {
	var err1, err2 error
	m.before, err1 = proc.ReadSystem()
	m.own, err2 = m.ownCPU()
	m.ready = err1 == nil && err2 == nil
	if pid := m.round.Server.PID; pid != 0 {
		var err error
		m.sched, err = proc.ReadScheduling(pid)
		m.schedOK = err == nil
	}
}

// ownCPU is the CPU time of generator and server since their start.
func (m *meter) ownCPU() (time.Duration, error) {
	self, err := proc.SelfCPU()
	if err != nil || m.round.Server.PID == 0 {
		return self, err
	}
	server, err := proc.CPUTime(m.round.Server.PID)
	return self + server, err
}

func (m *meter) end(r *load.Result) {
	m.readMachine()
	s := &m.round.Server
	if len(r.Server) != 1 || r.Server[0].Err != nil {
		return
	}
	memory, err := proc.ReadMemory(s.PID)
	if err != nil {
		return
	}
	s.Known, s.CPU, s.Memory = true, r.Server[0].Used, memory
	now, err := proc.ReadScheduling(s.PID)
	if err == nil && m.schedOK {
		// Ended threads leave the sums, so a difference can be below zero.
		s.Voluntary = now.Voluntary - min(now.Voluntary, m.sched.Voluntary)
		s.Involuntary = now.Involuntary - min(now.Involuntary, m.sched.Involuntary)
	}
}

func (m *meter) readMachine() {
	now, err1 := proc.ReadSystem()
	own, err2 := m.ownCPU()
	if !m.ready || err1 != nil || err2 != nil {
		return
	}
	u, err := now.Since(m.before)
	if err != nil {
		return
	}
	m.round.Machine = Machine{Known: true, Steal: u.Steal, Busy: u.Busy, Waiting: u.Waiting, Others: u.Others(own - m.own)}
}

// interval keeps what logs need. It runs beside the load, and so in one pass.
func (m *meter) interval(in *load.Interval) {
	kept := Interval{
		Phase: in.Phase, Start: in.Start, End: in.End, Counts: in.Counts,
		GeneratorCPU: in.GeneratorCPU, InFlight: in.InFlight, Queued: in.Queued,
	}
	if len(in.Server) == 1 && in.Server[0].Err == nil {
		kept.ServerCPU, kept.ServerKnown = in.Server[0].Used, true
	}
	for b := range in.Response.Buckets {
		kept.Response = append(kept.Response, b)
	}
	kept.P50 = atShare(kept.Response, in.Response.Count(), 0.50)
	kept.P99 = atShare(kept.Response, in.Response.Count(), 0.99)
	m.round.Intervals = append(m.round.Intervals, kept)
	m.last.Intervals++
	m.last.Phase, m.last.P50, m.last.P99 = kept.Phase, kept.P50, kept.P99
	if d := (in.End - in.Start).Seconds(); d > 0 {
		m.last.Rate = float64(in.Completed) / d
	}
	m.last.Errors += in.Errors() + in.TimedOut
	m.observe()
}

// atShare is the value that a share of all n values does not exceed.
func atShare(buckets []hist.Bucket, n int64, share float64) time.Duration {
	rank := int64(share*float64(n) + 0.5)
	for _, b := range buckets {
		if rank -= b.Count; rank <= 0 {
			return time.Duration(b.High)
		}
	}
	return 0
}

func (m *meter) observe() { m.plan.observe(m.result, m.last) }

// observe tells the person who waits.
func (p *Plan) observe(r *Result, now Progress) {
	if p.config.Observe == nil {
		return
	}
	now.Elapsed = time.Since(r.Started)
	p.config.Observe(now)
}
