package compare

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"lars/bench/load"
	"lars/bench/record"
	"lars/bench/run"
	"lars/bench/stats"
)

// echo is an echo server of our own on a backend, perhaps slowed down.
func echo(name, backend, inject string) run.Target {
	t := run.Target{Name: name, Backend: backend, Command: []string{os.Args[0], "echo", "--backend", backend, "--listen", "127.0.0.1:0"}}
	if inject != "" {
		t.Command = append(t.Command, "--inject", inject)
	}
	return t
}

// brief is a comparison of three short epochs, judged by a lenient rule.
func brief(a, b run.Target) Config {
	return Config{
		A: a, B: b, Load: load.Config{Conns: 4, Rate: 1000, Seed: 3}, Epochs: 3, Slices: 4, Slice: 60 * time.Millisecond, Warmup: 20 * time.Millisecond,
		Rule: stats.Rule{Alpha: 0.45, Floor: 0.02, Equivalence: 0.05, EpochsMin: 2},
	}
}

func compared(t *testing.T, c Config) *Result {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestDesigns: every design finds which of two servers does more, and by how
// much where that is a count.
func TestDesigns(t *testing.T) {
	for _, design := range []string{record.DesignRequestDuet, record.DesignProcessDuet, record.DesignABBA} {
		t.Run(design, func(t *testing.T) {
			c := brief(echo("quick", "std", ""), echo("slow", "std", "alloc:50"))
			c.Design = design
			if design == record.DesignProcessDuet {
				c.Load.Rate = 0
			}
			r := compared(t, c)
			if r.Comparison.Verdict == record.VerdictInvalid {
				if onlyBusy(r) {
					t.Skip("the machine is too busy: ", r.Reasons)
				}
				t.Fatalf("invalid: %v", r.Reasons)
			}
			m := r.Comparison.Metric(Allocs)
			if m == nil || m.B-m.A < 45 || m.B-m.A > 70 || m.Ratio < 5 || m.Gated && m.Verdict != record.VerdictRegressed || m.Difference < 45 {
				t.Errorf("50 allocations more: %+v", m)
			}
			if m := r.Comparison.Metric(WireBytes); m == nil || m.Ratio < 0.98 || m.Ratio > 1.02 {
				t.Errorf("bytes on the wire: %+v", m)
			}
			for _, name := range []string{ServerCPU, Switches, Memory} {
				if m := r.Comparison.Metric(name); m == nil || m.Epochs == 0 || m.A <= 0 || m.B <= 0 {
					t.Errorf("%s: %+v", name, m)
				}
			}
			// Two goroutines serve a connection, and one file is open for each.
			if m := r.Comparison.Metric(Goroutines); design != record.DesignABBA && (m == nil || m.A < 1 || m.A > 12 || m.Ratio > 1.5) {
				t.Errorf("goroutines: %+v", m)
			}
			if m := r.Comparison.Metric(OpenFiles); (m == nil) != (design == record.DesignABBA) || m != nil && (m.A < 1 || m.A > 12 || m.Ratio > 1.5) {
				t.Errorf("open files: %+v", m)
			}
			if design != record.DesignABBA && r.Comparison.Verdict != record.VerdictRegressed || r.Comparison.Design != design || r.Comparison.DesignReason == "" {
				t.Errorf("%+v", r.Comparison)
			}
			checkRecord(t, r)
		})
	}
}

// onlyBusy reports whether nothing but a busy machine speaks against a result.
func onlyBusy(r *Result) bool {
	for _, e := range r.Epochs {
		if e.Faults != [2]string{} {
			return false
		}
	}
	return true
}

// checkRecord writes the result, reads it back, and judges it once more.
func checkRecord(t *testing.T, r *Result) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "result")
	if err := record.Write(dir, r.Record([]string{"test"})); err != nil {
		t.Fatal(err)
	}
	back, err := record.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := back.Comparison
	if again := Judge(c.Epochs, Metrics(c.Design), r.Config.Rule); !reflect.DeepEqual(again, c.Metrics) || !reflect.DeepEqual(again, r.Comparison.Metrics) {
		t.Errorf("judged again: %+v, was %+v", again, c.Metrics)
	}
	if len(back.Arms) != 2 || len(back.Arms[0].Rounds) != len(c.Epochs) || back.Arms[1].Metric(Allocs) == nil || len(back.Arms[1].Latency) == 0 {
		t.Errorf("the arms lack something: %+v", back.Arms)
	}
	text, err := os.ReadFile(filepath.Join(dir, record.BenchFile))
	if err != nil || strings.Count(string(text), "BenchmarkPair/metric=allocs/") != c.Metric(Allocs).Epochs {
		t.Errorf("%v, benchmark text:\n%s", err, text)
	}
}

