package record

import (
	"fmt"
	"math"
	"slices"

	"lars/bench/hist"
)

// Comparison is arm B beside arm A, with every sample that the verdict stands
// on, so that any other statistic can be computed from it.
type Comparison struct {
	A            string `json:"a"`      // name of the arm that is the base
	B            string `json:"b"`      // name of the arm that is judged
	Design       string `json:"design"` // one of the Design constants
	DesignReason string `json:"design_reason"`
	// Epochs are in the order in which they were measured, each with fresh
	// processes of both arms.
	Epochs  []Epoch          `json:"epochs"`
	Metrics []ComparedMetric `json:"metrics"`
	// Verdict is that of the gated metrics together: the worst of them, in
	// the order regressed, inconclusive, improved, equivalent; "invalid" when
	// the run cannot be used.
	Verdict string `json:"verdict"`
	Rule    string `json:"rule"` // name and version of the decision rule
	// WarmupRule says what was left out before the slices, and how it was
	// checked that this was enough.
	WarmupRule string `json:"warmup_rule,omitempty"`
}

// The designs of a comparison.
const (
	DesignRequestDuet = "request-duet" // each arrival goes to both arms
	DesignProcessDuet = "process-duet" // both arms in a closed loop at the same time
	DesignABBA        = "abba"         // slices of one arm at a time: A B B A, B A A B
)

// The verdicts of a metric, and of a comparison.
const (
	VerdictRegressed    = "regressed"
	VerdictInconclusive = "inconclusive"
	VerdictImproved     = "improved"
	VerdictEquivalent   = "equivalent"
	VerdictInvalid      = "invalid" // of a comparison only
	VerdictInformative  = "info"    // of a metric that is not gated
)

// Epoch is one pair of fresh processes.
type Epoch struct {
	Index  int           `json:"index"`
	First  string        `json:"first"` // "a" or "b": the arm that was started first
	Slices []PairedSlice `json:"slices"`
	// A and B are figures of the whole epoch that slices do not have, by
	// metric: those that a server counts itself.
	A map[string]float64 `json:"a,omitempty"`
	B map[string]float64 `json:"b,omitempty"`
	// Invalid says why the epoch is not used.
	Invalid string `json:"invalid,omitempty"`
}

// PairedSlice is the same while in both arms, by metric. "requests" is the
// number answered, and is always there.
type PairedSlice struct {
	A map[string]float64 `json:"a"`
	B map[string]float64 `json:"b"`
}

// ComparedMetric is one metric over all epochs.
type ComparedMetric struct {
	Name   string `json:"name"`
	Unit   string `json:"unit"`
	Better string `json:"better"` // "lower" or "higher"
	Gated  bool   `json:"gated"`  // it takes part in the verdict
	Exact  bool   `json:"exact"`  // the same in every epoch of one program
	// A and B are medians over epochs, Difference is the median of B-A.
	A          float64 `json:"value_a"`
	B          float64 `json:"value_b"`
	Difference float64 `json:"difference"`
	Ratio      float64 `json:"ratio"` // B over A, centre of the epochs; 1 when both are zero
	// Low and High bound the ratio; absent with too few epochs.
	Low        *float64 `json:"low,omitempty"`
	High       *float64 `json:"high,omitempty"`
	Confidence float64  `json:"confidence"` // of the interval
	// MDE is the smallest relative change that this many epochs of this noise
	// find with a chance of 95 %; absent when not known.
	MDE     *float64 `json:"mde,omitempty"`
	P       float64  `json:"p"`      // one-sided, of no regression
	PHolm   float64  `json:"p_holm"` // the same, corrected for the number of gated metrics
	Floor   float64  `json:"floor"`  // a smaller relative change is no regression
	Epochs  int      `json:"epochs"` // that gave a ratio
	Verdict string   `json:"verdict"`
	// DriftP is two-sided, that the ratio does not move in one direction while
	// epochs last; absent where slices do not have the metric.
	DriftP *float64 `json:"drift_p,omitempty"`
	// Ratios are those of the epochs that gave one: the medians of their slices.
	Ratios []EpochRatio `json:"epoch_ratios"`
}

// EpochRatio is B over A in one epoch.
type EpochRatio struct {
	Epoch int     `json:"epoch"` // its index
	Ratio float64 `json:"ratio"`
}

