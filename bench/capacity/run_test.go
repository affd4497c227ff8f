package capacity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"lars/bench/load"
	"lars/bench/record"
)

// twoServers answers in a millisecond up to a rate, and in ten above it.
func twoServers(capacity [2]float64) func(context.Context, int, float64, uint64) (*load.Result, error) {
	return func(_ context.Context, arm int, rate float64, _ uint64) (*load.Result, error) {
		if rate > capacity[arm] {
			return window(rate, 10*time.Millisecond), nil
		}
		return window(rate, time.Millisecond), nil
	}
}

func TestRun(t *testing.T) {
	var order []int
	serve := twoServers([2]float64{3000, 7000})
	sweeps, err := Run(t.Context(), Config{
		SLO: SLO{99, 5 * time.Millisecond}, Limits: Limits{1500, 1e5}, Arms: []string{"a", "b"}, WindowsMax: 1000,
		Window:  serve,
		Observe: func(p Progress) { order = append(order, p.Arm) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{3000, 7000} {
		s := sweeps[i]
		if s.Low > want || s.High < want || s.High/s.Low > 1.2 || s.Confidence < 0.9 {
			t.Errorf("server %d: %v to %v at %v", i, s.Low, s.High, s.Confidence)
		}
		checkPoints(t, s, want)
	}
	if !slices.Equal(order[:6], []int{0, 1, 0, 1, 0, 1}) {
		t.Errorf("windows were not interleaved: %v", order[:6])
	}
}

func checkPoints(t *testing.T, s record.Sweep, capacity float64) {
	t.Helper()
	up := 0
	for i, p := range s.Points {
		if p.Pass != (p.Rate <= capacity) || p.Achieved < 0.99*p.Rate || p.P50NS == 0 || p.SLONS == 0 || p.P999NS != 0 && p.Rate*float64(p.Windows) < 1e4 {
			t.Errorf("point %+v", p)
		}
		if p.Direction == record.DirectionUp {
			up++
		} else if i < up {
			t.Error("directions are mixed")
		}
	}
	if up == 0 || up == len(s.Points) {
		t.Errorf("%d of %d points are from below", up, len(s.Points))
	}
}

func TestRunEnds(t *testing.T) {
	c := Config{SLO: SLO{99, 5 * time.Millisecond}, Limits: Limits{1500, 1e5}, Arms: []string{"a"}, WindowsMax: 1000}
	c.Window = func(context.Context, int, float64, uint64) (*load.Result, error) {
		return nil, errors.New("no socket")
	}
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "a at 1500 requests a second: no socket") {
		t.Error(err)
	}
	c.Window = func(context.Context, int, float64, uint64) (*load.Result, error) {
		r := window(2000, time.Millisecond)
		r.Wrong = 1
		return r, nil
	}
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrFault) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	serve, n := twoServers([2]float64{3000}), 0
	c.Window = func(ctx context.Context, arm int, rate float64, seed uint64) (*load.Result, error) {
		if n++; n == 5 {
			cancel()
		}
		return serve(ctx, arm, rate, seed)
	}
	sweeps, err := Run(ctx, c)
	if !errors.Is(err, context.Canceled) || len(sweeps) != 1 || sweeps[0].Confidence != 0 || len(sweeps[0].Points) == 0 {
		t.Errorf("%v, %+v", err, sweeps)
	}
}
