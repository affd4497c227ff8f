package live

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"lars/backends"
	"lars/bench/record"
	"lars/bench/report"
	"lars/simulator/fault"
	"lars/simulator/outcome"
	"lars/simulator/workload"
	"lars/system/up"
)

func decode(t *testing.T, text string) *fault.Plan {
	t.Helper()
	p, err := fault.Decode("plan.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// crash is over in four seconds. Hosts never fail by themselves, and nobody
// loses patience on a busy machine.
const crash = `
name: crash
workload:
  callers: {count: 2, arrivals: constant, rate: 40, timeout: 5s, patience: 20s}
  modules: {count: 1, hosts: 4}
  hosts: {mean: 1ms, service: constant, errors: 0, errors_at_capacity: 0, wait_max: 20s}
services: {dns: 2, reporters: 2}
faults:
  - {fault: crash, target: host 2, at: 2500ms, for: 1s}
  - {fault: edits, target: module 1, at: 2500ms, for: 1s, every: 200ms}
  - {fault: crash, target: dns 1, at: 3s, for: 300ms}
  - {fault: crash, target: reporter, at: 3s, for: 300ms}
  - {fault: slow, target: database, at: 3s, for: 200ms, delay: 50ms}
  - {fault: clock, target: reporter, at: 2500ms, for: 800ms, by: 87600h}
  - {fault: clock, target: agents, at: 2500ms, for: 800ms, by: 1h, back: true}
`

// dueCalls counts the calls that a plan makes, from its workload alone.
func dueCalls(p *fault.Plan, seed uint64, end time.Duration) (n int) {
	c := &p.Workload.Callers
	for i := range c.Count {
		r := workload.NewRandom(seed, fmt.Sprint("caller-", i+1))
		for at := c.Next(warmUp, end, r); at < end; at = c.Next(at, end, r) {
			n++
		}
	}
	return n
}

// On every backend all promises hold, every call that is due is made and ends,
// and all that were reported are in the database.
func TestBackends(t *testing.T) {
	names := backends.Names()
	if testing.Short() {
		names = names[:1]
	}
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := decode(t, crash)
			network := []string{"tcp", "udp"}[i%2]
			// Round robin: the default may keep away from the host for its latency, on
			// a busy machine.
			c := Config{
				Plan: p, Seed: 7, Backend: name, Open: backends.Open, Network: network, Recovery: time.Second,
				Args: map[string][]string{up.Agent: {"--balance", "algorithm=rr"}},
			}
			r, err := Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range r.Violations {
				t.Error(v)
			}
			calls, wrong := 0, 0
			for i := range r.Outcome.Phases {
				calls, wrong = calls+r.Outcome.Phases[i].Calls, wrong+r.Outcome.Phases[i].Errors
			}
			if want := dueCalls(p, 7, r.Length); calls != want || want < 150 {
				t.Errorf("%d calls, %d were due", calls, want)
			}
			if b := r.Books; b.Sent != int64(calls) || b.Counted > b.Sent || b.Minutes != b.Counted || b.Latest != b.Counted || b.Killed {
				t.Errorf("%d calls: %+v", calls, b)
			}
			// No agent knows beforehand that the host is down.
			if a := r.Outcome.Afflicted[0]; len(r.Outcome.Afflicted) != 1 || a.Bad == 0 || a.Fair != 0.25 || wrong == 0 {
				t.Errorf("%d went wrong: %+v", wrong, a)
			}
			if r.Edits == 0 {
				t.Error("no edits")
			}
			if i == 0 {
				write(t, r, network)
			}
		})
	}
}

// Callers say how calls fail, as the client library does: three that were
// refused eject a host.
func TestEjection(t *testing.T) {
	p := decode(t, crash)
	p.Faults = p.Faults[:1]
	c := Config{
		Plan: p, Backend: "epoll", Open: backends.Open, Recovery: time.Second,
		Args: map[string][]string{up.Agent: {"--balance", "algorithm=wrr grace=off soft_consecutive=off failure_share=off sigmas=off"}},
	}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if a := r.Outcome.Afflicted[0]; a.Ejected != 2 || a.Eject == nil {
		t.Errorf("%d of 2 agents took the host out: %+v", a.Ejected, a)
	}
}

