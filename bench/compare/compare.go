// Package compare measures two servers as a pair: in the same seconds, under the
// same load, in fresh processes for every epoch, so that what disturbs a shared
// machine disturbs both and leaves their ratio.
//
// It is for commands that ask whether one server is slower or dearer than
// another: two backends, two binaries, two commits.
//
//	result, err := compare.Run(ctx, compare.Config{A: a, B: b, Load: load.Config{Conns: 50}})
//	fmt.Println(result.Comparison.Verdict)
//
// Three designs, after method and measurements of Bulej et al. (Duet
// Benchmarking, ICPE 2020) and our own:
//
//   - Request duet: an open loop sends each arrival of one schedule to both
//     servers, in an order that a coin decides. Latencies count from the common
//     time due, CPU by each server's own clock. The least noise of all; the rate
//     is far below capacity, and a closed loop's throughput is not to be had.
//   - Process duet: both servers in a closed loop at the same time, half of the
//     connections each. What each gets done is a share of one machine.
//   - ABBA: one server at a time, A B B A or B A A B. For servers that cannot
//     run together, on a quiet machine.
//
// An epoch's slices are paired; its figure is the median of their log ratios,
// and package stats judges the epochs. Every sample is kept. Package compare
// prints nothing and writes no files.
package compare

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"lars/bench/load"
	"lars/bench/record"
	"lars/bench/run"
	"lars/bench/stats"
)

// Config says what to compare, and how. Only A and B are needed.
type Config struct {
	A, B   run.Target // the base, and what is judged; both are commands
	Name   string     // of the workload; empty is echo
	Source run.Source // the scenario file that it comes from, if one
	// Load is the load of each arm: Network, Workload, Conns (of an arm in the
	// request duet, of both together in the process duet), Depth, Rate,
	// Arrivals, Seed, Timeout. With neither Rate nor Depth the rate follows
	// from a short look at what the servers can do.
	Load    load.Config
	Design  string        // a record.Design constant; empty: chosen, see Choice
	Epochs  int           // pairs of fresh processes; 0 is 12
	Slices  int           // of an epoch; 0 is 16
	Slice   time.Duration // length of one; 0 is 500 ms in the request duet, else 250 ms
	Warmup  time.Duration // load before the slices; 0 is 2 s
	Pin     run.Pin
	Loops   int // of each server; 0 is 1
	Workers int // of the generator; 0 is 1
	// Calls also counts system calls by kind, in a phase of its own.
	Calls  bool
	Rule   stats.Rule         // zero: stats.RuleOne
	Floors map[string]float64 // relative, by metric, in place of the usual ones
	// Enough, if set, is asked after each epoch; true ends the measuring.
	Enough func([]record.Epoch) bool
	// Observe, if set, is called at changes, from the goroutine of Run.
	Observe func(Progress)
}

// Defaults and limits of a Config. Twelve epochs find 5 % in CPU time where single epochs
// scatter by up to 3 % or 4 %.
const (
	EpochsDefault  = 12
	SlicesDefault  = 16
	ConnsDefault   = 50
	WarmupDefault  = 2 * time.Second
	sliceOpen      = 500 * time.Millisecond
	sliceClosed    = 250 * time.Millisecond
	EpochsMax      = stats.RoundsMax
	slicesLimit    = 10_000
	sliceLengthMin = 50 * time.Millisecond
)

// Progress is where a comparison is.
type Progress struct {
	Epoch, Epochs int    // from 0
	Doing         string // when it is not an epoch
	Elapsed       time.Duration
	Expected      time.Duration
	Slice         *SliceProgress // after each slice of an arm
}

// SliceProgress is what an arm did in the slice that has just ended.
type SliceProgress struct {
	Arm      string
	Slices   int     // of this arm in the epoch so far, warm-up included
	Rate     float64 // answered per second
	P50, P99 time.Duration
	Errors   uint64 // of this arm in the epoch so far
}

// Result is a comparison with everything that it stands on.
type Result struct {
	Config     Config // with the defaults filled in, and the rate in force
	Comparison record.Comparison
	Processors run.Processors
	Started    time.Time
	Elapsed    time.Duration
	Cut        bool    // ended early by its context
	Epochs     []Epoch // beside those of Comparison, in their order
	Calls      []run.Calls
	Reasons    []load.Reason // what speaks against it
	Notes      []string

	prepared *run.Plan
}

