package capacity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// simulate leads a search against a server that passes a window at a rate with
// a known probability.
func simulate(l Limits, seed uint64, passes func(Probe) float64) (Answer, []Probe) {
	return hurry(l, math.MaxInt, seed, passes)
}

// hurry is simulate with a limit on the windows.
func hurry(l Limits, windowsMax int, seed uint64, passes func(Probe) float64) (Answer, []Probe) {
	s := New(l, windowsMax, seed)
	defer s.Stop()
	rng := rand.New(rand.NewPCG(seed, 7))
	var probes []Probe
	for {
		p, ok := s.Next()
		if !ok {
			return s.Answer(), probes
		}
		probes = append(probes, p)
		if rng.Float64() < passes(p) {
			s.Record(Passed)
		} else {
			s.Record(Failed)
		}
	}
}

// knee is a server whose windows pass up to about its capacity: with a soft
// edge, and with a share that fails or passes at any rate.
func knee(capacity, softness, noise float64) func(Probe) float64 {
	return func(p Probe) float64 {
		edge := 1 / (1 + math.Exp(math.Log(p.Rate/capacity)/softness))
		return noise + (1-2*noise)*edge
	}
}

var wide = Limits{1000, 1e6}

// TestCoverage: with the true probability known, the bracket holds the rate at
// which half of the windows pass at least as often as its confidence says.
func TestCoverage(t *testing.T) {
	const runs = 3000
	for _, c := range []struct {
		softness, noise float64
	}{{0.001, 0}, {0.02, 0}, {0.1, 0}, {0.02, 0.05}, {0.1, 0.1}, {0.3, 0.1}} {
		t.Run(fmt.Sprintf("soft %v noise %v", c.softness, c.noise), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 1))
			held, promised, windows, width, both := 0, 0.0, 0, 0.0, 0
			for seed := range uint64(runs) {
				capacity := 2000 * math.Exp(rng.Float64()*5)
				a, probes := simulate(wide, seed, knee(capacity, c.softness, c.noise))
				if a.Low <= capacity && (a.High == 0 || capacity <= a.High) {
					held++
				}
				promised += a.Confidence
				windows += len(probes)
				if a.Low > 0 && a.High > 0 {
					both++
					width += math.Log(a.High / a.Low)
				}
			}
			got, want := float64(held)/runs, promised/runs
			t.Logf("held %.4f, promised %.4f, %.0f windows, %.1f %% have both ends, mean width %.0f %%", got, want,
				float64(windows)/runs, 100*float64(both)/runs, 100*math.Expm1(width/float64(max(both, 1))))
			if want < 0.8 || got < want {
				t.Errorf("%.4f of the brackets hold the capacity, %.4f were promised", got, want)
			}
		})
	}
}

// TestSharp: a server without noise gets a narrow bracket and no remarks.
func TestSharp(t *testing.T) {
	a, probes := simulate(wide, 1, knee(50_000, 1e-6, 0))
	if !(a.Low < 50_000 && 50_000 < a.High && a.High/a.Low < 1.17) || a.Notes != nil || a.Confidence != 1-2*testError() {
		t.Errorf("%+v", a)
	}
	if len(probes) > 80 {
		t.Errorf("%d windows", len(probes))
	}
	if i := slices.IndexFunc(probes, func(p Probe) bool { return p.Direction == Down }); i < 0 || probes[i].Rate < 60_000 {
		t.Error("nothing was approached from above, or not after an overload")
	}
}

// TestHurry: whatever the time, a search ends in it, its brackets hold what they
// promise, and what it left out it says.
func TestHurry(t *testing.T) {
	const runs = 1000
	for _, c := range []struct {
		windowsMax      int
		softness, noise float64
		both            float64 // least share of runs that find both ends
		says            string  // in most runs
	}{
		{WindowsMin, 0.001, 0, 0.99, "no time to approach the rate from above"},
		{WindowsMin, 0.1, 0.05, 0.75, "no time to approach the rate from above"},
		{100, 0.02, 0.02, 0.97, ""},
		{138, 0.1, 0.05, 0.95, ""},
	} {
		t.Run(fmt.Sprintf("%d windows, soft %v noise %v", c.windowsMax, c.softness, c.noise), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(2, 2))
			held, promised, both, said := 0, 0.0, 0, 0
			for seed := range uint64(runs) {
				capacity := 2000 * math.Exp(rng.Float64()*5)
				a, probes := hurry(wide, c.windowsMax, seed, knee(capacity, c.softness, c.noise))
				if len(probes) > c.windowsMax {
					t.Fatalf("seed %d: %d windows", seed, len(probes))
				}
				if a.Low <= capacity && (a.High == 0 || capacity <= a.High) {
					held++
				}
				promised += a.Confidence
				if a.Low > 0 && a.High > 0 {
					both++
				} else if len(a.Notes) == 0 {
					t.Fatalf("seed %d: %+v says nothing", seed, a)
				}
				if strings.Contains(strings.Join(a.Notes, "; "), c.says) {
					said++
				}
			}
			t.Logf("held %.3f, promised %.3f, both ends %.3f, said %.3f", float64(held)/runs, promised/runs, float64(both)/runs, float64(said)/runs)
			if float64(held) < promised || float64(both) < c.both*runs || said < runs/2 {
				t.Errorf("%d of %d hold the capacity, %.1f were promised; %d have both ends; %d say %q", held, runs, promised, both, said, c.says)
			}
		})
	}
}

