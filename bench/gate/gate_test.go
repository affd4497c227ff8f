package gate

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"lars/bench/record"
	"lars/bench/stats"
)

// world draws epochs with a known truth.
type world struct {
	rng   *rand.Rand
	sd    map[string]float64
	shift map[string]float64 // of the log ratio; of B, for counted metrics
}

func newWorld(seed uint64) *world {
	return &world{
		rng: rand.New(rand.NewPCG(seed, 0)), shift: map[string]float64{},
		sd: map[string]float64{ServerCPU: 0.015, P50: 0.01, P99: 0.012},
	}
}

func (w *world) epochs(n int) []Epoch {
	out := make([]Epoch, n)
	for i := range out {
		e := Epoch{Ratios: map[string]float64{}, A: map[string]float64{}, B: map[string]float64{}}
		for _, m := range Metrics() {
			switch {
			case m.Counted:
				base := map[string]float64{Allocs: 2, AllocBytes: 300, WireBytes: 56}[m.Name]
				e.A[m.Name], e.B[m.Name] = base, base+w.shift[m.Name]
			default:
				noise := w.rng.NormFloat64()
				if w.rng.IntN(12) == 0 { // a stolen epoch
					noise *= 10
				}
				e.Ratios[m.Name] = w.shift[m.Name] + w.sd[m.Name]*noise
			}
		}
		out[i] = e
	}
	return out
}

// noise is what a self-test learns of the world.
func (w *world) noise(n int) *record.Noise {
	var metrics []record.NoiseMetric
	epochs := w.epochs(n)
	for name, k := range NewLearner(Metrics(), epochs, 1).Known() {
		metrics = append(metrics, record.NoiseMetric{Name: name, SD: k.SD, Floor: k.Floor})
	}
	kept := make([]record.NoiseEpoch, n)
	for i, e := range epochs {
		kept[i] = record.NoiseEpoch(e)
	}
	return &record.Noise{Subjects: []record.NoiseSubject{{Name: "s", Epochs: kept, Metrics: metrics}}}
}

func (w *world) config(n *record.Noise) Config {
	return Config{
		Subjects: []string{"s"}, Metrics: Metrics(), Plan: PlanDefault(), Noise: n,
		Measure: func(_ context.Context, _ string, _, n int) (Batch, error) { return Batch{Epochs: w.epochs(n)}, nil },
	}
}

func run(t *testing.T, c Config) (Subject, string, []string) {
	t.Helper()
	subjects, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	verdict, reasons := Verdict(subjects)
	return subjects[0], verdict, reasons
}

// TestGateFindsWhatMoved: each metric that a slowdown moves is the one that the
// verdict names; what moves nothing, or makes it better, passes.
func TestGateFindsWhatMoved(t *testing.T) {
	noise := newWorld(9).noise(60)
	for _, c := range []struct {
		metric string
		shift  float64
		want   string
		stages int
	}{
		{"", 0, record.GatePass, 1},
		{ServerCPU, math.Log(1.06), record.GateRegressed, 2},
		{ServerCPU, math.Log(0.9), record.GatePass, 1},
		{Allocs, 8, record.GateRegressed, 2},
		{Allocs, -1, record.GatePass, 1},
		{AllocBytes, 20, record.GateRegressed, 2},
		{AllocBytes, 1, record.GatePass, 1},
		{WireBytes, 1, record.GateRegressed, 2},
		{P50, math.Log(1.5), record.GateRegressed, 3},
		{P99, math.Log(1.2), record.GateRegressed, 3},
	} {
		w := newWorld(30)
		w.shift[c.metric] = c.shift
		s, verdict, reasons := run(t, w.config(noise))
		if verdict != c.want || len(s.Stages) != c.stages {
			t.Errorf("%s by %v: %s after stages %v: %v", c.metric, c.shift, verdict, s.Stages, reasons)
		}
		if c.want == record.GateRegressed && !strings.Contains(strings.Join(reasons, ""), "s: "+c.metric+" is ") {
			t.Errorf("%s: reasons %q", c.metric, reasons)
		}
		if Exit(verdict) != map[string]int{record.GatePass: 0, record.GateRegressed: 1}[c.want] {
			t.Errorf("%s: exit %d", verdict, Exit(verdict))
		}
	}
}

// TestGateNeedsConfirmation: what only the first stage saw is no regression.
func TestGateNeedsConfirmation(t *testing.T) {
	w := newWorld(4)
	c := w.config(w.noise(60))
	c.Measure = func(_ context.Context, _ string, stage, n int) (Batch, error) {
		w.shift[ServerCPU] = 0
		if stage == 0 {
			w.shift[ServerCPU] = 0.1
		}
		return Batch{Epochs: w.epochs(n)}, nil
	}
	if s, verdict, reasons := run(t, c); verdict != record.GatePass || len(s.Stages) != 2 {
		t.Errorf("%s after %v: %v", verdict, s.Stages, reasons)
	}
}

