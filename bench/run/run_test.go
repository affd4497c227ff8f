package run

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lars/bench/load"
	"lars/bench/proc"
	"lars/bench/record"
)

// quick is a load for tests.
func quick() load.Config {
	return load.Config{Conns: 4, Warmup: 30 * time.Millisecond, Duration: 120 * time.Millisecond, Every: 50 * time.Millisecond}
}

func mustRun(t *testing.T, c Config) *Result {
	t.Helper()
	plan, err := Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// notInvalid fails for what a busy machine cannot excuse.
func notInvalid(t *testing.T, r *Result) {
	t.Helper()
	for _, reason := range r.Reasons() {
		if reason.Verdict == load.Invalid && !strings.Contains(reason.Text, "generator") && !strings.Contains(reason.Text, "rate was not reached") {
			t.Errorf("invalid: %s", reason.Text)
		}
	}
}

func gone(t *testing.T, r *Result) {
	t.Helper()
	for _, round := range r.Rounds {
		if err := syscall.Kill(round.Server.PID, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("server %d is still there: %v", round.Server.PID, err)
		}
	}
}

func TestCompare(t *testing.T) {
	before, err := proc.AllowedCPUs(0)
	if err != nil {
		t.Fatal(err)
	}
	var seen []Progress
	c := quick()
	c.Duration = 400 * time.Millisecond // a busy machine may hold up the server for most of the usual one
	r := mustRun(t, Config{
		Targets: []Target{{Name: "a", Command: fakeServer("ok")}, {Name: "b", Command: fakeServer("ok"), StandIns: []string{"x by y"}}},
		Load:    c, Rounds: 2, Idle: 50,
		Observe: func(p Progress) { seen = append(seen, p) },
	})
	notInvalid(t, r)
	gone(t, r)
	if len(r.Rounds) != 4 || len(r.Idle) != 2 {
		t.Fatalf("%d rounds and %d idle, want 4 and 2", len(r.Rounds), len(r.Idle))
	}
	var order []int
	pids := map[int]bool{}
	for _, round := range r.Rounds {
		order = append(order, round.Target)
		pids[round.Server.PID] = true
		if round.Load.Completed == 0 || !round.Server.Known || round.Server.CPU <= 0 || round.Server.Memory.RSSBytes <= 0 {
			t.Errorf("round of %d: %+v", round.Target, round.Server)
		}
		if len(round.Intervals) == 0 || round.Server.Report["messages_in"] != 10.0 {
			t.Errorf("round of %d: %d intervals, report %v", round.Target, len(round.Intervals), round.Server.Report)
		}
	}
	if !slices.Equal(order, []int{0, 1, 1, 0}) {
		t.Errorf("order %v, want 0 1 1 0", order)
	}
	if len(pids) != 4 {
		t.Errorf("%d processes, want a fresh one each round", len(pids))
	}
	if len(seen) < 4 || seen[len(seen)-1].Rounds != 2 {
		t.Errorf("progress: %+v", seen)
	}
	after, err := proc.AllowedCPUs(0)
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("this process may use %v after the run, %v before (%v)", after, before, err)
	}
	checkRecord(t, r)
}

func checkRecord(t *testing.T, r *Result) {
	t.Helper()
	b := r.Record(Labels{Command: []string{"lars"}, Baseline: "a"})
	dir := t.TempDir()
	if err := record.Write(dir, b); err != nil {
		t.Fatal(err)
	}
	if err := record.Verify(dir); err != nil {
		t.Fatal(err)
	}
	arm := b.Run.Arm("b")
	names := []string{MetricThroughput, MetricServerCPU, MetricMax, MetricRSS}
	const enough = 100 // replies of a round, for its median; a busy machine may hold up a server until its end
	if !slices.ContainsFunc(r.Rounds, func(round Round) bool { return round.Load.Completed < enough }) {
		names = append(names, MetricP50)
	}
	for _, name := range names {
		m := arm.Metric(name)
		if m == nil || m.Value <= 0 || len(m.Samples) != 2 || m.Ratio == nil || m.Ratio.Low != nil {
			t.Errorf("%s: %+v: want a value, two samples, and a ratio without an interval", name, m)
		}
	}
	if m := arm.Metric("p99.99"); m != nil {
		t.Errorf("p99.99 of %d requests is stated: %+v", r.Rounds[0].Load.Completed, m)
	}
	if arm.Idle == nil || arm.Idle.Conns != 50 || len(arm.Idle.Samples) != idleRepeats || len(arm.StandIns) != 1 {
		t.Errorf("arm %+v", arm)
	}
}

// TestCalls: an echo needs at least a read and a write for each message; where
// no tool works, or it was late, a note says so.
func TestCalls(t *testing.T) {
	r := mustRun(t, Config{Targets: []Target{{Name: "a", Command: fakeServer("ok")}}, Load: quick(), Calls: true})
	if len(r.Calls) == 0 {
		if len(r.Notes) == 0 {
			t.Error("no figure, and no word why")
		}
		return
	}
	if got := r.Calls[0].PerRequest(); got < 2 || r.Calls[0].Tool == "" {
		t.Errorf("%+v: %v for each request, want 2 or more", r.Calls[0], got)
	}
}

func TestOpenLoopAndUDP(t *testing.T) {
	for _, c := range []struct {
		name, kind, network string
		rate                float64
	}{{"open tcp", "ok", "tcp", 500}, {"closed udp", "udp", "udp", 0}} {
		t.Run(c.name, func(t *testing.T) {
			l := quick()
			l.Network, l.Rate = c.network, c.rate
			r := mustRun(t, Config{Targets: []Target{{Name: "x", Command: fakeServer(c.kind)}}, Load: l})
			notInvalid(t, r)
			gone(t, r)
			if r.Rounds[0].Load.Completed == 0 {
				t.Error("nothing was answered")
			}
		})
	}
}

