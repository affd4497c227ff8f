package std_test

import (
	"testing"

	"lars/backends/std"
	"lars/reactor/drivertest"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, drivertest.Harness{Driver: std.Driver{}})
}

func BenchmarkDriver(b *testing.B) {
	drivertest.Bench(b, drivertest.Harness{Driver: std.Driver{}})
}
