package results

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"lars/bench/hist"
	"lars/bench/record"
	"lars/bench/stats"
)

const perRound = 2000 // requests

// consistent is a result of one arm in which everything follows from the rest.
func consistent(rounds int, compact bool) *record.Bundle {
	b := &record.Bundle{Run: *made("echo", "2026-03-01", rounds, 0, map[string]float64{"a": 1}, "a"), Compact: compact}
	a := &b.Run.Arms[0]
	a.Metrics = nil
	response, lag, rng := hist.New(), hist.New(), rand.New(rand.NewPCG(1, 2))
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	samples := map[string][]record.Sample{}
	for k := range rounds {
		began = began.Add(10 * time.Second)
		h, l := hist.New(), hist.New()
		for range perRound {
			h.Record(50_000 + int64(rng.ExpFloat64()*20_000))
			l.Record(int64(rng.ExpFloat64() * 5000))
		}
		response.Merge(h)
		lag.Merge(l)
		r := record.RoundInfo{
			Round: k, Started: began.Format(time.RFC3339Nano), ElapsedNS: 1e9 + int64(k), Counts: map[string]int64{"completed": perRound},
			Generator: record.GeneratorInfo{CPUNS: 6e6 + int64(k)}, Server: &record.ServerInfo{CPUNS: 9e6 + int64(k), RSSMaxBytes: 1 << 20},
		}
		a.Rounds = append(a.Rounds, r)
		s := record.Slice{Arm: "a", Round: k, Phase: record.MeasuredPhase, Start: began, End: began.Add(time.Second)}
		for bucket := range h.Buckets {
			s.Response = append(s.Response, bucket)
		}
		b.Slices = append(b.Slices, s)
		for name, v := range map[string]float64{
			"throughput": perRound / time.Duration(r.ElapsedNS).Seconds(), "server_cpu": float64(r.Server.CPUNS) / perRound, "rss_max": 1 << 20,
			"p50": float64(h.Percentile(50, 0.95).Value), "p99": float64(h.Percentile(99, 0.95).Value), "max": float64(h.Max()),
			"send_lag_p99": float64(l.Percentile(99, 0.95).Value), "switches": 0.5,
		} {
			samples[name] = append(samples[name], record.Sample{Round: k, Value: v})
		}
	}
	for _, name := range []string{"throughput", "p50", "p99", "max", "server_cpu", "send_lag_p99", "rss_max", "switches"} {
		var values []float64
		for _, s := range samples[name] {
			values = append(values, s.Value)
		}
		a.Metrics = append(a.Metrics, record.Metric{Name: name, Unit: "x", Better: "lower", Value: stats.Median(values), Samples: samples[name]})
	}
	b.Hists = map[string]map[string]*hist.Recorder{"a": {record.StageResponse: response, record.StageSendLag: lag}}
	for _, stage := range []string{record.StageResponse, record.StageSendLag} {
		h := b.Hists["a"][stage]
		q := h.Percentile(99, 0.95)
		a.Latency = append(a.Latency, record.Latency{
			Stage: stage, Count: h.Count(), MinNS: h.Min(), MaxNS: h.Max(), MeanNS: h.Mean(),
			Percentiles: []record.Percentile{{P: 99, NS: q.Value, LowNS: q.Low, HighNS: q.High}},
		})
	}
	return b
}

// staged gives the arm of b the stages of its requests, which is one here.
func staged(t *testing.T, b *record.Bundle) *record.StageTime {
	t.Helper()
	h := b.Hists["a"][record.StageResponse]
	s := record.StageTime{Stage: record.StageResponse, Count: h.Count(), P50NS: h.Percentile(50, 0).Value, P90NS: h.Percentile(90, 0).Value, P99NS: h.Percentile(99, 0).Value}
	if err := s.Keep("a", h); err != nil {
		t.Fatal(err)
	}
	b.Run.Arms[0].Stages = []record.StageTime{s}
	return &b.Run.Arms[0].Stages[0]
}

// giveUp adds three requests of the first round that had no answer.
func giveUp(b *record.Bundle) {
	a, h := &b.Run.Arms[0], b.Hists["a"][record.StageResponse]
	for range 3 {
		h.Censor()
	}
	q := h.Percentile(99, 0.95)
	a.Latency[0].Censored, a.Latency[0].Percentiles[0].NS = 3, q.Value
	a.Metric("max").Samples[0].Censored = true
	if len(a.Rounds) == 1 {
		for name, p := range map[string]float64{"p50": 50, "p99": 99} {
			m := a.Metric(name)
			m.Value, m.Samples[0].Value = float64(h.Percentile(p, 0).Value), float64(h.Percentile(p, 0).Value)
		}
	}
}

func checkOf(t *testing.T, b *record.Bundle) error {
	t.Helper()
	dir := t.TempDir()
	if err := record.Write(dir, b); err != nil {
		t.Fatal(err)
	}
	f, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return Check(f)
}

