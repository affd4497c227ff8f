package hist

import (
	"math"
	"math/rand/v2"
	"testing"
)

// exactQuantile sums the binomial from 0 with big steps avoided: the slow truth.
func exactQuantile(prob float64, n int64, p float64) int64 {
	logTerm, sum := float64(n)*math.Log1p(-p), 0.0
	for k := int64(0); ; k++ {
		sum += math.Exp(logTerm)
		if sum >= prob || k == n {
			return k
		}
		logTerm += math.Log(float64(n-k)/float64(k+1)) + math.Log(p) - math.Log1p(-p)
	}
}

func TestBinomialQuantile(t *testing.T) {
	tests := []struct {
		n         int64
		p         float64
		tolerance int64 // ranks
	}{
		{1, 0.5, 0},
		{10, 0.5, 0},
		{10, 0.99, 0},
		{1000, 0.001, 0},
		{1000, 0.999, 0},
		{3000, 0.5, 0},
		{100_000, 0.99, 0},
		{100_000, 0.9999, 0},
		{10_000, 0.5, 1}, // the normal law
		{100_000, 0.9, 1},
		{1_000_000, 0.99, 1},
	}
	for _, tt := range tests {
		for _, prob := range []float64{0.005, 0.025, 0.5, 0.975, 0.995} {
			want, got := exactQuantile(prob, tt.n, tt.p), binomialQuantile(prob, tt.n, tt.p)
			if d := got - want; d > tt.tolerance || d < -tt.tolerance {
				t.Errorf("quantile %v of B(%d, %v) = %d, want %d", prob, tt.n, tt.p, got, want)
			}
		}
	}
}

// TestIntervalCovers: over many samples of a known law the true percentile lies
// in its interval about as often as the confidence says.
func TestIntervalCovers(t *testing.T) {
	const rounds, n, confidence = 400, 2000, 0.95
	rng := rand.New(rand.NewPCG(3, 4))
	for _, p := range []float64{50, 90, 99} {
		truth := int64(-1e6 * math.Log1p(-p/100))
		hit := 0
		for range rounds {
			r := New()
			for range n {
				r.Record(int64(1e6 * rng.ExpFloat64()))
			}
			if q := r.Percentile(p, confidence); q.Low <= truth && truth <= q.High {
				hit++
			}
		}
		if share := float64(hit) / rounds; share < 0.92 || share == 1 {
			t.Errorf("p%v lay in its interval in %.3f of the samples, want about %v", p, share, confidence)
		}
	}
}

func TestReportable(t *testing.T) {
	tests := []struct {
		n    int
		p    float64
		want bool
	}{
		{20, 50, true},
		{19, 50, false},
		{1000, 99, true},
		{999, 99, false},
		{10_000, 99.9, true},
		{9_999, 99.9, false},
		{100_000, 99.99, true},
		{0, 50, false},
	}
	for _, tt := range tests {
		r := New()
		for i := range tt.n {
			r.Record(int64(i))
		}
		if got := r.Percentile(tt.p, 0.95).Reportable; got != tt.want {
			t.Errorf("p%v of %d samples: reportable %v", tt.p, tt.n, got)
		}
		if tt.n > 0 && tt.want != (r.HighestReportable() >= tt.p-1e-9) {
			t.Errorf("%d samples: highest reportable p%v against p%v", tt.n, r.HighestReportable(), tt.p)
		}
	}
}

func TestCensored(t *testing.T) {
	r := New()
	for range 990 {
		r.Record(1000)
	}
	for range 10 {
		r.Censor()
	}
	if p := r.Percentile(99, 0.95); p.Censored || p.Value != 1000 || !p.HighOpen {
		t.Errorf("p99 with 1 %% given up: %+v; want 1000 with an open interval", p)
	}
	if p := r.Percentile(99.9, 0.95); !p.Censored {
		t.Errorf("p99.9 with 1 %% given up: %+v; want censored", p)
	}
	if p := r.Percentile(50, 0.95); p.Censored || p.HighOpen {
		t.Errorf("p50: %+v", p)
	}
}
