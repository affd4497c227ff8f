package report

import (
	"math/rand/v2"
	"testing"
	"time"

	"lars/bench/hist"
	"lars/bench/record"
)

var began = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// hostile stands wherever a file may hold text.
const hostile = `</style><script>alert("x")</script><img src=http://192.0.2.1/x>`

// made is a made-up result of several arms and rounds, with every section.
func made(arms []string, rounds int) *record.Bundle {
	b := &record.Bundle{Hists: map[string]map[string]*hist.Recorder{}, Circumstances: map[string]any{"machine": map[string]any{"kernel": hostile, "cpus": 2, "list": []int{1, 2}}}}
	b.Run = record.Run{
		Schema: record.Schema, ID: "20261120T120000Z-abcdef0-echo-123456", Kind: "compare", Status: "degraded",
		Reasons: []record.Reason{{Status: "degraded", Text: "the hypervisor took 3.2 % of processor time " + hostile}}, Notes: []string{hostile},
		Started: began.Format(time.RFC3339Nano), DurationNS: 60e9, Command: []string{"lars", "bench", "all", "--out", "it's; " + hostile},
		Tool:     record.Tool{Version: "v1", Commit: "0123456789abcdef", Dirty: true, Go: "go1.26"},
		Machine:  record.Machine{ID: "a1", OS: "linux", Arch: "amd64", CPU: hostile, CPUs: 2, Kernel: "6.18", Clock: "tsc"},
		Scenario: record.Scenario{Name: "echo", Network: "tcp", Mode: "open", RateRPS: 20000, Arrivals: "poisson", Conns: 100, RequestBytes: 28, Seed: 7, DurationNS: 4e9},
		Design:   record.Design{Rounds: rounds, Loops: 1, Workers: 1, Pinned: true, ServerCPUs: []int{0}, GeneratorCPUs: []int{1}, Baseline: arms[0], Confidence: 0.95},
		Faults:   []record.Fault{{AtNS: 2e9, EndNS: 3e9, Kind: "pause", Text: hostile}},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	at := began
	for i, name := range arms {
		b.Hists[name] = map[string]*hist.Recorder{record.StageResponse: hist.New(), record.StageSendLag: hist.New()}
		b.Run.Arms = append(b.Run.Arms, arm(name, i, rounds))
	}
	for round := range rounds {
		for i, name := range arms {
			a := &b.Run.Arms[i]
			a.Rounds = append(a.Rounds, roundInfo(round, at))
			for range 4 {
				b.Slices = append(b.Slices, slice(b.Hists[name], rng, name, round, at, i))
				at = at.Add(time.Second)
			}
		}
	}
	for i, name := range arms {
		for _, stage := range []string{record.StageResponse, record.StageSendLag} {
			h := b.Hists[name][stage]
			b.Run.Arms[i].Latency = append(b.Run.Arms[i].Latency, record.Latency{
				Stage: stage, Count: h.Count(), MinNS: h.Min(), MaxNS: h.Max(), MeanNS: h.Mean(),
				Percentiles: []record.Percentile{{P: 50, NS: 50_000, LowNS: 49_000, HighNS: 51_000}, {P: 99, NS: 250_000, LowNS: 240_000, HighNS: 260_000}},
			})
		}
	}
	return b
}

func arm(name string, i, rounds int) record.Arm {
	low, high := 1.01+0.1*float64(i), 1.2+0.2*float64(i)
	metric := func(name, unit, better string, v float64) record.Metric {
		m := record.Metric{Name: name, Unit: unit, Better: better, Value: v}
		for k := range rounds {
			m.Samples = append(m.Samples, record.Sample{Round: k, Value: v})
		}
		if i > 0 {
			m.Ratio = &record.Ratio{Value: (low + high) / 2, Low: &low, High: &high, Confidence: 0.97, Rounds: rounds}
		}
		return m
	}
	stored := int64(5)
	return record.Arm{
		Name: name, Backend: "epoll", StandIns: []string{hostile}, Command: []string{"lars", "serve", hostile},
		Metrics: []record.Metric{
			metric("throughput", "req/s", "higher", 19980), metric("p50", "ns", "lower", 52e3*float64(i+1)), metric("p99", "ns", "lower", 260e3),
			metric("server_cpu", "ns/op", "lower", 5123), metric("generator_cpu", "ns/op", "lower", 6000), metric("switches", "switches/op", "lower", 0.5),
			metric("rss_max", "B", "lower", 9<<20), metric("something_else", "x", "lower", 3),
		},
		Correctness: &record.Correctness{Sent: 5, Acked: 5, Stored: &stored, Violations: []string{hostile}},
		Stages: []record.StageTime{
			{Stage: "sending", Count: 1000, P50NS: 2000, P90NS: 3000, P99NS: 9000, P50LowNS: 1900, P50HighNS: 2100, P99LowNS: 8700, P99HighNS: 9400},
			{Stage: "handler", Count: 1000, P50NS: 700, P90NS: 900, P99NS: 9000, P999NS: 20000},
			{Stage: "response", Count: 1000, P50NS: 52000, P90NS: 80000, P99NS: 260000, P999NS: 900000},
		},
		Sweep: &record.Sweep{
			SLO: record.SLO{Percentile: 99, LimitNS: 5e6}, Low: 30000, High: 40000, Confidence: 0.95, Notes: []string{hostile},
			Points: []record.SweepPoint{
				{Rate: 10000, Achieved: 9999, Pass: true, Windows: 3, Passed: 3, P50NS: 50e3, P99NS: 300e3, P999NS: 2e6, Direction: "up"},
				{Rate: 30000, Achieved: 29999, Pass: true, Windows: 3, Passed: 2, P50NS: 70e3, P99NS: 900e3, P999NS: 9e6, Direction: "up"},
				{Rate: 40000, Achieved: 36000, Windows: 3, P50NS: 900e3, P99NS: 30e6, P999NS: 90e6, Direction: "up"},
				{Rate: 40000, Achieved: 36500, Windows: 3, Passed: 1, P50NS: 700e3, P99NS: 20e6, P999NS: 70e6, Direction: "down"},
				{Rate: 30000, Achieved: 29900, Pass: true, Windows: 3, Passed: 3, P50NS: 75e3, P99NS: 1e6, P999NS: 8e6, Direction: "down"},
			},
		},
		Latency: []record.Latency{}, Rounds: []record.RoundInfo{},
		Syscalls: &record.Syscalls{Total: 10, PerRequest: 2.1, Tool: "perf"}, Idle: &record.Idle{Conns: 10, BytesPerConn: 812},
	}
}

func roundInfo(round int, at time.Time) record.RoundInfo {
	return record.RoundInfo{
		Round: round, Started: at.Format(time.RFC3339Nano), ElapsedNS: 4e9, Counts: map[string]int64{"completed": 80000, "lost": 1},
		Generator:     record.GeneratorInfo{WorkerShare: 0.43, StallMaxNS: 2e6, GCPauseMaxNS: 1e5, Pacer: hostile},
		MachineShares: &record.MachineShares{Steal: 0.01, Others: 0.2, Waiting: 0.1},
	}
}

func slice(hists map[string]*hist.Recorder, rng *rand.Rand, arm string, round int, at time.Time, i int) record.Slice {
	part := hist.New()
	for range 3000 {
		v := 40_000*(1+0.4*float64(i)) + rng.ExpFloat64()*25_000
		if rng.Float64() < 0.004 {
			v *= 1 + 30*rng.Float64()
		}
		part.Record(int64(v))
		hists[record.StageSendLag].Record(int64(rng.ExpFloat64() * 10_000))
	}
	hists[record.StageResponse].Merge(part)
	s := record.Slice{Arm: arm, Round: round, Phase: record.MeasuredPhase, Start: at, End: at.Add(time.Second), Sent: 3000, Completed: 3000}
	for b := range part.Buckets {
		s.Response = append(s.Response, b)
	}
	return s
}

// compared makes the first two arms a comparison.
func compared(b *record.Bundle, verdict string) *record.Bundle {
	low, high, mde := 0.985, 1.004, 0.03
	c := &record.Comparison{A: b.Run.Arms[0].Name, B: b.Run.Arms[1].Name, Design: record.DesignRequestDuet, DesignReason: hostile, Verdict: verdict, Rule: "hl-signedrank-v1"}
	for k := range 12 {
		c.Epochs = append(c.Epochs, record.Epoch{Index: k, First: "a"})
	}
	for i, name := range []string{"server_cpu", "p99", "allocs"} {
		m := record.ComparedMetric{
			Name: name, Unit: "ns/op", Better: "lower", Gated: i < 2, A: 5000, B: 5100, Ratio: 0.995, Low: &low, High: &high, Confidence: 0.99, MDE: &mde, Epochs: 12,
			Verdict: []string{verdict, record.VerdictEquivalent, record.VerdictInformative}[i],
		}
		for k := range 12 {
			m.Ratios = append(m.Ratios, record.EpochRatio{Epoch: k, Ratio: 0.995})
		}
		c.Metrics = append(c.Metrics, m)
	}
	b.Run.Comparison = c
	return b
}

// folder writes a result and reads it back.
func folder(t testing.TB, b *record.Bundle) (string, *record.Folder) {
	t.Helper()
	dir := t.TempDir()
	if err := record.Write(dir, b, Derive); err != nil {
		t.Fatal(err)
	}
	f, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, f
}
