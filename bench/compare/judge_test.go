package compare

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lars/bench/record"
	"lars/bench/stats"
)

// synthetic are epochs of which the truth is known: B's CPU time is A's times
// ratio. The level wanders by far more than that, and some slices are stolen.
func synthetic(seed uint64, epochs int, ratio float64) []record.Epoch {
	rng := rand.New(rand.NewPCG(seed, 1))
	var out []record.Epoch
	for i := range epochs {
		e := record.Epoch{Index: i, First: "a", A: map[string]float64{Allocs: 5}, B: map[string]float64{Allocs: 5}}
		level, bias := 5000*math.Exp(rng.NormFloat64()), 0.01*rng.NormFloat64()
		for range 16 {
			stolen := 1.0
			if rng.IntN(20) == 0 {
				stolen = 10
			}
			x := level * math.Exp(0.04*rng.NormFloat64())
			e.Slices = append(e.Slices, record.PairedSlice{
				A: map[string]float64{requests: 1000, ServerCPU: x, P50: 3 * x, Throughput: 1e9 / x},
				B: map[string]float64{requests: 1000, ServerCPU: x * ratio * math.Exp(bias) * stolen, P50: 3 * x * math.Exp(bias/2), Throughput: 1e9 / x / ratio},
			})
		}
		out = append(out, e)
	}
	return out
}

func judged(t *testing.T, epochs []record.Epoch, design, metric string) record.ComparedMetric {
	t.Helper()
	c := record.Comparison{Metrics: Judge(epochs, Metrics(design), stats.RuleOne())}
	m := c.Metric(metric)
	if m == nil {
		t.Fatalf("no metric %s", metric)
	}
	return *m
}

// TestJudge: a known change is found where there is one, and its size is right.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		ratio   float64
		verdict string
	}{
		{1, record.VerdictEquivalent},
		{1.01, record.VerdictEquivalent},
		{1.06, record.VerdictRegressed},
		{1.5, record.VerdictRegressed},
		{0.9, record.VerdictImproved},
	} {
		m := judged(t, synthetic(7, 12, c.ratio), record.DesignRequestDuet, ServerCPU)
		if m.Verdict != c.verdict || math.Abs(m.Ratio/c.ratio-1) > 0.015 || m.Low == nil || *m.Low > c.ratio || *m.High < c.ratio {
			t.Errorf("true ratio %v: %+v", c.ratio, m)
		}
		if m.MDE == nil || *m.MDE <= 0 || *m.MDE > 0.1 || m.Epochs != 12 || len(m.Ratios) != 12 {
			t.Errorf("true ratio %v: MDE %v, %d epochs", c.ratio, m.MDE, m.Epochs)
		}
	}
}

// TestJudgeIsPaired: the level moves by factors, which unpaired arms could not
// be told apart in; exchanging the arms turns the result over.
func TestJudgeIsPaired(t *testing.T) {
	epochs := synthetic(3, 12, 1.1)
	for i := range epochs {
		for j, s := range epochs[i].Slices {
			epochs[i].Slices[j] = record.PairedSlice{A: s.B, B: s.A}
		}
	}
	if m := judged(t, epochs, record.DesignRequestDuet, ServerCPU); m.Verdict != record.VerdictImproved || m.Difference >= 0 {
		t.Errorf("exchanged: %+v", m)
	}
	if m := judged(t, epochs, record.DesignProcessDuet, Throughput); m.Verdict != record.VerdictImproved || m.Ratio < 1.05 {
		t.Errorf("exchanged, more is better: %+v", m)
	}
}

func TestRuleForSlices(t *testing.T) {
	slice := func(n, a, b float64) record.PairedSlice {
		return record.PairedSlice{A: map[string]float64{requests: n, ServerCPU: a}, B: map[string]float64{requests: 100, ServerCPU: b}}
	}
	good := func(n int) (out []record.PairedSlice) {
		for range n {
			out = append(out, slice(100, 10, 11))
		}
		return out
	}
	m := Metrics(record.DesignRequestDuet)[0]
	for name, c := range map[string]struct {
		epoch record.Epoch
		want  float64
		ok    bool
	}{
		"all good":            {record.Epoch{Slices: good(8)}, math.Log(1.1), true},
		"a starved slice":     {record.Epoch{Slices: append(good(8), slice(24, 10, 1000))}, math.Log(1.1), true},
		"enough of a slice":   {record.Epoch{Slices: append(good(1), slice(26, 10, 10))}, math.Log(1.1) / 2, true},
		"too few are left":    {record.Epoch{Slices: append(good(7), make([]record.PairedSlice, 9)...)}, 0, false},
		"none":                {record.Epoch{}, 0, false},
		"invalid":             {record.Epoch{Slices: good(8), Invalid: "why"}, 0, false},
		"one arm has no CPU":  {record.Epoch{Slices: []record.PairedSlice{{A: map[string]float64{requests: 5, ServerCPU: 1}, B: map[string]float64{requests: 5}}}}, 0, false},
		"figure of the epoch": {record.Epoch{Slices: good(8), A: map[string]float64{ServerCPU: 1}, B: map[string]float64{ServerCPU: 2}}, math.Log(2), true},
	} {
		got, ok := m.LogRatio(&c.epoch)
		if ok != c.ok || math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, ok, c.want, c.ok)
		}
	}
}