// TestBadServers: each is invalid, or an error, and says so in words.
func TestBadServers(t *testing.T) {
	for _, c := range []struct{ kind, says string }{
		{"worsens", "wrong content"},
		{"dies", "out of luck"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			l := quick()
			l.Timeout = 200 * time.Millisecond
			plan, err := Prepare(t.Context(), Config{Targets: []Target{{Name: "bad", Command: fakeServer(c.kind)}}, Load: l})
			if err != nil {
				t.Fatal(err)
			}
			r, err := plan.Run(t.Context())
			if err != nil {
				if !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %q lacks %q", err, c.says)
				}
				return
			}
			gone(t, r)
			text := ""
			for _, reason := range r.Reasons() {
				text += reason.Text + "\n"
			}
			if r.Verdict() != load.Invalid || !strings.Contains(text, c.says) {
				t.Errorf("%v:\n%swant invalid and %q", r.Verdict(), text, c.says)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	ok := Target{Name: "ok", Command: fakeServer("ok")}
	closed := closedPort(t)
	for _, c := range []struct {
		name string
		edit func(*Config)
		says string
	}{
		{"nothing", func(c *Config) { c.Targets = nil }, "no server to measure"},
		{"twice", func(c *Config) { c.Targets = append(c.Targets, ok) }, `named "ok"`},
		{"rounds", func(c *Config) { c.Rounds = RoundsMax + 1 }, "choose 1 to 1000"},
		{"idle", func(c *Config) { c.Idle = IdleMax + 1 }, "choose 0"},
		{"idle udp", func(c *Config) { c.Idle, c.Load.Network = 5, "udp" }, "UDP has none"},
		{"no such program", func(c *Config) { c.Targets[0].Command = []string{"/nonexistent/server"} }, "give the whole path"},
		{"refuses", func(c *Config) { c.Targets[0].Command = fakeServer("refuses") }, "no such backend: quux"},
		{"chatters", func(c *Config) { c.Targets[0].Command = fakeServer("chatters") }, `"listening on ADDR"`},
		{"wrong", func(c *Config) { c.Targets[0].Command = fakeServer("wrong") }, "wrong content"},
		{"hangs up", func(c *Config) { c.Targets[0].Command = fakeServer("hangs up") }, "did not answer one request of echo"},
		{"nobody there", func(c *Config) { c.Targets[0] = Target{Name: "x", Addr: closed} }, "is the server running"},
		{"no process", func(c *Config) { c.Targets[0] = Target{Name: "x", Addr: closed, PID: 1 << 30} }, "give the id"},
		{"pin", func(c *Config) { c.Pin = Pin{Server: []int{1000}, Generator: []int{0}} }, "--pin off"},
		{"pin, in part", func(c *Config) { c.Pin = Pin{Server: []int{0, 1000}, Generator: []int{0}} }, "processor 1000"},
		{"files", func(c *Config) { c.Load.Conns = load.ConnsMax }, ""},
		{"load", func(c *Config) { c.Load.Duration = 0 }, "nothing would be measured"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Config{Targets: []Target{ok}, Load: quick()}
			c.edit(&config)
			_, err := Prepare(t.Context(), config)
			if err == nil {
				t.Fatal("accepted")
			}
			if !errors.Is(err, ErrRefused) && !errors.Is(err, load.ErrConfig) {
				t.Errorf("error %v is of no known kind", err)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q lacks %q", err, c.says)
			}
		})
	}
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

func TestInterrupted(t *testing.T) {
	l := quick()
	l.Duration = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	missing := func(*Round) []load.Reason { return []load.Reason{{Verdict: load.Invalid, Text: "some are missing"}} }
	c := Config{Targets: []Target{{Name: "x", Command: fakeServer("ok"), Check: missing}}, Load: l, Rounds: 3}
	c.Observe = func(p Progress) {
		if p.Phase == load.Measured && p.Rate > 0 {
			cancel()
		}
	}
	plan, err := Prepare(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	gone(t, r)
	if !r.Cut || r.Verdict() != load.Invalid || len(r.Rounds) != 1 {
		t.Errorf("cut %v, %v, %d rounds", r.Cut, r.Verdict(), len(r.Rounds))
	}
	if c := r.correctness(0); len(c.Violations) > 0 || c.Lost > 0 {
		t.Errorf("the server is blamed for what was in flight: %+v", c)
	}
}

func TestExternal(t *testing.T) {
	server, err := start(t.Context(), fakeServer("ok"), nil, usual())
	if err != nil {
		t.Fatal(err)
	}
	defer server.stop()
	r := mustRun(t, Config{Targets: []Target{{Name: "x", Addr: server.addr, PID: server.pid()}}, Load: quick(), Pin: Pin{Off: true}})
	if !r.Rounds[0].Server.Known || r.Processors.Pinned() {
		t.Errorf("server %+v, processors %v", r.Rounds[0].Server, r.Processors)
	}
	if err := server.alive(); err != nil {
		t.Errorf("a server that is not ours was stopped: %v", err)
	}
}

func TestImpatience(t *testing.T) {
	hurry := patience{start: 50 * time.Millisecond, stop: 50 * time.Millisecond}
	if _, err := start(t.Context(), fakeServer("silent"), nil, hurry); err == nil || !strings.Contains(err.Error(), "did not print") {
		t.Errorf("silent server: %v", err)
	}
	hurry.start = usual().start
	p, err := start(t.Context(), fakeServer("stubborn"), nil, hurry)
	if err != nil {
		t.Fatal(err)
	}
	p.stop()
	if err := syscall.Kill(p.pid(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the stubborn server is still there: %v", err)
	}
}
