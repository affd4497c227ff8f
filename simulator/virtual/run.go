package virtual

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"lars/backends/sim"
	"lars/bench/hist"
	"lars/simulator/check"
	"lars/simulator/fault"
	"lars/simulator/outcome"
	"lars/simulator/workload"
	"lars/system/store"
	"lars/system/store/memory"
	"lars/system/wire"
)

// The phases of a run, and the bounds of the checks.
const (
	warmUp = 2 * time.Second // before callers call
	// settleFor is from the last fault to the time when all must be well: TCP's
	// retransmission after a partition may pause for as long as the partition
	// lasted, an agent notices a silent dns after a pull (15 s) and 10 s more, and
	// an overloaded host is tried again after 15 s.
	settleFor = 70 * time.Second
	calmFor   = 15 * time.Second // in which all is well
	endWithin = time.Minute      // the orderly end of a service
	chaosFor  = 20 * time.Second // in which faults are drawn, unless for longer

	pickBound = 2 * time.Second // from an edit to every agent: a poll of dns, 250 ms, and the way
	// changeWithin is from the death of a dns to when routes come from another one.
	changeWithin = 5 * time.Second
	saveBound    = 5 * time.Second // from a call to the database
	keepBound    = 3 * time.Second // from a route to the disk of an agent
	errorsMax    = 0.05            // share of calls that fail in calm times, beside those that always do
	// Results that may wait in the reporter: while all is well, and otherwise.
	waitingWell, waitingMax = 2000, 100_000
	lookEvery               = time.Second
	stopWithin              = 10 * time.Millisecond // of virtual time: a second of a large world takes minutes
	inFlightTime            = 5 * time.Millisecond  // of a report on its way to the agent
	probeEvery              = 10                    // picks, the agents' default
	minutesKeep             = 7 * 24 * time.Hour    // the reporter's default
)

// Config of a run.
type Config struct {
	Seed uint64
	Plan *fault.Plan // nil: no faults, and the default workload
	// For is how long it lasts, at least: as long as the plan needs, and what
	// comes after.
	For time.Duration
	// Alike gives all agents the same policy; otherwise the first has the
	// original's algorithm.
	Alike bool
	// Balance is that policy, as settings of package balance; "": the default.
	Balance string
	// Observe, when not nil, is told of every call as it ends.
	Observe func(outcome.Call)
	// Moved, when not nil, is told that an agent took a host out, or back in; by
	// its place in the pool of its module.
	Moved func(at time.Duration, agent, module, host int, out bool)
	// Tamper breaks the system on purpose, to test the checks.
	Tamper Tamper
}

// Tamper is what comes between the parts of the system; nil fields do nothing.
type Tamper struct {
	// Answer changes an agent's answer before the caller sees it, or drops it.
	Answer func(agent int, a *wire.GetHostResponse) (drop bool)
	// Route changes the route of a module as an agent tells it.
	Route func(agent int, m store.Module, hosts []store.Host) []store.Host
	// DNSStore and ReporterStore stand between a service and its store.
	DNSStore, ReporterStore func(store.Store) store.Store
	// EditorStore stands between the editor and the store.
	EditorStore func(store.Store) store.Store
}

// Result of a run.
type Result struct {
	Seed       uint64            `json:"seed"`
	Plan       string            `json:"plan"`
	Virtual    time.Duration     `json:"virtual_ns"`
	Events     uint64            `json:"events"`
	Hash       string            `json:"hash"`
	Calls      Calls             `json:"calls"`
	Edits      int               `json:"edits"` // acknowledged
	Lost       int64             `json:"lost"`  // calls that a crash kept out of the database, as it may
	Failures   int               `json:"failures"`
	Violations []check.Violation `json:"violations"`
	// Trace is what happened around the first violation; "" without one.
	Trace string `json:"-"`
}

// Calls that callers made, by their end.
type Calls struct {
	Asked    int           `json:"asked"` // questions to agents
	Served   int           `json:"served"`
	Failed   int           `json:"failed"`
	Refused  int           `json:"refused"`
	Late     int           `json:"late"`     // the host did not answer in time
	Overload int           `json:"overload"` // the agent knew only overloaded hosts
	NoHost   int           `json:"no_host"`  // the agent knew none
	NoAnswer int           `json:"no_answer"`
	P50      time.Duration `json:"p50_ns"` // of those served, with the question
	P99      time.Duration `json:"p99_ns"`
}

