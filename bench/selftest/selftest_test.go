package selftest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"lars/bench/gate"
	"lars/bench/record"
	"lars/bench/stats"
)

// machine is a made-up one, on which the truth is known.
type machine struct {
	rng *rand.Rand
	sd  float64
}

func (m *machine) pair(_ context.Context, _, inject string, n int) (gate.Batch, error) {
	shift := map[string]map[string]float64{
		Calibrated:        {gate.ServerCPU: math.Log(1.05)},
		"alloc:8":         {gate.ServerCPU: 0.03, gate.Allocs: 8, gate.AllocBytes: 2048},
		"syscall:20":      {gate.ServerCPU: 0.2},
		"timer:50us":      {gate.P50: 0.4, gate.P99: 0.2, gate.ServerCPU: 0.3},
		"stall:0.1%:20ms": {gate.P99: 1.5},
		"lock:200us":      {gate.P50: 0.5, gate.P99: 0.3},
	}[inject]
	var b gate.Batch
	for range n {
		e := gate.Epoch{Ratios: map[string]float64{}, A: map[string]float64{}, B: map[string]float64{}}
		for _, x := range gate.Metrics() {
			if x.Counted {
				e.A[x.Name], e.B[x.Name] = 100, 100+shift[x.Name]
			} else {
				e.Ratios[x.Name] = shift[x.Name] + m.sd*m.rng.NormFloat64()
			}
		}
		b.Epochs = append(b.Epochs, e)
	}
	return b, nil
}

func config(sd float64) Config {
	m := &machine{rand.New(rand.NewPCG(1, 2)), sd}
	return Config{Subjects: []string{"epoll", "std"}, Epochs: 24, Plan: gate.PlanDefault(), Trials: 40, Pair: m.pair}
}

// noise is a result as it is written.
func noise(r *Result) *record.Noise {
	return &record.Noise{
		Schema: record.NoiseSchema, Class: "made-up", Learned: "2026-11-26T10:00:00Z", Settings: "none", Rule: stats.RuleVersion, Stages: gate.PlanDefault(),
		Machine: record.NoiseMachine{CPUModel: "abacus", CPUs: 2, Kernel: "6", Arch: "amd64"}, Partial: r.Partial,
		Subjects: r.Subjects, Audits: []record.Audit{{Name: "server stopped", Passed: true, Text: "seen"}},
	}
}

func TestLearns(t *testing.T) {
	c := config(0.015)
	c.Trials = 200
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failures) != 0 || r.Partial || len(r.Subjects) != 2 {
		t.Fatalf("%+v", r)
	}
	n := noise(r)
	if err := record.WriteNoise(t.TempDir()+"/noise.json", n); err != nil {
		t.Error(err)
	}
	s := n.Subject("epoll")
	if len(s.Epochs) != 24 || len(s.Injected) != len(Kinds()) || len(n.Subject("std").Injected) != 1 {
		t.Errorf("%d epochs, %d kinds, and %d", len(s.Epochs), len(s.Injected), len(n.Subject("std").Injected))
	}
	// Each slowdown is caught by the metric that it moves.
	catches := map[string]string{
		Calibrated: gate.ServerCPU, "alloc:8": gate.Allocs, "syscall:20": gate.ServerCPU,
		"timer:50us": gate.P50, "stall:0.1%:20ms": gate.P99, "lock:200us": gate.P50,
	}
	for _, k := range s.Injected {
		for _, m := range k.Metrics {
			if m.Name == catches[k.Kind] && m.Found.Rate < 0.95 {
				t.Errorf("%s: %s catches it with %.2f (change %v)", k.Kind, m.Name, m.Found.Rate, m.Change)
			}
			if m.Name == gate.WireBytes && m.Found.Count > 0 {
				t.Errorf("%s: wire bytes catch it", k.Kind)
			}
		}
	}
	var text, picture bytes.Buffer
	if err := WriteText(&text, n); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"abacus", "stall:0.1%:20ms", "finds +5 %", "false alarms", "ok      server stopped"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q:\n%s", want, &text)
		}
	}
	if err := Picture(n).WriteSVG(&picture); err != nil || !strings.Contains(picture.String(), "server_cpu, std") {
		t.Errorf("picture: %v", err)
	}
}

// TestFailures: a machine on which the gate cannot keep its promises is told so.
func TestFailures(t *testing.T) {
	r, err := Run(t.Context(), config(0.3))
	if err != nil || len(r.Failures) == 0 || !strings.Contains(r.Failures[0], "of CPU") {
		t.Errorf("%v, %+v", err, r.Failures)
	}
	c := config(0.01)
	c.Epochs = 8
	if r, err := Run(t.Context(), c); err != nil || len(r.Failures) != 2 || !strings.Contains(r.Failures[0], "too few") {
		t.Errorf("%v, %+v", err, r.Failures)
	}
}

// TestInterrupted: what was measured before an end is kept, and balanced.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := config(0.015)
	real, calls := c.Pair, 0
	c.Pair = func(ctx context.Context, s, inject string, n int) (gate.Batch, error) {
		if calls++; calls > 12 {
			cancel()
			return gate.Batch{}, ctx.Err()
		}
		return real(ctx, s, inject, n)
	}
	r, err := Run(ctx, c)
	if err != nil || !r.Partial || len(r.Subjects) != 2 {
		t.Fatalf("%v, %+v", err, r)
	}
	if a, b := len(r.Subjects[0].Epochs), len(r.Subjects[1].Epochs); a == 0 || b == 0 || a-b > 4 || b-a > 4 {
		t.Errorf("%d and %d epochs", a, b)
	}
	if err := record.WriteNoise(t.TempDir()+"/noise.json", noise(r)); err != nil {
		t.Error(err)
	}
}

func TestTimeLimitAndLostEpochs(t *testing.T) {
	c := config(0.015)
	c.For = time.Nanosecond
	if r, err := Run(t.Context(), c); err != nil || len(r.Subjects) != 0 || len(r.Failures) != 2 {
		t.Errorf("no time: %v, %+v", err, r)
	}
	c = config(0.015)
	calls := 0
	c.Pair = func(context.Context, string, string, int) (gate.Batch, error) {
		calls++
		return gate.Batch{Lost: []string{"late"}}, nil
	}
	if r, err := Run(t.Context(), c); err != nil || len(r.Lost) != calls || calls > 2*len(Kinds())*24 {
		t.Errorf("all lost: %v, %+v after %d calls", err, r, calls)
	}
	c.Pair = func(context.Context, string, string, int) (gate.Batch, error) {
		return gate.Batch{}, errors.New("no server")
	}
	if _, err := Run(t.Context(), c); err == nil {
		t.Error("an error was lost")
	}
}

func TestProgress(t *testing.T) {
	c := config(0.015)
	var seen []Progress
	c.Observe = func(p Progress) { seen = append(seen, p) }
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	last := -1
	for _, p := range seen {
		if p.Simulating {
			continue
		}
		if p.Done < last || p.Done > p.All || p.Text == "" {
			t.Errorf("%+v after %d", p, last)
		}
		last = p.Done
	}
	if !seen[len(seen)-1].Simulating {
		t.Errorf("the end: %+v", seen[len(seen)-1])
	}
}
