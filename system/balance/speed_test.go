package balance

import (
	"testing"
	"time"
	"unsafe"
)

func TestSteadyStateAllocatesNothing(t *testing.T) {
	b := newLars(t, Config{}, addrs(1, 100))
	now := time.Duration(0)
	states := make([]HostState, 0, 100)
	route := addrs(1, 100)
	n := 0
	if got := testing.AllocsPerRun(20000, func() {
		n++
		now += time.Millisecond
		c := b.Pick(now, Ask{})
		b.Report(now, Result{Host: c.Host, Outcome: outcome(n%3 == 0 || n/500%2 == 0)}) // hosts move to and fro
		b.Tick(now)
	}); got != 0 {
		t.Errorf("pick and report: %v allocations", got)
	}
	if got := testing.AllocsPerRun(100, func() {
		b.Update(now, route)
		states = b.AppendStates(states[:0])
	}); got != 0 {
		t.Errorf("an unchanged route, and states: %v allocations", got)
	}
}

func TestHostIsOneCacheLine(t *testing.T) {
	if n := unsafe.Sizeof(host{}); n > 64 {
		t.Errorf("a host takes %d bytes", n)
	}
}

func BenchmarkPick(b *testing.B) {
	for _, c := range []struct {
		name string
		dead int
	}{{"idle", 0}, {"mixed", 10}, {"overloaded", 100}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			l := newLars(b, Config{}, addrs(1, 100))
			for n := 1; n <= c.dead; n++ {
				fail(l, 0, addr(n), 15)
			}
			for b.Loop() {
				l.Pick(0, Ask{})
			}
		})
	}
}

func BenchmarkReport(b *testing.B) {
	b.ReportAllocs()
	l := newLars(b, Config{}, addrs(1, 100))
	n := 0
	for b.Loop() {
		n++
		l.Report(time.Duration(n), Result{Host: addr(1 + n%100), Outcome: outcome(n%50 == 0)})
	}
}
