// Package run measures servers: it starts each one as a process of its own,
// keeps it and the load generator on different processors, drives it with
// package load, reads what it cost, and says how far the figures deserve belief.
//
// It is for commands that measure one server or compare several:
//
//	plan, err := run.Prepare(ctx, run.Config{Targets: targets, Load: load.Config{...}})
//	result, err := plan.Run(ctx)
//
// Several targets are interleaved: every round measures each of them once, in
// an order that rotates, each in a fresh process. So a ratio of two targets is
// taken within rounds, and a disturbance that lasts longer than a round hits
// both. Everything that can be known to fail is found by Prepare, before any
// time is spent on measuring.
//
// It prints nothing and writes no files; Result.Record gives the result in the
// form of the result files.
package run

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"lars/bench/load"
	"lars/bench/proc"
	"lars/bench/record"
)

// Target is a server to be measured.
type Target struct {
	Name string // of the arm, unique within a run
	// Command starts the server; it must print "listening on ADDR" and end on
	// SIGTERM. Empty: the server at Addr is already there.
	Command []string
	Addr    netip.AddrPort
	// PID is the process behind Addr, for its CPU time and memory; 0 if not
	// known. With a Command it is that of the command.
	PID int
	// Backend, Module and StandIns describe what Command runs, for the record.
	Backend  string
	Module   string   // path@version of a library, empty for our own
	StandIns []string // named replacements of what the backend cannot do
	// Workload of this target, where it is another than that of Config.Load: a
	// bare server beside one that does more. nil: the same.
	Workload load.Workload
	// Beside: this one is there for another one to be compared with; what is
	// measured after the rounds is left out.
	Beside bool
	// Before, if set, is called before each start of Command.
	Before func(ctx context.Context) error
	// Ready, if set, makes a server that has just been started ready for the
	// load, such as by letting it learn what it will be asked for.
	Ready func(ctx context.Context, addr netip.AddrPort) error
	// Drive makes the load of a round, where it is of another shape than what
	// load.Run makes; nil is load.Run.
	Drive func(context.Context, load.Config) (*load.Result, error)
	// Check, if set, judges a round by what the server said at its end; a
	// reason that makes it invalid is a violation. It is called with every round of a started server, from the goroutine that
	// called Run.
	Check func(*Round) []load.Reason
}

// Config says what to measure, and how.
type Config struct {
	Targets []Target
	Name    string // of the workload, for people and records; empty is echo
	// Source is the scenario file that all this comes from, if one; its Name
	// then stands for the run's.
	Source Source
	// Load is the load of every target. Addr, PIDs, CPUs, Workers and the
	// hooks are set by this package.
	Load    load.Config
	Workers int // loops of the generator; 0 is 1
	Loops   int // loops of the servers, for the number of their processors; 0 is 1
	Rounds  int // 0 is 1
	Pin     Pin
	// Idle is the number of connections for measuring the memory that an idle
	// one costs; 0 leaves it out. TCP only, and only of started servers.
	Idle int
	// RateMax is the highest rate of a Session that tries several, from
	// Load.Rate on; 0 for others.
	RateMax float64
	// Beside is how many connections drivers add to those of Load and Idle.
	Beside int
	// Calls also counts the system calls of started servers, after the rounds.
	Calls bool
	// Observe, if set, is called about every Load.Every and at changes, from
	// the goroutine that called Run.
	Observe func(Progress)
}

// Source is a scenario file.
type Source struct {
	Name    string
	File    string // its path; without a folder, of one that ships
	SHA256  string // of Text
	Text    string
	Changed []string // flags of the command that overrule it
}

// Limits of a configuration.
const (
	RoundsMax = 1000
	IdleMax   = 28_000 // of the usual 28,232 ephemeral ports of one address
)

// Progress is where a run is, for people who wait for it.
type Progress struct {
	Target    string
	Round     int // from 0
	Rounds    int
	Extra     string // what is done after the rounds, empty in them
	Phase     load.Phase
	Elapsed   time.Duration // of the whole run
	Expected  time.Duration // of the whole run, as planned
	Intervals int           // of this round so far
	// These are of the last interval.
	Rate     float64 // answered per second
	P50, P99 time.Duration
	Errors   uint64
}