// Epoch is what an epoch was like beyond its figures.
type Epoch struct {
	// Faults is what each arm did wrong: wrong, lost or doubled replies,
	// connections or processes that ended. Any makes the comparison invalid.
	Faults [2]string
	// Rounds is each arm by itself. In a duet the generator and the machine
	// are the same in both.
	Rounds [2]run.Round
}

// ErrRefused is a comparison that cannot be made; the text says why, and the
// remedy.
var ErrRefused = run.ErrRefused

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// Run compares. When ctx ends early it returns what was measured until then,
// marked as Cut; an error means that there is no result. A server that fails is
// no error: the result is then invalid, and says why.
func Run(ctx context.Context, c Config) (*Result, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	r := &runner{config: c, result: &Result{Started: time.Now()}}
	r.observe("starting each server once", nil)
	plan, err := run.Prepare(ctx, r.plan())
	if err != nil {
		return nil, err
	}
	r.take(plan)
	release, err := plan.PinGenerator()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := r.choose(ctx); err != nil {
		return nil, err
	}
	if err := r.epochs(ctx); err != nil {
		return nil, err
	}
	if err := r.calls(ctx); err != nil {
		return nil, err
	}
	return r.finish(ctx)
}

// runner is one Run under way.
type runner struct {
	config   Config
	prepared *run.Plan
	result   *Result
	rng      *rand.Rand
	met      [2]bool // asked for its counters once
	mute     [2]bool // and did not tell them
}

// orderStream parts the order of starts from other uses of one seed.
const orderStream = 0x6f72646572 // "order"

func (r *runner) take(plan *run.Plan) {
	r.prepared = plan
	c := plan.Config()
	r.config.A, r.config.B = c.Targets[0], c.Targets[1]
	r.config.Name, r.config.Loops, r.config.Workers = c.Name, c.Loops, c.Workers
	r.config.Load.Network = c.Load.Network
	r.result.prepared, r.result.Processors, r.result.Notes = plan, plan.Processors(), plan.Notes
	r.rng = rand.New(rand.NewPCG(r.config.Load.Seed, orderStream))
}

func (r *runner) observe(doing string, slice *SliceProgress) {
	if r.config.Observe == nil {
		return
	}
	r.config.Observe(Progress{
		Epoch: len(r.result.Epochs), Epochs: r.config.Epochs, Doing: doing, Slice: slice,
		Elapsed: time.Since(r.result.Started), Expected: r.config.Expected(),
	})
}

// startUp is what an epoch costs beside its load, in round figures.
const startUp = 300 * time.Millisecond

// Expected is how long a comparison takes if all goes well.
func (c Config) Expected() time.Duration {
	c = c.withDefaults()
	one := c.Warmup + time.Duration(c.Slices)*c.slice() + startUp
	if c.Design == record.DesignABBA {
		one = time.Duration(2*c.Slices) * (c.slice() + c.slice()/abbaWarmupShare)
	}
	return time.Duration(c.Epochs) * one
}

// lostMax is the share of epochs that may be unusable. They are measured again,
// but no more often than that.
const lostMax = 1.0 / 3

// epochs measures until there are as many usable ones as asked for. A server
// that fails ends it: no further epoch can make the comparison valid.
func (r *runner) epochs(ctx context.Context) error {
	usable := 0
	for i := 0; usable < r.config.Epochs && float64(i-usable) <= lostMax*float64(r.config.Epochs); i++ {
		if ctx.Err() != nil {
			return nil
		}
		r.observe("", nil)
		epoch, more, err := r.epoch(ctx, i)
		if ctx.Err() != nil {
			return nil // half an epoch is none
		}
		if err != nil {
			return fmt.Errorf("epoch %d: %w", i+1, err)
		}
		if epoch.Invalid == "" {
			usable++
		}
		r.result.Comparison.Epochs = append(r.result.Comparison.Epochs, epoch)
		r.result.Epochs = append(r.result.Epochs, more)
		if more.Faults != [2]string{} || r.config.Enough != nil && r.config.Enough(r.result.Comparison.Epochs) {
			return nil
		}
	}
	return nil
}

