package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSignedRankTable holds the p-values to table A.4 of Hollander and Wolfe
// (Nonparametric Statistical Methods, 2nd edition): P(T+ >= t), three decimals.
func TestSignedRankTable(t *testing.T) {
	for _, c := range []struct {
		n, t int
		want float64
	}{
		{5, 15, .031},
		{5, 14, .062},
		{5, 13, .094},
		{8, 36, .004},
		{8, 35, .008},
		{8, 34, .012},
		{8, 30, .055},
		{10, 55, .001},
		{10, 52, .005},
		{10, 50, .010},
		{10, 47, .024},
		{10, 45, .042},
		{10, 44, .053},
		{10, 40, .116},
	} {
		xs := withSum(c.n, c.t)
		if got, _ := SignedRankP(xs); math.Abs(got-c.want) > .00051 {
			t.Errorf("n=%d t=%d: %.4f, want %.3f", c.n, c.t, got, c.want)
		}
		for i := range xs {
			xs[i] = -xs[i]
		}
		if _, got := SignedRankP(xs); math.Abs(got-c.want) > .00051 {
			t.Errorf("n=%d t=%d, other side: %.4f, want %.3f", c.n, c.t, got, c.want)
		}
	}
}

// withSum is 1 to n with signs such that the positive ranks add up to sum.
func withSum(n, sum int) []float64 {
	xs := make([]float64, n)
	for rank := n; rank >= 1; rank-- {
		xs[rank-1] = -float64(rank)
		if rank <= sum {
			sum -= rank
			xs[rank-1] = float64(rank)
		}
	}
	return xs
}

// TestHamiltonP: example 3.1 of the same book, T+ = 5 of nine, P = .020.
func TestHamiltonP(t *testing.T) {
	before := []float64{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30}
	after := []float64{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29}
	for i := range before {
		after[i] -= before[i]
	}
	if above, below := SignedRankP(after); math.Abs(below-.0195) > .0001 || above < .9 {
		t.Errorf("above %v, below %v, want .0195 below", above, below)
	}
}

func TestZeroesAndTiesProveNothing(t *testing.T) {
	for _, xs := range [][]float64{{0, 0, 0, 0, 0, 0, 0, 0}, {1, -1, 1, -1, 1, -1, 1, -1}} {
		if above, below := SignedRankP(xs); above < .5 || below < .5 {
			t.Errorf("%v: %v, %v", xs, above, below)
		}
	}
}

func TestHolm(t *testing.T) {
	for _, c := range []struct{ in, want []float64 }{
		{nil, []float64{}},
		{[]float64{.02}, []float64{.02}},
		// The example of R's documentation of Holm's method.
		{[]float64{.01, .04, .03, .005}, []float64{.03, .06, .06, .02}},
		{[]float64{.6, .7}, []float64{1, 1}},
		{[]float64{.01, .01, .01}, []float64{.03, .03, .03}},
	} {
		in := slices.Clone(c.in)
		got := Holm(c.in)
		for i := range got {
			if !near(got[i], c.want[i]) {
				t.Errorf("Holm(%v) = %v, want %v", in, got, c.want)
				break
			}
		}
		if !slices.Equal(in, c.in) {
			t.Errorf("input changed: %v", c.in)
		}
	}
}

// epochs is n log ratios around theta with a spread that keeps their order.
func epochs(n int, theta, spread float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = theta + spread*(2*float64(i)/float64(n-1)-1)
	}
	return out
}

func TestJudge(t *testing.T) {
	rule := RuleOne()
	for _, c := range []struct {
		name    string
		m       []float64
		want    Verdict
		reasons int
	}{
		{"slower", epochs(12, .05, .02), Regressed, 0},
		{"faster", epochs(12, -.05, .02), Improved, 0},
		{"the same", epochs(12, .001, .02), Equivalent, 0},
		{"certain but below the floor", epochs(12, .01, .005), Equivalent, 1},
		{"certain, below the floor, wide", append(epochs(11, .012, .0119), .3, .3, .3, .3), Inconclusive, 1},
		{"noisy", epochs(12, .02, .2), Inconclusive, 1},
		{"too few", epochs(7, .5, .01), Inconclusive, 1},
		{"none", nil, Inconclusive, 1},
		{"no numbers", []float64{math.NaN(), math.Inf(1), math.Inf(-1)}, Inconclusive, 2},
		{"one unusable", append(epochs(12, .05, .02), math.NaN()), Regressed, 1},
	} {
		j := Judge(c.m, rule)
		if j.Verdict != c.want || len(j.Reasons) != c.reasons {
			t.Errorf("%s: %+v, want %s", c.name, j, c.want)
		}
		if (j.Low > 0) != (j.Alpha > 0 && j.P <= rule.Alpha) {
			t.Errorf("%s: bound %v and p %v disagree", c.name, j.Low, j.P)
		}
	}
	// Eight epochs: the second smallest Walsh average (c = 1), error 2/256.
	j := Judge([]float64{1, 2, 4, 8, 16, 32, 64, 128}, rule)
	if !near(j.Low, 1.5) || !near(j.High, 96) || !near(j.Alpha, 2./256) || !near(j.P, 1./256) {
		t.Errorf("%+v", j)
	}
}

