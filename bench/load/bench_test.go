package load

import (
	"context"
	"fmt"
	"testing"
	"time"

	"lars/bench/proc"
)

// BenchmarkFloor drives the C server from another processor and reports what a
// request costs both sides. One iteration is a run of two seconds: use
// -benchtime=1x or 3x.
func BenchmarkFloor(b *testing.B) {
	second := startFloor(b, nil)
	open := func(rate float64) Config { return Config{Conns: 100, Rate: rate} }
	for _, bm := range []struct {
		name string
		c    Config
	}{
		{"closed/conns=100/depth=1", Config{Conns: 100}},
		{"closed/conns=100/depth=16", Config{Conns: 100, Depth: 16}},
		{"closed/conns=1000/depth=1", Config{Conns: 1000}},
		{"open/conns=100/rate=20000", open(20000)},
		{"open/conns=100/rate=50000", open(50000)},
		{"duet/conns=50/rate=5000", Config{Conns: 50, Rate: 5000, Rival: second.addr}},
		{"duet/conns=50/depth=1", Config{Conns: 50, Rival: second.addr}},
		{"udp/conns=1/depth=100", Config{Network: "udp", Depth: 100}},
		{"udp/conns=100/depth=1", Config{Network: "udp", Conns: 100}},
	} {
		b.Run(bm.name, func(b *testing.B) { benchFloor(b, bm.c) })
	}
}

func benchFloor(b *testing.B, c Config) {
	cpus, err := proc.AllowedCPUs(0)
	if err != nil {
		b.Fatal(err)
	}
	var args []string
	if c.Network == "udp" {
		args = []string{"-u"}
	}
	s := startFloor(b, cpus[:1], args...)
	c.Addr, c.PIDs, c.CPUs = s.addr, []int{s.pid}, cpus[len(cpus)-1:]
	c.Warmup, c.Duration = 500*time.Millisecond, 2*time.Second
	for b.Loop() {
		r, err := Run(context.Background(), c)
		if err != nil {
			b.Fatal(err)
		}
		report(b, r)
	}
}

func report(b *testing.B, r *Result) {
	server, _ := r.ServerCPUPerRequest(0)
	b.ReportMetric(r.Throughput(), "req/s")
	b.ReportMetric(server, "srv-cpu-ns/req")
	b.ReportMetric(r.GeneratorCPUPerRequest(), "gen-cpu-ns/req")
	b.ReportMetric(100*r.Audit.WorkerShare, "gen-%")
	b.ReportMetric(float64(r.Response.Percentile(50, 0.95).Value), "p50-ns")
	b.ReportMetric(float64(r.Response.Percentile(99, 0.95).Value), "p99-ns")
	if r.Config.Open() {
		b.ReportMetric(float64(r.SendLag.Percentile(50, 0.95).Value), "lag-p50-ns")
		b.ReportMetric(float64(r.SendLag.Percentile(99, 0.95).Value), "lag-p99-ns")
	}
	for _, reason := range r.Judge() {
		b.Log(reason.Verdict, fmt.Sprint(reason.Text))
	}
	b.Logf("%+v %+v", r.Counts, r.Audit)
}