// StageTime is the distribution of one stage of a request. A percentile that too
// few samples support is 0.
type StageTime struct {
	Stage  string `json:"stage"` // "sending", "to_server", "to_handler", "handler", "to_client", "response"
	Count  int64  `json:"count"`
	P50NS  int64  `json:"p50_ns"`
	P90NS  int64  `json:"p90_ns"`
	P99NS  int64  `json:"p99_ns"`
	P999NS int64  `json:"p999_ns"`
	HGrm   string `json:"hgrm,omitempty"`   // file with percentiles
	HDR    string `json:"hdr_v2,omitempty"` // the distribution, as Latency has it
	// The intervals of p50 and p99, by order statistics as those of Percentile;
	// 0 where the percentile is.
	P50LowNS  int64 `json:"p50_low_ns,omitempty"`
	P50HighNS int64 `json:"p50_high_ns,omitempty"`
	P99LowNS  int64 `json:"p99_low_ns,omitempty"`
	P99HighNS int64 `json:"p99_high_ns,omitempty"`
}

// Keep adds the distribution itself, from which the file with its percentiles
// is made.
func (s *StageTime) Keep(arm string, r *hist.Recorder) (err error) {
	s.HGrm = s.file(arm)
	s.HDR, err = encode(r)
	return err
}

func (s *StageTime) file(arm string) string { return "stage." + arm + "." + s.Stage + ".hgrm" }

// Metric finds a metric by name, nil if there is none of that name.
func (c *Comparison) Metric(name string) *ComparedMetric {
	if i := slices.IndexFunc(c.Metrics, func(m ComparedMetric) bool { return m.Name == name }); i >= 0 {
		return &c.Metrics[i]
	}
	return nil
}

func (r *Run) validateComparison() error {
	c := r.Comparison
	if c == nil {
		return nil
	}
	switch {
	case r.Arm(c.A) == nil:
		return broken("comparison.a")
	case r.Arm(c.B) == nil || c.A == c.B:
		return broken("comparison.b")
	case !oneOf(c.Design, DesignRequestDuet, DesignProcessDuet, DesignABBA):
		return broken("comparison.design")
	case !oneOf(c.Verdict, VerdictRegressed, VerdictInconclusive, VerdictImproved, VerdictEquivalent, VerdictInvalid):
		return broken("comparison.verdict")
	case c.Rule == "":
		return broken("comparison.rule")
	}
	for _, e := range c.Epochs {
		if e.Index < 0 || !oneOf(e.First, "a", "b") {
			return broken("comparison.epochs")
		}
	}
	for i := range c.Metrics {
		if err := c.Metrics[i].validate(len(c.Epochs)); err != nil {
			return fmt.Errorf("comparison: %w", err)
		}
	}
	return nil
}

func (m *ComparedMetric) validate(epochs int) error {
	known := []string{VerdictRegressed, VerdictInconclusive, VerdictImproved, VerdictEquivalent}
	if !m.Gated {
		known = append(known, VerdictInformative)
	}
	bounds := m.Low == nil && m.High == nil || m.Low != nil && m.High != nil && *m.Low <= m.Ratio && m.Ratio <= *m.High
	switch {
	case m.Name == "" || m.Unit == "":
		return broken("metrics.name")
	case !oneOf(m.Better, "lower", "higher"):
		return broken("metrics." + m.Name + ".better")
	case !(m.Ratio > 0) || math.IsInf(m.Ratio, 0) || !bounds:
		return broken("metrics." + m.Name + ".ratio")
	case m.Epochs < 0 || m.Epochs > epochs || len(m.Ratios) != m.Epochs:
		return broken("metrics." + m.Name + ".epochs")
	case !oneOf(m.Verdict, known...):
		return broken("metrics." + m.Name + ".verdict")
	}
	return nil
}

// stageOrder are the stages of StageTime.
var stageOrder = [...]string{StageSending, StageToServer, StageToHandler, StageHandler, StageToClient, StageResponse}

// Stages of a request in time, for StageTime; their sum is StageResponse.
const (
	StageSending   = "sending"    // from the time due until it was sent
	StageToServer  = "to_server"  // until the server had read it
	StageToHandler = "to_handler" // until its handler began
	StageHandler   = "handler"    // until the handler ended
	StageToClient  = "to_client"  // until the reply was read
)

func (s *StageTime) validate(arm string) error {
	if !oneOf(s.Stage, stageOrder[:]...) || s.Count < 0 || s.P50NS < 0 || s.P50NS > s.P90NS && s.Supports(90) || s.P90NS > s.P99NS && s.Supports(99) {
		return broken("stages")
	}
	for _, i := range [][3]int64{{s.P50LowNS, s.P50NS, s.P50HighNS}, {s.P99LowNS, s.P99NS, s.P99HighNS}} {
		if low, high := i[0], i[2]; low < 0 || high < low || high > 0 && (i[1] < low || i[1] > high) {
			return broken("stages")
		}
	}
	if !oneOf(s.HGrm, "", s.file(arm)) { // leads nowhere else
		return broken("arms.stages.hgrm")
	}
	return nil
}

// Supports tells whether ten samples lie above the p-th percentile.
func (s *StageTime) Supports(p float64) bool { return float64(s.Count)*(100-p) >= 1000 }