// TestLatency: a delay shows in the arm that has it, and nowhere else.
func TestLatency(t *testing.T) {
	const delay = 30 * time.Millisecond
	c := brief(echo("late", "epoll", "timer:"+delay.String()), echo("quick", "epoll", ""))
	r := compared(t, c)
	for _, e := range r.Comparison.Epochs {
		for _, s := range e.Slices {
			if v, ok := s.A[P50]; ok && time.Duration(v) < delay {
				t.Errorf("the late server answered in %v", time.Duration(v))
			}
		}
	}
	for i, e := range r.Epochs {
		x, y := e.Rounds[0].Load, e.Rounds[1].Load
		if time.Duration(x.Response.Min()) < delay || x.Response.Min() <= y.Response.Min() || x.Arrivals != y.Arrivals {
			t.Errorf("epoch %d: fastest %d and %d ns, %d and %d arrivals", i, x.Response.Min(), y.Response.Min(), x.Arrivals, y.Arrivals)
		}
	}
}

// TestServersThatFail: a comparison with one is invalid, says why, and stops.
func TestServersThatFail(t *testing.T) {
	const request, process, abba = record.DesignRequestDuet, record.DesignProcessDuet, record.DesignABBA
	for _, f := range []struct{ kind, design, says string }{
		{"dies", request, "out of luck"}, {"dies", process, "out of luck"}, {"dies", abba, "out of luck"}, {"worsens", request, "wrong content"},
	} {
		t.Run(f.kind+" "+f.design, func(t *testing.T) {
			t.Parallel()
			c := brief(echo("good", "epoll", ""), run.Target{Name: "bad", Command: []string{os.Args[0], f.kind}})
			c.Load.Timeout = 2 * time.Second // of replies that do not come
			if c.Design = f.design; f.design != request {
				c.Load.Rate = 0
			}
			r := compared(t, c)
			reasons := ""
			for _, reason := range r.Reasons {
				reasons += reason.Text + "\n"
			}
			if r.Comparison.Verdict != record.VerdictInvalid || !strings.Contains(reasons, f.says) || !strings.Contains(reasons, "bad in epoch 1") {
				t.Errorf("%s: %s", r.Comparison.Verdict, reasons)
			}
			if len(r.Epochs) != 1 || r.Comparison.Epochs[0].Invalid == "" || len(r.Comparison.Metrics) != 0 {
				t.Errorf("%d epochs, figures %+v", len(r.Epochs), r.Comparison.Metrics)
			}
			if err := r.Record(nil).Run.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStranger: a server that tells nothing of itself is compared by what can be
// seen from outside.
func TestStranger(t *testing.T) {
	c := brief(run.Target{Name: "stranger", Command: []string{os.Args[0], "plain"}}, echo("ours", "epoll", ""))
	r := compared(t, c)
	if m := r.Comparison.Metric(Allocs); m != nil {
		t.Errorf("allocations of one arm only: %+v", m)
	}
	if m := r.Comparison.Metric(ServerCPU); r.Comparison.Verdict != record.VerdictInvalid && (m == nil || m.A <= 0) {
		t.Errorf("CPU time: %+v", m)
	}
}

// TestInterrupted: what is complete is kept, and marked.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := brief(echo("a", "epoll", ""), echo("b", "epoll", ""))
	c.Epochs = 1000
	c.Observe = func(p Progress) {
		if p.Epoch == 2 {
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Cut || len(r.Epochs) != 2 || load.Worst(r.Reasons) == load.Valid {
		t.Errorf("cut %v, %d epochs, %v", r.Cut, len(r.Epochs), r.Reasons)
	}
	cancelled, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Run(cancelled, c); err == nil {
		t.Error("a comparison that never began gave a result")
	}
}

// TestEnough: the caller decides when there are enough epochs.
func TestEnough(t *testing.T) {
	c := brief(echo("a", "epoll", ""), echo("b", "epoll", ""))
	c.Epochs, c.Enough = 50, func(e []record.Epoch) bool { return len(e) == 2 }
	if r := compared(t, c); len(r.Epochs) != 2 || r.Cut {
		t.Errorf("%d epochs, cut %v", len(r.Epochs), r.Cut)
	}
}

// TestRateIsFound: without rate and depth the rate follows from the servers.
func TestRateIsFound(t *testing.T) {
	c := brief(echo("a", "epoll", ""), echo("b", "epoll", ""))
	c.Load.Rate, c.Epochs, c.Enough = 0, 1, func([]record.Epoch) bool { return true }
	r := compared(t, c)
	if r.Config.Load.Rate < rateMin || r.Comparison.Design != record.DesignRequestDuet || !strings.Contains(r.Comparison.DesignReason, "of what the slower one can do") {
		t.Errorf("rate %v: %s", r.Config.Load.Rate, r.Comparison.DesignReason)
	}
}

func TestRefusals(t *testing.T) {
	for says, spoil := range map[string]func(*Config){
		"programs that can be started":  func(c *Config) { c.B.Command = nil },
		"different names":               func(c *Config) { c.B.Name = c.A.Name },
		"too few for a verdict":         func(c *Config) { c.Rule, c.Epochs = stats.RuleOne(), 8 },
		"1 to 1000":                     func(c *Config) { c.Epochs = 1001 },
		"slices: choose":                func(c *Config) { c.Slices = -1 },
		"50ms or more":                  func(c *Config) { c.Slice = time.Millisecond },
		"is negative":                   func(c *Config) { c.Warmup = -1 },
		"give --rate":                   func(c *Config) { c.Design, c.Load.Rate, c.Load.Depth = record.DesignRequestDuet, 0, 2 },
		"leave --rate out":              func(c *Config) { c.Design = record.DesignProcessDuet },
		"divides the connections":       func(c *Config) { c.Design, c.Load.Rate, c.Load.Conns = record.DesignProcessDuet, 0, 1 },
		"unknown design":                func(c *Config) { c.Design = "feeling" },
		"give the whole path":           func(c *Config) { c.A.Command = []string{"/nonexistent/server"} },
		"the arms are unlike":           func(c *Config) { c.B.Workload = load.Echo{} },
		"cannot be given to two":        func(c *Config) { c.A.Drive = load.Run },
		"unknown backend":               func(c *Config) { c.A = echo("x", "nope", "") },
		"connections: choose 1 to 1000": func(c *Config) { c.Load.Conns = -1 },
	} {
		c := brief(echo("a", "epoll", ""), echo("b", "epoll", ""))
		spoil(&c)
		_, err := Run(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), says) || !errors.Is(err, ErrRefused) && !errors.Is(err, load.ErrConfig) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// TestUnanswered: datagrams without an answer are told, and are no fault.
func TestUnanswered(t *testing.T) {
	for network, want := range map[string]int{"udp": 1, "tcp": 0} {
		r := runner{config: Config{A: run.Target{Name: "x"}, B: run.Target{Name: "y"}, Epochs: 2, Load: load.Config{Network: network}}, result: &Result{}}
		for range 2 {
			e := Epoch{}
			e.Rounds[0].Load = &load.Result{Counts: load.Counts{Lost: 1}, WarmupCounts: load.Counts{Lost: 2}}
			r.result.Epochs = append(r.result.Epochs, e)
			r.result.Comparison.Epochs = append(r.result.Comparison.Epochs, record.Epoch{})
		}
		r.reasons()
		if got := r.result.Reasons; len(got) != want || want > 0 && (got[0].Verdict != load.Degraded || got[0].Text != "x: 6 datagrams were never answered") {
			t.Errorf("%s: %v", network, got)
		}
	}
}
