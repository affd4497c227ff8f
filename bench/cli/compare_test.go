package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lars/bench/record"
)

// pairArgs is a comparison as short as the rule allows.
func pairArgs(args ...string) []string {
	return append([]string{"compare", "--epochs", "9", "--slices", "2", "--slice", "50ms", "--warmup", "10ms", "--conns", "4", "--rate", "400"}, args...)
}

func TestCompare(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "result")
	code, stdout, stderr := lars(pairArgs("--a", "alpha", "--b", "beta", "--out", dir)...)
	if !measured(code) || stderr != "" {
		t.Fatalf("code %d, %s, %s", code, stdout, stderr)
	}
	for _, want := range []string{"beta beside alpha: ", "request duet, ", " of 2 slices after 10ms of warm-up, 4 connections: with a rate given", "note: how often such a verdict is wrong on this class of machine", "verdict: ", "files: " + dir} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output lacks %q:\n%s", want, stdout)
		}
	}
	if code == 0 {
		for _, want := range []string{"alpha", "times", "MDE", "server CPU", "µs/req", "wire"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("the output lacks %q:\n%s", want, stdout)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, record.RunFile)); err != nil {
		t.Error(err)
	}
}

// TestCompareCommands: the same binary on both sides, of another program than
// this one as far as the command knows.
func TestCompareCommands(t *testing.T) {
	code, stdout, stderr := lars(pairArgs("--a-bin", os.Args[0]+" serve echo", "--b-bin", os.Args[0], "--backend", "alpha", "--json", "--out", "none")...)
	if !measured(code) {
		t.Fatalf("code %d, %s", code, stderr)
	}
	r, err := record.Parse([]byte(stdout))
	if err != nil {
		t.Fatal(err)
	}
	c := r.Comparison
	if c == nil || c.B != c.A+"-2" || len(c.Epochs) < 9 && code == 0 || r.Arms[1].Command[0] != os.Args[0] {
		t.Errorf("%+v, arms %+v", c, r.Arms)
	}
}

// made is a comparison with one metric of each kind.
func made() *record.Run {
	low, high, mde, one := 1.1, 1.3, 0.04, 1.0
	return &record.Run{
		Status: "degraded", Reasons: []record.Reason{{Status: "degraded", Text: "why"}}, Notes: []string{"said before"},
		Scenario: record.Scenario{Conns: 50, WarmupNS: 2e9},
		Arms: []record.Arm{{Name: "old", Rounds: []record.RoundInfo{{
			Counts: map[string]int64{"completed": 600}, Generator: record.GeneratorInfo{CPUNS: 2e6, Switches: 500, Wakeups: 100, Events: 300},
		}}}, {Name: "new", Rounds: []record.RoundInfo{{Counts: map[string]int64{"completed": 400}}}, Syscalls: &record.Syscalls{Total: 300, PerRequest: 3, Tool: "perf", ByName: map[string]int64{"read": 100, "epoll_pwait": 200}}}},
		Comparison: &record.Comparison{
			A: "old", B: "new", Design: record.DesignProcessDuet, DesignReason: "because", Verdict: record.VerdictRegressed,
			Epochs: []record.Epoch{{Slices: make([]record.PairedSlice, 16)}},
			Metrics: []record.ComparedMetric{
				{Name: "server_cpu", Unit: "ns/op", Gated: true, A: 5000, B: 6000, Difference: 1000, Ratio: 1.2, Low: &low, High: &high, Confidence: 0.983, MDE: &mde, Verdict: record.VerdictRegressed},
				{Name: "allocs", Unit: "allocs/op", Gated: true, A: 0.07, Difference: -0.07, Ratio: 1, Low: &one, High: &one, Confidence: 0.99, Verdict: record.VerdictEquivalent},
				{Name: "switches", Unit: "switches/op", A: 0.5, B: 0.499, Difference: -0.001, Ratio: 0.998, Verdict: record.VerdictInformative},
			},
		},
	}
}

func TestPairText(t *testing.T) {
	text := pairText(made())
	for _, want := range []string{
		"new beside old: regressed\nprocess duet, 1 epoch of 16 slices after 2s of warm-up, 50 connections: because\n",
		"server CPU   µs/req    5.00   6.00        +1.00   1.200       1.100–1.300   4.0 %    regressed\n",
		"switches     per req   0.50   0.50            0   0.998                 –       –          (…)\n",
		"allocations  per req   0.07      0        -0.07       –         too small       –   equivalent\n",
		"98.3 % interval", "new: 3.00 system calls per request (perf): epoll_pwait 2.00, read 1.00\n", "generator: 2.00 µs of CPU and 0.50 switches per request, 3.00 events per wake-up\n", "note: said before\n", "verdict: degraded\n  - why\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	text = pairMarkdown(made())
	for _, want := range []string{
		"**new beside old: regressed**\n", "| server CPU | µs/req | 5.00 | 6.00 | +1.00 | 1.200 | 1.100–1.300 | 4.0 % | regressed |\n", "- degraded: why\n", "Note: said before.\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the Markdown lacks %q:\n%s", want, text)
		}
	}
	invalid := made()
	invalid.Comparison.Verdict = record.VerdictInvalid
	for _, text := range []string{pairText(invalid), pairMarkdown(invalid)} {
		if strings.Contains(text, "1.200") || strings.Contains(text, "server CPU") {
			t.Errorf("an invalid comparison shows figures:\n%s", text)
		}
	}
}