// An agent is cut off while routes are edited, and callers lose packets: all
// promises hold, and in the end all know the newest routes.
func TestBadNetwork(t *testing.T) {
	p := decode(t, `
name: bad-network
workload:
  callers: {count: 2, arrivals: constant, rate: 40, timeout: 5s, patience: 20s}
  modules: {count: 1, hosts: 4}
  hosts: {mean: 1ms, service: constant, errors: 0, errors_at_capacity: 0, wait_max: 20s}
faults:
  - {fault: partition, target: agent 1, at: 2500ms, for: 1s}
  - {fault: network, target: dns, at: 2500ms, for: 1s, delay: 5ms, jitter: 5ms, loss: 0.05}
  - {fault: network, target: caller 2, at: 2500ms, for: 1s, loss: 0.05, duplicate: 1, reorder: 0.2}
  - {fault: edits, target: module 1, at: 2500ms, for: 1s, every: 200ms}
`)
	r, err := Run(t.Context(), Config{Plan: p, Seed: 3, Backend: "epoll", Open: backends.Open, Recovery: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Violations {
		t.Error(v)
	}
	if b := r.Books; r.Edits == 0 || b.Counted <= b.Sent || b.Minutes != b.Counted {
		t.Errorf("no report was doubled: %d edits, %+v", r.Edits, b)
	}
}

// write makes the files of a result, reads them back and verifies them.
func write(t *testing.T, r *Result, network string) {
	t.Helper()
	b := Record([]*Result{r}, Labels{Command: []string{"lars", "sim", "live"}, File: "plan.yaml", Text: crash})
	dir := filepath.Join(t.TempDir(), "result")
	if err := record.Write(dir, b, report.Derive); err != nil {
		t.Fatal(err)
	}
	if err := record.Verify(dir, report.Derive); err != nil {
		t.Error(err)
	}
	f, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	run := f.Run
	if run.Status != "valid" || len(run.Faults) != 7 || run.Scenario.Network != network || run.Scenario.Text != crash || run.Arm(r.Backend+".get_host") == nil {
		t.Errorf("%+v", run)
	}
	if arm := run.Arm(r.Backend); arm.Errors() != arm.Correctness.Sent-arm.Correctness.Acked || arm.Errors() == 0 {
		t.Errorf("%d errors of %+v", arm.Errors(), arm.Correctness)
	}
	served := int64(0)
	for _, in := range f.Logs[r.Backend] {
		for _, b := range in.Response {
			served += b.Count
		}
	}
	if want := run.Arm(r.Backend).Correctness.Acked; served != want {
		t.Errorf("the log has %d calls, %d were served", served, want)
	}
}

// A run that is stopped ends soon and leaves nothing.
func TestStopped(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	c := Config{Plan: decode(t, crash), Backend: "std", Open: backends.Open, Recovery: time.Hour, OnProgress: func(Progress) { cancel() }}
	if _, err := Run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for end := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

// What cannot be done live is refused with its place before anything starts.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		text, want string
		processes  bool
	}{
		{"faults:\n- {fault: off, target: dns, at: 1s, for: 1s}", "plan.yaml:2: faults[0].fault: off cannot be done live, only by 'lars sim virtual'; allowed: crash, hang,", false},
		{"faults:\n- {fault: clock, target: dns, at: 1s, for: 1s, by: 1h}", "", false},
		{"faults:\n- {fault: clock, target: dns, at: 1s, for: 1s, by: 1h}", "plan.yaml:2: faults[0].fault: clock of dns cannot be set with --processes", true},
		{"faults:\n- {fault: rollback, target: database, at: 1s, for: 1s}", "rollback cannot be done live", false},
		{"faults:\n- {fault: hang, target: agent 1, at: 1s, for: 1s}", "plan.yaml:2: faults[0].fault: hang of agent 1 needs --processes; allowed without: crash", false},
		{"faults:\n- {fault: hang, target: agent 1, at: 1s, for: 1s}", "", true},
		{"faults:\n- {fault: slow, target: dns, at: 1s, for: 1s, delay: 1s}", "plan.yaml:2: faults[0].fault: slow of dns needs --processes; allowed without: crash", false},
		{"faults:\n- {fault: slow, target: dns, at: 1s, for: 1s, delay: 1s}", "", true},
		{"faults:\n- {fault: crash, target: database, at: 1s, for: 1s}", "", false},
		{"faults:\n- {fault: crash, target: database, at: 1s, for: 1s}", "plan.yaml:2: faults[0].target: database cannot be disturbed with --processes", true},
		{"workload:\n  callers: {count: 51}", "plan.yaml:2: workload.callers.count: 51 is too many to run live; allowed: 1 to 50", false},
		{"workload:\n  modules: {count: 100, hosts: 11}", "plan.yaml:2: workload.modules: 1100 hosts", false},
		{"workload:\n  callers: {rate: 10000}", "plan.yaml:2: workload.callers.rate: 30000 calls a second", false},
		{"workload:\n  callers: {arrivals: steps, steps: [{at: 1s, rate: 10000}]}", "plan.yaml:2: workload.callers.rate: 30000 calls a second", false},
		{"workload:\n  callers: {arrivals: closed, clients: 10000}", "workload.callers.clients: 30000 clients", false},
	} {
		err := Check(decode(t, c.text), c.processes)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s, processes %v: %v; want %q", c.text, c.processes, err, c.want)
		}
		if c.processes || c.want == "" {
			continue
		}
		if _, err := Run(t.Context(), Config{Plan: decode(t, c.text)}); err == nil {
			t.Errorf("%s: it ran", c.text)
		}
	}
}

