package agree

import (
	"math"
	"slices"
	"testing"

	"lars/simulator/fault"
	"lars/simulator/live"
)

func TestPlans(t *testing.T) {
	if len(Names()) < 5 {
		t.Errorf("%v", Names())
	}
	for _, name := range Names() {
		p := plan(t, name)
		if err := live.Check(p, false); err != nil || p.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Plan("nope"); err == nil {
		t.Error("a plan that is not there")
	}
}

func plan(t *testing.T, name string) *fault.Plan {
	t.Helper()
	p, err := Plan(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Of ten values with mean 15 % and deviation 1 %, the mean of four more is
// predicted within 3.25·√(1/10+1/4) %.
func TestVerdicts(t *testing.T) {
	virtual := []float64{.15, .15, .16, .16, .16, .14, .14, .14, .135, .165}
	_, deviation := spread(virtual)
	half := 3.25 * deviation * math.Sqrt(.35)
	for _, c := range []struct {
		mean float64
		want string
	}{
		{.15, Inside},
		{.15 + .99*half, Inside},
		{.15 - .99*half, Inside},
		{.15 + 1.01*half, Tolerated},
		{.1519 + half, Tolerated},
		{.1521 + half, Outside},
		{.1479 - half, Outside},
	} {
		f := Finding{Virtual: virtual, Tolerance: .002, Live: []float64{c.mean - .01, c.mean + .01, c.mean - .02, c.mean + .02}}
		if f.judge(); f.Verdict != c.want {
			t.Errorf("%v: %s, want %s: %+v", c.mean, f.Verdict, c.want, f)
		}
	}
	for freedom, want := range map[int]float64{9: 3.250, 10: 3.169, 29: 2.756, 100: 2.626} {
		if got := student(freedom); math.Abs(got-want) > .002 {
			t.Errorf("%d: %v, want %v", freedom, got, want)
		}
	}
}

// What is not the default policy comes out outside, in every plan but where it
// decides nothing; the default with other seeds nowhere.
func TestTellsPoliciesApart(t *testing.T) {
	names, seeds, runs := Names(), 10, 3
	if raceDetector { // is ten times slower
		names, seeds, runs = []string{"s2-refuse"}, 3, 2
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, name)
			want, err := Virtual(t.Context(), p, "", 1, seeds)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				settings string
				blind    []string // plans that do not tell it
			}{
				{"", Names()},
				{"algorithm=rr", nil},
				{"algorithm=rr outlier=off", nil},
				// In these the choice of host alone keeps away from the bad one.
				{"outlier=off", []string{"s6-slow"}},
			} {
				other, err := Virtual(t.Context(), p, c.settings, 101, runs)
				if err != nil {
					t.Fatal(err)
				}
				findings := Compare(p, want, other)
				outside := slices.ContainsFunc(findings, func(f Finding) bool { return f.Verdict == Outside })
				if outside == slices.Contains(c.blind, name) {
					t.Errorf("%q: outside %v", c.settings, outside)
					for _, f := range findings {
						t.Logf("%s: %.5f to %.5f, %.5f: %s", f.Figure, f.Low, f.High, f.Mean, f.Verdict)
					}
				}
			}
		})
	}
}
