package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"lars/bench/hist"
)

var began = time.Date(2026, 11, 20, 12, 0, 0, 750e6, time.UTC)

// sample is a made-up result with every field set.
func sample(t testing.TB) *Bundle {
	t.Helper()
	low, high, stored := 1.02, 1.09, int64(2)
	h := hist.New()
	rng := rand.New(rand.NewPCG(1, 1))
	b := &Bundle{Hists: map[string]map[string]*hist.Recorder{"epoll": {StageResponse: h}}}
	for i := range 3 {
		part := hist.New()
		for range 5000 {
			part.Record(50_000 + int64(rng.ExpFloat64()*20_000))
		}
		s := Slice{
			Arm: "epoll", Phase: MeasuredPhase, Start: began.Add(time.Duration(i) * time.Second), End: began.Add(time.Duration(i+1) * time.Second),
			Sent: 5000, Completed: 5000, P50: 64 * time.Microsecond, P99: 142 * time.Microsecond, ServerCPU: time.Second / 2, ServerKnown: i > 0, GeneratorCPU: time.Second / 3,
		}
		for bucket := range part.Buckets {
			s.Response = append(s.Response, bucket)
		}
		b.Slices = append(b.Slices, s)
		h.Merge(part)
	}
	b.Circumstances = map[string]string{"kernel": "6.18"}
	b.Run = Run{
		Schema: Schema, ID: "x", Kind: "single", Status: "degraded", Reasons: []Reason{{"degraded", "why"}}, Notes: []string{"note"},
		Started: began.Format(time.RFC3339Nano), DurationNS: 3e9, Command: []string{"lars", "bench", "run"},
		Tool:    Tool{"v1", "abc", true, "go1.26"},
		Machine: Machine{"0123", "linux", "amd64", "cpu", 2, "6.18", "tsc"},
		Scenario: Scenario{
			Name: "echo", Network: "tcp", Mode: "closed", Conns: 100, Depth: 1, RequestBytes: 28, Seed: 1, WarmupNS: 1e9, DurationNS: 3e9, TimeoutNS: 1e10,
			Workload: "echo", File: "echo.yaml", SHA256: sum([]byte("name: echo\n")), Text: "name: echo\n", Changed: []string{"--conns"},
		},
		Faults: []Fault{{1e9, 2e9, "kill", "epoll is killed"}},
		Design: Design{1, 1, 1, true, []int{0}, []int{1}, "epoll", 0.95},
		Arms: []Arm{{
			Name: "epoll", Backend: "epoll", Module: "m@v1", StandIns: []string{"UDP by std"}, Command: []string{"lars", "serve"}, Address: "127.0.0.1:1",
			Metrics: []Metric{
				{Name: "throughput", Unit: "req/s", Better: "higher", Value: 5000, MAD: 1, Samples: []Sample{{Value: 5000.123456}}, Ratio: &Ratio{1.05, &low, &high, 0.98, 7}},
				{Name: "server_cpu", Unit: "ns/op", Better: "lower", Value: 5123, MAD: 1, Samples: []Sample{{Value: 5123}}, Low: &low, High: &high, Censored: true},
				{Name: "switches", Unit: "switches/op", Better: "lower", Value: 0.5, Samples: []Sample{{Value: 0.5}}},
				{Name: "p99", Unit: "ns", Better: "lower", Value: 1e9, Samples: []Sample{{Value: 1e9, Censored: true}}},
			},
			Latency: []Latency{{Stage: StageResponse, Count: h.Count(), MinNS: h.Min(), MaxNS: h.Max(), MeanNS: h.Mean(), Percentiles: []Percentile{{99, 1, 1, 2, true, true}}}},
			Rounds: []RoundInfo{{
				Started: began.Format(time.RFC3339Nano), ElapsedNS: 3e9, Counts: map[string]int64{"completed": 15000},
				Server:    &ServerInfo{1, 2, 3, 4, 5},
				Generator: GeneratorInfo{1, 0.5, 1, 1, 1, "epoll_pwait2", 10, 20, 30}, MachineShares: &MachineShares{0.1, 0.2, 0.3, 0.4}, ServerReport: map[string]any{"reads": 5.0},
				Workers: []WorkerInfo{{"a", "127.0.0.1:1", 1, 2, 3, 4, 5, 6, 7, 0.5}},
			}},
			Correctness: &Correctness{3, 2, &stored, 1, 1, 1, []string{"a route went back"}},
			Idle:        &Idle{10000, 1, 2, 0.1, []float64{0.1, 0.2}},
			Syscalls:    &Syscalls{5, 2.5, "perf", map[string]int64{"read": 2}},
			Sweep: &Sweep{
				SLO: SLO{99, 5e6}, Low: 100, High: 110, Confidence: 0.9, Notes: []string{"note"},
				Points: []SweepPoint{{100, 99.9, true, 3, 2, 1, 2, 3, 4, DirectionUp}},
			},
			Stages: []StageTime{{Stage: StageHandler, Count: h.Count(), P50NS: 1, P90NS: 2, P99NS: 3}},
		}},
	}
	if err := b.Run.Arms[0].Stages[0].Keep("epoll", h); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "result")
	b := sample(t)
	if err := Write(dir, b); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, &b.Run) {
		t.Errorf("read back %+v\nwant %+v", got, b.Run)
	}
	if err := Verify(dir); err != nil {
		t.Error(err)
	}
	if err := Write(dir, b); err == nil {
		t.Error("a second result was written over the first")
	}
	for _, name := range []string{RunFile, BenchFile, TimeSeriesFile, MachineFile, PictureFile, SumsFile, "latency.epoll.hlog", "latency.epoll.hgrm"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLog: counts come back exactly, times to the millisecond, although the
// first interval does not begin at a whole second.
func TestLog(t *testing.T) {
	dir := t.TempDir()
	b := sample(t)
	if err := Write(dir, b); err != nil {
		t.Fatal(err)
	}
	intervals, err := ReadLog(filepath.Join(dir, "latency.epoll.hlog"))
	if err != nil {
		t.Fatal(err)
	}
	if len(intervals) != len(b.Slices) {
		t.Fatalf("%d intervals, want %d", len(intervals), len(b.Slices))
	}
	all := hist.New()
	for i, in := range intervals {
		if d := in.Start.Sub(b.Slices[i].Start).Abs(); d > time.Millisecond {
			t.Errorf("interval %d begins %v off", i, d)
		}
		if d := in.End.Sub(b.Slices[i].End).Abs(); d > time.Millisecond {
			t.Errorf("interval %d ends %v off", i, d)
		}
		for _, b := range in.Response {
			all.Add(b)
		}
	}
	want := b.Hists["epoll"][StageResponse]
	for _, p := range []float64{1, 50, 99, 99.9} {
		if g, w := all.Percentile(p, 0.95).Value, want.Percentile(p, 0.95).Value; g != w {
			t.Errorf("p%v is %d, want %d", p, g, w)
		}
	}
	if all.Count() != want.Count() {
		t.Errorf("%d values, want %d", all.Count(), want.Count())
	}
}

func TestBenchText(t *testing.T) {
	b := sample(t)
	want := `bench-schema: lars.bench/v1
goos: linux
goarch: amd64
cpu: cpu
pkg: lars
Unit req/s better=higher
Unit server-cpu-ns/op better=lower
Unit switches/op better=lower
Unit p99-ns better=lower
BenchmarkEcho/scenario=echo/net=tcp/mode=closed/conns=100/depth=1/bytes=28/backend=epoll-1	15000	5000.1235 req/s	5123 server-cpu-ns/op	0.5 switches/op
`
	if got := string(benchText(&b.Run)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRefuses(t *testing.T) {
	good, err := json.Marshal(sample(t).Run)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, repl string) string {
		out := strings.Replace(string(good), old, repl, 1)
		if out == string(good) {
			t.Fatalf("%q is not in the sample", old)
		}
		return out
	}
	for _, c := range []struct {
		name, content string
		kind          error
		says          string
	}{
		{"empty", "", ErrBroken, "fetch the file again"},
		{"cut", string(good[:len(good)/2]), ErrBroken, "fetch the file again"},
		{"another JSON", `{"name":"x"}`, ErrForeign, "give a run.json"},
		{"newer", edit("run/v1", "run/v2"), ErrForeign, "use the version of lars that wrote it"},
		{"array", `[]`, ErrBroken, ""},
		{"wrong type", edit(`"dirty":true`, `"dirty":7`), ErrBroken, "dirty"},
		{"status", edit(`"status":"degraded"`, `"status":"great"`), ErrBroken, "status"},
		{"status that no reason gives", edit(`"status":"degraded"`, `"status":"valid"`), ErrBroken, "status"},
		{"reason without a status", edit(`"status":"degraded","text"`, `"status":"","text"`), ErrBroken, "status"},
		{"time", edit(`"started":"2026`, `"started":"x2026`), ErrBroken, "started"},
		{"name with a path", edit(`"name":"epoll"`, `"name":"../epoll"`), ErrBroken, "arms.name"},
		{"round", edit(`"rounds":1`, `"rounds":0`), ErrBroken, "design.rounds"},
		{"scenario", edit(`"sha256":"`, `"sha256":"0`), ErrBroken, "scenario.sha256"},
		{"correctness", edit(`"stale_routes":1`, `"stale_routes":-1`), ErrBroken, "correctness"},
		{"sweep bracket", edit(`"low":100,"high":110`, `"low":120,"high":110`), ErrBroken, "sweep.low"},
		{"sweep objective", edit(`"limit_ns":5000000`, `"limit_ns":0`), ErrBroken, "sweep.slo"},
		{"sweep point", edit(`"direction":"up"`, `"direction":"left"`), ErrBroken, "sweep.points"},
		{"baseline", edit(`"baseline":"epoll"`, `"baseline":"std"`), ErrBroken, "design.baseline"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), RunFile)
			if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q: want %v, the path, and %q", err, c.kind, c.says)
			}
		})
	}
}