// TestLeast: what starting and asking cost is no difference.
func TestLeast(t *testing.T) {
	for _, c := range []struct {
		a, b, ratio float64
		verdict     string
	}{
		{0, 0, 1, record.VerdictEquivalent},
		{0.004, 0.009, 1, record.VerdictEquivalent},
		{0.004, 1, 10, record.VerdictRegressed},
		{3, 0, 1. / 30, record.VerdictImproved},
	} {
		epochs := synthetic(1, 9, 1)
		for i := range epochs {
			epochs[i].A[Allocs], epochs[i].B[Allocs] = c.a, c.b
		}
		if m := judged(t, epochs, record.DesignRequestDuet, Allocs); m.Verdict != c.verdict || math.Abs(m.Ratio-c.ratio) > 1e-9 || m.A != c.a || m.B != c.b {
			t.Errorf("%v and %v: %+v", c.a, c.b, m)
		}
	}
}

func TestFewEpochs(t *testing.T) {
	m := judged(t, synthetic(1, 4, 3), record.DesignRequestDuet, ServerCPU)
	if m.Verdict != record.VerdictInconclusive || m.Low != nil || m.MDE != nil {
		t.Errorf("4 epochs: %+v", m)
	}
	if n := EpochsFewest(Metrics(record.DesignRequestDuet), stats.RuleOne()); n != 9 {
		t.Errorf("%d epochs for three metrics at 1 %%", n)
	}
}

func TestOverall(t *testing.T) {
	of := func(verdicts ...string) (out []record.ComparedMetric) {
		for _, v := range verdicts {
			out = append(out, record.ComparedMetric{Verdict: v, Gated: v != record.VerdictInformative})
		}
		return out
	}
	const r, i, b, e, n = record.VerdictRegressed, record.VerdictInconclusive, record.VerdictImproved, record.VerdictEquivalent, record.VerdictInformative
	for _, c := range []struct {
		metrics []record.ComparedMetric
		want    string
	}{
		{of(e, r, i, b), r}, {of(e, i, b), i}, {of(e, b), b}, {of(e, n), e}, {of(n), i}, {nil, i},
	} {
		if got := Overall(c.metrics); got != c.want {
			t.Errorf("%+v: %s, want %s", c.metrics, got, c.want)
		}
	}
}

func TestRoundDown(t *testing.T) {
	for v, want := range map[float64]float64{0: 0, 7: 7, 12_345: 12_000, 99_999: 99_000, 100: 100} {
		if got := roundDown(v); math.Abs(got-want) > 1e-6 {
			t.Errorf("%v: %v, want %v", v, got, want)
		}
	}
}

// TestDrift: a ratio that moves while epochs last is told, one that only
// wanders is not, and only of metrics that slices have.
func TestDrift(t *testing.T) {
	still := synthetic(7, 12, 1)
	moving := synthetic(7, 12, 1)
	for i := range moving {
		for k := range moving[i].Slices {
			moving[i].Slices[k].B[ServerCPU] *= math.Exp(0.1 * float64(15-k) / 15)
		}
	}
	for name, c := range map[string]struct {
		epochs []record.Epoch
		want   []string
	}{
		"still":  {still, nil},
		"moving": {moving, []string{ServerCPU}},
		"none":   {nil, nil},
	} {
		metrics := Judge(c.epochs, Metrics(record.DesignRequestDuet), stats.RuleOne())
		if got := Drifting(metrics); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		for _, m := range metrics {
			if (m.DriftP != nil) == m.Exact {
				t.Errorf("%s: %s has a drift of %v", name, m.Name, m.DriftP)
			}
		}
	}
}