// run is a run under way.
type run struct {
	cfg    Config
	plan   *fault.Plan
	w      *sim.World
	log    check.Log
	trace  string
	seed   uint64
	random *workload.Random // of what belongs to nobody else
	calm   time.Duration    // when all must be well
	end    time.Duration    // when callers stop

	db             *memory.Database
	truth          *memory.Store // of ours: it meets no faults
	peeking        bool
	dns, reporters []*process
	agents         []*agentProcess
	callers        []*caller
	modules        []*module
	popular        *workload.Popularity
	editor         *editor
	faults         *faults

	answers *check.Answers
	picks   *check.Picks
	known   *check.Known
	routes  *check.Routes
	quota   *check.Quota
	share   *check.Share
	errors  *check.Errors
	calls   Calls
	times   *hist.Recorder // of calls served
	final   int            // routes that agents have still to tell in the end
}

// Least is the shortest time that a run of a plan takes: until its last fault is
// over, and then as long as the checks need.
func Least(p *fault.Plan) time.Duration { return max(p.End(), warmUp) + settleFor + calmFor }

// Chaos is the plan that a seed stands for, for a run of at least d; 0 is as
// short as it makes sense.
func Chaos(seed uint64, d time.Duration) *fault.Plan {
	faults := max(d-settleFor-calmFor, chaosFor)
	return fault.Chaos(seed, workload.Any(seed), warmUp, faults, nil)
}

// Run runs a plan. It ends early, with ctx's error, when ctx does.
func Run(ctx context.Context, c Config) (result Result, err error) {
	if c.Plan == nil {
		c.Plan = &fault.Plan{Name: "none", Workload: workload.Default()}
	}
	r := newRun(c)
	defer func() {
		if p := recover(); p != nil { // a bug in what is simulated, which is what we look for
			r.log.Failf(r.w.Now(), "panic", "%v\n%s", p, debug.Stack())
			result = r.result()
		}
	}()
	r.build()
	for at := time.Duration(0); at < r.end; at += stopWithin {
		if ctx.Err() != nil {
			return r.result(), ctx.Err()
		}
		r.w.Run(at)
	}
	r.finish()
	return r.result(), nil
}

func newRun(c Config) *run {
	r := &run{cfg: c, plan: c.Plan, seed: c.Seed, random: workload.NewRandom(c.Seed, "run"), times: hist.New()}
	r.w = sim.New(sim.Config{Seed: c.Seed, TraceEvents: 400})
	r.log.OnFirst = func() { r.trace = r.w.Trace() }
	r.end = max(Least(r.plan), c.For)
	r.calm = r.end - calmFor
	r.answers = check.NewAnswers(&r.log, workload.Tries*r.plan.Workload.Callers.Timeout+time.Millisecond)
	r.picks = check.NewPicks(&r.log, pickBound)
	r.known = check.NewKnown(&r.log, keepBound)
	r.routes = check.NewRoutes(&r.log)
	r.quota = check.NewQuota(&r.log, probeEvery)
	r.share = check.NewShare(&r.log)
	r.errors = check.NewErrors(&r.log)
	return r
}

// build makes the world and sets what is to happen.
func (r *run) build() {
	r.db = memory.New(memory.Config{Now: func() time.Time { return r.w.Host("database").Now() }})
	r.truth = r.db.Open()
	r.makeModules()
	r.editor = newEditor(r)
	r.dns = newServices(r.plan.Count(fault.DNS), r.newDNS, "dns")
	r.reporters = newServices(r.plan.Count(fault.Reporter), r.newReporter, "reporter")
	for i := range r.plan.Workload.Callers.Count {
		r.agents = append(r.agents, r.newAgent(i))
	}
	r.faults = newFaults(r)
	each(slices.Concat(r.dns, r.reporters), (*process).boot)
	for i, a := range r.agents {
		a.boot()
		r.callers = append(r.callers, newCaller(r, i, a))
	}
	r.faults.schedule()
	r.w.At(lookEvery, r.look)
	r.w.At(r.end-calmFor/2, r.askAll)
}

