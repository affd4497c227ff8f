package compare

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/proc"
	"lars/bench/record"
	"lars/bench/run"
)

// trial is an epoch under way.
type trial struct {
	*runner
	epoch   record.Epoch
	more    Epoch
	began   time.Time
	servers [2]*run.Started
	before  [2]reading
	after   [2]reading
	self    uint64 // switches of this process before
	results []*load.Result
	errors  [2]uint64 // so far
}

// epoch measures both servers once, in fresh processes. Its error is about what
// this program could not do; servers that fail are in the result.
func (r *runner) epoch(ctx context.Context, index int) (record.Epoch, Epoch, error) {
	t := &trial{runner: r, epoch: record.Epoch{Index: index, Slices: []record.PairedSlice{}}, began: time.Now()}
	for arm := range t.more.Rounds {
		t.more.Rounds[arm] = run.Round{Target: arm, Index: index, Load: &load.Result{
			Started: t.began, Latency: load.Latency{Response: hist.New(), Service: hist.New(), SendLag: hist.New()},
		}}
	}
	defer t.stop()
	if err := t.start(ctx); err != nil {
		return t.epoch, t.more, err
	}
	machine, machineErr := proc.ReadSystem()
	own := t.ownCPU()
	var err error
	if r.config.Design == record.DesignABBA {
		err = t.abba(ctx)
	} else {
		err = t.duet(ctx)
	}
	if err != nil && ctx.Err() == nil && !t.anyDead() {
		return t.epoch, t.more, err
	}
	if now, err := proc.ReadSystem(); err == nil && machineErr == nil {
		if u, err := now.Since(machine); err == nil {
			m := run.Machine{Known: true, Steal: u.Steal, Busy: u.Busy, Waiting: u.Waiting, Others: u.Others(t.ownCPU() - own)}
			t.more.Rounds[0].Machine, t.more.Rounds[1].Machine = m, m
		}
	}
	t.figures()
	t.stop()
	t.judge()
	return t.epoch, t.more, nil
}

// start starts both servers, in an order decided by a coin: it would otherwise
// always be the same one that finds the memory of the machine as it was.
func (t *trial) start(ctx context.Context) error {
	first := int(t.rng.Uint64() & 1)
	t.epoch.First = [2]string{"a", "b"}[first]
	for position, arm := range [2]int{first, 1 - first} {
		t.more.Rounds[arm].Position = position
		s, err := t.prepared.Start(ctx, arm)
		if err != nil {
			return fmt.Errorf("%s: %w", t.target(arm).Name, err)
		}
		t.servers[arm] = s
		t.more.Rounds[arm].Server.PID = s.PID()
	}
	return t.meet(ctx)
}

func (t *trial) stop() {
	for arm, s := range t.servers {
		if s == nil {
			continue
		}
		if err := s.Err(); err != nil {
			t.fault(arm, err.Error())
		}
		t.more.Rounds[arm].Server.Report = s.Stop()
		t.servers[arm] = nil
	}
}

// fault notes the first thing that an arm did wrong.
func (t *trial) fault(arm int, what string) {
	if t.more.Faults[arm] == "" {
		t.more.Faults[arm] = what
	}
}

// anyDead waits a moment for the end of a server that let go of connections.
func (t *trial) anyDead() bool {
	dead := false
	for _, s := range t.servers {
		s.AwaitEnd()
		dead = dead || s.Err() != nil
	}
	return dead
}

// ownCPU is the CPU time of everything that belongs to the comparison.
func (t *trial) ownCPU() time.Duration {
	sum, _ := proc.SelfCPU()
	for _, s := range t.servers {
		used, _ := proc.CPUTime(s.PID())
		sum += used
	}
	return sum
}

// duet drives both servers at once.
func (t *trial) duet(ctx context.Context) error {
	l := t.load()
	l.Seed += uint64(t.epoch.Index)
	l.Addr, l.Rival = t.servers[0].Addr(), t.servers[1].Addr()
	l.PIDs = []int{t.servers[0].PID(), t.servers[1].PID()}
	l.Workload = t.prepared.Workload(0)
	if t.config.Design == record.DesignProcessDuet {
		l.Conns /= 2
	}
	l.Every = t.config.slice()
	l.Warmup, l.Duration = t.config.Warmup, time.Duration(t.config.Slices)*l.Every
	l.OnPhase = func(p load.Phase) { t.read(ctx, p) }
	l.OnInterval = func(v *load.Interval) { t.interval(v) }
	got, err := load.Run(ctx, l)
	if err != nil {
		return err
	}
	t.results = append(t.results, got)
	for i := range got.Arms {
		x := &got.Arms[i]
		own := *got
		own.Arms, own.Counts, own.Latency, own.WarmupCounts = nil, x.Counts, x.Latency, x.WarmupCounts
		own.Server = got.Server[i : i+1]
		t.more.Rounds[i].Load = &own
		t.checkReplies(i, &own)
	}
	return nil
}

