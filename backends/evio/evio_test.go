package evio_test

import (
	"testing"

	"lars/backends/evio"
	"lars/reactor/drivertest"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, drivertest.Harness{Driver: evio.Driver{}})
}

func BenchmarkDriver(b *testing.B) {
	drivertest.Bench(b, drivertest.Harness{Driver: evio.Driver{}})
}
