package netpoll_test

import (
	"testing"

	"lars/backends/netpoll"
	"lars/reactor/drivertest"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, drivertest.Harness{Driver: netpoll.Driver{}})
}

func BenchmarkDriver(b *testing.B) {
	drivertest.Bench(b, drivertest.Harness{Driver: netpoll.Driver{}})
}
