package cli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"lars/bench/compare"
	"lars/bench/gate"
	"lars/bench/proc"
	"lars/bench/record"
	"lars/bench/selftest"
	"lars/bench/stats"
	"lars/internal/cli"
)

// labEnv turns on the tests that measure for many minutes.
const labEnv = "LARS_LAB"

// TestInjectedLab lets the gate decide on real epochs of the server beside one
// that was slowed on purpose, with each kind of slowdown, and beside itself. It
// takes some 20 minutes, and a machine that is otherwise quiet:
//
//	LARS_LAB=1 go test ./bench/cli -run InjectedLab -v -timeout 1h
func TestInjectedLab(t *testing.T) {
	if os.Getenv(labEnv) == "" {
		t.Skip("set " + labEnv + "=1 to measure for some 20 minutes")
	}
	binary := filepath.Join(t.TempDir(), "lars")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", binary, "lars").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d := &duet{}
	d.addFlags(cli.NewFlags("lab", "", ""))
	pair := func(ctx context.Context, subject, inject string, epochs int) (gate.Batch, error) {
		a, err := d.target("same", binary, subject, "")
		if err != nil {
			return gate.Batch{}, err
		}
		b, err := d.target("slowed", binary, subject, inject)
		if err != nil {
			return gate.Batch{}, err
		}
		return d.measure(ctx, a, b, epochs, func(compare.Progress) {})
	}
	noise := labNoise(t, d, pair)
	for inject, metric := range map[string]string{
		"": "", selftest.Calibrated: gate.ServerCPU, "alloc:8": gate.Allocs, "syscall:20": gate.ServerCPU,
		// At this rate a stall delays the hundreds that come during it: the
		// median tells, on a busy machine before p99 does.
		"timer:50us": gate.P50, "stall:0.1%:20ms": gate.P50, "lock:200us": gate.P50,
	} {
		t.Run("epoll "+inject, func(t *testing.T) {
			subjects, err := gate.Run(t.Context(), gate.Config{
				Subjects: []string{"epoll"}, Metrics: gate.Metrics(), Plan: gate.PlanDefault(), Noise: noise,
				Measure: func(ctx context.Context, subject string, _, epochs int) (gate.Batch, error) {
					return pair(ctx, subject, inject, epochs)
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			g := gate.Record(subjects, noise)
			_ = gate.WriteText(t.Output(), &g)
			want := map[bool]string{true: record.GatePass, false: record.GateRegressed}[inject == ""]
			if g.Verdict != want {
				t.Errorf("%s, want %s", g.Verdict, want)
			}
			for _, o := range subjects[0].Outcomes {
				if o.Metric.Name == metric && o.Verdict != stats.Regressed {
					t.Errorf("%s does not catch it: %s", metric, o.Verdict)
				}
			}
		})
	}
}

// labNoise is what this class of machine has learned, or what it learns now.
func labNoise(t *testing.T, d *duet, pair selftest.Pair) *record.Noise {
	t.Helper()
	path := filepath.Join("..", "..", resultsDir, baselinesDir, proc.ReadMachine().Class(), record.NoiseFile)
	if n, err := record.ReadNoise(path); err == nil && n.Settings == d.settings() {
		return n
	}
	batch, err := pair(t.Context(), "epoll", "", gate.EpochsLearnMin)
	if err != nil {
		t.Fatal(err)
	}
	for len(batch.Epochs) < gate.EpochsLearnMin {
		more, err := pair(t.Context(), "epoll", "", 1)
		if err != nil {
			t.Fatal(err)
		}
		batch.Epochs = append(batch.Epochs, more.Epochs...)
	}
	s := record.NoiseSubject{Name: "epoll"}
	for _, e := range batch.Epochs {
		s.Epochs = append(s.Epochs, record.NoiseEpoch(e))
	}
	for name, k := range gate.NewLearner(gate.Metrics(), batch.Epochs, 1).Known() {
		s.Metrics = append(s.Metrics, record.NoiseMetric{Name: name, SD: k.SD, Floor: k.Floor})
	}
	return &record.Noise{Subjects: []record.NoiseSubject{s}}
}
