package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lars/backends"
	"lars/bench/record"
	"lars/internal/cli"
	"lars/simulator/check"
	"lars/simulator/virtual"
)

func run(t *testing.T, args ...string) (stdout, message string, code int) {
	t.Helper()
	var out, msg bytes.Buffer
	original := func(_ context.Context, stdout, _ io.Writer, args []string) error {
		_, err := io.WriteString(stdout, "original "+strings.Join(args, " "))
		return err
	}
	err := Sim(original, Backends{Open: backends.Open, Names: backends.Names()})(t.Context(), &out, &msg, args)
	cli.Print(&msg, err)
	return out.String(), msg.String(), cli.Code(err)
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "plan.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestVirtual(t *testing.T) {
	out, msg, code := run(t, "virtual", "--plan", "none", "--seed", "5")
	for _, want := range []string{"plan none, seed 5: 1m29s of virtual time", "trace hash ", "all checks hold"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("code %d, %q: no %q in\n%s", code, msg, want, out)
		}
	}
	again, _, _ := run(t, "virtual", "--plan", "none", "--seed", "5", "--json")
	var r struct{ Hash, Replay string }
	if err := json.Unmarshal([]byte(again), &r); err != nil || !strings.Contains(out, r.Hash) || r.Replay != "lars sim virtual --plan none --seed 5" {
		t.Errorf("%v: %+v", err, r)
	}
	if out, msg, code := run(t, "virtual", "--plan", file(t, "workload: {callers: {rate: 5}}\n"), "--for", "2m"); code != 0 {
		t.Errorf("a file: code %d, %q\n%s", code, msg, out)
	}
}

// A broken promise is told with its trace and the command that shows it again.
func TestVirtualFails(t *testing.T) {
	// Hosts that cannot serve what comes break the promise of recovery.
	name := file(t, "workload: {hosts: {capacity: 1, mean: 200ms, wait_max: 0s}}\n")
	out, _, code := run(t, "virtual", "--plan", name, "--seed", "3")
	for _, want := range []string{"around the first violation:\n", " turn of loop 0", "recovery: ", "show it again: lars sim virtual --plan " + name + " --seed 3\n"} {
		if code != cli.ExitFailed || !strings.Contains(out, want) {
			t.Errorf("code %d, no %q in\n%s", code, want, out)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"virtual --plan nope", `no plan "nope"; shipped are alone,`},
		{"virtual --plan no/such.yaml", "no such file"},
		{"virtual --plan crash --for 10s", "--for 10s is too short: the plan crash and the checks after it need"},
		{"virtual --plan " + file(t, "faults: [{fault: crash, target: host 99, at: 1s, for: 1s}]\n"), "plan.yaml:1: faults[0].target: there is no host 99; allowed: 1 to 20"},
		{"live --plan rollback", "rollback.yaml:5: faults[1].fault: rollback cannot be done live"},
		{"live --plan " + file(t, "faults: [{fault: crash, target: host 99, at: 1s, for: 1s}]\n"), "plan.yaml:1: faults[0].target: there is no host 99"},
		{"live --backend nope", `backend "nope": want one of epoll,`},
		{"live --balance algorithm=nope", "flags of the agent: "},
		{"live --agent-flags --nope", "flags of the agent: "},
		{"live --dns-flags --nope=3", "flags of the dns: "},
		{"live --reporter-flags --nope=3", "flags of the reporter: "},
		{"live --network sctp", "want tcp or udp"},
		{"live --recovery 1ms", "want 1s to 1h0m0s"},
		{"agree --plan nope", `no plan "nope"; there are s14-flap,`},
		{"agree --backend nope", `backend "nope"`},
		{"agree --seeds 1", "1 seeds: want 2 to 1000"},
		{"agree --runs 0", "0 runs: want 1 to 20"},
		{"soak --for 0s", "want times above 0"},
		{"plans nope", `no plan "nope"`},
		{"nope", `unknown command "nope"`},
	} {
		if _, msg, code := run(t, strings.Fields(c.args)...); code != cli.ExitUsage || !strings.Contains(msg, c.want) {
			t.Errorf("%s: code %d, %q; want %q", c.args, code, msg, c.want)
		}
	}
}

func TestSoak(t *testing.T) {
	out, _, code := run(t, "soak", "--for", "5s", "--parallel", "2", "--first", "7")
	if code != 0 || !strings.Contains(out, " seeds, ") || !strings.Contains(out, "all checks hold") {
		t.Errorf("code %d\n%s", code, out)
	}
	out, stderr, code := run(t, "soak", "--for", "10ms", "--each", "200h")
	if code != 1 || strings.Contains(out, "all checks hold") || !strings.Contains(stderr, "no run came to its end in 10ms") {
		t.Errorf("without a whole run: code %d\n%s%s", code, out, stderr)
	}
}

func TestPlansAndSchema(t *testing.T) {
	out, _, _ := run(t, "plans")
	if !strings.Contains(out, "slow-host      One host") || !strings.Contains(out, "chaos ") {
		t.Error(out)
	}
	text, _, _ := run(t, "plans", "crash")
	if !strings.HasPrefix(text, "name: crash\n") {
		t.Error(text)
	}
	out, _, _ = run(t, "schema")
	if !json.Valid([]byte(out)) {
		t.Error(out)
	}
}

func TestOriginalsForm(t *testing.T) {
	if out, _, _ := run(t, "1", "1", "2", "100"); out != "original 1 1 2 100" {
		t.Error(out)
	}
	for _, name := range []string{"live", "agree", "virtual", "soak", "plans", "schema"} {
		if out, _, code := run(t, name, "--help"); code != 0 || !strings.Contains(out, "Usage: lars sim "+name) || !strings.Contains(out, "Examples:") {
			t.Errorf("%s: %d\n%s", name, code, out)
		}
	}
}

// A live run prints phases and figures, and its result can be read.
func TestLive(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as its plan")
	}
	name := file(t, "workload: {callers: {timeout: 5s, patience: 20s}, hosts: {errors: 0, errors_at_capacity: 0}}\n"+
		"faults: [{fault: slow, target: host 1, at: 2500ms, for: 500ms, factor: 3}]\n")
	dir := filepath.Join(t.TempDir(), "result")
	out, msg, code := run(t, "live", "--plan", name, "--recovery", "1s", "--backend", "std", "--out", dir)
	for _, want := range []string{"baseline", "slow of host 1", "all checks hold", "files: " + dir} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("code %d, %q: no %q in\n%s", code, msg, want, out)
		}
	}
	f, err := record.Open(dir)
	if err != nil || len(f.Run.Faults) != 1 || f.Run.Scenario.File != "plan.yaml" || f.Run.Status != "valid" {
		t.Errorf("%v", err)
	}
	if _, msg, code := run(t, "live", "--plan", name, "--out", dir); code != cli.ExitUsage || !strings.Contains(msg, "holds a result already") {
		t.Errorf("code %d, %q", code, msg)
	}
}

// What is wrong and how to see it again come before the long trace, and the
// latter after it, too.
func TestExplain(t *testing.T) {
	var b strings.Builder
	explain(&b, &options{plan: "crash", seed: 7}, &virtual.Result{
		Failures: 3, Trace: "a long trace\n", Violations: []check.Violation{{Checker: "known", Text: "forgotten"}},
	})
	wrong, again, trace := strings.Index(b.String(), "known: forgotten"), "lars sim virtual --plan crash --seed 7\n", strings.Index(b.String(), "a long trace")
	if first := strings.Index(b.String(), again); wrong < 0 || wrong > first || first > trace || !strings.HasSuffix(b.String(), again) {
		t.Error(b.String())
	}
}
