package outcome

import (
	"maps"
	"testing"
	"time"

	"lars/simulator/fault"
)

func TestTally(t *testing.T) {
	p, err := fault.Decode("plan.yaml", []byte(`
workload: {modules: {count: 2, hosts: 4}, hosts: {zones: 2}}
faults:
- {fault: slow, target: host 6, at: 10s, for: 10s, factor: 2}
- {fault: errors, target: zone 1, at: 15s, for: 5s, rate: 0.5}
- {fault: crash, target: dns, at: 12s, for: 1s}
`))
	if err != nil {
		t.Fatal(err)
	}
	s := func(n float64) time.Duration { return time.Duration(n * 1e9) }
	tally := New(p, 1, s(30))
	for _, c := range []Call{
		{At: s(1), Took: s(1), Module: 1, Host: 1},
		{At: s(10), Took: s(2), Module: 1, Host: 1},                     // host 6 is that at 1 of module 1
		{At: s(11), Took: s(2), Module: 1, Host: 0, Result: "failed"},   // zone 1 is not yet ill
		{At: s(16), Took: s(2), Module: 0, Host: 2, Result: "late"},     // of zone 1
		{At: s(17), Took: s(2), Module: 0, Host: 1},                     // of zone 2
		{At: s(18), Took: s(2), Module: 0, Host: -1, Result: "no host"}, // nobody was picked
		{At: s(20), Took: s(3), Module: 1, Host: 1},                     // all is over
		{At: s(30), Took: s(3), Module: 1, Host: 1},                     // after the end: nowhere
	} {
		tally.Add(c)
	}
	for _, m := range []struct {
		at    float64
		agent int
		out   bool
	}{{9, 0, true}, {12, 0, true}, {13, 1, true}, {14, 0, false}, {15, 0, true}, {22, 1, false}, {26, 1, true}, {27, 1, false}} {
		tally.Moved(s(m.at), m.agent, 1, 1, m.out)
	}
	tally.Moved(s(12), 0, 1, 3, true) // is not ill; of zone 2
	sum := tally.Summary()

	for _, w := range []struct {
		name     string
		from, to float64
		calls    int
		results  map[string]int
		p50      float64
	}{
		{Baseline, 0, 10, 1, map[string]int{}, 1},
		{Faults, 10, 20, 5, map[string]int{"failed": 1, "late": 1, "no host": 1}, 2},
		{Recovery, 20, 30, 1, map[string]int{}, 3},
	} {
		g := sum.Phase(w.name)
		if g == nil || g.From != s(w.from) || g.To != s(w.to) || g.Calls != w.calls || !maps.Equal(g.Results, w.results) ||
			g.Errors != len(w.results) || g.P50.Round(s(0.1)) != s(w.p50) {
			t.Errorf("%s: %+v", w.name, g)
		}
	}
	if len(sum.Afflicted) != 2 {
		t.Fatalf("%d faults of hosts", len(sum.Afflicted))
	}
	slow, zone := sum.Afflicted[0], sum.Afflicted[1]
	if slow.Picks != 2 || slow.Bad != 1 || slow.Fair != 0.25 || slow.BadShare() != 0.5 {
		t.Errorf("%+v", slow)
	}
	if zone.Picks != 2 || zone.Bad != 1 || zone.Fair != 0.5 {
		t.Errorf("%+v", zone)
	}
	// Agents took it out after 2 and 3 s; one let it in again 2 s after the end,
	// the other never.
	if *slow.Eject != s(2) || slow.Ejected != 2 || *slow.Recover != s(2) || slow.Recovered != 1 || slow.Still != 1 {
		t.Errorf("%v %v, %+v", slow.Eject, slow.Recover, slow)
	}
	if zone.Eject != nil || zone.Still != 0 {
		t.Errorf("%+v", zone)
	}
	for at, want := range map[float64]string{0: Baseline, 12: Faults, 25: Recovery, 99: Recovery} {
		if got := tally.PhaseAt(s(at)); got != want {
			t.Errorf("%v s: %s", at, got)
		}
	}
}

func TestWithoutFaults(t *testing.T) {
	p, err := fault.Shipped("none")
	if err != nil {
		t.Fatal(err)
	}
	sum := New(p, 1, time.Minute)
	sum.Add(Call{At: time.Second, Took: time.Millisecond})
	if s := sum.Summary(); len(s.Phases) != 1 || s.Phases[0].Calls != 1 || s.Phases[0].To != time.Minute || len(s.Afflicted) != 0 {
		t.Errorf("%+v", s)
	}
}
