package fleet

import (
	"context"
	"fmt"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/proc"
)

// Drive is load.Run on all workers together: same meaning, same hooks. The
// workload of the configuration stays here; the workers make theirs by spec.
// Processes of PIDs are read by the coordinator, so they have to be on its
// machine, and their CPU time is not known by interval. A worker that fails
// during the load makes the result invalid; one that fails before is an error.
func (f *Fleet) Drive(spec Spec) func(context.Context, load.Config) (*load.Result, error) {
	return func(ctx context.Context, c load.Config) (*load.Result, error) {
		if f.lost != nil {
			return nil, f.lost
		}
		c.Conns, c.Workers = max(c.Conns, 1), max(c.Workers, 1)
		if err := f.check(&c); err != nil {
			return nil, err
		}
		d := &drive{fleet: f, config: c, spec: spec, base: time.Now(), reports: make([]*report, len(f.workers)), queues: make([][]*interval, len(f.workers))}
		r, err := d.run(ctx)
		if err != nil {
			f.lose(err)
		}
		return r, err
	}
}

// lose remembers that a worker is gone.
func (f *Fleet) lose(err error) {
	if f.lost != nil {
		return
	}
	f.lost = err
	if f.OnLoss != nil {
		f.OnLoss(err)
	}
}

func (f *Fleet) check(c *load.Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	switch n := len(f.workers); {
	case c.Conns < n*c.Workers:
		return fmt.Errorf("%w: %d connections for %d workers of %d loops: each loop needs one of its own", load.ErrConfig, c.Conns, n, c.Workers)
	case c.Rival.IsValid():
		return fmt.Errorf("%w: a duet is made by one machine, not by workers", load.ErrConfig)
	}
	if w := f.far(); w != nil && c.Addr.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%w: the server listens at %v, which worker %v cannot reach: give --listen an address of this machine in their network, such as 192.0.2.7:0", load.ErrConfig, c.Addr, w)
	}
	return nil
}

// drive is one load.
type drive struct {
	fleet   *Fleet
	config  load.Config
	spec    Spec
	base    time.Time     // the coordinator's clock counts from here
	start   time.Duration // of the load
	reports []*report     // by worker; nil until it came
	ended   []bool        // by worker: reported, or failed
	queues  [][]*interval // by worker, not merged yet
	scratch load.Latency  // of the merged interval
	phase   load.Phase
	entered bool
	server  []load.CPU // used in the measured time
	remarks []load.Reason
	aborted bool
}

// slack is how much later than planned a worker may say something.
const slack = 30 * time.Second

// startDelay is the time from the order to start until the start: the order has
// to be there before.
const startDelay = 100 * time.Millisecond

func (d *drive) run(ctx context.Context) (*load.Result, error) {
	d.ended = make([]bool, len(d.fleet.workers))
	d.scratch = load.Latency{Response: hist.New(), Service: hist.New(), SendLag: hist.New()}
	if err := d.fleet.clocks(ctx, d.base); err != nil {
		return nil, err
	}
	if err := d.prepare(ctx); err != nil {
		d.abort()
		return nil, err
	}
	if err := d.begin(); err != nil {
		d.abort()
		return nil, err
	}
	d.collect(ctx)
	return d.merge(), nil
}

// prepare gives every worker its job, and waits until all are connected.
func (d *drive) prepare(ctx context.Context) error {
	f := d.fleet
	for i, w := range f.workers {
		if err := w.link.send(message{Kind: kindJob, Job: d.job(i)}); err != nil {
			return f.failure(i, err)
		}
	}
	timeout := time.NewTimer(max(d.config.DialTimeout, slack) + slack)
	defer timeout.Stop()
	for ready := make([]bool, len(f.workers)); ; {
		missing := -1
		for i := range ready {
			if !ready[i] {
				missing = i
			}
		}
		if missing < 0 {
			return nil
		}
		e, err := f.wait(ctx, timeout.C)
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil:
			return f.failure(missing, err)
		case e.err != nil || e.m.Kind != kindReady:
			return f.failure(e.worker, e.err)
		}
		ready[e.worker] = true
	}
}

// job is the share of worker i: an equal part of the connections, and its place
// in the schedule of all.
func (d *drive) job(i int) *Job {
	c, n := &d.config, len(d.fleet.workers)
	share := c.Conns / n
	if i < c.Conns%n {
		share++
	}
	return &Job{
		Workload: d.spec, Network: c.Network, Addr: c.Addr, Conns: share, Depth: c.Depth, Rate: c.Rate, Arrivals: c.Arrivals,
		Seed: c.Seed, Warmup: c.Warmup, Duration: c.Duration, Timeout: c.Timeout, DialTimeout: c.DialTimeout,
		Loops: c.Workers, Every: c.Every, Part: load.Part{Index: i, Of: n}, Churn: c.Churn,
	}
}