// callNames are the system calls that servers live on.
var callNames = [...]string{"read", "write", "epoll_wait", "epoll_pwait", "epoll_ctl", "recvmsg", "sendmsg", "recvfrom", "sendto", "futex", "writev", "readv", "nanosleep"}

func (r *runner) calls(ctx context.Context) error {
	for i := range 2 {
		if !r.config.Calls || ctx.Err() != nil || len(r.result.Epochs) == 0 {
			return nil
		}
		r.observe("counting system calls of "+r.target(i).Name, nil)
		got, err := r.prepared.CountCalls(ctx, i, callNames[:]...)
		if err != nil {
			if ctx.Err() == nil {
				r.result.Notes = append(r.result.Notes, fmt.Sprintf("system calls of %s: %v", r.target(i).Name, err))
			}
			return nil
		}
		r.result.Calls = append(r.result.Calls, got)
	}
	return nil
}

func (r *runner) target(arm int) *run.Target {
	if arm == 0 {
		return &r.config.A
	}
	return &r.config.B
}

func (r *runner) finish(ctx context.Context) (*Result, error) {
	out, c := r.result, &r.result.Comparison
	out.Config, out.Elapsed = r.config, time.Since(out.Started)
	out.Cut = ctx.Err() != nil
	if len(c.Epochs) == 0 {
		return nil, fmt.Errorf("interrupted before the first epoch was complete: %w", errors.Join(context.Cause(ctx)))
	}
	c.A, c.B, c.Rule, c.WarmupRule = r.config.A.Name, r.config.B.Name, stats.RuleVersion, r.config.warmupRule()
	c.Metrics = Judge(c.Epochs, WithFloors(Metrics(c.Design), r.config.Floors), r.config.Rule)
	c.Verdict = Overall(c.Metrics)
	r.reasons()
	if load.Worst(out.Reasons) == load.Invalid {
		c.Verdict = record.VerdictInvalid
	}
	return out, nil
}

// unanswered is how many datagrams an arm had no answer to: observations that
// are censored. On TCP it is a fault of its own.
func (r *runner) unanswered(arm int) (n uint64) {
	if r.config.Load.Network != "udp" {
		return 0
	}
	for i := range r.result.Epochs {
		if got := r.result.Epochs[i].Rounds[arm].Load; got != nil {
			n += got.Lost + got.WarmupCounts.Lost
		}
	}
	return n
}

// reasons collects what speaks against the comparison, each kind once.
func (r *runner) reasons() {
	out := r.result
	add := func(v load.Verdict, format string, args ...any) {
		out.Reasons = append(out.Reasons, load.Reason{Verdict: v, Text: fmt.Sprintf(format, args...)})
	}
	lost, why := 0, ""
	for i := range out.Epochs {
		for arm, fault := range out.Epochs[i].Faults {
			if fault != "" {
				add(load.Invalid, "%s in epoch %d: %s", r.target(arm).Name, i+1, fault)
			}
		}
		if reason := out.Comparison.Epochs[i].Invalid; reason != "" {
			lost, why = lost+1, reason
		}
	}
	for arm := range 2 {
		if n := r.unanswered(arm); n > 0 {
			add(load.Degraded, "%s: %d datagrams were never answered", r.target(arm).Name, n)
		}
	}
	all := len(out.Epochs)
	switch {
	case float64(lost) > lostMax*float64(r.config.Epochs):
		add(load.Invalid, "%d of %d epochs could not be used: %s", lost, all, why)
	case lost > 0:
		add(load.Degraded, "%d of %d epochs could not be used: %s", lost, all, why)
	}
	if names := Drifting(out.Comparison.Metrics); len(names) > 0 {
		add(load.Degraded, "drift: the ratio of %s moves in one direction while epochs last: the servers had not settled, choose --warmup of more than %v",
			strings.Join(names, " and "), r.config.Warmup)
	}
	if out.Cut {
		add(load.Degraded, "interrupted after %d of %d epochs", all-lost, r.config.Epochs)
	}
}
