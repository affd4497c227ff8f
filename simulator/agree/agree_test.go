package agree

import (
	"testing"

	"lars/simulator/live"
	"lars/simulator/outcome"
	"lars/simulator/workload"
)

func TestPlans(t *testing.T) {
	if len(Names()) < 5 {
		t.Errorf("%v", Names())
	}
	for _, name := range Names() {
		p, err := Plan(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := live.Check(p, false); err != nil || p.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Plan("nope"); err == nil {
		t.Error("a plan that is not there")
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		live float64
		want string
	}{{0.1, Inside}, {0.2, Inside}, {0.15, Inside}, {0.09, Tolerated}, {0.21, Tolerated}, {0.05, Outside}, {0.3, Outside}} {
		f := Finding{Virtual: []float64{0.2, 0.1, 0.15}, Tolerance: 0.02, Live: c.live}
		if f.judge(); f.Verdict != c.want {
			t.Errorf("%v: %s, want %s", c.live, f.Verdict, c.want)
		}
	}
}

// Virtual runs are like each other, and unlike a system that ejects nobody.
func TestVirtual(t *testing.T) {
	p, err := Plan("crash")
	if err != nil {
		t.Fatal(err)
	}
	all, err := Virtual(t.Context(), p, 3)
	if err != nil || len(all) != 3 {
		t.Fatal(len(all), err)
	}
	same := Compare("crash", all, &all[1])
	if len(same) != 2 || same[0].Verdict != Inside || same[1].Verdict != Inside {
		t.Errorf("%+v", same)
	}
	blind := outcome.New(p, 1, p.End())
	for r, at := workload.NewRandom(1, "blind"), p.Faults[0].At; at < p.End(); at += p.Faults[0].For / 1000 {
		c := outcome.Call{At: at, Host: r.Intn(p.Workload.Modules.Hosts)}
		if c.Host == 0 {
			c.Result = "refused"
		}
		blind.Add(c)
	}
	s := blind.Summary()
	for _, f := range Compare("crash", all, &s) {
		if f.Verdict != Outside {
			t.Errorf("no ejection, and yet %+v", f)
		}
	}
}
