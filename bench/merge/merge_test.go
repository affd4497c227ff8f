package merge

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"lars/bench/hist"
	"lars/bench/record"
	"lars/bench/results"
)

var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// shares makes the results of n generators, and one recorder of everything.
// slow, if not 0, multiplies the latency of the last.
func shares(t *testing.T, n, rounds int, slow float64, edit func(i int, b *record.Bundle)) ([]Part, *hist.Recorder) {
	t.Helper()
	all := hist.New()
	var parts []Part
	for i := range n {
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		h := hist.New()
		b := &record.Bundle{Hists: map[string]map[string]*hist.Recorder{"external": {record.StageResponse: h}}}
		b.Run = record.Run{
			Schema: record.Schema, ID: fmt.Sprint("run", i), Kind: "single", Status: "valid", Reasons: []record.Reason{}, Started: start.Format(time.RFC3339Nano), DurationNS: 1e9,
			Tool: record.Tool{Go: "go1.26", Commit: "abc"}, Machine: record.Machine{ID: "m", OS: "linux", Arch: "amd64", CPUs: 2},
			Scenario: record.Scenario{Name: "echo", Network: "tcp", Mode: "open", RateRPS: 1000, Conns: 10, DurationNS: 2e9, Seed: uint64(i + 1)},
			Design:   record.Design{Rounds: rounds, Confidence: 0.95},
		}
		a := record.Arm{Name: "external", Address: "192.0.2.1:7777", StandIns: []string{}}
		tp := record.Metric{Name: "throughput", Unit: "req/s", Better: "higher"}
		for k := range rounds {
			began := start.Add(time.Duration(k)*5*time.Second + time.Duration(i)*time.Millisecond)
			info := record.RoundInfo{
				Round: k, Started: began.Format(time.RFC3339Nano), ElapsedNS: 2e9, Counts: map[string]int64{"completed": 4000, "sent": 4000},
				Generator: record.GeneratorInfo{CPUNS: 1e8, WorkerShare: 0.1 * float64(i+1)},
			}
			if i == 1 {
				info.Server = &record.ServerInfo{CPUNS: 3e8, RSSMaxBytes: 1 << 20}
			}
			a.Rounds = append(a.Rounds, info)
			tp.Samples = append(tp.Samples, record.Sample{Round: k, Value: 2000})
			for j := range 2 {
				part := hist.New()
				for range 2000 {
					v := 50_000 + rng.ExpFloat64()*20_000
					if slow > 0 && i == n-1 {
						v *= slow
					}
					part.Record(int64(v))
				}
				all.Merge(part)
				h.Merge(part)
				s := record.Slice{Arm: "external", Round: k, Phase: record.MeasuredPhase, Start: began.Add(time.Duration(j) * time.Second), End: began.Add(time.Duration(j+1) * time.Second), Completed: 2000}
				for bucket := range part.Buckets {
					s.Response = append(s.Response, bucket)
				}
				b.Slices = append(b.Slices, s)
			}
		}
		a.Metrics = []record.Metric{
			tp,
			{Name: "p50", Unit: "ns", Better: "lower", Value: 1},
			{Name: "server_cpu", Unit: "ns/op", Better: "lower", Value: 1},
			{Name: "generator_cpu", Unit: "ns/op", Better: "lower", Value: 1},
			{Name: "switches", Unit: "switches/op", Better: "lower", Value: 1},
		}
		a.Latency = []record.Latency{latency(record.StageResponse, h, 0.95)}
		b.Run.Arms = []record.Arm{a}
		if edit != nil {
			edit(i, b)
		}
		dir := filepath.Join(t.TempDir(), fmt.Sprint("part", i))
		if err := record.Write(dir, b); err != nil {
			t.Fatal(err)
		}
		f, err := record.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, Part{dir, f})
	}
	return parts, all
}