// TestEpochsNeeded holds to the sizes worked out by hand for a change of 5 %.
func TestEpochsNeeded(t *testing.T) {
	for sd, want := range map[float64]int{0: 8, .0084: 8, .02: 8, .03: 8, .047: 16, .055: 21, math.Inf(1): RoundsMax + 1} {
		if got := EpochsNeeded(sd, .05, RuleOne()); got != want {
			t.Errorf("sd %v: %d epochs, want %d", sd, got, want)
		}
	}
	if got := EpochsNeeded(.01, 0, RuleOne()); got != RoundsMax+1 {
		t.Errorf("no effect: %d", got)
	}
}

// noises are laws of one epoch with an sd of about 1, or a tail that has none.
var noises = []struct {
	name string
	draw func(*rand.Rand) float64
}{
	{"normal", func(r *rand.Rand) float64 { return r.NormFloat64() }},
	{"one epoch in ten stolen", func(r *rand.Rand) float64 {
		if r.IntN(10) == 0 {
			return 8 * r.NormFloat64()
		}
		return r.NormFloat64()
	}},
	{"Cauchy", func(r *rand.Rand) float64 { return math.Tan(math.Pi * (r.Float64() - .5)) }},
}

// TestJudgeKeepsItsPromises draws epochs with a known truth: the bounds miss it
// as rarely as they claim, and identical arms raise an alarm no more often.
func TestJudgeKeepsItsPromises(t *testing.T) {
	const trials, n, truth = 4000, 12, .05
	rule := RuleOne()
	for k, noise := range noises {
		rng := rand.New(rand.NewPCG(uint64(k), 7))
		lowMissed, highMissed, alarms, claimed := 0, 0, 0, 0.0
		for range trials {
			m, same := make([]float64, n), make([]float64, n)
			for i := range m {
				m[i] = truth + .03*noise.draw(rng)
				same[i] = .03 * noise.draw(rng)
			}
			j := Judge(m, rule)
			if j.Low > truth {
				lowMissed++
			}
			if j.High < truth {
				highMissed++
			}
			claimed = j.Alpha
			if Judge(same, rule).Verdict == Regressed {
				alarms++
			}
		}
		slack := 4 * math.Sqrt(claimed*(1-claimed)/trials)
		for side, missed := range map[string]int{"low": lowMissed, "high": highMissed} {
			if share := float64(missed) / trials; math.Abs(share-claimed) > slack {
				t.Errorf("%s: the %s bound missed the truth in %.4f of trials, claims %.4f", noise.name, side, share, claimed)
			}
		}
		if share := float64(alarms) / trials; share > rule.Alpha+slack {
			t.Errorf("%s: %.4f false alarms", noise.name, share)
		}
	}
}

// TestSampleSizeGivesThePower: as many epochs as EpochsNeeded says find the
// change as often as promised, and the MDE beside a verdict means the same.
func TestSampleSizeGivesThePower(t *testing.T) {
	const trials, sd, effect = 2000, .055, .05
	rule := RuleOne()
	n := EpochsNeeded(sd, effect, rule)
	rng := rand.New(rand.NewPCG(1, 2))
	found, mdes := 0, make([]float64, 0, trials)
	for range trials {
		m := make([]float64, n)
		for i := range m {
			m[i] = math.Log1p(effect) + sd*rng.NormFloat64()
		}
		j := Judge(m, rule)
		if j.Verdict == Regressed {
			found++
		}
		mdes = append(mdes, j.MDE)
	}
	if power := float64(found) / trials; power < .92 || power > .98 {
		t.Errorf("%d epochs find %v with %.3f, want about .95", n, effect, power)
	}
	if mde := Median(mdes); math.Abs(mde-effect) > .006 {
		t.Errorf("MDE %.4f, want about %v", mde, effect)
	}
}

// TestHolmFamily: among six true nothings, any claim is as rare as alpha.
func TestHolmFamily(t *testing.T) {
	const trials, alpha = 4000, .05
	rng := rand.New(rand.NewPCG(3, 4))
	alarms := 0
	for range trials {
		ps := make([]float64, 6)
		for i := range ps {
			m := make([]float64, 10)
			for k := range m {
				m[k] = rng.NormFloat64()
			}
			ps[i], _ = SignedRankP(m)
		}
		if slices.Min(Holm(ps)) <= alpha {
			alarms++
		}
	}
	if share := float64(alarms) / trials; share > alpha+4*math.Sqrt(alpha*(1-alpha)/trials) {
		t.Errorf("%.4f of families had a false claim", share)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(.01, -.02, .03, .01)
	f.Add(math.Inf(1), math.NaN(), 1e308, 2.0)
	f.Fuzz(func(t *testing.T, x, y, z, alpha float64) {
		j := Judge([]float64{x, y, z, x + y, y + z, x - z, -x, -y, x * z}, Rule{Alpha: alpha, Floor: .02, Equivalence: .05})
		if j.Low > j.Theta || j.High < j.Theta {
			t.Errorf("%+v: the centre is outside its bounds", j)
		}
		if j.P < 0 || j.P > 1 || math.IsNaN(j.P) {
			t.Errorf("%+v: p", j)
		}
	})
}
