package record

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// GateSchema names the format of Gate.
const GateSchema = "lars.bench.gate/v1"

// Gate is the verdict of lars bench gate, for programs.
type Gate struct {
	Schema   string        `json:"schema"`
	Verdict  string        `json:"verdict"` // one of the Gate constants
	Exit     int           `json:"exit"`    // of the command
	Reasons  []string      `json:"reasons"` // in words, the decisive one first
	Started  string        `json:"started"` // RFC 3339
	Seconds  float64       `json:"seconds"`
	Base     GateBinary    `json:"base"`
	Head     GateBinary    `json:"head"`
	Class    string        `json:"class"` // of machine
	Settings string        `json:"settings"`
	Rule     string        `json:"rule"`
	Noise    *GateNoise    `json:"noise,omitempty"` // absent: nothing was learned
	Subjects []GateSubject `json:"subjects"`
}

// The verdicts of the gate.
const (
	GatePass         = "pass"
	GateRegressed    = "regressed"
	GateInconclusive = "inconclusive"
	GateInvalid      = "invalid"
)

// GateBinary is one of the two programs.
type GateBinary struct {
	Ref    string `json:"ref"` // as asked for
	Commit string `json:"commit,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// GateNoise says what the thresholds stand on.
type GateNoise struct {
	File    string `json:"file"`
	Learned string `json:"learned"`
}

// GateSubject is the verdict with one server.
type GateSubject struct {
	Name        string       `json:"name"`
	Verdict     string       `json:"verdict"` // of stats, of the metrics together
	Stages      []int        `json:"stages"`  // epochs that each stage measured
	Metrics     []GateMetric `json:"metrics"`
	FalseAlarms *NoiseRate   `json:"false_alarms,omitempty"` // of this gate on this machine class
	// Reasons are what speaks against the measurement.
	Reasons []string `json:"reasons,omitempty"`
}

// GateMetric is the verdict on one metric.
type GateMetric struct {
	Name    string `json:"name"`
	Unit    string `json:"unit"`
	Verdict string `json:"verdict"` // of stats, or "unknown"
	Soft    bool   `json:"soft"`
	Counted bool   `json:"counted"`
	Stage   int    `json:"stage"`  // that decided
	Alarms  int    `json:"alarms"` // stages that said regressed, none between clearing it
	Needs   int    `json:"needs"`  // of these, for a regression to be confirmed
	Epochs  int    `json:"epochs"`
	// Change is relative, positive being worse; its bounds and the MDE are
	// absent when they are not known.
	Change float64  `json:"change"`
	Low    *float64 `json:"low,omitempty"`
	High   *float64 `json:"high,omitempty"`
	MDE    *float64 `json:"mde,omitempty"`
	Floor  float64  `json:"floor"` // smallest alarm: relative; in the unit, when counted
	P      float64  `json:"p"`     // one-sided, corrected for the number of gated metrics
	// A and B are medians of metrics that are counted.
	A *float64 `json:"value_a,omitempty"`
	B *float64 `json:"value_b,omitempty"`
	// Power is the learned chance of finding a true 5 %; absent when unknown.
	Power   *NoiseRate `json:"power,omitempty"`
	Reasons []string   `json:"reasons,omitempty"`
}

// WriteGate writes a verdict, making its folder.
func WriteGate(path string, g *Gate) error {
	raw, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o644)
}