// Plan is a checked configuration. Make it with Prepare.
type Plan struct {
	config Config
	cpus   Processors
	wait   patience
	// Notes are what a person should know before the run: what could not be
	// done as usual, and the remedy.
	Notes []string
}

// ErrRefused is a run that cannot start; the text says why, and the remedy.
var ErrRefused = errors.New("cannot start")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// Round is one target measured once.
type Round struct {
	Target   int // index in Config.Targets
	Index    int // the round, from 0
	Position int // place within the round, from 0
	Load     *load.Result
	Server   Server
	Machine  Machine
	// Intervals in their order, warm-up first, for logs and time series.
	Intervals []Interval
	Reasons   []load.Reason
	// GeneratorSwitches are its context switches in the measured time, 0 when
	// they were not read.
	GeneratorSwitches uint64
	// Correctness is what the workload's oracle found; Target.Check corrects
	// it where only the server knows. Violations are filled in afterwards.
	Correctness record.Correctness
}

// Server is what the server's process cost.
type Server struct {
	PID   int           // 0: not known, and all else then zero
	Known bool          // CPU and the rest were readable
	CPU   time.Duration // in the measured time
	// Memory after the load; the most it ever was includes all connections.
	Memory proc.Memory
	// Voluntary and Involuntary are context switches, warm-up included.
	Voluntary, Involuntary uint64
	// Ending is how long a started server took to end when told to.
	Ending time.Duration
	// Report is the JSON object that the server printed at its end, of its
	// whole life; nil without one.
	Report map[string]any
}

// Machine is what went on around a round. Shares are 0 to 1.
type Machine struct {
	Known   bool
	Steal   float64 // of all processors' time, taken by the hypervisor
	Busy    float64
	Others  float64 // processors used by neither server nor generator
	Waiting float64 // share of time in which some task waited for a processor
}

// Result is a whole run.
type Result struct {
	Config     Config
	Processors Processors
	Started    time.Time
	Elapsed    time.Duration
	Rounds     []Round // in the order in which they were measured
	Idle       []Idle  // of targets; empty when not measured
	Calls      []Calls // of targets; empty when not counted
	Cut        bool    // ended early by its context
	Notes      []string
	Windows    []Machine // around each window of a Session

	against []load.Reason // what those who made it have against it
}

// Run measures. When ctx ends early it returns what was measured until then,
// marked as Cut; an error means that there is no result.
func (p *Plan) Run(ctx context.Context) (*Result, error) {
	r := &Result{Config: p.config, Processors: p.cpus, Started: time.Now(), Notes: p.Notes}
	release, err := p.pinGenerator()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := p.rounds(ctx, r); err != nil {
		return nil, err
	}
	if err := p.idle(ctx, r); err != nil {
		return nil, err
	}
	if err := p.calls(ctx, r); err != nil {
		return nil, err
	}
	r.Elapsed = time.Since(r.Started)
	r.Cut = ctx.Err() != nil
	if len(r.Rounds) == 0 {
		return nil, fmt.Errorf("interrupted before anything was measured: %w", context.Cause(ctx))
	}
	return r, nil
}

func (p *Plan) rounds(ctx context.Context, r *Result) error {
	for round := range p.config.Rounds {
		for position, target := range rotation(len(p.config.Targets), round) {
			if ctx.Err() != nil {
				return nil
			}
			got, err := p.measure(ctx, r, Round{Target: target, Index: round, Position: position})
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s, round %d: %w", p.config.Targets[target].Name, round+1, err)
			}
			if err == nil {
				r.Rounds = append(r.Rounds, got)
			}
		}
	}
	return nil
}

// rotation is the order of n targets in a round: each goes first equally often,
// and in odd rounds the order runs backwards, so that no target always follows
// the same other one.
func rotation(n, round int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = (i + round/2) % n
		if round%2 == 1 {
			order[i] = (n - 1 - i + round/2) % n
		}
	}
	return order
}

// expected is how long the measuring takes if all goes well.
func (p *Plan) expected() time.Duration {
	one := p.config.Load.Warmup + p.config.Load.Duration
	return one * time.Duration(p.config.Rounds*len(p.config.Targets))
}