// TestExact: the merged distribution is that of one recorder of everything, in
// the totals, in the files, and round by round.
func TestExact(t *testing.T) {
	parts, all := shares(t, 3, 2, 0, nil)
	b, err := Merge(parts, []string{"lars", "bench", "merge"})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Hists["external"][record.StageResponse]; !reflect.DeepEqual(got, all) {
		t.Errorf("%d values from %d to %d, want %d from %d to %d", got.Count(), got.Min(), got.Max(), all.Count(), all.Min(), all.Max())
	}
	dir := filepath.Join(t.TempDir(), "out")
	if err := record.Write(dir, b); err != nil {
		t.Fatal(err)
	}
	if err := record.Verify(dir); err != nil {
		t.Error(err)
	}
	f, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := results.Check(f); err != nil {
		t.Error(err)
	}
	logged := hist.New()
	for _, in := range f.Logs["external"] {
		for _, bucket := range in.Response {
			logged.Add(bucket)
		}
	}
	for _, p := range []float64{1, 50, 99, 99.9} {
		if g, w := logged.Percentile(p, 0.95).Value, all.Percentile(p, 0.95).Value; g != w || logged.Count() != all.Count() {
			t.Errorf("the log has p%v %d of %d, want %d of %d", p, g, logged.Count(), w, all.Count())
		}
	}
	if len(f.Logs["external"]) != 4 {
		t.Errorf("%d intervals, want those of one generator", len(f.Logs["external"]))
	}
	a := f.Run.Arms[0]
	if r := a.Rounds[1]; r.Counts["completed"] != 12000 || r.Generator.CPUNS != 3e8 || r.Generator.WorkerShare < 0.29 || r.Server == nil {
		t.Errorf("round %+v", r)
	}
	for name, want := range map[string]float64{"throughput": 6000, "server_cpu": 3e8 / 12000, "generator_cpu": 3e8 / 12000} {
		if m := a.Metric(name); m == nil || m.Value != want || len(m.Samples) != 2 {
			t.Errorf("%s is %+v, want %v", name, m, want)
		}
	}
	if m := a.Metric("p50"); m == nil || m.Value < 60_000 || m.Value > 68_000 || m.Low != nil {
		t.Errorf("p50 is %+v; two rounds have no interval", m)
	}
	if a.Metric("switches") != nil {
		t.Error("a figure that does not add up is there")
	}
	if s := f.Run.Scenario; s.Conns != 30 || s.RateRPS != 3000 {
		t.Errorf("scenario %+v", s)
	}
	if len(f.Run.Notes) != 3 || f.Run.Status != "valid" {
		t.Errorf("%s, notes %q", f.Run.Status, f.Run.Notes)
	}
}