// look is what is watched all the time.
func (r *run) look() {
	now := r.w.Now()
	r.answers.Look(now)
	for _, a := range r.agents {
		a.sample(now)
	}
	r.lookAtServices(now)
	if now < r.end {
		// One module of each agent, in turn.
		m := r.modules[int(now/lookEvery)%len(r.modules)]
		for _, c := range r.callers {
			c.askRoute(m.name)
		}
		r.w.At(now+lookEvery, r.look)
	}
}

func (r *run) lookAtServices(now time.Duration) {
	for _, p := range r.dns {
		if s := p.dnsService(); s != nil {
			limit := int64(len(r.agents) * len(r.modules) * (1 + p.lives + r.faults.count()))
			check.Gauge(&r.log, now, "subscriptions at "+p.name, s.Stats().Subscriptions, limit)
		}
	}
	limit := int64(waitingMax)
	if r.faults.savingUntil(-1, now) == now {
		limit = waitingWell
	}
	for _, p := range r.reporters {
		if s := p.reporterService(); s != nil {
			check.Gauge(&r.log, now, "results waiting in "+p.name, int64(s.Stats().Waiting), limit)
		}
	}
}

// askAll has every agent tell every route: it must be the newest.
func (r *run) askAll() {
	for _, c := range r.callers {
		for _, m := range r.modules {
			c.final[m.name] = true
			r.final++
			c.askRoute(m.name)
		}
	}
}

// finish ends all in order and balances the books.
func (r *run) finish() {
	r.w.Run(r.end + r.plan.Workload.Callers.Patience + time.Second) // calls come to their end
	if r.final > 0 {
		r.log.Failf(r.w.Now(), "converge", "%d routes were not told in the end", r.final)
	}
	for _, a := range r.agents {
		a.close()
	}
	each(slices.Concat(r.reporters, r.dns), (*process).close)
	now := r.w.Now()
	r.editor.check(now)
	for _, m := range r.modules {
		r.share.Final(now, m.name, r.hostsOf(m.name))
	}
	w := &r.plan.Workload
	r.errors.Final(now, w.Hosts.ErrorsMax()+errorsMax, w.Callers.Due(r.calm, r.end))
	r.balance(now)
}

// peek calls the truth in f: no fault meets it.
func (r *run) peek(f func()) {
	r.peeking = true
	f()
	r.peeking = false
}

func (r *run) hostsOf(m store.Module) (hosts []store.Host) {
	r.peek(func() { hosts, _ = r.truth.Hosts(context.Background(), m) })
	return hosts
}

func (r *run) result() Result {
	if r.log.Count > 0 && r.trace == "" {
		r.trace = r.w.Trace()
	}
	const confidence = 0.95 // of bounds that are not told
	r.calls.P50 = time.Duration(r.times.Percentile(50, confidence).Value)
	r.calls.P99 = time.Duration(r.times.Percentile(99, confidence).Value)
	lost := int64(0)
	for _, a := range r.agents {
		lost += a.lost
	}
	return Result{
		Seed: r.seed, Plan: r.plan.Name, Virtual: r.w.Now(), Events: r.w.Events(), Hash: fmt.Sprintf("%016x", r.w.Hash()),
		Calls: r.calls, Edits: r.editor.done, Lost: lost, Failures: r.log.Count, Violations: r.log.First, Trace: r.trace,
	}
}

// note puts a line into the trace.
func (r *run) note(format string, args ...any) {
	r.w.Note(fmt.Sprintf(format, args...))
}

// seedOf is a seed for a part of its own.
func (r *run) seedOf(name string, life int) uint64 {
	return workload.NewRandom(r.seed, fmt.Sprint(name, life)).Uint64() | 1
}

// stateLog reads what an agent's log says about hosts.
type stateLog struct {
	slog.Handler
	on func(m store.Module, h store.Host, message string)
}

func (l stateLog) Enabled(context.Context, slog.Level) bool { return true }

func (l stateLog) Handle(_ context.Context, rec slog.Record) error {
	if !strings.HasPrefix(rec.Message, "host is ") {
		return nil
	}
	var m store.Module
	var h store.Host
	rec.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "module":
			m, _ = a.Value.Any().(store.Module)
		case "host":
			h, _ = a.Value.Any().(store.Host)
		}
		return true
	})
	l.on(m, h, rec.Message)
	return nil
}