// TestCheck: whoever edits a figure together with its samples, and makes new
// checksums, is told which field does not follow from the rest.
func TestCheck(t *testing.T) {
	scaled := func(metric string, times float64) func(*record.Bundle) {
		return func(b *record.Bundle) {
			m := b.Run.Arms[0].Metric(metric)
			m.Value *= times
			for i := range m.Samples {
				m.Samples[i].Value *= times
			}
		}
	}
	arm := func(edit func(a *record.Arm)) func(*record.Bundle) {
		return func(b *record.Bundle) { edit(&b.Run.Arms[0]) }
	}
	for _, c := range []struct {
		name string
		edit func(*record.Bundle)
		says string // the field; empty: nothing
	}{
		{"as it was", func(*record.Bundle) {}, ""},
		{"broken off", func(b *record.Bundle) {
			b.Run.Status, b.Run.Reasons = "invalid", []record.Reason{{Status: "invalid", Text: "interrupted"}}
			b.Run.Design.Rounds++
		}, ""},
		{"a generator that failed", func(b *record.Bundle) {
			b.Run.Status, b.Run.Reasons = "invalid", []record.Reason{{Status: "invalid", Text: "a worker failed"}}
			b.Slices[0].Response = append(b.Slices[0].Response, b.Slices[0].Response...)
		}, ""},
		{"value", arm(func(a *record.Arm) { a.Metric("switches").Value *= 1.001 }), "metrics.switches.value"},
		{"throughput", scaled("throughput", 1.5), "metrics.throughput.samples"},
		{"server_cpu", scaled("server_cpu", 1e-6), "metrics.server_cpu.samples"},
		{"rss_max", scaled("rss_max", 0.9), "metrics.rss_max.samples"},
		{"p50", scaled("p50", 0.97), "metrics.p50.samples"},
		{"p99", scaled("p99", 1e-6), "metrics.p99.samples"},
		{"max", scaled("max", 0.9), "metrics.max.samples"},
		{"send lag", scaled("send_lag_p99", 0.5), "metrics.send_lag_p99.samples"},
		{"a sample left out", arm(func(a *record.Arm) {
			m := a.Metric("server_cpu")
			m.Samples = m.Samples[1:]
			m.Value = a.Metric("server_cpu").Value
		}), "metrics.server_cpu"},
		{"a sample twice", arm(func(a *record.Arm) {
			m := a.Metric("switches")
			m.Samples = append(m.Samples, m.Samples[0])
		}), "metrics.switches.samples"},
		{"a lower bound", arm(func(a *record.Arm) { a.Metric("p99").Samples[0].Censored = true }), "metrics.p99.samples"},
		{"some given up", func(b *record.Bundle) { giveUp(b) }, ""},
		{"some given up, p50", func(b *record.Bundle) {
			giveUp(b)
			scaled("p50", 0.97)(b)
		}, "metrics.p50.samples"},
		{"percentiles", arm(func(a *record.Arm) { a.Latency[0].Percentiles[0].NS++ }), "latency.response.percentiles"},
		{"no rounds", arm(func(a *record.Arm) { a.Rounds = nil }), "rounds"},
		{"no latency", arm(func(a *record.Arm) { a.Latency = nil }), "latency"},
		{"no histogram", func(b *record.Bundle) { delete(b.Hists["a"], record.StageSendLag) }, "latency.send_lag.hdr_v2"},
		{"stages", func(b *record.Bundle) { staged(t, b) }, ""},
		{"another stage", func(b *record.Bundle) { staged(t, b).P50NS -= 500 }, "stages.response"},
		{"another log", func(b *record.Bundle) { b.Slices[0].Response = b.Slices[0].Response[1:] }, "latency.response.count"},
	} {
		for rounds, compact := range map[int]bool{1: false, 7: true} {
			t.Run(fmt.Sprintf("%s/%d", c.name, rounds), func(t *testing.T) {
				b := consistent(rounds, compact)
				c.edit(b)
				err := checkOf(t, b)
				if c.says == "" && err != nil {
					t.Fatal(err)
				}
				if c.says != "" && (!errors.Is(err, ErrFigure) || !strings.Contains(err.Error(), "arm a: field "+c.says)) {
					t.Errorf("error %v, want the field %s", err, c.says)
				}
			})
		}
	}
}

// TestCheckSeries: a log without its time series is broken.
func TestCheckSeries(t *testing.T) {
	dir := t.TempDir()
	if err := record.Write(dir, consistent(2, false)); err != nil {
		t.Fatal(err)
	}
	f, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	f.Series = f.Series[1:]
	if err := Check(f); !errors.Is(err, record.ErrBroken) || !strings.Contains(err.Error(), record.TimeSeriesFile) {
		t.Errorf("error %v, want that %s is broken", err, record.TimeSeriesFile)
	}
}
