package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"lars/reactor/driver"
	"lars/simulator/check"
	"lars/simulator/fault"
	"lars/simulator/outcome"
	"lars/simulator/workload"
	"lars/system/store"
)

// The phases of a run, and the bounds of the checks. Bounds are wide: a machine
// that is busy with other things breaks no promise.
const (
	warmUp          = 2 * time.Second // before callers call
	recoveryDefault = 30 * time.Second
	settleFor       = 15 * time.Second // from a fault on the way of routes to when they must come in time
	silenceFor      = 15 * time.Second // until who was cut off has given up connections that stand still
	pickBound       = 5 * time.Second  // from an edit to every agent
	answerSlack     = 2 * time.Second  // beyond the time of all tries
	keepBound       = 10 * time.Second // from a route to the disk of an agent
	starveAfter     = 70 * time.Second // from the last fault until every host must have its share, as in virtual time
	convergeWithin  = 60 * time.Second
	endWithin       = 60 * time.Second // the orderly end of all services
	errorsMax       = 0.05             // share of calls that fail in the end, beside those that always do
	lookEvery       = time.Second
)

// Config of a run.
type Config struct {
	Plan    *fault.Plan
	Seed    uint64
	Backend string
	Open    func(name string) (driver.Driver, error)
	Network string // between callers and hosts: tcp or udp; "" means tcp
	// Program is the path of the command lars: services become processes of it.
	// "" runs them in this process.
	Program string
	// Recovery is how long it goes on after the last fault. 0 means 30 s.
	Recovery time.Duration
	// Args are further flags of the services, by the names of package up.
	Args map[string][]string
	// OnProgress, when not nil, is told every second, on one goroutine.
	OnProgress func(Progress)
}

// Progress is where a run is.
type Progress struct {
	Backend      string
	Phase        string
	At, End      time.Duration
	Calls, Wrong int // since the start
}

// Result of a run.
type Result struct {
	Backend    string            `json:"backend"`
	Network    string            `json:"network"`
	Plan       string            `json:"plan"`
	Seed       uint64            `json:"seed"`
	Started    time.Time         `json:"started"` // the plan's time 0
	Length     time.Duration     `json:"length_ns"`
	Outcome    outcome.Summary   `json:"outcome"`
	Edits      int               `json:"edits"` // acknowledged
	Books      Books             `json:"books"`
	Failures   int               `json:"failures"`
	Violations []check.Violation `json:"violations"`

	meter *meter
	cfg   Config
}

// Least is how long a run takes, without its start and end.
func (c *Config) Least() time.Duration { return max(c.Plan.End(), warmUp) + c.Recovery }

// run is a run under way.
type run struct {
	cfg      Config
	started  atomic.Pointer[time.Time]
	end      time.Duration // when callers stop
	names    []store.Module
	popular  *workload.Popularity
	hosts    *hosts
	services *services
	callers  []*caller
	script   *script
	editor   *editor
	slots    chan struct{} // of calls at once

	mu      sync.Mutex // of all below
	log     check.Log
	answers *check.Answers
	picks   *check.Picks
	routes  *check.Routes
	errors  *check.Errors
	known   *check.Known
	share   *check.Share
	tally   *outcome.Tally
	meter   *meter
	calls   int
	wrong   int
	numbers uint64
}

// Run runs a plan. Whatever it starts has ended when it returns. It ends early,
// with ctx's error, when ctx does. An error says that the run could not be done;
// broken promises are in the Result.
func Run(ctx context.Context, c Config) (result *Result, err error) {
	c.Network, c.Recovery = cmp.Or(c.Network, "tcp"), cmp.Or(c.Recovery, recoveryDefault)
	if err := Check(c.Plan, c.Program != ""); err != nil {
		return nil, err
	}
	r := newRun(c)
	d, err := c.Open(c.Backend)
	if err != nil {
		return nil, err
	}
	if r.hosts, err = openHosts(d, c.Network, c.Plan, c.Seed, r.now); err != nil {
		return nil, fmt.Errorf("hosts on 127.64.0.0/16: %w", err)
	}
	defer r.hosts.close()
	if r.services, err = startServices(ctx, r, r.routesAtFirst()); err != nil {
		return nil, errors.Join(err, r.services.remove())
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), endWithin)
		defer cancel()
		err = errors.Join(err, r.services.close(stop), r.services.remove())
	}()
	defer r.closeCallers()
	if err := r.openCallers(ctx); err != nil {
		return nil, err
	}
	if err := r.play(ctx); err != nil {
		return nil, err
	}
	r.recovered()
	r.converge(ctx)
	r.closeCallers()
	books := r.close()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return r.result(books), nil
}

