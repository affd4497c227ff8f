package results

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lars/bench/record"
	"lars/bench/report"
)

// made is a run whose arms take so many times the CPU of the first, round by
// round with some noise.
func made(scenario, day string, rounds int, noise float64, times map[string]float64, order ...string) *record.Run {
	r := &record.Run{
		Schema: record.Schema, ID: day + "-" + scenario, Kind: "compare", Status: "valid", Reasons: []record.Reason{},
		Started: day + "T12:00:00Z", DurationNS: 1e9, Tool: record.Tool{Go: "go1.26"},
		Machine:  record.Machine{ID: "m1", OS: "linux", Arch: "amd64", CPU: "some|cpu", CPUs: 2, Kernel: "6.18"},
		Scenario: record.Scenario{Name: scenario, Network: "tcp", Mode: "closed", Conns: 100, Depth: 1, DurationNS: 1e9},
		Design:   record.Design{Rounds: rounds, Baseline: order[0], Confidence: 0.95},
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for _, name := range order {
		a := record.Arm{Name: name, StandIns: []string{}, Latency: []record.Latency{}, Rounds: []record.RoundInfo{}}
		m := record.Metric{Name: "server_cpu", Unit: "ns/op", Better: "lower", Value: 5000 * times[name]}
		for k := range rounds {
			m.Samples = append(m.Samples, record.Sample{Round: k, Value: m.Value * (1 + noise*(rng.Float64()-0.5))})
		}
		a.Metrics = []record.Metric{m}
		r.Arms = append(r.Arms, a)
	}
	return r
}

func TestAnswer(t *testing.T) {
	cpu := questions(made("x", "2026-01-01", 1, 0, nil, "a"))[0]
	for _, c := range []struct {
		name string
		run  *record.Run
		want string
	}{
		{
			"clear", made("x", "2026-01-01", 8, 0.02, map[string]float64{"floor": 0.5, "epoll": 1, "std": 1.3, "evio": 1.01}, "floor", "epoll", "std", "evio"),
			"lowest with epoll; evio is indistinguishable from it. std takes 1.28 to 1.30 times that.",
		},
		{"no difference", made("x", "2026-01-01", 8, 0.3, map[string]float64{"epoll": 1, "std": 1.02}, "epoll", "std"), "epoll and std could not be told apart; a difference of up to 1.19 times could have stayed unseen."},
		{"the same", made("x", "2026-01-01", 8, 0.02, map[string]float64{"epoll": 1, "std": 1.02}, "epoll", "std"), "it does not matter: epoll and std are within 10 % of each other."},
		{"too few", made("x", "2026-01-01", 3, 0.02, map[string]float64{"epoll": 1, "std": 2}, "epoll", "std"), "too few rounds for an answer (6 are needed)."},
		{"beside itself alone", made("x", "2026-01-01", 8, 0.02, map[string]float64{"epoll": 1, "epoll-alone": 0.5, "std": 2}, "epoll", "epoll-alone", "std"), "lowest with epoll. std takes 1.97 to 2.01 times that."},
		{"beside its echo", made("x", "2026-01-01", 8, 0.02, map[string]float64{"epoll": 1, "epoll-echo": 0.5, "std": 2}, "epoll", "epoll-echo", "std"), "lowest with epoll. std takes 1.97 to 2.01 times that."},
	} {
		if f, ok := answer(c.run, cpu); !ok || f.Text != c.want {
			t.Errorf("%s: %q, want %q", c.name, f.Text, c.want)
		}
	}
	if _, ok := answer(made("x", "2026-01-01", 8, 0, map[string]float64{"floor": 1, "epoll": 1}, "floor", "epoll"), cpu); ok {
		t.Error("one backend was compared with itself")
	}
}

func TestPages(t *testing.T) {
	invalid := made("churn", "2026-03-02", 8, 0, map[string]float64{"epoll": 9, "std": 1}, "epoll", "std")
	invalid.Status = "invalid"
	invalid.Reasons = []record.Reason{{Status: "degraded", Text: "the machine was busy"}, {Status: "invalid", Text: "std: it grew <b>"}}
	elsewhere := made("echo", "2026-02-01", 8, 0, map[string]float64{"epoll": 1, "std": 2}, "epoll", "std")
	elsewhere.Machine = record.Machine{ID: "m2", OS: "linux", Arch: "arm64", CPUs: 64}
	entries := []Entry{
		{"2026/01/old", made("echo", "2026-01-01", 8, 0, map[string]float64{"epoll": 2, "std": 1}, "epoll", "std")},
		{"2026/02/elsewhere", elsewhere},
		{"2026/03/new", made("echo", "2026-03-01", 8, 0.01, map[string]float64{"epoll": 1, "std": 1.5}, "epoll", "std")},
		{"2026/03/same", made("idle", "2026-03-01", 8, 0.01, map[string]float64{"epoll": 1, "std": 1.01}, "epoll", "std")},
		{"2026/03/bad", invalid},
	}
	pages, err := Pages(entries)
	if err != nil {
		t.Fatal(err)
	}
	readme, index := string(pages[ReadmeFile]), string(pages[IndexFile])
	for _, want := range []string{
		"## On 2 processors, some\\|cpu, kernel 6.18", "| epoll | 2 of 2 |", "| std | 1 of 2 |", "std takes 1.49 to 1.51 times that", "**Where it does not matter**: idle (server CPU per request)",
		"(2026/03/new/report.html)", "Older runs: [2026-01-01-echo](2026/01/old/run.json)", "* churn, [2026-03-02-churn](2026/03/bad/run.json): std: it grew &lt;b>\n", "## On 64 processors", "of the 2\ncomparisons",
	} {
		if !strings.Contains(readme, want) {
			t.Errorf("README.md lacks %q:\n%s", want, readme)
		}
	}
	if strings.Contains(readme, "### churn") || strings.Count(readme, "### echo") != 2 {
		t.Errorf("an invalid or older run was used:\n%s", readme)
	}
	for _, want := range []string{`<section id="echo">`, "std takes 1.49 to 1.51 times that", `href="2026/03/new/report.html"`, "2 of 2", "</a>: std: it grew &lt;b&gt;</li>"} {
		if !strings.Contains(index, want) {
			t.Errorf("index.html lacks %q", want)
		}
	}
}

// TestHostile: what a file says stays text.
func TestHostile(t *testing.T) {
	r := made("<script>x", "2026-03-01", 8, 0, map[string]float64{"a": 1, "b": 2}, "a", "b")
	r.Machine.CPU = "x](http://192.0.2.1) | <img src=x>\n# title"
	pages, err := Pages([]Entry{{"p", r}})
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]string{ReadmeFile: {"<script", "<img", "x](http", "\n# title"}, IndexFile: {"<script", "<img"}} {
		for _, markup := range bad {
			if strings.Contains(string(pages[name]), markup) {
				t.Errorf("%s has %q", name, markup)
			}
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	ok := func(string) error { return nil }
	if _, err := Load(dir, ok); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), dir) {
		t.Errorf("an empty folder: %v", err)
	}
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for k := range 3 {
		r := made(fmt.Sprint("s", k), at.AddDate(0, 0, -k).Format("2006-01-02"), 6, 0, map[string]float64{"a": 1}, "a")
		if err := record.Write(filepath.Join(dir, "2026", "03", fmt.Sprint(k)), &record.Bundle{Run: *r}); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := Load(dir, func(dir string) error { return record.Verify(dir) })
	if err != nil || len(entries) != 3 || entries[0].Path != "2026/03/2" || entries[2].Run.Scenario.Name != "s0" {
		t.Errorf("%v, %v", entries, err)
	}
	broken := filepath.Join(dir, "2026", "03", "1", record.BenchFile)
	if err := os.WriteFile(broken, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, func(dir string) error { return record.Verify(dir) }); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("a broken result: %v", err)
	}
}