// read reads what servers count themselves, at the two ends of the measured
// time.
func (t *trial) read(ctx context.Context, p load.Phase) {
	into := &t.before
	switch p {
	case load.Warmup:
		return
	case load.Draining:
		into = &t.after
	case load.Measured:
		t.self = ownSwitches()
	}
	for arm := range t.servers {
		into[arm] = t.readServer(ctx, arm)
	}
	if p == load.Draining {
		now := ownSwitches()
		for arm := range t.more.Rounds {
			t.more.Rounds[arm].GeneratorSwitches = now - min(now, t.self)
		}
	}
}

// ownSwitches are the context switches of this process so far; 0 where the
// kernel does not tell.
func ownSwitches() uint64 {
	s, err := proc.ReadScheduling(0)
	if err != nil {
		return 0
	}
	return s.Voluntary + s.Involuntary
}

// interval makes a slice of both arms.
func (t *trial) interval(v *load.Interval) {
	var values [2]map[string]float64
	for i := range v.Arms {
		values[i] = sliceValues(&v.Arms[i].Counts, &v.Arms[i].Latency, v.Server[i], v.End-v.Start)
		t.keep(i, 0, v, &v.Arms[i].Counts, v.Arms[i].Response, v.Server[i])
	}
	if v.Phase == load.Measured {
		t.epoch.Slices = append(t.epoch.Slices, record.PairedSlice{A: values[0], B: values[1]})
	}
}

// sliceValues are the figures of one arm in one slice.
func sliceValues(c *load.Counts, l *load.Latency, cpu load.CPU, d time.Duration) map[string]float64 {
	out := map[string]float64{requests: float64(c.Completed)}
	if c.Completed == 0 || d <= 0 {
		return out
	}
	out[Throughput] = float64(c.Completed) / d.Seconds()
	if cpu.Err == nil {
		out[ServerCPU] = float64(cpu.Used) / float64(c.Completed)
	}
	for name, p := range map[string]float64{P50: 50, P99: 99} {
		if q := l.Response.Percentile(p, confidence); q.Reportable && !q.Censored {
			out[name] = float64(q.Value)
		}
	}
	return out
}

// keep keeps what logs and time series need of one arm in a slice that began at
// an offset in the epoch.
func (t *trial) keep(arm int, offset time.Duration, v *load.Interval, c *load.Counts, response *hist.Recorder, cpu load.CPU) {
	kept := run.Interval{
		Phase: v.Phase, Start: offset + v.Start, End: offset + v.End, Counts: *c,
		P50:       time.Duration(response.Percentile(50, confidence).Value),
		P99:       time.Duration(response.Percentile(99, confidence).Value),
		ServerCPU: cpu.Used, ServerKnown: cpu.Err == nil, GeneratorCPU: v.GeneratorCPU, InFlight: v.InFlight, Queued: v.Queued,
	}
	for b := range response.Buckets {
		kept.Response = append(kept.Response, b)
	}
	r := &t.more.Rounds[arm]
	r.Intervals = append(r.Intervals, kept)
	t.errors[arm] += c.Errors() + c.TimedOut
	if d := (v.End - v.Start).Seconds(); d > 0 && v.Phase != load.Draining {
		t.observe("", &SliceProgress{
			Arm: t.target(arm).Name, Slices: len(r.Intervals), Rate: float64(c.Completed) / d, P50: kept.P50, P99: kept.P99, Errors: t.errors[arm],
		})
	}
}

// abbaWarmupShare of a slice is load before it that is not measured: the
// connections of each are new.
const abbaWarmupShare = 4

