package epoll_test

import (
	"testing"

	"lars/backends/epoll"
	"lars/reactor/drivertest"
)

func harness() drivertest.Harness { return drivertest.Harness{Driver: epoll.Driver{}} }

func TestConformance(t *testing.T) { drivertest.Run(t, harness()) }

func BenchmarkDriver(b *testing.B) { drivertest.Bench(b, harness()) }
