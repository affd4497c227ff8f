package compare

import (
	"context"
	"fmt"
	"math"
	"time"

	"lars/bench/load"
	"lars/bench/record"
	"lars/bench/run"
	"lars/bench/stats"
)

func (c Config) withDefaults() Config {
	def := func(n *int, value int) {
		if *n == 0 {
			*n = value
		}
	}
	def(&c.Epochs, EpochsDefault)
	def(&c.Slices, SlicesDefault)
	def(&c.Load.Conns, ConnsDefault)
	if c.Warmup == 0 {
		c.Warmup = WarmupDefault
	}
	if c.Rule == (stats.Rule{}) {
		c.Rule = stats.RuleOne()
	}
	if c.Design == "" {
		c.Design, _ = Choice(c.Load)
	}
	return c
}

// Choice is the design for a load, and the reason.
func Choice(l load.Config) (design, reason string) {
	switch {
	case l.Open():
		return record.DesignRequestDuet, "with a rate given, each request can go to both servers: the least noise"
	case l.Depth > 0:
		return record.DesignProcessDuet, "a closed loop of a given depth asks for throughput: both servers in the same seconds"
	}
	return record.DesignRequestDuet, "each request goes to both servers: the least noise for CPU time and latency"
}

func (c Config) slice() time.Duration {
	switch {
	case c.Slice > 0:
		return c.Slice
	case c.Design == record.DesignRequestDuet:
		return sliceOpen
	}
	return sliceClosed
}

// warmupRule says what is not measured, and what becomes of it if that is too
// little. A fixed time never proves that a server has settled: epochs are of
// fresh processes, and their slices are tested for drift.
func (c Config) warmupRule() string {
	before := fmt.Sprintf("the first %v of every epoch", c.Warmup)
	if c.Design == record.DesignABBA {
		before = fmt.Sprintf("%v before every slice", c.slice()/abbaWarmupShare)
	}
	return before + fmt.Sprintf("; then the slices' ratios are tested for a trend (Mann-Kendall over all epochs, %g)", driftAlpha)
}

func (c *Config) validate() error {
	fewest := EpochsFewest(Metrics(c.Design), c.Rule)
	switch {
	case len(c.A.Command) == 0 || len(c.B.Command) == 0:
		return refuse("both arms must be programs that can be started: every epoch needs fresh ones")
	case c.A.Name == c.B.Name:
		return refuse("both arms are named %q: give them different names", c.A.Name)
	case c.A.Workload != nil || c.B.Workload != nil:
		return refuse("the arms are unlike: both get the workload of the load, none of their own")
	case c.A.Drive != nil || c.B.Drive != nil:
		return refuse("%s makes its own load: it cannot be given to two servers at once", c.Name)
	case c.Epochs < 1 || c.Epochs > EpochsMax:
		return refuse("%d epochs: choose 1 to %d", c.Epochs, EpochsMax)
	case c.Epochs < fewest && c.Enough == nil:
		return refuse("%d epochs are too few for a verdict: choose %d or more", c.Epochs, fewest)
	case c.Slices < 1 || c.Slices > slicesLimit:
		return refuse("%d slices: choose 1 to %d", c.Slices, slicesLimit)
	case c.slice() < sliceLengthMin:
		return refuse("slices of %v: choose %v or more", c.slice(), sliceLengthMin)
	case c.Warmup < 0:
		return refuse("warm-up %v is negative", c.Warmup)
	case c.Design == record.DesignRequestDuet && c.Load.Depth > 0 && !c.Load.Open():
		return refuse("a request duet is an open loop: give --rate, or leave --depth out")
	case c.Design == record.DesignProcessDuet && c.Load.Open():
		return refuse("a process duet is a closed loop: leave --rate out, or choose %s", record.DesignRequestDuet)
	case c.Design == record.DesignProcessDuet && c.Load.Conns < 2:
		return refuse("a process duet divides the connections: give 2 or more")
	}
	switch c.Design {
	case record.DesignRequestDuet, record.DesignProcessDuet, record.DesignABBA:
		return nil
	}
	return refuse("unknown design %q: choose %s, %s or %s", c.Design, record.DesignRequestDuet, record.DesignProcessDuet, record.DesignABBA)
}

// plan is what package run has to prepare: processors, files, and each server
// once.
func (r *runner) plan() run.Config {
	c := r.config
	l := c.Load
	l.Warmup, l.Duration = c.Warmup, time.Duration(c.Slices)*c.slice()
	return run.Config{
		Targets: []run.Target{c.A, c.B}, Name: c.Name, Source: c.Source, Load: l, Workers: c.Workers, Loops: c.Loops, Pin: c.Pin, Rounds: 1,
	}
}

const (
	// capacityShare of the weaker server's closed-loop throughput is the rate
	// of each arm of a request duet: both together then leave the servers'
	// processor idle for a good part, and latency is not one long queue.
	capacityShare = 0.20
	rateMin       = 100
	lookWarmup    = 300 * time.Millisecond
	lookDuration  = time.Second
	lookEvery     = 100 * time.Millisecond
)

// choose says why the design is what it is, and finds a rate for an open loop
// that was given none.
func (r *runner) choose(ctx context.Context) error {
	c, out := &r.config, &r.result.Comparison
	l := &c.Load
	out.Design, out.DesignReason = c.Design, "it was asked for"
	if design, reason := Choice(*l); design == c.Design {
		out.DesignReason = reason
	}
	if c.Design == record.DesignRequestDuet && !l.Open() {
		capacity, err := r.look(ctx)
		if err != nil {
			return err
		}
		l.Rate = math.Max(roundDown(capacityShare*capacity), rateMin)
		out.DesignReason += fmt.Sprintf("; %.0f requests a second for each are %.0f %% of what the slower one can do", l.Rate, 100*capacityShare)
	}
	if c.Design == record.DesignProcessDuet && l.Depth == 0 {
		l.Depth = 1
	}
	return nil
}

// roundDown keeps two digits.
func roundDown(v float64) float64 {
	if v <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return math.Floor(v/unit) * unit
}

// look is the lower closed-loop throughput of the two servers, each alone and at
// its best: what disturbs a busy machine for a while does not make a server slow.
func (r *runner) look(ctx context.Context) (float64, error) {
	lowest := math.Inf(1)
	for arm := range 2 {
		r.observe("looking what "+r.target(arm).Name+" can do", nil)
		best, err := r.lookAt(ctx, arm)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", r.target(arm).Name, err)
		}
		lowest = min(lowest, best)
	}
	return lowest, nil
}

func (r *runner) lookAt(ctx context.Context, arm int) (best float64, err error) {
	server, err := r.prepared.Start(ctx, arm)
	if err != nil {
		return 0, err
	}
	defer server.Stop()
	l := r.load()
	l.Addr, l.Workload, l.Rate, l.Depth = server.Addr(), r.prepared.Workload(arm), 0, 1
	l.Warmup, l.Duration, l.Every = lookWarmup, lookDuration, lookEvery
	l.OnInterval = func(v *load.Interval) {
		if d := v.End - v.Start; v.Phase == load.Measured && d >= lookEvery/2 {
			best = max(best, float64(v.Completed)/d.Seconds())
		}
	}
	if _, err = load.Run(ctx, l); err == nil {
		err = context.Cause(ctx)
	}
	return best, err
}

// load is what all loads of the comparison have in common.
func (r *runner) load() load.Config {
	l := r.config.Load
	l.Workers, l.CPUs = r.config.Workers, r.result.Processors.Generator
	return l
}