// TestNotMonotone: with an island of trouble the ends of the bracket are still
// what they are said to be: below it half of the windows pass, above they fail.
func TestNotMonotone(t *testing.T) {
	island := func(p Probe) float64 {
		if p.Rate > 6000 && p.Rate < 9000 || p.Rate > 40_000 {
			return 0.02
		}
		return 0.98
	}
	for seed := range uint64(200) {
		a, _ := simulate(Limits{1000 + float64(seed)*5, 1e6}, seed, island)
		if a.Low == 0 || a.High == 0 || island(Probe{Rate: a.Low}) < 0.5 || island(Probe{Rate: a.High}) > 0.5 {
			t.Fatalf("seed %d: %+v", seed, a)
		}
	}
}

func TestAnswers(t *testing.T) {
	afterOverload := false
	for _, c := range []struct {
		name      string
		limits    Limits
		passes    func(Probe) float64
		low, high bool
		says      string
	}{
		{"nothing passes", wide, func(Probe) float64 { return 0 }, false, true, "not even 1000"},
		{"everything passes", Limits{1000, 50_000}, func(Probe) float64 { return 1 }, true, false, "50000 requests a second, met"},
		{"one rate only", Limits{1000, 1000}, func(Probe) float64 { return 1 }, true, false, "met the objective"},
		{"a coin", wide, func(Probe) float64 { return 0.5 }, false, false, "windows differ too much"},
		{"does not recover", wide, func(p Probe) float64 {
			afterOverload = afterOverload || p.Rate > 25_000
			if p.Rate < 10_000 || p.Rate < 20_000 && !afterOverload {
				return 1
			}
			return 0
		}, true, true, "hysteresis: met up to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _ := simulate(c.limits, 3, c.passes)
			if (a.Low > 0) != c.low || (a.High > 0) != c.high || !strings.Contains(strings.Join(a.Notes, "\n"), c.says) {
				t.Errorf("%+v", a)
			}
			if (a.Confidence > 0) != (c.low || c.high) {
				t.Errorf("confidence %v of %+v", a.Confidence, a)
			}
		})
	}
}

// TestGeneratorLimits: rates that the generator cannot make are no statement
// about the server.
func TestGeneratorLimits(t *testing.T) {
	s := New(wide, math.MaxInt, 1)
	for p, ok := s.Next(); ok; p, ok = s.Next() {
		if s.Record(Passed); p.Rate > 30_000 {
			s.Record(Void)
		}
	}
	a := s.Answer()
	if a.Low < 20_000 || a.Low > 30_000 || a.High != 0 || !strings.Contains(strings.Join(a.Notes, "\n"), "the generator was the bottleneck") {
		t.Errorf("%+v", a)
	}
}

// TestVoidOnce: a window without a statement is measured again.
func TestVoidOnce(t *testing.T) {
	s, n := New(wide, math.MaxInt, 1), 0
	pass := knee(20_000, 1e-6, 0)
	for p, ok := s.Next(); ok; p, ok = s.Next() {
		switch n++; {
		case n%4 == 0:
			s.Record(Void)
		case pass(p) > 0.5:
			s.Record(Passed)
		default:
			s.Record(Failed)
		}
	}
	if a := s.Answer(); !(a.Low < 20_000 && 20_000 < a.High && a.High/a.Low < 1.17) {
		t.Errorf("%+v", a)
	}
}

func TestStop(t *testing.T) {
	for _, after := range []int{0, 1, 5, 20, 30, 45} {
		s := New(wide, math.MaxInt, 1)
		for range after {
			p, ok := s.Next()
			if !ok {
				t.Fatal("over already")
			}
			if s.Record(Passed); p.Rate > 50_000 {
				s.Record(Failed)
			}
		}
		s.Stop()
		s.Stop()
		if _, ok := s.Next(); ok {
			t.Errorf("a window after Stop")
		}
		if a := s.Answer(); a.Confidence != 0 || a.Low != 0 || a.High != 0 {
			t.Errorf("stopped after %d: %+v", after, a)
		}
	}
}

func TestTestError(t *testing.T) {
	if want := 79.0 / 4096; testError() != want {
		t.Errorf("%v, want %v", testError(), want)
	}
}
