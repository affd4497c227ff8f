package sim

import (
	"testing"

	"lars/reactor/drivertest"
)

func harness(t testing.TB) drivertest.Harness {
	w := newWall(t)
	return drivertest.Harness{Driver: w.Driver("host"), Net: memory{w.Host("host")}}
}

func TestConformance(t *testing.T) { drivertest.Run(t, harness(t)) }

// TestMetamorphic plays the scripts that every backend plays.
func TestMetamorphic(t *testing.T) {
	h := harness(t)
	for seed := range uint64(3) {
		drivertest.Metamorphic(t, seed+1, h)
	}
}