// abba measures one server at a time: blocks of A B B A or B A A B.
func (t *trial) abba(ctx context.Context) error {
	t.read(ctx, load.Measured)
	for k := 0; k < t.config.Slices && ctx.Err() == nil; k += 2 {
		first := int(t.rng.Uint64() & 1)
		for i := range min(2, t.config.Slices-k) {
			var pair [2]map[string]float64
			for _, arm := range [2]int{first ^ i, 1 - first ^ i} {
				values, err := t.alone(ctx, arm, k+i)
				if err != nil {
					return err
				}
				pair[arm] = values
			}
			t.epoch.Slices = append(t.epoch.Slices, record.PairedSlice{A: pair[0], B: pair[1]})
		}
	}
	t.read(ctx, load.Draining)
	return nil
}

// alone is one slice of one server.
func (t *trial) alone(ctx context.Context, arm, slice int) (map[string]float64, error) {
	l := t.load()
	l.Seed += uint64(t.epoch.Index*t.config.Slices + slice)
	l.Addr, l.PIDs, l.Workload = t.servers[arm].Addr(), []int{t.servers[arm].PID()}, t.prepared.Workload(arm)
	l.Duration = t.config.slice()
	l.Warmup, l.Every = l.Duration/abbaWarmupShare, l.Duration
	offset := time.Since(t.began)
	l.OnInterval = func(v *load.Interval) {
		if v.Phase == load.Measured {
			t.keep(arm, offset, v, &v.Counts, v.Response, v.Server[0])
		}
	}
	got, err := load.Run(ctx, l)
	if err != nil {
		return nil, err
	}
	t.results = append(t.results, got)
	t.checkReplies(arm, got)
	t.add(t.more.Rounds[arm].Load, got)
	return sliceValues(&got.Counts, &got.Latency, got.Server[0], got.Elapsed), nil
}

// add adds a slice to the sum of an arm's.
func (t *trial) add(sum, slice *load.Result) {
	sum.Config = slice.Config
	sum.Elapsed += slice.Elapsed
	sum.Counts.Add(&slice.Counts)
	sum.WarmupCounts.Add(&slice.WarmupCounts)
	sum.Response.Merge(slice.Response)
	sum.Service.Merge(slice.Service)
	sum.SendLag.Merge(slice.SendLag)
	if len(sum.Server) == 0 {
		sum.Server = []load.CPU{{PID: slice.Server[0].PID}}
	}
	sum.Server[0].Used += slice.Server[0].Used
	sum.Server[0].Err = errors.Join(sum.Server[0].Err, slice.Server[0].Err)
	a, x := &sum.Audit, &slice.Audit
	a.CPU += x.CPU
	a.WorkerShare = max(a.WorkerShare, x.WorkerShare)
	a.GCCycles += x.GCCycles
	a.GCPauseMax = max(a.GCPauseMax, x.GCPauseMax)
	a.StallMax = max(a.StallMax, x.StallMax)
	a.Wakeups += x.Wakeups
	a.Events += x.Events
	a.Pacer, a.Clock = x.Pacer, x.Clock
}

// checkReplies notes what a server may not do on its network.
func (t *trial) checkReplies(arm int, r *load.Result) {
	c := r.Counts
	c.Add(&r.WarmupCounts)
	tcp := t.config.Load.Network != "udp"
	faults := []struct {
		n    uint64
		is   bool // a fault here
		text string
	}{
		{c.Wrong, true, "replies had the wrong content"},
		{c.Disconnected, true, "connections ended"},
		{c.Duplicated, !r.Config.MayDouble(), "replies came twice"},
		{c.Reordered, tcp, "replies overtook older ones"},
		{c.TimedOut, tcp, "requests were not answered in time"},
		{c.Lost, tcp && !r.Cut, "requests were never answered"},
	}
	var said []string
	for _, f := range faults {
		if f.n > 0 && f.is {
			said = append(said, fmt.Sprintf("%d %s", f.n, f.text))
		}
	}
	if len(said) == 0 {
		return
	}
	if c.Disconnected > 0 {
		t.servers[arm].AwaitEnd()
		if err := t.servers[arm].Err(); err != nil {
			said = append(said, err.Error())
		}
	}
	t.fault(arm, strings.Join(said, ", "))
}

// judge says whether the epoch can be used.
func (t *trial) judge() {
	for arm, fault := range t.more.Faults {
		if fault != "" {
			t.epoch.Invalid = t.target(arm).Name + ": " + fault
			return
		}
	}
	for _, r := range t.results {
		for _, reason := range r.Judge() {
			// Of one slice among many the rule for slices is what counts.
			if reason.Verdict == load.Invalid && t.config.Design != record.DesignABBA && t.epoch.Invalid == "" {
				t.epoch.Invalid = reason.Text
			}
		}
	}
}