func TestUnknownFieldsAreLeftAlone(t *testing.T) {
	raw, _ := json.Marshal(sample(t).Run)
	if _, err := Parse(bytes.Replace(raw, []byte(`{"schema"`), []byte(`{"later":1,"schema"`), 1)); err != nil {
		t.Error(err)
	}
}

func TestVerifyFinds(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
	}{
		{"changed file", func(dir string) error { return os.WriteFile(filepath.Join(dir, BenchFile), []byte("x"), 0o644) }},
		{"lost file", func(dir string) error { return os.Remove(filepath.Join(dir, BenchFile)) }},
		{"no sums", func(dir string) error { return os.Remove(filepath.Join(dir, SumsFile)) }},
		{"sums outside", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, SumsFile), []byte("00  ../x\n"), 0o644)
		}},
		{"empty sums", func(dir string) error { return os.WriteFile(filepath.Join(dir, SumsFile), nil, 0o644) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := Write(dir, sample(t)); err != nil {
				t.Fatal(err)
			}
			if err := c.spoil(dir); err != nil {
				t.Fatal(err)
			}
			if err := Verify(dir); err == nil || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %v does not name the place", err)
			}
		})
	}
}

// last is the highest value of a percentile file.
func last(t *testing.T, rows []javaRow) float64 {
	t.Helper()
	if len(rows) == 0 {
		t.Fatal("no percentiles")
	}
	v, err := strconv.ParseFloat(rows[len(rows)-1].value, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRender: what is made again is what was written, byte for byte; what was
// lost comes back; and raw files that changed are not covered up.
// TestUnlisted: what lies beside a result is named.
func TestUnlisted(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, sample(t)); err != nil {
		t.Fatal(err)
	}
	if got, err := Unlisted(dir); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "extra.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Unlisted(dir); err != nil || !reflect.DeepEqual(got, []string{"extra.txt"}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestRender(t *testing.T) {
	more := func(f *Folder) (map[string][]byte, error) {
		return map[string][]byte{"more.txt": []byte(f.Run.ID)}, nil
	}
	dir := t.TempDir()
	if err := Write(dir, sample(t), more); err != nil {
		t.Fatal(err)
	}
	if changed, err := Render(dir, more); err != nil || changed != nil {
		t.Errorf("render at once: %v, %v", changed, err)
	}
	if err := Verify(dir, more); err != nil {
		t.Error(err)
	}
	whole, _ := os.ReadFile(filepath.Join(dir, "latency.epoll.hgrm"))
	const stage = "stage.epoll.handler.hgrm"
	inUS, err := os.ReadFile(filepath.Join(dir, stage))
	if err != nil {
		t.Fatal(err)
	}
	// The sample's stage has the response's distribution, and another unit.
	a, b := readDistribution(t, whole), readDistribution(t, inUS)
	if ms, us := last(t, a), last(t, b); len(a) != len(b) || math.Abs(us/ms-1000) > 1 {
		t.Errorf("the percentiles of a stage: %v, of the response: %v", b, a)
	}
	for _, name := range []string{"latency.epoll.hgrm", stage, "more.txt", PictureFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := Verify(dir, more); !errors.Is(err, ErrDerived) || !strings.Contains(err.Error(), "lars bench render "+dir) {
			t.Errorf("verify without %s: %v", name, err)
		}
	}
	changed, err := Render(dir, more)
	if err != nil || strings.Join(changed, " ") != "latency.epoll.hgrm latency.svg more.txt "+stage {
		t.Errorf("render of what was lost: %v, %v", changed, err)
	}
	if again, _ := os.ReadFile(filepath.Join(dir, "latency.epoll.hgrm")); !bytes.Equal(again, whole) {
		t.Error("the percentile file is another")
	}
	other := func(*Folder) (map[string][]byte, error) { return map[string][]byte{"more.txt": nil}, nil }
	if err := Verify(dir, other); !errors.Is(err, ErrDerived) || !strings.Contains(err.Error(), "lars bench render "+dir) {
		t.Errorf("verify with another maker: %v", err)
	}
	for _, name := range []string{RunFile, TimeSeriesFile, MachineFile, "latency.epoll.hlog"} {
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(bytes.Clone(good), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Render(dir, more); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), name) {
			t.Errorf("render beside a changed %s: %v", name, err)
		}
		if err := os.WriteFile(path, good, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFolder: a result is read back as it was measured.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	b := sample(t)
	if err := Write(dir, b); err != nil {
		t.Fatal(err)
	}
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.Hist("epoll", StageResponse), b.Hists["epoll"][StageResponse]; !reflect.DeepEqual(got, want) {
		t.Error("the distribution is another")
	}
	for i, s := range b.Slices {
		s.Response = nil
		if got := f.Series[i]; !got.Start.Equal(s.Start) || !got.End.Equal(s.End) || got.ServerKnown != s.ServerKnown || got.Completed != s.Completed || got.P99 != s.P99 {
			t.Errorf("slice %d is %+v, want %+v", i, got, s)
		}
	}
}

// TestLogOfTheEnd: what was still due at the end is in the log, in full and in
// compact form, and an end without any is not.
func TestLogOfTheEnd(t *testing.T) {
	b := sample(t)
	last := b.Slices[2]
	late := Slice{Arm: "epoll", Phase: DrainingPhase, Start: last.End, End: last.End.Add(time.Second / 10), Completed: 1, Response: []hist.Bucket{{Low: 1 << 30, High: 1<<30 + 1<<20 - 1, Count: 1}}}
	none := late
	none.Response = nil
	b.Slices = append(b.Slices, late, none)
	for _, compact := range []bool{false, true} {
		raw, err := intervalLog(b.Slices, "epoll", compact)
		if err != nil {
			t.Fatal(err)
		}
		log, err := readLog(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		end := log[len(log)-1].Response
		if want := map[bool]int{false: 4, true: 1}[compact]; len(log) != want || end[len(end)-1].High < 1<<30 {
			t.Errorf("compact %v: %d intervals, the last up to %d", compact, len(log), end[len(end)-1].High)
		}
	}
}

// TestCompact: the log is smaller, and holds the same counts to two digits.
func TestCompact(t *testing.T) {
	full, compact := t.TempDir(), t.TempDir()
	b := sample(t)
	if err := Write(full, b); err != nil {
		t.Fatal(err)
	}
	b.Compact = true
	if err := Write(compact, b); err != nil {
		t.Fatal(err)
	}
	f, err := Open(compact)
	if err != nil {
		t.Fatal(err)
	}
	log := f.Logs["epoll"]
	if len(log) != 1 || f.Run.Arms[0].Rounds[0].ServerReport != nil {
		t.Fatalf("%d intervals", len(log))
	}
	got, want := hist.New(), f.Hist("epoll", StageResponse)
	for _, bucket := range log[0].Response {
		got.Add(bucket)
	}
	for _, p := range []float64{0.1, 50, 99} {
		g, w := got.Percentile(p, 0.95).Value, want.Percentile(p, 0.95).Value
		if d := float64(g-w) / float64(w); got.Count() != want.Count() || d < -0.01 || d > 0.01 {
			t.Errorf("p%v is %d of %d, want %d of %d", p, g, got.Count(), w, want.Count())
		}
	}
	big, _ := os.Stat(filepath.Join(full, "latency.epoll.hlog"))
	small, _ := os.Stat(filepath.Join(compact, "latency.epoll.hlog"))
	if small.Size()*3 > big.Size() {
		t.Errorf("%d bytes, %d uncut", small.Size(), big.Size())
	}
}

func TestBrokenHistogram(t *testing.T) {
	dir := t.TempDir()
	b := sample(t)
	if err := Write(dir, b); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Latency){
		"count":  func(l *Latency) { l.Count++ },
		"max":    func(l *Latency) { l.MaxNS *= 2 },
		"cut":    func(l *Latency) { l.HDR = l.HDR[:len(l.HDR)/2] },
		"text":   func(l *Latency) { l.HDR = "?" },
		"absent": func(l *Latency) { l.HDR = "" },
	} {
		r := b.Run
		r.Arms = []Arm{b.Run.Arms[0]}
		r.Arms[0].Latency = []Latency{b.Run.Arms[0].Latency[0]}
		spoil(&r.Arms[0].Latency[0])
		raw, err := document(&r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, RunFile), raw, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := rederive(dir, nil); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "repeat the run") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadSeries(f *testing.F) {
	f.Add(timeSeries(sample(f).Slices))
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, err := readSeries(raw)
		if err != nil {
			return
		}
		again, err := readSeries(timeSeries(all))
		if err != nil || !reflect.DeepEqual(all, again) {
			t.Fatalf("read once as %v, then as %v, %v", all, again, err)
		}
	})
}

func FuzzHistogram(f *testing.F) {
	small := hist.New()
	small.Record(1000)
	small.Record(2000)
	good, err := encode(small)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, int64(2), int64(1000), int64(2000))
	f.Fuzz(func(t *testing.T, raw string, count, low, high int64) {
		l := Latency{HDR: raw, Count: count, MinNS: low, MaxNS: high}
		r, err := l.recorder()
		if err == nil && (r.Count() != count || r.Percentile(50, 0.95).Value > high) {
			t.Fatalf("%d values, p50 %v above %d", r.Count(), r.Percentile(50, 0.95), high)
		}
	})
}

