package capacity

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
)

func TestParseSLO(t *testing.T) {
	for text, want := range map[string]SLO{
		"p99:5ms":     {99, 5 * time.Millisecond},
		"p99.9:800us": {99.9, 800 * time.Microsecond},
		"p50:1s":      {50, time.Second},
	} {
		if got, err := ParseSLO(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, says := range map[string]string{
		"":            "such as p99:5ms",
		"p99":         "such as p99:5ms",
		"99:5ms":      "such as p99:5ms",
		"px:5ms":      "from 50 to 99.999",
		"p100:5ms":    "from 50 to 99.999",
		"p10:5ms":     "from 50 to 99.999",
		"pNaN:5ms":    "from 50 to 99.999",
		"p99:5":       "such as 5ms",
		"p99:-5ms":    "such as 5ms",
		"p99:2m":      "from 1µs to 1m0s",
		"p99:5ms:6ms": "such as 5ms",
	} {
		if _, err := ParseSLO(text); !errors.Is(err, ErrSLO) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

func FuzzParseSLO(f *testing.F) {
	f.Add("p99:5ms")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSLO(text)
		if err != nil {
			return
		}
		if again, err := ParseSLO(s.String()); err != nil || again != s {
			t.Errorf("%q became %v, and that %v, %v", text, s, again, err)
		}
	})
}

func TestCheck(t *testing.T) {
	s := SLO{99.9, time.Millisecond}
	if err := s.Check(time.Second, 1e6); err != nil || s.RateMin(time.Second) != 15_000 {
		t.Errorf("%v, least %v", err, s.RateMin(time.Second))
	}
	err := s.Check(time.Second, 5000)
	if !errors.Is(err, ErrSLO) || !strings.Contains(err.Error(), "windows of 6s") {
		t.Fatal(err)
	}
	if err := s.Check(6*time.Second, 5000); err != nil {
		t.Errorf("the remedy does not help: %v", err)
	}
}

// window is the result of loading a server for a second.
func window(rate float64, each time.Duration) *load.Result {
	r := &load.Result{
		Config: load.Config{Network: "tcp", Rate: rate}, Elapsed: time.Second,
		Latency: load.Latency{Response: hist.New(), Service: hist.New(), SendLag: hist.New()},
	}
	r.Arrivals, r.Sent, r.Completed = uint64(rate), uint64(rate), uint64(rate)
	for range int(rate) {
		r.Response.Record(int64(each))
		r.SendLag.Record(30_000)
	}
	return r
}

func TestJudge(t *testing.T) {
	slo := SLO{99, 5 * time.Millisecond}
	for _, c := range []struct {
		name  string
		spoil func(*load.Result)
		want  Outcome
		fault bool
	}{
		{"good", func(*load.Result) {}, Passed, false},
		{"slow", func(r *load.Result) {
			for range 300 {
				r.Response.Record(6e6)
			}
		}, Failed, false},
		{"given up", func(r *load.Result) {
			for range 300 {
				r.Response.Censor()
			}
		}, Failed, false},
		{"too few", func(r *load.Result) { r.Response = hist.New(); r.Response.Record(5) }, Failed, false},
		{"98 % answered", func(r *load.Result) { r.Completed -= r.Completed / 50 }, Failed, false},
		{"99.5 % answered", func(r *load.Result) { r.Completed -= r.Completed / 200 }, Passed, false},
		{"connections ended", func(r *load.Result) { r.Disconnected = 1 }, Failed, false},
		{"late but met", func(r *load.Result) { r.SendLag.Record(4e6); r.Audit.WorkerShare = 0.99 }, Passed, false},
		{"generator busy", func(r *load.Result) { r.Completed /= 2; r.Audit.WorkerShare = 0.99 }, Void, false},
		{"generator late", func(r *load.Result) { r.Completed /= 2; lateBy(r, 4e6) }, Void, false},
		{"late as sockets were full", func(r *load.Result) { r.Completed /= 2; lateBy(r, 4e6); r.Blocked = 9 }, Failed, false},
		{"wrong", func(r *load.Result) { r.WarmupCounts.Wrong = 1 }, Failed, true},
		{"doubled", func(r *load.Result) { r.Duplicated = 1 }, Failed, true},
		{"datagram doubled by a network", func(r *load.Result) {
			r.Duplicated, r.Reordered = 1, 1
			r.Config.Network, r.Config.Addr = "udp", netip.MustParseAddrPort("192.0.2.1:7777")
		}, Passed, false},
		{"datagram doubled on loopback", func(r *load.Result) {
			r.Duplicated, r.Config.Network, r.Config.Addr = 1, "udp", netip.MustParseAddrPort("127.0.0.1:7777")
		}, Failed, true},
	} {
		r := window(2000, time.Millisecond)
		c.spoil(r)
		got, err := slo.Judge(r)
		if got != c.want || errors.Is(err, ErrFault) != c.fault {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}

func lateBy(r *load.Result, ns int64) {
	for range 300 {
		r.SendLag.Record(ns)
	}
}