func TestGateAbstains(t *testing.T) {
	w := newWorld(5)
	noise := w.noise(60)
	unmeasured := func(context.Context, string, int, int) (Batch, error) {
		t.Error("measured without need")
		return Batch{}, nil
	}
	few := w.noise(EpochsLearnMin - 1)
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
		text   string
	}{
		"nothing learned": {func(c *Config) { c.Noise, c.Measure = nil, unmeasured }, record.GateInconclusive, "lars bench selftest"},
		"other subject":   {func(c *Config) { c.Subjects, c.Measure = []string{"other"}, unmeasured }, record.GateInconclusive, "--backends other"},
		"too few epochs":  {func(c *Config) { c.Noise, c.Measure = few, unmeasured }, record.GateInconclusive, "too few"},
		"no time": {func(c *Config) {
			w.shift[ServerCPU] = 0.1
			left := 13 * time.Second
			c.EpochTime, c.Left = time.Second, func() time.Duration { left--; return left }
		}, record.GateInconclusive, "no time for stage 2"},
		"no time at all": {func(c *Config) {
			c.EpochTime, c.Left, c.Measure = time.Second, func() time.Duration { return 11 * time.Second }, unmeasured
		}, record.GateInconclusive, "no time for stage 1"},
		"a machine unlike the learned": {func(c *Config) {
			c.Measure = func(_ context.Context, _ string, _, n int) (Batch, error) {
				out := w.epochs(n)
				for i := range out { // every epoch is worse, half of them by a lot
					out[i].Ratios[ServerCPU] = []float64{0.01, 0.2}[i%2]
				}
				return Batch{Epochs: out}, nil
			}
		}, record.GateInconclusive, "learned"},
		"most epochs lost": {func(c *Config) {
			c.Measure = func(context.Context, string, int, int) (Batch, error) {
				return Batch{Epochs: w.epochs(3), Lost: []string{"the generator was late"}}, nil
			}
		}, record.GateInvalid, "only 3 of 12"},
		"a busy machine, and nothing counted": {func(c *Config) {
			c.Measure = func(_ context.Context, _ string, _, n int) (Batch, error) { return disturbed(w.epochs(n)), nil }
		}, record.GateInvalid, "only 0 of 12"},
		"a count went missing": {func(c *Config) {
			c.Measure = func(_ context.Context, _ string, _, n int) (Batch, error) {
				out := w.epochs(n)
				for _, e := range out {
					delete(e.B, Allocs)
				}
				return Batch{Epochs: out}, nil
			}
		}, record.GateInconclusive, Allocs},
	} {
		t.Run(name, func(t *testing.T) {
			*w = *newWorld(13)
			config := w.config(noise)
			c.change(&config)
			if _, verdict, reasons := run(t, config); verdict != c.want || !strings.Contains(strings.Join(reasons, " "), c.text) {
				t.Errorf("%s: %v, want %s with %q", verdict, reasons, c.want, c.text)
			}
		})
	}
}

// disturbed epochs have only their counts.
func disturbed(epochs []Epoch) Batch {
	for i := range epochs {
		epochs[i].Ratios = nil
	}
	return Batch{Epochs: epochs, Lost: []string{"the generator was late"}}
}

// TestCountsOnABusyMachine: counts convict even where no ratio can be had.
func TestCountsOnABusyMachine(t *testing.T) {
	w := newWorld(12)
	c := w.config(w.noise(60))
	w.shift[Allocs] = 1
	c.Measure = func(_ context.Context, _ string, _, n int) (Batch, error) { return disturbed(w.epochs(n)), nil }
	if _, verdict, reasons := run(t, c); verdict != record.GateRegressed || !strings.Contains(reasons[0], "allocs is 1 allocs/req worse") {
		t.Errorf("%s %v", verdict, reasons)
	}
}

// TestBaseWithoutCounts: a base from before a count existed is gated by the rest.
func TestBaseWithoutCounts(t *testing.T) {
	w := newWorld(6)
	c := w.config(w.noise(60))
	c.Measure = func(_ context.Context, _ string, _, n int) (Batch, error) {
		out := w.epochs(n)
		for _, e := range out {
			delete(e.A, Allocs)
		}
		return Batch{Epochs: out}, nil
	}
	s, verdict, reasons := run(t, c)
	if verdict != record.GatePass || !s.Outcomes[1].Unknown {
		t.Errorf("%s %v: %+v", verdict, reasons, s.Outcomes[1])
	}
}

