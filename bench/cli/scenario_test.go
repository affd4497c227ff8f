package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	open "lars/backends"
	"lars/bench/record"
	"lars/bench/scenario"
	"lars/internal/cli"
	"lars/system/store/mysql/mariadbtest"
)

// real are the backends of the project, whose servers this test binary can be.
func real() []Backend {
	var out []Backend
	for _, name := range open.Names() {
		out = append(out, Backend{Name: name})
	}
	return out
}

// moment runs a scenario for a moment and reads its result. When a busy machine
// gave a server no time at all in that moment, it is made again, longer.
func moment(t *testing.T, args ...string) (r *record.Run, out string) {
	t.Helper()
	const longest = 5 * time.Second
	for d := 60 * time.Millisecond; ; d *= 4 {
		r, out = momentOf(t, d, args...)
		idle := func(a record.Arm) bool { return a.Correctness != nil && a.Correctness.Acked == 0 }
		if d > longest || !slices.ContainsFunc(r.Arms, idle) {
			return r, out
		}
	}
}

func momentOf(t *testing.T, d time.Duration, args ...string) (*record.Run, string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	dir := filepath.Join(t.TempDir(), "result")
	var out, errs bytes.Buffer
	args = append(slices.Clip(args), "--duration", d.String(), "--warmup", "20ms", "--modules", "70", "--hosts", "4", "--out", dir)
	// 3 says that the machine was too busy, or more: see below.
	if code := cli.Main(Commands(real()).Run, &out, &errs, args); code != 0 && code != cli.ExitInvalid {
		t.Fatalf("code %d, %s%s", code, out.String(), errs.String())
	}
	r, err := record.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := record.Verify(dir); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	return r, out.String()
}

// right wants every arm to have answered, and nothing wrong. A request that a
// busy machine had no time for is no fault of the code under test.
func right(t *testing.T, r *record.Run, out string) {
	t.Helper()
	for _, a := range r.Arms {
		c := a.Correctness
		if c == nil || c.Sent == 0 || c.Acked == 0 || c.Duplicated+c.StaleRoutes != 0 || c.Lost != 0 && r.Scenario.Network != "udp" || c.Acked > c.Sent {
			t.Errorf("%s: %+v\n%s", a.Name, c, out)
			continue
		}
		for _, v := range c.Violations {
			if !strings.Contains(v, "in time") {
				t.Errorf("%s: %s", a.Name, v)
			}
		}
	}
}

// TestScenarios: every shipped file runs; one for each workload on each backend.
func TestScenarios(t *testing.T) {
	everywhere := []string{"echo", "echo-udp-open", "big", "churn", "idle", "slow", "gethost", "report", "mixed", "getroute-edits", "push", "reportstore"}
	for _, name := range scenario.Names() {
		t.Run(name, func(t *testing.T) {
			on := "std"
			switch every := slices.Contains(everywhere, name); {
			case testing.Short() && !every:
				t.Skip("one of each workload is enough")
			case testing.Short() || !every:
			case name == "slow":
				// This library reads also while it is told to pause, and needs
				// much more than what it has read.
				on = strings.Replace(strings.Join(open.Names(), ","), ",netpoll", "", 1)
			default:
				on = strings.Join(open.Names(), ",")
			}
			args := []string{"all", "--backends", on, "--scenario", name, "--repeat", "1", "--with-echo=false", "--conns", "4"}
			switch {
			case strings.HasPrefix(name, "idle"):
				args = append(args, "--idle", "40")
			case strings.HasPrefix(name, "slow"):
				args = append(args, "--stalled", "1")
			}
			r, out := moment(t, args...)
			right(t, r, out)
			s, err := scenario.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			got := r.Scenario
			if got.Name != name || got.Workload != s.Workload || got.File != s.File || got.SHA256 != s.SHA256 || got.Text != s.Text || got.Seed != s.Seed {
				t.Errorf("the result says %+v", got)
			}
			if (got.Mode == "open") != (s.Load.Rate > 0) || got.RateRPS != s.Load.Rate || !slices.Contains(got.Changed, "--conns") {
				t.Errorf("%s at %v, changed by %v", got.Mode, got.RateRPS, got.Changed)
			}
			stored := r.Arms[0].Correctness.Stored
			if (stored != nil) != (s.Workload == "reportstore") || stored != nil && *stored != r.Arms[0].Correctness.Sent {
				t.Errorf("stored %v of %+v", stored, r.Arms[0].Correctness)
			}
			beside := strings.HasPrefix(name, "idle") || strings.HasPrefix(name, "slow")
			if beside != strings.Contains(out, "times itself alone") || beside != (r.Arm("std-alone") != nil) {
				t.Errorf("beside: %s", out)
			}
		})
	}
}