// TestInterval: the percentiles of one round have those of all its requests.
func TestInterval(t *testing.T) {
	parts, all := shares(t, 2, 1, 0, nil)
	b, err := Merge(parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, q := b.Run.Arms[0].Metric("p50"), all.Percentile(50, 0.95)
	if m == nil || m.Value != float64(q.Value) || m.Low == nil || *m.Low != float64(q.Low) || m.High == nil || *m.High != float64(q.High) {
		t.Errorf("%+v, want %+v", m, q)
	}
}

// TestWhole: the merged table has the maximum, the send lag and what was given
// up, which ranks above all other responses in the round in which it was.
func TestWhole(t *testing.T) {
	for _, rounds := range []int{1, 3} {
		parts, all := shares(t, 2, rounds, 0, func(i int, b *record.Bundle) {
			a, hists := &b.Run.Arms[0], b.Hists["external"]
			h, lag := hists[record.StageResponse], hist.New()
			for range 4000 * rounds {
				lag.Record(int64(1000 * (i + 1)))
			}
			hists[record.StageSendLag] = lag
			given := record.Metric{Name: "given_up", Unit: "share", Better: "lower"}
			for k := range rounds {
				given.Samples = append(given.Samples, record.Sample{Round: k})
			}
			if i == 1 { // 80 in the last round
				for range 80 {
					h.Censor()
				}
				given.Samples[rounds-1].Value = 80. / 4080
				a.Rounds[rounds-1].Counts["timed_out"] = 80
			}
			a.Metrics = append(a.Metrics, given)
			a.Latency = []record.Latency{latency(record.StageResponse, h, 0.95), latency(record.StageSendLag, lag, 0.95)}
			b.Run.Scenario.TimeoutNS = 10e9
		})
		b, err := Merge(parts, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := &b.Run.Arms[0]
		last := func(metric string) record.Sample {
			m := a.Metric(metric)
			if m == nil || len(m.Samples) != rounds {
				t.Fatalf("%d rounds: %s is %+v", rounds, metric, m)
			}
			return m.Samples[rounds-1]
		}
		if got := last("given_up").Value; got != 80./8080 {
			t.Errorf("%d rounds: %g given up", rounds, got)
		}
		if got := last("max"); got.Value != 10e9 || !got.Censored {
			t.Errorf("%d rounds: the longest is %+v", rounds, got)
		}
		if got := last("p50"); got.Censored || rounds == 1 && got.Value != float64(b.Hists["external"][record.StageResponse].Percentile(50, 0.95).Value) {
			t.Errorf("%d rounds: p50 is %+v", rounds, got)
		}
		if rounds == 1 {
			if got := last("send_lag_p99").Value; got != 2000 {
				t.Errorf("the send lag is %g", got)
			}
			continue
		}
		if first := a.Metric("max").Samples[0]; first.Censored || first.Value > float64(all.Max()) {
			t.Errorf("the longest of the first round is %+v", first)
		}
		if a.Metric("send_lag_p99") != nil {
			t.Error("the send lag of single rounds is told, which nobody knows")
		}
	}
}

func TestSpread(t *testing.T) {
	for n, named := range map[int]int{2: 2, 4: 1} { // of two, neither is the right one
		parts, _ := shares(t, n, 1, 2, nil)
		b, err := Merge(parts, nil)
		if err != nil {
			t.Fatal(err)
		}
		slow := fmt.Sprintf("generator run%d differs from the others", n-1)
		if r := b.Run.Reasons; b.Run.Status != "degraded" || len(r) != named || !strings.Contains(r[named-1].Text, slow) {
			t.Errorf("%d generators: %s: %v", n, b.Run.Status, r)
		}
	}
}

func TestRefuses(t *testing.T) {
	second := func(edit func(b *record.Bundle)) func(int, *record.Bundle) {
		return func(i int, b *record.Bundle) {
			if i == 1 {
				edit(b)
			}
		}
	}
	for _, c := range []struct {
		name string
		edit func(b *record.Bundle)
		says string
	}{
		{"machine", func(b *record.Bundle) { b.Run.Machine.ID = "other" }, "one class of machine"},
		{"version", func(b *record.Bundle) { b.Run.Tool.Commit = "def" }, "same version of lars"},
		{"rate", func(b *record.Bundle) { b.Run.Scenario.RateRPS = 2000 }, "the same flags"},
		{"workers", func(b *record.Bundle) { b.Run.Design.Workers = 2 }, "the same flags"},
		{"server", func(b *record.Bundle) { b.Run.Arms[0].Address = "192.0.2.2:7777" }, "the same servers"},
		{"seed", func(b *record.Bundle) { b.Run.Scenario.Seed = 1 }, "a --seed of its own"},
		{"run", func(b *record.Bundle) { b.Run.ID = "run0" }, "give it once"},
		{"time", func(b *record.Bundle) {
			b.Run.Arms[0].Rounds[0].Started = start.Add(time.Minute).Format(time.RFC3339Nano)
		}, "start the generators together"},
		{"compact", func(b *record.Bundle) { b.Compact = true }, "without --archive"},
		{"lost requests", func(b *record.Bundle) { b.Slices = b.Slices[1:] }, "of 4000 requests"},
		{"sweep", func(b *record.Bundle) {
			b.Run.Arms[0].Sweep = &record.Sweep{SLO: record.SLO{Percentile: 99, LimitNS: 1}, Points: []record.SweepPoint{}}
		}, "--workers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			parts, _ := shares(t, 2, 1, 0, second(c.edit))
			_, err := Merge(parts, nil)
			if !errors.Is(err, ErrUnlike) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), parts[1].Dir) {
				t.Errorf("error %v, want %q and the folder", err, c.says)
			}
		})
	}
	parts, _ := shares(t, 1, 1, 0, nil)
	if _, err := Merge(parts, nil); !errors.Is(err, ErrUnlike) {
		t.Errorf("one part: %v", err)
	}
}
