package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lars/bench/compare"
	"lars/bench/gate"
	"lars/bench/proc"
	"lars/bench/record"
	"lars/bench/stats"
	"lars/internal/cli"
)

// small is a duet that a busy machine can do in a moment.
func small() *duet {
	d := &duet{}
	d.addFlags(cli.NewFlags("test", "", ""))
	d.rate, d.conns, d.slices, d.slice, d.warmup = 400, 4, 8, 50*time.Millisecond, 50*time.Millisecond
	return d
}

// TestInjectedCounts measures the real server beside itself with eight
// allocations more for each request: the count tells, exactly, and on copies of
// itself it does not.
func TestInjectedCounts(t *testing.T) {
	known := map[string]gate.Known{}
	for inject, want := range map[string]stats.Verdict{"": stats.Equivalent, "alloc:8": stats.Regressed} {
		d := small()
		a, err1 := d.target("a", os.Args[0], "epoll", "")
		b, err2 := d.target("b", os.Args[0], "epoll", inject)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		var epochs []gate.Epoch
		for len(epochs) < 3 { // a busy machine ends a batch early; what is counted holds
			batch, err := d.measure(t.Context(), a, b, 3, func(compare.Progress) {})
			if err != nil || len(batch.Epochs) == 0 || len(batch.Faults) > 0 {
				t.Fatalf("%+v, %v", batch, err)
			}
			epochs = append(epochs, batch.Epochs...)
		}
		for _, o := range gate.Decide(gate.Metrics(), known, [][]gate.Epoch{epochs}) {
			switch o.Metric.Name {
			case gate.Allocs:
				added := map[string]float64{"": 0, "alloc:8": 8}[inject]
				// The question for the counters itself allocates a little.
				if o.Verdict != want && added > 0 || math.Abs(o.B-o.A-added) > 0.5 {
					t.Errorf("%q: %s, allocations %v and %v", inject, o.Verdict, o.A, o.B)
				}
			case gate.AllocBytes:
				if added := map[string]float64{"": 0, "alloc:8": 2048}[inject]; math.Abs(o.B-o.A-added) > 200 {
					t.Errorf("%q: bytes allocated %v and %v", inject, o.A, o.B)
				}
			case gate.WireBytes:
				if o.Verdict != stats.Equivalent || o.A != o.B || o.A < 40 {
					t.Errorf("%q: wire bytes %v and %v: %s", inject, o.A, o.B, o.Verdict)
				}
			}
		}
	}
}

// TestSelftest is the command, on too few epochs to be of use: it says so, and
// keeps them. The stopped server and the stopped generator are in the figures.
func TestSelftest(t *testing.T) {
	dir := t.TempDir()
	var out, errs bytes.Buffer
	args := strings.Fields("selftest --backends epoll --epochs 1 --inject alloc:8 --rate 400 --conns 4 --slices 8 --slice 50ms --warmup 50ms --results " + dir)
	commands := Commands([]Backend{{Name: "epoll"}})
	err := commands.Run(t.Context(), &out, &errs, args)
	if err != nil && strings.Contains(err.Error(), "nothing was learned") {
		t.Skip("this machine is too busy for one epoch")
	}
	if cli.Code(err) != cli.ExitFailed || !strings.Contains(errs.String(), "too few to learn from") {
		t.Fatalf("%v\n%s", err, &errs)
	}
	class := filepath.Join(dir, baselinesDir, proc.ReadMachine().Class())
	d := small()
	n, err := record.ReadNoise(filepath.Join(class, d.learnedAs(record.NoiseFile)))
	if err != nil || len(n.Subjects) != 1 || n.Subjects[0].Name != "epoll" || len(n.Audits) != 2 {
		t.Fatalf("%+v, %v", n, err)
	}
	for _, a := range n.Audits {
		if !a.Passed {
			t.Errorf("%+v", a)
		}
	}
	for file, want := range map[string]string{selftestText: "what catches what", selftestPicture: "<svg"} {
		raw, err := os.ReadFile(filepath.Join(class, d.learnedAs(file)))
		if err != nil || !strings.Contains(string(raw), want) {
			t.Errorf("%s: %v, no %q", file, err, want)
		}
	}
	if !strings.Contains(out.String(), n.Class) {
		t.Errorf("no %s:\n%s", n.Class, &out)
	}
}

