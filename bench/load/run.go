package load

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"lars/bench/hist"
	"lars/bench/proc"
)

// Run makes the load and returns what was measured. It blocks until the last
// reply, or the timeout after the end. When ctx ends, it stops at once and
// returns what there is, with Cut set; it fails with an error only when it could
// not do its own part: a configuration, connections, or its sockets.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	fds, err := dialArms(ctx, &c)
	if err != nil {
		return nil, err
	}
	r, err := newRun(&c, fds)
	if err != nil {
		closeArms(fds)
		return nil, err
	}
	if c.OnConnected != nil {
		if err := c.OnConnected(ctx); err != nil {
			r.closePollers()
			closeArms(fds)
			return nil, err
		}
	}
	return r.run(ctx)
}

// checkDescriptors sees to it that there are enough, raising the soft limit.
func (c *Config) checkDescriptors() error {
	if err := proc.NeedFiles(c.arms()*c.Conns + 3*c.Workers + descriptorsSpare); err != nil {
		return fmt.Errorf("%w: %d connections: %w", ErrConfig, c.Conns, err)
	}
	return nil
}

// run is the reader's side of one Run: it collects what the workers record.
type run struct {
	cfg      *Config
	workers  []*worker
	stopping atomic.Bool
	result   *Result
	arms     []Arm // the sums so far
	timed    Timed // nil unless the workload wants to know times
	clock    proc.MonotonicClock
	interval *Interval
	gc       collections // at the start of the measured time
	threads  []usage     // by worker, in the measured time
	phase    Phase
	next     Phase // after the interval under way
}

func newRun(c *Config, fds [][]int) (*run, error) {
	r := &run{cfg: c, threads: make([]usage, c.Workers)}
	for i := range c.Workers {
		w, err := newWorker(c, i, &r.stopping)
		if err == nil {
			r.workers = append(r.workers, w)
			err = w.adopt(fds)
		}
		if err != nil {
			r.closePollers()
			return nil, err
		}
	}
	if timed, ok := c.Workload.(Timed); ok {
		clock, err := proc.NewMonotonicClock()
		if err != nil {
			r.closePollers()
			return nil, err
		}
		r.timed, r.clock = timed, clock
	}
	r.result = &Result{Config: *c}
	r.interval = &Interval{Latency: newLatency()}
	r.arms = newArms(c.arms())
	if c.duet() {
		r.interval.Arms = newArms(armsMax)
	}
	r.result.Audit.Pacer = r.workers[0].poll.name()
	if clock, err := proc.ClockSource(); err == nil {
		r.result.Audit.Clock = clock
	} else {
		r.result.Audit.Clock = err.Error()
	}
	return r, nil
}

func newArms(n int) []Arm {
	arms := make([]Arm, n)
	for a := range arms {
		arms[a].Latency = newLatency()
	}
	return arms
}

func newLatency() Latency { return Latency{hist.New(), hist.New(), hist.New()} }

func (r *run) closePollers() {
	for _, w := range r.workers {
		w.poll.close()
	}
}

