package virtual

import (
	"testing"
	"time"

	"lars/simulator/fault"
	"lars/simulator/workload"
)

func TestChaos(t *testing.T) {
	for seed := range uint64(200) {
		p := fault.Chaos(seed, workload.Default(), 3*time.Second, 20*time.Second)
		r, err := Run(t.Context(), Config{Seed: seed, Plan: p})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range r.Violations {
			if i < 3 {
				t.Errorf("seed %d: %v\n%+v", seed, v, p.Faults)
			}
		}
	}
}

func TestShippedPlans(t *testing.T) {
	for _, name := range fault.Names() {
		t.Run(name, func(t *testing.T) {
			p, err := fault.Shipped(name)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Run(t.Context(), Config{Seed: 1, Plan: p})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", r)
			for _, v := range r.Violations {
				t.Error(v)
			}
		})
	}
}