// TestKnowsMore: a shorter self-test takes nothing away from the gate.
func TestKnowsMore(t *testing.T) {
	read := func(change func(*record.Noise)) *record.Noise {
		n, err := record.ReadNoise(filepath.Join(learned(t, change), baselinesDir, proc.ReadMachine().Class(), record.NoiseFile))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	old := read(nil)
	few := func(n *record.Noise) { n.Subjects[0].Epochs = n.Subjects[0].Epochs[1:] }
	for name, c := range map[string]struct {
		change func(*record.Noise)
		want   bool
	}{
		"the same":      {nil, false},
		"partial":       {func(n *record.Noise) { n.Partial = true }, true},
		"fewer epochs":  {few, true},
		"other backend": {func(n *record.Noise) { n.Subjects[0].Name = "std" }, true},
		"other rule":    {func(n *record.Noise) { few(n); n.Rule = "dice" }, false},
	} {
		if got := knowsMore(old, read(c.change)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if knowsMore(read(few), old) {
		t.Error("more is not taken for less")
	}
}

// learned writes noise of this machine, as a self-test would, and returns the
// folder of results.
func learned(t *testing.T, change func(*record.Noise)) string {
	t.Helper()
	d := &duet{}
	d.addFlags(cli.NewFlags("test", "", ""))
	epochs := make([]record.NoiseEpoch, gate.EpochsLearnMin)
	for i := range epochs {
		epochs[i].Ratios = map[string]float64{gate.ServerCPU: 0}
	}
	n := &record.Noise{
		Schema: record.NoiseSchema, Class: proc.ReadMachine().Class(), Settings: d.settings(), Rule: stats.RuleVersion, Stages: gate.PlanDefault(),
		Machine: record.NoiseMachine{CPUs: 2, Arch: "amd64"}, Learned: "2026-11-26T10:00:00Z", Audits: []record.Audit{},
		Subjects: []record.NoiseSubject{{
			Name: "epoll", Epochs: epochs, Injected: []record.InjectedKind{},
			FalseAlarms: record.NoiseRate{Trials: 1000, High: 0.004}, Metrics: []record.NoiseMetric{{Name: gate.ServerCPU, Unit: "ns/req", Floor: 0.02}},
		}},
	}
	dir := t.TempDir()
	class := n.Class
	if change != nil {
		change(n)
	}
	if err := record.WriteNoise(filepath.Join(dir, baselinesDir, class, record.NoiseFile), n); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestLearnedNote: a comparison quotes what was learned, or says that nothing
// was.
func TestLearnedNote(t *testing.T) {
	known := learned(t, func(n *record.Noise) {
		n.Subjects[0].Metrics[0].SD = 0.021
		n.Subjects[0].Metrics[0].Power = []record.NoisePower{{Effect: gate.FivePercent, Found: record.NoiseRate{Count: 970, Trials: 1000, Rate: 0.97, Low: 0.95, High: 0.98}}}
	})
	broken := learned(t, nil)
	if err := os.WriteFile(filepath.Join(broken, baselinesDir, proc.ReadMachine().Class(), record.NoiseFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ results, backend, want string }{
		"known":           {known, "epoll", "servers on epoll, by the gate (request duet"},
		"its figures":     {known, "epoll", "false alarms 0 % (at most 0.4 %); of server_cpu single epochs differ by 2.1 % and a true 5 % is found with 97 %"},
		"another backend": {known, "std", "servers on epoll"},
		"nothing learned": {t.TempDir(), "epoll", "was not learned: lars bench selftest does"},
		"broken":          {broken, "epoll", "learn it again with lars bench selftest"},
	} {
		if got := learnedNote(c.results, c.backend); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q lacks %q", name, got, c.want)
		}
	}
}

// verdict runs the gate and returns its JSON.
func verdict(t *testing.T, results string, args ...string) (record.Gate, error) {
	t.Helper()
	var out, errs bytes.Buffer
	file := filepath.Join(t.TempDir(), "deep", "gate.json")
	markdown := filepath.Join(t.TempDir(), "gate.md")
	args = append([]string{"gate", "--json", "--backends", "epoll", "--results", results, "--out", file, "--markdown", markdown}, args...)
	err := Commands([]Backend{{Name: "epoll"}}).Run(t.Context(), &out, &errs, args)
	var g record.Gate
	raw, rerr := os.ReadFile(file)
	if rerr != nil {
		t.Fatalf("%v, %v\n%s", rerr, err, &errs)
	}
	if jerr := json.Unmarshal(out.Bytes(), &g); jerr != nil || string(raw) != out.String() {
		t.Fatalf("%v: printed and written verdict differ\n%s", jerr, &out)
	}
	if g.Exit != cli.Code(err) && err != nil || g.Schema != record.GateSchema || len(g.Reasons) == 0 {
		t.Errorf("%+v, %v", g, err)
	}
	if md, _ := os.ReadFile(markdown); !strings.Contains(string(md), "### lars bench gate") {
		t.Errorf("Markdown:\n%s", md)
	}
	return g, err
}

// TestGateRefuses: bad input gets exit code 2, the name of the file and a
// remedy, and never a figure.
func TestGateRefuses(t *testing.T) {
	broken := t.TempDir()
	file := filepath.Join(broken, baselinesDir, proc.ReadMachine().Class(), record.NoiseFile)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(`{"schema":"lars.bench.noise/v9"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		results string
		args    []string
		want    []string
	}{
		"nothing learned": {t.TempDir(), nil, []string{"lars bench selftest", record.NoiseFile}},
		"other schema":    {broken, nil, []string{file, "noise/v9", "lars bench selftest"}},
		"other class":     {learned(t, func(n *record.Noise) { n.Class = "vax" }), nil, []string{"learned on vax", "lars bench selftest"}},
		"other settings":  {learned(t, func(n *record.Noise) { n.Settings = "dice" }), nil, []string{"other settings", "dice", "8000/s"}},
		"other rate":      {learned(t, nil), []string{"--rate", "500"}, []string{"these settings", "noise-", "lars bench selftest"}},
		"other rule":      {learned(t, func(n *record.Noise) { n.Rule = "dice" }), nil, []string{"rule dice"}},
		"no time":         {learned(t, nil), []string{"--for", "1s"}, []string{"--for 1s is too short", "44.4s"}},
		"few epochs":      {learned(t, func(n *record.Noise) { n.Subjects[0].Epochs = n.Subjects[0].Epochs[:5] }), nil, []string{"5 epochs, too few"}},
		"no baseline":     {learned(t, nil), nil, []string{"BASELINE", "--base"}},
		"no such base":    {learned(t, nil), []string{"--base", strings.Repeat("12", 20)}, []string{"not in this clone", "--unshallow"}},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := verdict(t, c.results, c.args...)
			if g.Verdict != record.GateInconclusive || cli.Code(err) != cli.ExitUsage || len(g.Subjects) > 0 {
				t.Errorf("%+v, %v", g, err)
			}
			for _, want := range c.want {
				if !strings.Contains(g.Reasons[0], want) {
					t.Errorf("no %q in %q", want, g.Reasons)
				}
			}
		})
	}
}

// repository makes one of a small program and enters it.
func repository(t *testing.T, source string) (commit func(source string) string) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for _, v := range []string{"GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"} {
		t.Setenv(v, "t")
	}
	for _, v := range []string{"GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"} {
		t.Setenv(v, "t@localhost")
	}
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("git", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "--quiet")
	write("go.mod", "module tiny\n\ngo 1.26\n")
	commit = func(source string) string {
		write("main.go", source)
		git("add", "--all")
		git("commit", "--quiet", "--allow-empty", "-m", "x")
		return git("rev-parse", "HEAD")
	}
	commit(source)
	return commit
}

const tiny = "package main\n\nfunc main() {}\n"

func TestGateSamePrograms(t *testing.T) {
	results := learned(t, nil)
	base := repository(t, tiny)(tiny + "\n// A comment.\n")
	if err := os.WriteFile(filepath.Join(results, baselineFile), []byte("# accepted\n"+base+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("main.go", []byte(tiny+"\n// Another, in no commit.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := verdict(t, results)
	if err != nil || g.Verdict != record.GatePass || g.Base.Commit != base || g.Head.Commit == base || !strings.Contains(g.Reasons[0], "same program") {
		t.Errorf("%+v, %v", g, err)
	}
	if raw, _ := os.ReadFile("main.go"); !strings.Contains(string(raw), "in no commit") {
		t.Error("the working tree was touched")
	}
}

// TestGateInterrupted: wherever Ctrl-C comes, also while it builds.
func TestGateInterrupted(t *testing.T) {
	results := learned(t, nil)
	repository(t, tiny)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	err := Commands([]Backend{{Name: "epoll"}}).Run(ctx, &out, &errs, []string{"gate", "--backends", "epoll", "--results", results, "--base", "HEAD"})
	if cli.Code(err) != cli.ExitUsage || !strings.Contains(out.String(), "  - interrupted\n") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestGateBaseDoesNotBuild(t *testing.T) {
	results := learned(t, nil)
	commit := repository(t, "package main\n\nfunc main() { broken }\n")
	commit(tiny)
	g, err := verdict(t, results, "--base", "HEAD~1", "--head", "HEAD")
	if g.Verdict != record.GateInconclusive || cli.Code(err) != cli.ExitUsage || !strings.Contains(g.Reasons[0], "does not build") || !strings.Contains(g.Reasons[0], "broken") {
		t.Errorf("%+v, %v", g, err)
	}
}

// TestGateFiles: a verdict that cannot be written is known before minutes are
// spent on it, and is never the exit code of a regression.
func TestGateFiles(t *testing.T) {
	in := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(in, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--out", "--markdown"} {
		var out bytes.Buffer
		err := Commands([]Backend{{Name: "epoll"}}).Run(t.Context(), &out, &out, []string{"gate", "--backends", "epoll", "--results", learned(t, nil), flag, filepath.Join(in, "below")})
		if cli.Code(err) != exitGateUsage || !strings.Contains(err.Error(), flag) || !strings.Contains(err.Error(), "can be written") {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

func TestReadBaseline(t *testing.T) {
	good := strings.Repeat("ab", 20)
	for text, want := range map[string]string{
		good + "\n":                       good,
		"# why\n\n  " + good + "  \n# ok": good,
		"":                                "names no commit",
		"main\n":                          ":1: \"main\" is no full hash",
		"#x\n" + good[:10] + "\n":         ":2: ",
		good + "\n" + good + "\n":         ":2: a second commit",
	} {
		path := filepath.Join(t.TempDir(), baselineFile)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readBaseline(path)
		if got != want && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func FuzzParseBaseline(f *testing.F) {
	f.Add("# why\n" + strings.Repeat("ab", 20) + "\n")
	f.Add("main")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parseBaseline("x", text); (err == nil) != hash.MatchString(got) {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestDuetFlags(t *testing.T) {
	for _, args := range []string{"--backends nope", "--rate 1", "--slices 7", "--slice 1ms", "--payload -1", "--warmup -1s", "--conns 0", "--scenario nope", "--scenario mixed", "--workload push", "--workload gethost --payload 5", "--workload getroute --udp"} {
		for command, code := range map[string]int{"gate": exitGateUsage, "selftest": cli.ExitUsage} {
			err := Commands([]Backend{{Name: "epoll"}, {Name: "std"}}).Run(t.Context(), &bytes.Buffer{}, &bytes.Buffer{}, append([]string{command}, strings.Fields(args)...))
			if cli.Code(err) != code || !strings.Contains(err.Error(), "--help") {
				t.Errorf("%s %s: %v", command, args, err)
			}
		}
	}
}

// TestDuetScenario: a scenario says what no flag does.
func TestDuetScenario(t *testing.T) {
	d := &duet{}
	f := cli.NewFlags("test", "", "")
	d.addFlags(f)
	if _, err := f.Parse(&bytes.Buffer{}, []string{"--scenario", "echo-udp-open", "--conns", "3"}); err != nil {
		t.Fatal(err)
	}
	usual := small()
	if _, err := d.check([]string{"epoll", "std"}); err != nil || !d.udp || d.conns != 3 || d.rate == 8000 {
		t.Errorf("%v, %s", err, d.settings())
	}
	if a, b := d.learnedAs("noise.json"), usual.learnedAs("noise.json"); a == b || a == "noise.json" || !strings.HasSuffix(a, ".json") {
		t.Errorf("other settings share a file: %s, %s", a, b)
	}
}

// TestGateNames: a file that was named and is not there is no lack of learning.
func TestGateNames(t *testing.T) {
	for _, flag := range []string{"noise", "results"} {
		if code, _, stderr := lars("gate", "--backends", "alpha", "--"+flag, "/nonexistent/here"); code != exitGateUsage || !strings.Contains(stderr, "--"+flag+": stat /nonexistent/here") {
			t.Errorf("--%s: exit %d, %q", flag, code, stderr)
		}
	}
}

func TestGateRefusesOtherScenarios(t *testing.T) {
	for name, want := range map[string]string{
		"mixed":          "its workload is mixed, and only echo, gethost, getroute are measured here",
		"getroute-edits": "its routes are edited",
		"big":            "sizes of payload, and noise is learned for one",
	} {
		if code, _, stderr := lars("gate", "--scenario", name); code != exitGateUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %q, want %d and %q", name, code, stderr, exitGateUsage, want)
		}
	}
}