func TestBrokenLog(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, sample(t)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "latency.epoll.hlog")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"cut":      good[:len(good)-100],
		"foreign":  []byte("time,value\n1,2\n"),
		"garbage":  append(bytes.Clone(good), "not an interval\n"...),
		"no sense": append(bytes.Clone(good), "1.2.3,1,1,HISTFAAA\n"...),
		"blank":    append(bytes.Clone(good), '\n'),
	} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadLog(path); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestWriteRefusesNames(t *testing.T) {
	for _, name := range []string{"", "a/b", "..", "a b", "a,b", strings.Repeat("x", 65)} {
		b := sample(t)
		b.Run.Arms[0].Name = name
		dir := filepath.Join(t.TempDir(), "r")
		if err := Write(dir, b); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%q: the directory was made", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	good, err := json.Marshal(sample(f).Run)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"schema":"lars.bench.run/v1","arms":[{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		run, err := Parse(raw)
		if err != nil {
			return
		}
		again, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil {
			t.Fatalf("accepted once, then %v", err)
		}
	})
}

func FuzzReadLog(f *testing.F) {
	log, err := intervalLog(sample(f).Slices, "epoll", false)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(log)
	f.Add([]byte("#[Histogram log format version 1.3]\nTag=x,1,1,1,HISTFAAA\n"))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		_, _ = readLog(bytes.NewReader(raw))
	})
}
