package load

import (
	"errors"
	"net/netip"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

// goodResult is an open loop with nothing against it; change spoils it.
func goodResult(change func(*Result)) *Result {
	r := &Result{
		Config: Config{Network: "tcp", Rate: 1000}, Elapsed: time.Second, Latency: newLatency(),
		Counts: Counts{Arrivals: 1000, Sent: 1000, Completed: 1000},
	}
	for range 1000 {
		r.Response.Record(1e6)
		r.SendLag.Record(1e4)
	}
	change(r)
	return r
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name   string
		want   Verdict
		text   string // part of the first reason
		change func(*Result)
	}{
		{"good", Valid, "", func(*Result) {}},
		{"wrong", Invalid, "wrong content", func(r *Result) { r.Wrong = 1 }},
		{"wrong in warm-up", Invalid, "wrong content", func(r *Result) { r.WarmupCounts.Wrong = 1 }},
		{"dropped", Invalid, "dropped", func(r *Result) { r.Dropped = 1 }},
		{"disconnected", Invalid, "ended", func(r *Result) { r.Disconnected = 1 }},
		{"lost", Invalid, "never answered", func(r *Result) { r.Lost = 1 }},
		{"duplicated", Invalid, "twice", func(r *Result) { r.Duplicated = 1 }},
		{"reordered", Invalid, "overtook", func(r *Result) { r.Reordered = 1 }},
		{"timed out", Invalid, "in time", func(r *Result) { r.TimedOut = 1 }},
		{"nothing answered", Invalid, "no request", func(r *Result) { r.Completed = 0 }},
		{"cut", Invalid, "cut short", func(r *Result) { r.Cut = true }},
		{"udp, overtaken, and few too late", Valid, "", func(r *Result) { r.Config.Network, r.Late, r.Reordered = "udp", 5, 5 }},
		{"udp, many too late", Degraded, "50 too late", func(r *Result) { r.Config.Network, r.Late = "udp", 50 }},
		{"udp, one lost", Degraded, "1 were never answered", func(r *Result) { r.Config.Network, r.Lost = "udp", 1 }},
		{"udp, doubled by a network", Degraded, "1 replies came twice", func(r *Result) {
			r.Config.Network, r.Config.Addr, r.Duplicated = "udp", netip.MustParseAddrPort("192.0.2.1:7777"), 1
		}},
		{"udp, doubled on loopback", Invalid, "came twice", func(r *Result) {
			r.Config.Network, r.Config.Addr, r.Duplicated = "udp", netip.MustParseAddrPort("127.0.0.1:7777"), 1
		}},
		{"udp, wrong", Invalid, "wrong content", func(r *Result) { r.Config.Network, r.Wrong = "udp", 1 }},
		{"rate not reached", Invalid, "rate", func(r *Result) { r.Completed = 980 }},
		{"in flight at the end, of few", Valid, "", func(r *Result) { r.Arrivals, r.Completed = 100, 96 }},
		{"rate not reached, of few", Invalid, "rate", func(r *Result) { r.Arrivals, r.Completed = 100, 94 }},
		{"one late of few", Valid, "", func(r *Result) {
			few(r)
			r.SendLag.Record(1e6)
			r.Response.Record(1e6)
		}},
		{"many late of few", Invalid, "late", func(r *Result) {
			few(r)
			for range 20 {
				r.SendLag.Record(9e5)
			}
		}},
		{"late for the median", Degraded, "late", func(r *Result) { lags(r, 3e5) }},
		{"late for the tail", Invalid, "late", func(r *Result) { lags(r, 9e5) }},
		{"late, sockets full", Valid, "", func(r *Result) { lags(r, 9e5); r.Blocked = 1 }},
		{"late, too many in flight", Valid, "", func(r *Result) { lags(r, 9e5); r.Config.Depth, r.Held = 1, 1 }},
		{"late, never too many in flight", Invalid, "late", func(r *Result) { lags(r, 9e5); r.Config.Depth = 100 }},
		{"busy, open", Invalid, "bottleneck", func(r *Result) { r.Audit.WorkerShare = 0.9 }},
		{"busy, closed", Degraded, "bottleneck", func(r *Result) { r.Config.Rate, r.Audit.WorkerShare = 0, 0.9 }},
		{"busy, the server busier", Valid, "", func(r *Result) {
			r.Config.Rate, r.Audit.WorkerShare = 0, 0.9
			r.Server = []CPU{{1, 950 * time.Millisecond, nil}}
		}},
		{"no processor", Degraded, "waited", func(r *Result) { r.Audit.RunDelay = 200 * time.Millisecond }},
		{"own pause", Degraded, "pause", func(r *Result) { r.Audit.GCPauseMax = 2 * time.Millisecond }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reasons := goodResult(tt.change).Judge()
			if got := Worst(reasons); got != tt.want {
				t.Errorf("verdict %v, want %v: %v", got, tt.want, reasons)
			}
			for _, reason := range reasons {
				if about := strings.Contains(reason.Text, "generator") || strings.Contains(reason.Text, "rate"); reason.Momentary != about {
					t.Errorf("%+v", reason)
				}
			}
			if tt.text != "" && (len(reasons) == 0 || !strings.Contains(reasons[0].Text, tt.text)) {
				t.Errorf("reasons %v, want one with %q", reasons, tt.text)
			}
		})
	}
}