func (r *run) run(ctx context.Context) (*Result, error) {
	stop := context.AfterFunc(ctx, func() { r.stopping.Store(true) })
	defer stop()
	r.enter(r.workers[0].phase)
	r.result.Started = time.Now()
	for _, w := range r.workers {
		w.started = r.result.Started
		if r.timed != nil {
			w.timed, w.monotonic = r.timed, r.clock.At(r.result.Started)
		}
		go w.run()
	}
	r.collect()
	var errs []error
	for _, w := range r.workers {
		errs = append(errs, w.err)
		r.result.Cut = r.result.Cut || w.wasCut
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	r.finish()
	return r.result, nil
}

// collect takes the groups of all workers, interval by interval, until each has
// delivered its last. A worker that could not swap in time delivers several
// intervals as one, and has nothing for the rounds of the others.
func (r *run) collect() {
	reached := make([]int, len(r.workers)) // intervals had of each
	ended := make([]bool, len(r.workers))
	for target, running := 1, len(r.workers); running > 0; target++ {
		taken := false
		for i, w := range r.workers {
			for reached[i] < target && !ended[i] {
				g := <-w.exchange.Full()
				reached[i] = g.index + 1
				if g.phase == Draining {
					ended[i] = true
					running--
				}
				taken = true
				r.take(i, g)
				g.reset()
				w.exchange.Return(g)
			}
		}
		if taken {
			r.deliver()
		}
	}
}

// take adds the group of worker i to the interval and to the result.
func (r *run) take(i int, g *group) {
	r.addInterval(i, g)
	if g.phase == Measured {
		r.addAudit(i, g)
	}
	for a := range r.arms {
		r.arms[a].add(g.phase, &g.arms[a])
	}
}

// add adds what was recorded in a phase.
func (a *Arm) add(phase Phase, t *tally) {
	switch phase {
	case Warmup:
		a.WarmupCounts.Add(&t.Counts)
		return
	case Measured:
		a.Counts.Add(&t.Counts)
		a.First += t.first
	case Draining:
		late := t.Counts
		late.Arrivals, late.Sent, late.Completed, late.BytesOut, late.BytesIn = 0, 0, 0, 0, 0
		late.OneWay, late.Connects = 0, 0
		a.Counts.Add(&late)
	}
	a.Latency.merge(&t.Latency)
}

// addAudit adds what concerns the generator itself. Times common to all workers
// are those of the first.
func (r *run) addAudit(i int, g *group) {
	a := &r.result.Audit
	if i == 0 {
		r.result.Elapsed += time.Duration(g.end - g.start)
		r.result.Server = addCPU(r.result.Server, g.usage.others)
		a.CPU += g.usage.process
	}
	r.threads[i].add(g.usage)
	a.Wakeups += g.wakeups
	a.Events += g.events
	a.StallMax = max(a.StallMax, time.Duration(g.stallMax))
}

func (r *run) addInterval(i int, g *group) {
	v := r.interval
	if v.End == 0 {
		v.Phase, v.Start = g.phase, time.Duration(g.start)
	}
	// A worker whose connections have all ended is in a later one.
	v.Phase, v.Start, v.End = min(v.Phase, g.phase), min(v.Start, time.Duration(g.start)), max(v.End, time.Duration(g.end))
	if i == 0 {
		v.GeneratorCPU += g.usage.process
		v.Server = addCPU(v.Server, g.usage.others)
		r.next = g.next
	}
	v.InFlight += g.inFlight
	v.Queued += g.queued
	if len(v.Arms) == 0 {
		v.Counts.Add(&g.arms[0].Counts)
		v.Latency.merge(&g.arms[0].Latency)
	}
	for a := range v.Arms {
		t, arm := &g.arms[a], &v.Arms[a]
		v.Counts.Add(&t.Counts)
		arm.Counts.Add(&t.Counts)
		arm.Latency.merge(&t.Latency)
		arm.First += t.first
	}
}

// deliver shows the interval to the caller, and the phase after it.
func (r *run) deliver() {
	if r.cfg.OnInterval != nil {
		r.cfg.OnInterval(r.interval)
	}
	l, arms := r.interval.Latency, r.interval.Arms
	l.reset()
	for a := range arms {
		arms[a].Latency.reset()
		arms[a] = Arm{Latency: arms[a].Latency}
	}
	*r.interval = Interval{Latency: l, Arms: arms}
	if r.next != r.phase {
		r.enter(r.next)
	}
}

// enter begins a phase.
func (r *run) enter(p Phase) {
	r.phase, r.next = p, p
	switch p {
	case Measured:
		r.gc = readCollections()
	case Draining:
		a := &r.result.Audit
		a.GCCycles, a.GCPauseMax, a.GCPauses = readCollections().since(r.gc)
	}
	if r.cfg.OnPhase != nil {
		r.cfg.OnPhase(p)
	}
}

// finish computes what is known only at the end.
func (r *run) finish() {
	res := r.result
	for i := range r.arms {
		a := &r.arms[i]
		a.Lost += a.TimedOut + a.WarmupCounts.TimedOut - a.Late - a.WarmupCounts.Late
		res.Counts.Add(&a.Counts)
		res.WarmupCounts.Add(&a.WarmupCounts)
	}
	res.Latency = r.arms[0].Latency
	if r.cfg.duet() {
		res.Arms, res.Latency = r.arms, newLatency()
		for a := range r.arms {
			res.Latency.merge(&r.arms[a].Latency)
		}
	}
	for _, u := range r.threads {
		a := &res.Audit
		if res.Elapsed > 0 {
			a.WorkerShare = max(a.WorkerShare, float64(u.thread)/float64(res.Elapsed))
		}
		a.RunDelay = max(a.RunDelay, u.delay)
		a.RunDelayErr = errors.Join(a.RunDelayErr, u.delayErr)
	}
}
