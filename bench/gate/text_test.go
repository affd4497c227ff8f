package gate

import (
	"bytes"
	"strings"
	"testing"

	"lars/bench/record"
)

// verdictOf runs the gate on a world in which one metric has moved.
func verdictOf(t *testing.T, metric string, shift float64) *record.Gate {
	t.Helper()
	w := newWorld(11)
	noise := w.noise(60)
	s := &noise.Subjects[0]
	s.FalseAlarms = record.NoiseRate{Trials: 5000, High: 0.0008}
	for i := range s.Metrics {
		if s.Metrics[i].Name == ServerCPU {
			s.Metrics[i].Power = []record.NoisePower{{Effect: FivePercent, Found: record.NoiseRate{Count: 990, Trials: 1000, Rate: 0.99, Low: 0.98, High: 1}}}
		}
	}
	w.shift[metric] = shift
	subjects, err := Run(t.Context(), w.config(noise))
	if err != nil {
		t.Fatal(err)
	}
	g := Record(subjects, noise)
	g.Base, g.Head = record.GateBinary{Ref: "main", Commit: "0123456789abcdef"}, record.GateBinary{Ref: "a|b`<i>"}
	g.Class, g.Noise = "amd64-2cpu", &record.GateNoise{Learned: "2026-11-26T10:00:00Z"}
	return &g
}

func TestTexts(t *testing.T) {
	for _, c := range []struct {
		metric string
		shift  float64
		want   []string
	}{
		{"", 0, []string{"no regression", "exit 0", "epochs: 12;", "false alarms 0 % (at most 0.08 %)", "a true 5 % of server_cpu is found with 99 %"}},
		{ServerCPU, 0.2, []string{"REGRESSED", "exit 1", "server_cpu is 2", "confirmed by 2 fresh stages", "epochs: 12 + 20"}},
		{Allocs, 8, []string{"allocs is 8 allocs/req worse", "2 → 10 allocs/req"}},
	} {
		g := verdictOf(t, c.metric, c.shift)
		var text, markdown bytes.Buffer
		if err := WriteText(&text, g); err != nil {
			t.Fatal(err)
		}
		if err := WriteMarkdown(&markdown, g); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(text.String(), want) {
				t.Errorf("text has no %q:\n%s", want, text.String())
			}
			if !strings.HasPrefix(want, "exit") && !strings.Contains(markdown.String(), want) {
				t.Errorf("Markdown has no %q:\n%s", want, markdown.String())
			}
		}
		if s := markdown.String(); strings.Contains(s, "<i>") || strings.Count(s, "`")%2 != 0 || !strings.Contains(s, "| server_cpu | ") {
			t.Errorf("Markdown is broken:\n%s", s)
		}
	}
}

func TestTextOfAbstention(t *testing.T) {
	subjects, err := Run(t.Context(), Config{Subjects: []string{"epoll"}, Metrics: Metrics(), Plan: PlanDefault()})
	if err != nil {
		t.Fatal(err)
	}
	g := Record(subjects, nil)
	g.Class = "riscv64-64cpu"
	var text bytes.Buffer
	if err := WriteText(&text, &g); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"abstains", "lars bench selftest", "riscv64-64cpu", "exit 2"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q:\n%s", want, text.String())
		}
	}
}