// begin gives one moment to all workers, each in its own time.
func (d *drive) begin() error {
	longest := time.Duration(0)
	for _, w := range d.fleet.workers {
		longest = max(longest, w.trip)
	}
	d.start = time.Since(d.base) + startDelay + 4*longest
	for i, w := range d.fleet.workers {
		if err := w.link.send(message{Kind: kindStart, Clock: int64(d.start) + w.offset}); err != nil {
			return d.fleet.failure(i, err)
		}
	}
	return nil
}

// abort tells the workers to stop.
func (d *drive) abort() {
	if d.aborted {
		return
	}
	d.aborted = true
	for i, w := range d.fleet.workers {
		if !d.ended[i] {
			_ = w.link.send(message{Kind: kindAbort}) // who is gone has stopped
		}
	}
}

// collect takes what the workers say until each has reported or failed.
func (d *drive) collect(ctx context.Context) {
	c := d.config
	remaining := d.start - time.Since(d.base) + c.Warmup + c.Duration + max(c.Timeout, slack) + slack
	overdue := time.NewTimer(remaining)
	defer overdue.Stop()
	stop := d.watch()
	defer func() { d.server = stop() }()
	for !d.over() {
		e, err := d.fleet.wait(ctx, overdue.C)
		switch {
		case err == nil:
			if !d.take(e) {
				overdue.Reset(slack)
			}
		case ctx.Err() != nil:
			ctx = context.WithoutCancel(ctx) // they still report what they had
			d.abort()
			overdue.Reset(slack)
		default:
			d.silent(err)
			return
		}
	}
}

func (d *drive) over() bool {
	for _, ended := range d.ended {
		if !ended {
			return false
		}
	}
	return true
}

// silent gives up those who have not reported.
func (d *drive) silent(err error) {
	for i, ended := range d.ended {
		if !ended {
			d.fail(i, err)
		}
	}
}

// take handles one message; false when a worker has failed and the others were
// told to stop.
func (d *drive) take(e event) bool {
	if d.ended[e.worker] && e.err == nil {
		return true
	}
	switch {
	case e.m != nil && e.m.Kind == kindFailed && d.aborted:
		d.ended[e.worker] = true // it had not begun, and now need not
	case e.err != nil:
		d.fail(e.worker, e.err)
		return false
	case e.m.Kind == kindPhase:
		d.enter(e.m.Phase)
	case e.m.Kind == kindInterval:
		d.queues[e.worker] = append(d.queues[e.worker], e.m.Interval)
		d.deliver()
	case e.m.Kind == kindReport:
		d.reports[e.worker], d.ended[e.worker] = e.m.Report, true
		d.deliver()
	default:
		d.fail(e.worker, confused("%s during a load", e.m.Kind))
		return false
	}
	return true
}

// fail ends a worker's part, and with it everybody's.
func (d *drive) fail(worker int, err error) {
	err = d.fleet.failure(worker, err)
	d.ended[worker] = true
	d.remarks = append(d.remarks, load.Reason{Verdict: load.Invalid, Text: err.Error()})
	d.abort()
	d.fleet.lose(err)
}

// enter tells of a phase when the first worker is in it.
func (d *drive) enter(p load.Phase) {
	if d.entered && p <= d.phase {
		return
	}
	d.entered, d.phase = true, p
	if d.config.OnPhase != nil {
		d.config.OnPhase(p)
	}
}

// watch reads the CPU time of processes at the ends of the measured time. The
// function that it returns stops it and gives what they used.
func (d *drive) watch() (stop func() []load.CPU) {
	if len(d.config.PIDs) == 0 {
		return func() []load.CPU { return nil }
	}
	done, ended := make(chan struct{}), make(chan []load.CPU, 1)
	at := func(t time.Duration) {
		select {
		case <-time.After(t - time.Since(d.base)):
		case <-done:
		}
	}
	go func() {
		at(d.start + d.config.Warmup)
		before := readCPU(d.config.PIDs)
		at(d.start + d.config.Warmup + d.config.Duration)
		after := readCPU(d.config.PIDs)
		for i := range after {
			after[i].Used -= before[i].Used
			if after[i].Err == nil {
				after[i].Err = before[i].Err
			}
		}
		ended <- after
	}()
	return func() []load.CPU {
		close(done)
		return <-ended
	}
}

func readCPU(pids []int) []load.CPU {
	var out []load.CPU
	for _, pid := range pids {
		used, err := proc.CPUTime(pid)
		out = append(out, load.CPU{PID: pid, Used: used, Err: err})
	}
	return out
}
