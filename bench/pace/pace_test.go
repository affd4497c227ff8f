package pace

import (
	"errors"
	"math"
	"testing"
)

func take(t *testing.T, kind Kind, rate float64, seed uint64, n int) []int64 {
	t.Helper()
	s, err := New(kind, rate, seed)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int64, n)
	for i := range out {
		out[i] = s.Next()
	}
	return out
}

func TestConstant(t *testing.T) {
	at := take(t, Constant, 3, 1, 3_000_001)
	for i, want := range map[int]int64{0: 0, 1: 333_333_333, 2: 666_666_667, 3: 1e9, 3_000_000: 1e15} {
		if at[i] != want {
			t.Errorf("arrival %d at %d, want %d", i, at[i], want)
		}
	}
}

// TestPoisson: the gaps have the mean and the spread of an exponential law, and
// the counts of equal times that of a Poisson law.
func TestPoisson(t *testing.T) {
	const n, rate = 1_000_000, 20_000.0
	at := take(t, Poisson, rate, 7, n)
	var sum, squares float64
	counts := map[int64]float64{}
	for i, last := 0, int64(0); i < n; i++ {
		gap := float64(at[i] - last)
		if gap < 0 {
			t.Fatalf("arrival %d is before the last", i)
		}
		sum, squares, last = sum+gap, squares+gap*gap, at[i]
		counts[at[i]/1e6]++ // per millisecond
	}
	mean := sum / n
	if want := 1e9 / rate; math.Abs(mean/want-1) > 0.005 {
		t.Errorf("mean gap %.1f ns, want %.1f", mean, want)
	}
	if cv := math.Sqrt(squares/n-mean*mean) / mean; math.Abs(cv-1) > 0.01 {
		t.Errorf("coefficient of variation of the gaps %.4f, want 1", cv)
	}
	var m, v float64
	ms := float64(at[n-1] / 1e6)
	for i := range int64(ms) {
		m += counts[i] / ms
	}
	for i := range int64(ms) {
		v += (counts[i] - m) * (counts[i] - m) / ms
	}
	if math.Abs(v/m-1) > 0.05 {
		t.Errorf("index of dispersion %.3f, want 1", v/m)
	}
}

// TestGolden keeps a seed's schedule the same for ever: results name only it.
func TestGolden(t *testing.T) {
	want := []int64{3112, 83513, 114110, 164457}
	got := take(t, Poisson, 20_000, 1, len(want))
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("seed 1 gives %v, want %v", got, want)
		}
	}
	if again, other := take(t, Poisson, 20_000, 1, 100), take(t, Poisson, 20_000, 2, 100); again[99] == other[99] {
		t.Error("two seeds, one schedule")
	}
}

func TestRefused(t *testing.T) {
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1), 2e9} {
		if _, err := New(Poisson, rate, 1); !errors.Is(err, ErrRate) {
			t.Errorf("rate %v: %v", rate, err)
		}
	}
	if _, err := New(9, 1, 1); !errors.Is(err, ErrKind) {
		t.Errorf("kind 9: %v", err)
	}
	if _, err := ParseKind("bursty"); !errors.Is(err, ErrKind) {
		t.Errorf("bursty: %v", err)
	}
	for _, k := range []Kind{Poisson, Constant} {
		if got, err := ParseKind(k.String()); err != nil || got != k {
			t.Errorf("%v: %v, %v", k, got, err)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for _, k := range []Kind{Poisson, Constant} {
		b.Run(k.String(), func(b *testing.B) {
			s, err := New(k, 20_000, 1)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				s.Next()
			}
		})
	}
}
