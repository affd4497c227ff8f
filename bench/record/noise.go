package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// NoiseSchema names the format of Noise.
const NoiseSchema = "lars.bench.noise/v1"

// NoiseFile is its usual name, below results/baselines/CLASS.
const NoiseFile = "noise.json"

// Noise is what a self-test learned of a class of machine: how much identical
// programs seem to differ there, how often the gate is wrong, and what it finds.
type Noise struct {
	Schema  string       `json:"schema"`
	Class   string       `json:"class"` // of machine
	Machine NoiseMachine `json:"machine"`
	Learned string       `json:"learned"` // RFC 3339
	Commit  string       `json:"commit,omitempty"`
	// Settings say how epochs were measured. Noise of other settings says
	// nothing.
	Settings string         `json:"settings"`
	Rule     string         `json:"rule"`    // name and version of the decision rule
	Stages   []int          `json:"stages"`  // epochs of each stage of the gate
	Partial  bool           `json:"partial"` // interrupted: fewer epochs than planned
	Seconds  float64        `json:"seconds"` // that the self-test took
	Subjects []NoiseSubject `json:"subjects"`
	Audits   []Audit        `json:"audits"` // of the generator
}

// NoiseMachine is the part of a machine that people recognise.
type NoiseMachine struct {
	CPUModel string `json:"cpu_model"`
	CPUs     int    `json:"cpus"`
	Kernel   string `json:"kernel"`
	Arch     string `json:"architecture"`
}

// NoiseSubject is what was learned with one server.
type NoiseSubject struct {
	Name        string         `json:"name"`
	Epochs      []NoiseEpoch   `json:"epochs"` // of identical programs
	FalseAlarms NoiseRate      `json:"false_alarms"`
	Metrics     []NoiseMetric  `json:"metrics"`
	Injected    []InjectedKind `json:"injected"`
}

// NoiseEpoch is one pair of fresh processes.
type NoiseEpoch struct {
	Ratios map[string]float64 `json:"ratios"`      // log of B over A, positive being worse
	A      map[string]float64 `json:"a,omitempty"` // metrics that are counted, in their unit
	B      map[string]float64 `json:"b,omitempty"`
}

// NoiseRate is how often something happened in simulated runs of the gate.
type NoiseRate struct {
	Count  int     `json:"count"`
	Trials int     `json:"trials"`
	Rate   float64 `json:"rate"`
	Low    float64 `json:"low"` // with 95 %
	High   float64 `json:"high"`
}

// NoiseMetric is what was learned of one metric.
type NoiseMetric struct {
	Name    string       `json:"name"`
	Unit    string       `json:"unit"`
	Counted bool         `json:"counted"` // judged by differences, not ratios
	SD      float64      `json:"sd"`      // of the log ratio of an epoch, robust
	Floor   float64      `json:"floor"`   // smallest alarm: relative; in the unit, when counted
	Power   []NoisePower `json:"power,omitempty"`
}

// NoisePower is how often a true relative effect is found.
type NoisePower struct {
	Effect float64   `json:"effect"`
	Found  NoiseRate `json:"found"`
}

// InjectedKind is a slowdown made on purpose, as it was measured.
type InjectedKind struct {
	Kind    string           `json:"kind"` // as for lars serve echo --inject
	Epochs  []NoiseEpoch     `json:"epochs"`
	Metrics []InjectedMetric `json:"metrics"`
}

// InjectedMetric is what a slowdown did to one metric.
type InjectedMetric struct {
	Name   string    `json:"name"`
	Change float64   `json:"change"` // relative; of a counted metric the difference, in its unit
	Found  NoiseRate `json:"found"`  // by the gate, on epochs like these
}

// Audit is a test of the generator on this machine.
type Audit struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Text   string `json:"text"` // what was seen
}

// Subject finds a subject by name, nil if there is none.
func (n *Noise) Subject(name string) *NoiseSubject {
	if i := slices.IndexFunc(n.Subjects, func(s NoiseSubject) bool { return s.Name == name }); i >= 0 {
		return &n.Subjects[i]
	}
	return nil
}

// Metric finds a metric by name, nil if there is none.
func (s *NoiseSubject) Metric(name string) *NoiseMetric {
	if i := slices.IndexFunc(s.Metrics, func(m NoiseMetric) bool { return m.Name == name }); i >= 0 {
		return &s.Metrics[i]
	}
	return nil
}