// few leaves 63 requests, of a tenth of a millisecond.
func few(r *Result) {
	r.Response.Reset()
	r.SendLag.Reset()
	for range 63 {
		r.Response.Record(1e5)
		r.SendLag.Record(1e4)
	}
}

// lags replaces all send lags by the same one, below every response.
func lags(r *Result, ns int64) {
	r.SendLag.Reset()
	for range 1000 {
		r.SendLag.Record(ns)
	}
}

func TestPerRequest(t *testing.T) {
	r := goodResult(func(r *Result) {
		r.Server = []CPU{{1, 5 * time.Millisecond, nil}, {2, 0, errors.New("gone")}}
		r.Audit.CPU = 3 * time.Millisecond
	})
	if d, ok := r.ServerCPUPerRequest(0); !ok || d != 5000 {
		t.Errorf("server %v, %v", d, ok)
	}
	for _, i := range []int{1, 2} {
		if d, ok := r.ServerCPUPerRequest(i); ok {
			t.Errorf("process %d, which was not measured: %v", i, d)
		}
	}
	if d := r.GeneratorCPUPerRequest(); d != 3000 {
		t.Errorf("generator %v", d)
	}
	if got := r.Throughput(); got != 1000 {
		t.Errorf("throughput %v", got)
	}
	empty := &Result{}
	if _, ok := empty.ServerCPUPerRequest(0); ok || empty.GeneratorCPUPerRequest() != 0 || empty.Throughput() != 0 {
		t.Error("nothing measured is not nothing")
	}
}

func TestCollections(t *testing.T) {
	before := collections{3, metrics.Float64Histogram{Counts: []uint64{1, 0, 2}, Buckets: []float64{0, 1e-6, 1e-3, 2e-3}}}
	after := collections{5, metrics.Float64Histogram{Counts: []uint64{2, 3, 2}, Buckets: []float64{0, 1e-6, 1e-3, 2e-3}}}
	cycles, longest, total := after.since(before)
	if cycles != 2 || longest != time.Millisecond || total != 3*time.Millisecond+time.Microsecond {
		t.Errorf("%d cycles, longest %v, total %v", cycles, longest, total)
	}
	start := readCollections()
	runtime.GC()
	if cycles, longest, _ := readCollections().since(start); cycles == 0 || longest <= 0 {
		t.Errorf("a collection shows as %d cycles with a pause of %v", cycles, longest)
	}
}