func newRun(c Config) *run {
	w := &c.Plan.Workload
	r := &run{cfg: c, end: c.Least(), popular: w.Modules.Popularity(), slots: make(chan struct{}, inFlight)}
	r.begin(time.Now())
	r.answers = check.NewAnswers(&r.log, workload.Tries*w.Callers.Timeout+answerSlack)
	r.picks = check.NewPicks(&r.log, pickBound)
	r.routes = check.NewRoutes(&r.log)
	r.errors = check.NewErrors(&r.log)
	r.known = check.NewKnown(&r.log, keepBound)
	r.share = check.NewShare(&r.log)
	r.tally = outcome.New(c.Plan, c.Seed, r.end)
	for i := range w.Modules.Count {
		r.names = append(r.names, store.Module{ModID: int32(i + 1), CmdID: int32(i%3 + 1)})
	}
	return r
}

// now is the time of the plan.
func (r *run) now() time.Duration { return time.Since(*r.started.Load()) }

// begin sets the time 0 of the plan.
func (r *run) begin(at time.Time) { r.started.Store(&at) }

// sleepUntil waits for a time of the plan; false when ctx ends before.
func (r *run) sleepUntil(ctx context.Context, at time.Duration) bool {
	d := at - r.now()
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// routesAtFirst is the route of each module before any edit.
func (r *run) routesAtFirst() (edits []store.ModuleEdit) {
	for i, m := range r.names {
		e := store.ModuleEdit{Module: m, Op: store.OpAdd}
		for k := range r.cfg.Plan.Workload.Modules.Hosts {
			e.Hosts = append(e.Hosts, r.hosts.at(i, k).name())
			r.picks.Joined(m, r.hosts.at(i, k).name())
		}
		r.routes.Is(m, e.Hosts)
		edits = append(edits, e)
	}
	return edits
}

// openCallers makes the callers, and waits until their agents know all modules.
func (r *run) openCallers(ctx context.Context) error {
	for i := range r.services.agents {
		c, err := newCaller(r, i)
		if err != nil {
			return err
		}
		r.callers = append(r.callers, c)
	}
	return r.each(ctx, func(ctx context.Context, c *caller, m int) bool {
		return len(c.route(ctx, m)) == r.cfg.Plan.Workload.Modules.Hosts
	})
}

// each repeats a question to every agent about every module until the answer is
// yes.
func (r *run) each(ctx context.Context, ask func(ctx context.Context, c *caller, module int) bool) error {
	ctx, cancel := context.WithTimeout(ctx, convergeWithin)
	defer cancel()
	for _, c := range r.callers {
		for m := range r.names {
			for !ask(ctx, c, m) {
				select {
				case <-ctx.Done():
					return fmt.Errorf("agent %d has no right route of module %v after %v: %w", c.index+1, r.names[m], convergeWithin, ctx.Err())
				case <-time.After(50 * time.Millisecond):
				}
			}
		}
	}
	return nil
}

// play is the time of the plan.
func (r *run) play(ctx context.Context) error {
	r.editor = newEditor(r)
	r.begin(time.Now())
	r.meter = newMeter(r.end, *r.started.Load())
	r.script = newScript(r)
	playing, stop := context.WithCancel(ctx)
	defer stop()
	var beside, callers sync.WaitGroup
	beside.Go(func() { r.script.play(playing) })
	beside.Go(func() { r.editor.work(playing) })
	beside.Go(func() { r.look(playing) })
	for _, c := range r.callers {
		callers.Go(func() { c.loops(playing) })
	}
	callers.Wait()
	r.sleepUntil(ctx, r.end)
	r.editor.finish(ctx)
	stop()
	beside.Wait()
	r.mu.Lock()
	r.meter.cut(time.Now(), true)
	r.mu.Unlock()
	return ctx.Err()
}

// look is what is watched all the time.
func (r *run) look(ctx context.Context) {
	for at := lookEvery; r.sleepUntil(ctx, at); at += lookEvery {
		for _, c := range r.callers { // one module of each agent, in turn
			m := int(at/lookEvery) % len(r.names)
			if hosts := c.route(ctx, m); hosts != nil && !r.script.apart(c.index, r.now()) {
				r.mu.Lock()
				r.routes.Saw(r.now(), agentName(c.index), r.names[m], hosts)
				r.mu.Unlock()
			}
		}
		r.mu.Lock()
		r.answers.Look(r.now())
		p := Progress{r.cfg.Backend, r.tally.PhaseAt(r.now()), r.now(), r.end, r.calls, r.wrong}
		r.mu.Unlock()
		if r.cfg.OnProgress != nil {
			r.cfg.OnProgress(p)
		}
	}
}

func agentName(i int) string { return "agent-" + itoa(i+1) }

func itoa(i int) string { return fmt.Sprint(i) }

// asked notes a question to an agent.
func (r *run) asked(*caller) (now time.Duration, number uint64) {
	now = r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.numbers++
	r.answers.Asked(now, r.numbers)
	return now, r.numbers
}

// answered notes its end. That an agent was too late is counted and no broken
// promise: the machine may have been busy.
func (r *run) answered(number uint64, is bool) time.Duration {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers.Ended(now, number, is, check.Never)
	return now
}

// picked notes what an agent answered, and finds the host.
func (r *run) picked(c *caller, module int, addr netip.AddrPort) *host {
	now := r.now()
	since := r.script.routesSince(c.index, now)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.Known(now, agentName(c.index), r.names[module])
	r.picks.Picked(now, r.names[module], store.Host{IP: ipOf(addr.Addr()), Port: addr.Port()}, since)
	return r.hosts.find(addr)
}

// noHost notes that an agent knows none for a module; but for early answers that
// come late.
func (r *run) noHost(c *caller, module int) {
	now := r.now()
	if r.script.apart(c.index, now) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.Unknown(now, agentName(c.index), r.names[module])
}

// killed notes that an agent's life ended, once another is to begin.
func (r *run) killed(agent int, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes.Restarted(agentName(agent))
	r.known.Killed(at, agentName(agent))
}

// ended notes the end of a call.
func (r *run) ended(_ *caller, x outcome.Call, getHost time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if x.Result != "" {
		r.wrong++
	}
	r.tally.Add(x)
	r.meter.add(x, getHost)
	if x.At >= r.calm() {
		r.errors.Call(x.Result)
		if x.Host >= 0 {
			r.share.Picked(r.names[x.Module], r.hosts.at(x.Module, x.Host).name())
		}
	}
}

// calm is since when calls must go well again.
func (r *run) calm() time.Duration { return r.end - r.cfg.Recovery/3 }

// recovered checks that they do, and that every host has its share, when they had
// the time to.
func (r *run) recovered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := &r.cfg.Plan.Workload; r.cfg.Recovery >= settleFor {
		r.errors.Final(r.now(), w.Hosts.ErrorsMax()+errorsMax, w.Callers.Due(r.calm(), r.end))
	}
	if r.calm()-r.cfg.Plan.End() < starveAfter {
		return
	}
	for _, m := range r.names {
		r.share.Final(r.now(), m, r.editor.model[m])
	}
}

// moved notes that an agent took a host out, or back in.
func (r *run) moved(agent int, m store.Module, h store.Host, out bool) {
	i, place := int(m.ModID)-1, int(h.IP)-base-1
	if i < 0 || i >= len(r.names) || place < 0 || place >= len(r.hosts.all) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.Moved(r.now(), agent, i, place%r.hosts.pool, out)
}

func (r *run) failf(checker, format string, args ...any) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log.Failf(now, checker, format, args...)
}

func (r *run) closeCallers() {
	for _, c := range r.callers {
		c.close()
	}
}

func (r *run) result(b Books) *Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &Result{
		Backend: r.cfg.Backend, Network: r.cfg.Network, Plan: r.cfg.Plan.Name, Seed: r.cfg.Seed, Started: *r.started.Load(), Length: r.end,
		Outcome: r.tally.Summary(), Edits: r.editor.done, Books: b, Failures: r.log.Count, Violations: r.log.First,
		meter: r.meter, cfg: r.cfg,
	}
}