// noiseBytesMax bounds the size of a noise file that is read.
const noiseBytesMax = 16 << 20

const remedyLearn = "learn it again with lars bench selftest"

// ReadNoise reads and checks a noise file. An error that is os.ErrNotExist
// means that nothing was learned.
func ReadNoise(path string) (*Noise, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, noiseBytesMax+1))
	if err != nil {
		return nil, refuse(ErrBroken, path, err.Error(), remedyLearn)
	}
	n, err := ParseNoise(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// ParseNoise reads the content of a noise file. Unlike a result it must hold
// nothing that is not known here: decisions stand on it.
func ParseNoise(raw []byte) (*Noise, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	switch err := json.Unmarshal(raw, &head); {
	case len(raw) > noiseBytesMax:
		return nil, fmt.Errorf("%w: larger than %d bytes: %s", ErrForeign, noiseBytesMax, remedyLearn)
	case err != nil:
		return nil, fmt.Errorf("%w: %v: %s", ErrBroken, err, remedyLearn)
	case head.Schema != NoiseSchema:
		return nil, fmt.Errorf("%w: schema %.80q, this program reads %q: %s", ErrForeign, head.Schema, NoiseSchema, remedyLearn)
	}
	var n Noise
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&n); err != nil {
		return nil, fmt.Errorf("%w: %v: %s", ErrBroken, err, remedyLearn)
	}
	if field := n.wrong(); field != "" {
		return nil, fmt.Errorf("%w: field %s is missing or impossible: %s", ErrBroken, field, remedyLearn)
	}
	return &n, nil
}

// WriteNoise writes a noise file, making its folder; an old one is replaced at
// once or not at all.
func WriteNoise(path string, n *Noise) error {
	if field := n.wrong(); field != "" {
		return fmt.Errorf("%w: field %s is missing or impossible", ErrBroken, field)
	}
	raw, err := json.MarshalIndent(n, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(raw, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// wrong names the first field that cannot be, or is empty.
func (n *Noise) wrong() string {
	switch {
	case n.Schema != NoiseSchema:
		return "schema"
	case CheckName(n.Class) != nil:
		return "class"
	case n.Machine.CPUs < 1 || n.Machine.Arch == "":
		return "machine"
	case !isTime(n.Learned):
		return "learned"
	case n.Settings == "":
		return "settings"
	case n.Rule == "":
		return "rule"
	case len(n.Stages) == 0 || slices.Min(n.Stages) < 1:
		return "stages"
	case !(n.Seconds >= 0):
		return "seconds"
	case len(n.Subjects) == 0:
		return "subjects"
	}
	for i := range n.Subjects {
		s := &n.Subjects[i]
		if CheckName(s.Name) != nil || n.Subject(s.Name) != s {
			return "subjects.name"
		}
		if field := s.wrong(); field != "" {
			return "subjects." + s.Name + "." + field
		}
	}
	return ""
}

func (s *NoiseSubject) wrong() string {
	switch {
	case wrongEpochs(s.Epochs):
		return "epochs"
	case s.FalseAlarms.wrong():
		return "false_alarms"
	case len(s.Metrics) == 0:
		return "metrics"
	}
	for i := range s.Metrics {
		m := &s.Metrics[i]
		if m.Name == "" || s.Metric(m.Name) != m {
			return "metrics.name"
		}
		if !(m.SD >= 0) || !(m.Floor >= 0) || math.IsInf(m.SD+m.Floor, 0) {
			return "metrics." + m.Name
		}
		for _, p := range m.Power {
			if !(p.Effect > 0) || p.Found.wrong() {
				return "metrics." + m.Name + ".power"
			}
		}
	}
	for _, k := range s.Injected {
		if k.Kind == "" || wrongEpochs(k.Epochs) || slices.ContainsFunc(k.Metrics, func(m InjectedMetric) bool { return m.Found.wrong() }) {
			return "injected"
		}
	}
	return ""
}

// wrongEpochs looks for ratios that no measurement gives: a factor of a million.
func wrongEpochs(epochs []NoiseEpoch) bool {
	for _, e := range epochs {
		for _, r := range e.Ratios {
			if !(math.Abs(r) < 14) {
				return true
			}
		}
	}
	return false
}

func (r NoiseRate) wrong() bool {
	return r.Count < 0 || r.Count > r.Trials || !(r.Low >= 0 && r.Low <= r.Rate && r.Rate <= r.High && r.High <= 1)
}
