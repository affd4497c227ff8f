package balance

import (
	"fmt"
	"testing"
	"time"
	"unsafe"
)

// each opens every algorithm, with and without the outlier layer.
func each(f func(name string, s Settings)) {
	for _, a := range Algorithms() {
		if a.Name == "classic" || a.Name == "elb" {
			f(a.Name, Settings{Algorithm: a.Name})
			continue
		}
		f(a.Name, Settings{Algorithm: a.Name, Outlier: Off})
		f(a.Name+"+outlier", Settings{Algorithm: a.Name, Outlier: On})
	}
}

func open(t testing.TB, s Settings, hosts []Host) Balancer {
	t.Helper()
	b, err := Open(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	b.Update(0, hosts)
	return b
}

// BenchmarkPicks is a pick and its share of what reports make of it: calls are
// reported a few picks later, out of the clock.
func BenchmarkPicks(b *testing.B) {
	each(func(name string, s Settings) {
		for _, n := range []int{10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				l := warmed(b, s, addrs(1, n))
				b.ReportAllocs()
				now, key := time.Second, uint64(0)
				var row [64]Choice
				for b.Loop() {
					if key&63 == 0 {
						b.StopTimer()
						for _, c := range row {
							if c.Verdict == Picked {
								l.Report(now, Result{Host: c.Host, Latency: time.Duration(10+key%7) * time.Millisecond})
							}
						}
						b.StartTimer()
					}
					key++
					now += time.Microsecond
					row[key&63] = l.Pick(now, Ask{Key: key, Caller: uint32(key & 3)})
				}
			})
		}
	})
}

// BenchmarkReports is a report, every hundredth of a failure, and its pick.
func BenchmarkReports(b *testing.B) {
	each(func(name string, s Settings) {
		for _, n := range []int{10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				l := warmed(b, s, addrs(1, n))
				b.ReportAllocs()
				now, key := time.Second, uint64(0)
				for b.Loop() {
					key++
					now += time.Microsecond
					c := l.Pick(now, Ask{Key: key})
					l.Report(now, Result{Host: c.Host, Outcome: outcome(key%100 == 0), Latency: time.Millisecond, Caller: uint32(key & 3)})
				}
			})
		}
	})
}

// warmed is a balancer that has seen calls to all hosts.
func warmed(b *testing.B, s Settings, hosts []Host) Balancer {
	l := open(b, s, hosts)
	for n := range 4 * len(hosts) {
		l.Report(time.Duration(n), Result{Host: hosts[n%len(hosts)].Host, Latency: time.Duration(5+n%11) * time.Millisecond})
	}
	return l
}

// BenchmarkMemory shows bytes of heap for each host.
func BenchmarkMemory(b *testing.B) {
	for _, a := range Algorithms() {
		b.Run(a.Name, func(b *testing.B) {
			const n = 1000
			hosts := addrs(1, n)
			b.ReportAllocs()
			for b.Loop() {
				open(b, Settings{Algorithm: a.Name}, hosts)
			}
			b.ReportMetric(float64(unsafe.Sizeof(slot{})), "slot-B")
		})
	}
}
