package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func near(a, b float64) bool {
	return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) || math.IsNaN(a) && math.IsNaN(b)
}

func TestCentres(t *testing.T) {
	for _, c := range []struct {
		xs              []float64
		median, mad, hl float64
	}{
		{nil, math.NaN(), math.NaN(), math.NaN()},
		{[]float64{3}, 3, 0, 3},
		{[]float64{1, 2}, 1.5, 0.5, 1.5},
		{[]float64{9, 1, 5}, 5, 4, 5},
		{[]float64{1, 1, 2, 2, 4, 6, 9}, 2, 1, 3.25},
		{[]float64{1, 2, 3, 1000}, 2.5, 1, 2.75},
	} {
		in := slices.Clone(c.xs)
		if got := Median(c.xs); !near(got, c.median) {
			t.Errorf("Median(%v) = %v, want %v", c.xs, got, c.median)
		}
		if got := MAD(c.xs); !near(got, c.mad) {
			t.Errorf("MAD(%v) = %v, want %v", c.xs, got, c.mad)
		}
		if got := HodgesLehmann(c.xs); !near(got, c.hl) {
			t.Errorf("HodgesLehmann(%v) = %v, want %v", c.xs, got, c.hl)
		}
		if !slices.Equal(in, c.xs) {
			t.Errorf("input changed: %v to %v", in, c.xs)
		}
	}
}

func TestFar(t *testing.T) {
	for _, c := range []struct {
		xs   []float64
		want []int
	}{
		{nil, nil},
		{[]float64{7}, nil},
		{[]float64{0, 0}, nil},
		{[]float64{100, 149}, nil},
		{[]float64{100, 151}, []int{0, 1}},
		{[]float64{500, 100}, []int{0, 1}},
		{[]float64{0, 100}, nil},
		{[]float64{100, 101, 500}, []int{2}},
		{[]float64{1000, 1010, 990, 1005, 5000}, []int{4}},
		{[]float64{1000, 1000, 1000, 1049}, nil},
		{[]float64{1000, 1000, 1000, 1051}, []int{3}},
	} {
		if got := Far(c.xs); !slices.Equal(got, c.want) {
			t.Errorf("Far(%v) = %v, want %v", c.xs, got, c.want)
		}
	}
}

// TestHamilton is the depression example of Hollander and Wolfe (table 3.1,
// patients before and after): estimate -0.46, 96 % interval (-0.786, -0.010).
func TestHamilton(t *testing.T) {
	before := []float64{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30}
	after := []float64{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29}
	diff := make([]float64, len(before))
	for i := range before {
		diff[i] = after[i] - before[i]
	}
	if hl := HodgesLehmann(diff); math.Abs(hl+0.46) > 1e-9 {
		t.Errorf("estimate %v, want -0.46", hl)
	}
	in, ok := SignedRankInterval(diff, 0.96)
	if !ok || math.Abs(in.Low+0.786) > 1e-9 || math.Abs(in.High+0.010) > 1e-9 {
		t.Errorf("interval %+v, want -0.786 to -0.010", in)
	}
	if math.Abs(in.Confidence-0.961) > 0.0005 {
		t.Errorf("confidence %v, want 0.961", in.Confidence)
	}
}

// TestCriticalRank holds the tail to the published two-sided table (Wilcoxon
// and Wilcox 1964).
func TestCriticalRank(t *testing.T) {
	for _, c := range []struct {
		n        int
		twoSided float64
		want     int
	}{
		{5, .05, -1},
		{6, .05, 0},
		{7, .05, 2},
		{7, .02, 0},
		{8, .05, 3},
		{8, .01, 0},
		{10, .05, 8},
		{10, .01, 3},
		{12, .05, 13},
		{16, .05, 29},
		{20, .05, 52},
		{20, .01, 37},
		{25, .05, 89},
	} {
		if got, _ := criticalRank(c.n, c.twoSided/2); got != c.want {
			t.Errorf("n=%d alpha=%v: %d, want %d", c.n, c.twoSided, got, c.want)
		}
	}
}

func TestTooFewRounds(t *testing.T) {
	for n := range 6 {
		if in, ok := SignedRankInterval(make([]float64, n), 0.95); ok {
			t.Errorf("%d rounds gave %+v", n, in)
		}
	}
	if _, ok := SignedRankInterval(make([]float64, RoundsMax+1), 0.95); ok {
		t.Error("above RoundsMax gave an interval")
	}
	if r := PairedRatio(nil, nil, 0.95); r.Known || !math.IsNaN(r.Value) {
		t.Errorf("no rounds gave %+v", r)
	}
	if r := PairedRatio([]float64{0, 2, math.NaN(), math.Inf(1)}, []float64{1, 1, 1, 1}, 0.95); r.Rounds != 1 || !near(r.Value, 2) {
		t.Errorf("unusable pairs gave %+v", r)
	}
}

// TestCoverage draws rounds with a known ratio and a common disturbance per
// round: the interval must hold the truth as often as it says.
func TestCoverage(t *testing.T) {
	const (
		truth  = 1.07
		trials = 4000
	)
	for _, rounds := range []int{6, 7, 12} {
		rng := rand.New(rand.NewPCG(uint64(rounds), 1))
		held, claimed, centre := 0, 0.0, 0.0
		for range trials {
			a, b := make([]float64, rounds), make([]float64, rounds)
			for i := range a {
				stolen := math.Exp(rng.ExpFloat64()) // hits both arms of a round
				a[i] = truth * stolen * math.Exp(0.05*rng.NormFloat64())
				b[i] = stolen * math.Exp(0.05*rng.NormFloat64())
			}
			r := PairedRatio(a, b, 0.95)
			if r.Low <= truth && truth <= r.High {
				held++
			}
			claimed = r.Confidence
			centre += math.Log(r.Value)
		}
		share := float64(held) / trials
		if sd := math.Sqrt(claimed * (1 - claimed) / trials); math.Abs(share-claimed) > 4*sd {
			t.Errorf("%d rounds: interval held the truth in %.4f of trials, claims %.4f", rounds, share, claimed)
		}
		if got := math.Exp(centre / trials); math.Abs(got-truth) > 0.005 {
			t.Errorf("%d rounds: centre %v, want %v", rounds, got, truth)
		}
	}
}

func FuzzPairedRatio(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, 0.95)
	f.Add(0.0, math.Inf(1), math.NaN(), 2.0)
	f.Add(1e308, 5e-324, -1.0, 0.5)
	f.Fuzz(func(t *testing.T, x, y, z, confidence float64) {
		a := []float64{x, y, z, x, y, z, x}
		b := []float64{z, x, y, y, z, x, x}
		r := PairedRatio(a, b, confidence)
		if r.Known && !(r.Low <= r.Value && r.Value <= r.High) {
			t.Errorf("%+v: the centre is outside its interval", r)
		}
	})
}

// TestMedianRanks against the usual table of the sign test, 95 %, two sides.
func TestMedianRanks(t *testing.T) {
	for n, want := range map[int][2]int{6: {0, 5}, 7: {0, 6}, 8: {0, 7}, 9: {1, 7}, 10: {1, 8}, 15: {3, 11}, 20: {5, 14}, 25: {7, 17}} {
		if low, high, ok := MedianRanks(n, 0.95); !ok || low != want[0] || high != want[1] {
			t.Errorf("n=%d: %d to %d, %v; want %v", n, low, high, ok, want)
		}
	}
	for n := range 6 {
		if _, _, ok := MedianRanks(n, 0.95); ok {
			t.Errorf("n=%d supports no interval", n)
		}
	}
}