// TestFaults: a wrong reply is a regression when a fresh stage sees one too.
func TestFaults(t *testing.T) {
	for until, want := range map[int]string{1: record.GatePass, 2: record.GateRegressed} {
		w := newWorld(7)
		c := w.config(w.noise(60))
		c.Measure = func(_ context.Context, _ string, stage, n int) (Batch, error) {
			b := Batch{Epochs: w.epochs(n)}
			if stage < until {
				b.Faults = []string{"3 replies had the wrong content"}
			}
			return b, nil
		}
		if _, verdict, reasons := run(t, c); verdict != want {
			t.Errorf("faults in %d stages: %s %v", until, verdict, reasons)
		}
	}
}

// TestInterrupted: half a stage decides nothing.
func TestInterrupted(t *testing.T) {
	w := newWorld(8)
	c := w.config(w.noise(60))
	ctx, cancel := context.WithCancel(t.Context())
	c.Measure = func(context.Context, string, int, int) (Batch, error) {
		cancel()
		return Batch{Epochs: w.epochs(9)}, nil
	}
	if _, err := Run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestStagesGoRound: every subject is screened before any is confirmed.
func TestStagesGoRound(t *testing.T) {
	w := newWorld(8)
	n := w.noise(60)
	other := n.Subjects[0]
	other.Name = "u"
	n.Subjects = append(n.Subjects, other)
	c := w.config(n)
	c.Subjects = []string{"s", "u"}
	var order []string
	c.Measure = func(_ context.Context, subject string, _, n int) (Batch, error) {
		order = append(order, subject)
		w.shift[Allocs] = map[string]float64{"s": 1}[subject]
		return Batch{Epochs: w.epochs(n)}, nil
	}
	subjects, err := Run(t.Context(), c)
	if err != nil || strings.Join(order, "") != "sus" || subjects[0].Verdict != stats.Regressed || subjects[1].Verdict != stats.Equivalent {
		t.Errorf("%v, %v, %+v", err, order, subjects)
	}
}

func TestMeasureFails(t *testing.T) {
	w := newWorld(8)
	c := w.config(w.noise(60))
	broken := errors.New("no server")
	c.Measure = func(context.Context, string, int, int) (Batch, error) { return Batch{}, broken }
	if _, err := Run(t.Context(), c); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestLearnedPromises: with sixty epochs of a law with stolen ones, the gate's
// own estimate of its errors agrees with fresh worlds in which the truth is
// known.
func TestLearnedPromises(t *testing.T) {
	w := newWorld(9)
	l := NewLearner(Metrics(), w.epochs(60), 1)
	known := l.Known()
	if k := known[ServerCPU]; k.SD < 0.008 || k.SD > 0.025 || k.Floor < 0.02 || k.Floor > 0.04 {
		t.Errorf("learned %+v of an sd of 0.015", k)
	}
	if k := known[WireBytes]; k.Floor != 0 {
		t.Errorf("learned %+v of a constant", k)
	}
	const trials = 300
	if r := l.FalseAlarms(PlanDefault(), trials); r.Share() > 0.01 {
		t.Errorf("%+v false alarms", r)
	}
	if r := l.Power(ServerCPU, 0.05, PlanDefault(), trials); r.Share() < 0.95 {
		t.Errorf("a true 5 %% of CPU is found in %.3f", r.Share())
	}
	if r := l.Power(ServerCPU, 0.001, PlanDefault(), trials); r.Share() > 0.05 {
		t.Errorf("a true 0.1 %% is called a regression in %.3f", r.Share())
	}
	slowed := newWorld(10)
	slowed.shift[P99] = 0.5
	if r := l.Found(P99, slowed.epochs(8), PlanDefault(), 50); r.Share() < 0.99 {
		t.Errorf("an injected slowdown is found in %.3f", r.Share())
	}
	if r := l.Found(ServerCPU, slowed.epochs(8), PlanDefault(), 50); r.Share() > 0.05 {
		t.Errorf("and by a metric that it does not move in %.3f", r.Share())
	}
	// The truth, in fresh worlds with what was learned.
	alarms := 0
	for range trials {
		out := Decide(Metrics(), known, [][]Epoch{w.epochs(12), w.epochs(20), w.epochs(24)})
		if Overall(out) == stats.Regressed {
			alarms++
		}
	}
	if alarms > 3 {
		t.Errorf("%d false alarms in %d fresh gates", alarms, trials)
	}
}

func TestRateBounds(t *testing.T) {
	// The rule of three: no event in 300 trials, at most one in a hundred.
	if low, high := (Rate{0, 300}).Bounds(); low > 1e-9 || high < 0.009 || high > 0.014 {
		t.Errorf("%v to %v", low, high)
	}
	if low, high := (Rate{}).Bounds(); low != 0 || high != 1 {
		t.Errorf("no trials: %v to %v", low, high)
	}
}
