package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// withS has n values with the given S of Kendall: rising ones, with neighbours
// exchanged until enough pairs fall.
func withS(n, s int) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = float64(i)
	}
	wrong := (n*(n-1)/2 - s) / 2 // inversions to make, by neighbours
	for range wrong {
		for i := range n - 1 {
			if xs[i] < xs[i+1] {
				xs[i], xs[i+1] = xs[i+1], xs[i]
				break
			}
		}
	}
	return xs
}

// TestDriftTable is Kendall's exact law (Gilbert 1987, table A18), one-sided;
// the normal law must be within 0.005 of it.
func TestDriftTable(t *testing.T) {
	for _, c := range []struct {
		n, s int
		p    float64
	}{
		{10, 1, 0.500}, {10, 11, 0.190}, {10, 15, 0.108}, {10, 21, 0.036}, {10, 23, 0.023}, {10, 27, 0.0083}, {10, 31, 0.0023},
	} {
		xs := withS(c.n, c.s)
		if s, _ := kendall(xs); int(s) != c.s {
			t.Fatalf("n %d: made S %v, want %d", c.n, s, c.s)
		}
		if got := Drift(xs) / 2; math.Abs(got-c.p) > 0.005 {
			t.Errorf("n %d, S %d: one-sided p %v, table %v", c.n, c.s, got, c.p)
		}
	}
}

func TestDriftSeries(t *testing.T) {
	rising := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	falling := []float64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}
	for name, c := range map[string]struct {
		in       [][]float64
		from, to float64
	}{
		"none":            {nil, 1, 1},
		"too few":         {[][]float64{{1, 2, 3, 4, 5, 6, 7, 8, 9}}, 1, 1},
		"constant":        {[][]float64{{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}}, 1, 1},
		"rising":          {[][]float64{rising}, 0, 1e-3},
		"falling":         {[][]float64{falling}, 0, 1e-3},
		"short ones":      {[][]float64{{1, 2, 3, 4}, {11, 12, 13, 14}, {1, 2, 3, 4}, {7, 8, 9, 10}}, 0, 1e-3},
		"opposed":         {[][]float64{rising, falling}, 1, 1},
		"levels only":     {[][]float64{{1, 1, 1, 1, 1}, {9, 9, 9, 9, 9}}, 1, 1},
		"NaN is left out": {[][]float64{{math.NaN(), 1, 2, 3, 4, 5, 6, 7, 8, 9}}, 1, 1},
	} {
		if got := Drift(c.in...); !(got >= c.from && got <= c.to) {
			t.Errorf("%s: %v, want %v to %v", name, got, c.from, c.to)
		}
	}
}

// TestDriftKnownTruth: of series without a trend at most one in a hundred is
// accused at 0.01, and one that moves by one and a half spreads within each is found.
func TestDriftKnownTruth(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	accused, found := 0, 0
	const trials = 2000
	for range trials {
		var flat, moving [][]float64
		for range 12 {
			level := 10 * rng.NormFloat64()
			x, y := make([]float64, 16), make([]float64, 16)
			for k := range x {
				x[k] = level + rng.NormFloat64()
				y[k] = level + rng.NormFloat64() - float64(k)/10
			}
			flat, moving = append(flat, x), append(moving, y)
		}
		if Drift(flat...) < 0.01 {
			accused++
		}
		if Drift(moving...) < 0.01 {
			found++
		}
	}
	// 20 are expected, with a standard deviation of 4.4.
	if accused > 38 || accused < 5 {
		t.Errorf("%d of %d without a trend accused, want about 20", accused, trials)
	}
	if found < trials*95/100 {
		t.Errorf("%d of %d with a trend found", found, trials)
	}
}