// TestStoreOfAnother: reports into a database that is not emptied between runs.
func TestStoreOfAnother(t *testing.T) {
	if testing.Short() {
		t.Skip("starts MariaDB")
	}
	config := mariadbtest.Start(t).NewDatabase(t)
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(config.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "mysql://" + config.User + "@" + config.Addr + "/" + config.Database + "?password_file=" + secret
	for range 2 { // what the first has left there is not counted again
		r, out := moment(t, "run", "--backend", "std", "--scenario", "reportstore", "--conns", "2", "--repeat", "2", "--store", url)
		right(t, r, out)
		if c := r.Arms[0].Correctness; c.Stored == nil || *c.Stored != c.Sent || c.Lost != 0 {
			t.Errorf("%+v\n%s", c, out)
		}
	}
}

func TestScenarioFlags(t *testing.T) {
	mine := filepath.Join(t.TempDir(), "mine.yaml")
	text := "schema: lars.bench.scenario/v1\nname: mine\nabout: my own\nworkload: echo\nseed: 42\nrounds: 2\npayload_bytes: [10, 500]\n" +
		"load: {conns: 3, depth: 2, warmup: 0s, duration: 40ms, timeout: 3s}\n"
	if err := os.WriteFile(mine, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "result")
	code, stdout, stderr := lars("run", "--backend", "alpha", "--scenario", mine, "--seed", "7", "--out", out)
	if !measured(code) {
		t.Fatalf("code %d, %s%s", code, stdout, stderr)
	}
	r, err := record.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Scenario
	if s.Name != "mine" || s.File != mine || s.Seed != 7 || s.Conns != 3 || s.Depth != 2 || s.WarmupNS != 0 || s.DurationNS != 40e6 || s.TimeoutNS != 3e9 || r.Design.Rounds != 2 {
		t.Errorf("%+v, %d rounds", s, r.Design.Rounds)
	}
	if !slices.Equal(s.Changed, []string{"--seed"}) || !strings.Contains(stdout, "scenario mine of "+mine+", changed by --seed") {
		t.Errorf("changed by %v, %s", s.Changed, stdout)
	}
	if got := r.Arms[0].Rounds[0].Counts; got["bytes_out"] < 200*got["sent"] || got["bytes_out"] > 350*got["sent"] || s.RequestBytes < 500 {
		t.Errorf("frames of 27 and 517 bytes take turns: %v, %d", got, s.RequestBytes)
	}
	for _, c := range []struct{ args, want string }{
		{"run --scenario nope", "unknown scenario \"nope\": give the path of a file"},
		{"run --scenario ./nope.yaml", "no such file"},
		{"run --workload churn --depth 2", "churn makes one request"},
		{"run --workload churn --udp", "churn is over TCP"},
		{"run --workload slow --stalled 0", "choose 1 to"},
		{"run --edits 5", "for getroute"},
		{"run --store mysql://a@b:1/c", "for reportstore"},
		{"run --payload 5,x", "no number of bytes"},
		{"run --workload getroute --edits 5 --modules 1", "that is edited"},
		{"scenarios --show nope", "unknown scenario"},
	} {
		code, stdout, stderr := lars(strings.Fields(c.args)...)
		if code != cli.ExitUsage || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: code %d, %q, %q: want %q", c.args, code, stdout, stderr, c.want)
		}
	}
}

func TestScenariosCommand(t *testing.T) {
	_, stdout, _ := lars("scenarios")
	if !strings.Contains(stdout, "mixed ") || strings.Count(stdout, "\n") != len(scenario.Names()) {
		t.Errorf("%s", stdout)
	}
	_, stdout, _ = lars("scenarios", "--names")
	if strings.Fields(stdout)[0] != scenario.Names()[0] {
		t.Errorf("%s", stdout)
	}
	_, stdout, _ = lars("scenarios", "--show", "mixed")
	path := filepath.Join(t.TempDir(), "mixed.yaml")
	if err := os.WriteFile(path, []byte(stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := lars("scenarios", "--check", path); code != 0 || !strings.Contains(out, "right: mixed") {
		t.Errorf("code %d, %s%s", code, out, errs)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(stdout, "mix:", "mic:", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := lars("scenarios", "--check", path); code != 1 || !strings.Contains(errs, "mixed.yaml:12: mic: unknown key; allowed: schema") {
		t.Errorf("code %d, %s", code, errs)
	}
	if _, stdout, _ = lars("scenarios", "--schema"); stdout != string(scenario.JSONSchema()) {
		t.Errorf("%s", stdout)
	}
}
