package backends_test

import (
	"testing"

	"lars/backends"
	"lars/reactor/drivertest"
)

// TestMetamorphic runs the same random operations on every backend: the
// histories must be the same.
func TestMetamorphic(t *testing.T) {
	var all []drivertest.Harness
	for _, name := range backends.Names() {
		d, err := backends.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, drivertest.Harness{Driver: d})
	}
	for seed := range uint64(3) {
		drivertest.Metamorphic(t, seed+1, all...)
	}
}
