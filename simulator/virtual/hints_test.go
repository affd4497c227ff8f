package virtual

import (
	"testing"

	"lars/simulator/outcome"
)

// With few calls for each agent, what others have found out saves most of the
// calls to a dead host: real agents tell it by the reporter, the database and
// dns. Without, each has to lose some calls itself.
func TestHintsSaveCalls(t *testing.T) {
	plan := shipped(t, "few-calls")
	dead := plan.Faults[0]
	share := func(settings string) float64 {
		calls, lost := 0, 0
		for seed := range uint64(3) {
			r := mustRun(t, Config{Seed: seed, Plan: plan, Alike: true, Balance: settings, Observe: func(c outcome.Call) {
				if c.At >= dead.At && c.At < dead.End() {
					calls++
					if c.Result == "refused" {
						lost++
					}
				}
			}})
			for _, v := range r.Violations {
				t.Errorf("seed %d, %q: %v", seed, settings, v)
			}
		}
		return float64(lost) / float64(calls)
	}
	with, without := share(""), share("hint_ttl=off")
	t.Logf("one host of five dead for %v: %.2f %% of the calls are lost with hints, %.2f %% without", dead.For, 100*with, 100*without)
	if with > 0.02 || with > without/3 {
		t.Errorf("%.2f %% of the calls are lost with hints, %.2f %% without", 100*with, 100*without)
	}
}