// After the last fault calls must go well, when they had the time to; no more
// than the workload lets them.
func TestRecovered(t *testing.T) {
	const bad = "workload:\n  hosts: {errors: 0.5}\n"
	for _, c := range []struct {
		plan     string
		recovery time.Duration
		results  [2]string // each of half the calls
		want     string
	}{
		{"name: a\n", recoveryDefault, [2]string{"", ""}, ""},
		{"name: a\n", recoveryDefault, [2]string{"", "late"}, "recovery: 50 of 100 calls failed after the last fault ([late])"},
		{bad, recoveryDefault, [2]string{"", "failed"}, ""},
		{bad, recoveryDefault, [2]string{"late", "failed"}, "100 of 100 calls failed"},
		{"name: a\n", settleFor - 1, [2]string{"late", "late"}, ""},
	} {
		r := newRun(Config{Plan: decode(t, c.plan), Seed: 1, Recovery: c.recovery})
		r.meter = newMeter(r.end, time.Now())
		for i := range 100 {
			r.ended(nil, outcome.Call{At: r.end - time.Second, Host: -1, Result: c.results[i%2]}, 0)
			r.ended(nil, outcome.Call{At: warmUp, Host: -1, Result: "late"}, 0) // too early to count
		}
		r.recovered()
		if got := fmt.Sprint(r.log.First); c.want == "" && r.log.Count > 0 || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %s", c, got)
		}
	}
	r := newRun(Config{Plan: decode(t, "name: a\n"), Recovery: recoveryDefault})
	if r.recovered(); r.log.Count != 1 {
		t.Errorf("no calls at all: %v", r.log.First)
	}
}

// An agent forgets no module that it had the time to keep, and no host starves
// once all is well for long enough.
func TestKnownAndShare(t *testing.T) {
	p := decode(t, "workload:\n  modules: {count: 1, hosts: 2}\n")
	r := newRun(Config{Plan: p, Recovery: 2 * starveAfter})
	r.meter = newMeter(r.end, time.Now())
	r.script, r.hosts = newScript(r), &hosts{pool: 2, all: []*host{{addr: netip.MustParseAddrPort("127.64.0.1:1")}, {addr: netip.MustParseAddrPort("127.64.0.2:1"), place: 1}}}
	r.editor = newEditor(r)
	c := &caller{r: r}
	r.routesAtFirst()
	r.noHost(c, 0) // not known yet
	r.picked(c, 0, r.hosts.at(0, 0).addr)
	r.killed(0, time.Second)
	r.noHost(c, 0) // no time to keep it
	if r.log.Count > 0 {
		t.Fatal(r.log.First)
	}
	r.picked(c, 0, r.hosts.at(0, 0).addr)
	r.killed(0, time.Hour)
	if r.noHost(c, 0); r.log.Count != 1 || r.log.First[0].Checker != "known" {
		t.Errorf("a module that was forgotten: %v", r.log.First)
	}
	for range 100 {
		r.ended(c, outcome.Call{At: r.end - time.Second, Host: 0}, 0)
	}
	if r.recovered(); r.log.Count != 2 || r.log.First[1].Checker != "share" {
		t.Errorf("one host alone gets calls: %v", r.log.First)
	}
}

// Drawn plans are such as can be run.
func TestChaos(t *testing.T) {
	for _, processes := range []bool{false, true} {
		kinds := map[fault.Kind]bool{}
		for seed := range uint64(100) {
			p := Chaos(seed, processes)
			if err := Check(p, processes); err != nil {
				t.Errorf("seed %d, processes %v: %v", seed, processes, err)
			}
			if len(p.Faults) == 0 {
				t.Errorf("seed %d, processes %v: no faults", seed, processes)
			}
			for _, f := range p.Faults {
				kinds[f.Kind] = true
			}
		}
		if len(kinds) < 12 || kinds[fault.Clock] == processes {
			t.Errorf("processes %v: only %v", processes, kinds)
		}
	}
}