// TestCommitted: the results of this repository are whole, and its pages say
// what is in them.
func TestCommitted(t *testing.T) {
	const dir = "../../results"
	entries, err := Load(dir, func(dir string) error { return record.Verify(dir, report.Derive) })
	if errors.Is(err, ErrNone) {
		t.Skip("none yet: make baselines")
	}
	if err != nil {
		t.Fatalf("%v\nafter a change of the pages: lars bench render results && lars bench index results", err)
	}
	for _, e := range entries {
		f, err := record.Open(filepath.Join(dir, filepath.FromSlash(e.Path)))
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(f); err != nil {
			t.Errorf("%s: %v", e.Path, err)
		}
	}
	learned, err := LoadLearned(dir)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := Pages(entries, learned...)
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range pages {
		if have, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(have) != string(page) {
			t.Errorf("%s is not what the runs say (%v): lars bench index results", name, err)
		}
	}
}

// TestLearned: the pages say what a verdict is worth, from the file of the
// self-test, and a broken one is told by its name.
func TestLearned(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "baselines", "some-class", record.NoiseFile)
	n := &record.Noise{
		Schema: record.NoiseSchema, Class: "some-class", Machine: record.NoiseMachine{CPUs: 2, Arch: "amd64"}, Learned: "2026-03-01T12:00:00Z",
		Settings: "request duet", Rule: "r", Stages: []int{12}, Audits: []record.Audit{},
		Subjects: []record.NoiseSubject{{
			Name: "epoll", Epochs: make([]record.NoiseEpoch, 60), Injected: []record.InjectedKind{}, FalseAlarms: record.NoiseRate{Count: 1, Trials: 1000, Rate: 0.001, High: 0.006},
			Metrics: []record.NoiseMetric{{Name: "server_cpu", Unit: "ns/req", SD: 0.02, Floor: 0.02, Power: []record.NoisePower{{Effect: 0.05, Found: record.NoiseRate{Count: 98, Trials: 100, Rate: 0.98, Low: 0.9, High: 0.99}}}}},
		}},
	}
	for i := range n.Subjects[0].Epochs {
		n.Subjects[0].Epochs[i].Ratios = map[string]float64{"server_cpu": 0}
	}
	if err := record.WriteNoise(file, n); err != nil {
		t.Fatal(err)
	}
	learned, err := LoadLearned(dir)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := Pages([]Entry{{"p", made("echo", "2026-03-01", 8, 0.01, map[string]float64{"a": 1, "b": 2}, "a", "b")}}, learned...)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ReadmeFile, IndexFile} {
		for _, want := range []string{"on epoll, with 60 epochs of two identical programs, the gate raises a false alarm in 0.1 % (at most 0.6 %) and finds a true 5 % of CPU time in 98 %", "baselines/some-class/selftest.txt"} {
			if !strings.Contains(string(pages[name]), want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadLearned(dir); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a broken file: %v", err)
	}
}
