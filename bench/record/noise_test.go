package record

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func sampleNoise() *Noise {
	epochs := []NoiseEpoch{{Ratios: map[string]float64{"server_cpu": 0.01}, A: map[string]float64{"allocs": 1}, B: map[string]float64{"allocs": 1}}}
	rate := NoiseRate{Count: 1, Trials: 100, Rate: 0.01, Low: 0.001, High: 0.05}
	return &Noise{
		Schema: NoiseSchema, Class: "amd64-2cpu", Learned: "2026-11-26T10:00:00Z", Commit: "abc", Settings: "as usual", Rule: "r", Stages: []int{12, 20},
		Machine: NoiseMachine{"model", 2, "6.18.0", "amd64"}, Seconds: 60,
		Audits: []Audit{{"server stopped", true, "seen"}},
		Subjects: []NoiseSubject{{
			Name: "epoll", Epochs: epochs, FalseAlarms: rate,
			Metrics:  []NoiseMetric{{"server_cpu", "ns/req", false, 0.01, 0.02, []NoisePower{{0.05, rate}}}, {Name: "allocs", Unit: "allocs/req", Counted: true}},
			Injected: []InjectedKind{{"cpu:5%", epochs, []InjectedMetric{{"server_cpu", 0.05, rate}}}},
		}},
	}
}

func TestNoiseRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "class")
	want := sampleNoise()
	for range 2 { // the second replaces the first
		if err := WriteNoise(filepath.Join(dir, NoiseFile), want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadNoise(filepath.Join(dir, NoiseFile))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\n%+v", err, got, want)
	}
	s, root := loadSchemaOf(t, "noise")
	if bad := s.check("noise", root, asJSON(t, want)); bad != nil {
		t.Error(strings.Join(bad, "\n"))
	}
	if _, err := ReadNoise(filepath.Join(dir, "none.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestNoiseRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Noise)
		field string
	}{
		"class":           {func(n *Noise) { n.Class = "../x" }, "class"},
		"time":            {func(n *Noise) { n.Learned = "yesterday" }, "learned"},
		"no subjects":     {func(n *Noise) { n.Subjects = nil }, "subjects"},
		"two of a name":   {func(n *Noise) { n.Subjects = append(n.Subjects, n.Subjects[0]) }, "subjects.name"},
		"no stages":       {func(n *Noise) { n.Stages = nil }, "stages"},
		"negative floor":  {func(n *Noise) { n.Subjects[0].Metrics[0].Floor = -1 }, "server_cpu"},
		"absurd ratio":    {func(n *Noise) { n.Subjects[0].Epochs[0].Ratios["server_cpu"] = 20 }, "epochs"},
		"impossible rate": {func(n *Noise) { n.Subjects[0].FalseAlarms.Count = 101 }, "false_alarms"},
		"no settings":     {func(n *Noise) { n.Settings = "" }, "settings"},
	} {
		n := sampleNoise()
		c.spoil(n)
		raw, _ := json.Marshal(n)
		if _, err := ParseNoise(raw); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), c.field) || !strings.Contains(err.Error(), "lars bench selftest") {
			t.Errorf("%s: %v", name, err)
		}
		if err := WriteNoise(filepath.Join(t.TempDir(), NoiseFile), n); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	raw, _ := json.Marshal(sampleNoise())
	for text, want := range map[string]error{
		"":                               ErrBroken,
		"{":                              ErrBroken,
		"[]":                             ErrBroken,
		"{}":                             ErrForeign,
		`{"schema":"lars.bench.run/v1"}`: ErrForeign,
		strings.Replace(string(raw), "noise/v1", "noise/v2", 1):          ErrForeign,
		strings.Replace(string(raw), `"partial"`, `"extra":1,"p"`, 1):    ErrBroken,
		strings.Replace(string(raw), `"class":"amd64`, `"class":5,"`, 1): ErrBroken,
	} {
		path := filepath.Join(t.TempDir(), NoiseFile)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadNoise(path); !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%.40q: %v, want %v", text, err, want)
		}
	}
}

func FuzzParseNoise(f *testing.F) {
	raw, _ := json.Marshal(sampleNoise())
	f.Add(raw)
	f.Add([]byte(`{"schema":"lars.bench.noise/v1"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if n, err := ParseNoise(raw); err == nil && n.wrong() != "" {
			t.Error("accepted what is wrong")
		}
	})
}

func TestGateSchema(t *testing.T) {
	v := 1.5
	rate := NoiseRate{Trials: 1}
	g := &Gate{
		Schema: GateSchema, Verdict: GateRegressed, Exit: 1, Reasons: []string{"x"}, Started: "2026-11-26T10:00:00Z",
		Base: GateBinary{"main", "abc", "def"}, Noise: &GateNoise{"f", "t"},
		Subjects: []GateSubject{{
			Name: "epoll", Verdict: "regressed", Stages: []int{12, 20}, FalseAlarms: &rate, Reasons: []string{"y"},
			Metrics: []GateMetric{{Name: "server_cpu", Verdict: "regressed", Needs: 2, Low: &v, High: &v, MDE: &v, A: &v, B: &v, Power: &rate}},
		}},
	}
	path := filepath.Join(t.TempDir(), "new", "gate.json")
	if err := WriteGate(path, g); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var any any
	if err := json.Unmarshal(raw, &any); err != nil {
		t.Fatal(err)
	}
	s, root := loadSchemaOf(t, "gate")
	if bad := s.check("gate", root, any); bad != nil {
		t.Error(strings.Join(bad, "\n"))
	}
}
