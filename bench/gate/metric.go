package gate

import (
	"math"

	"lars/bench/stats"
)

// Metric is one figure that the gate judges.
type Metric struct {
	Name string
	Unit string
	// Soft metrics need one confirmation more: a shared machine moves latency
	// in ways that have nothing to do with the program.
	Soft bool
	// Counted metrics are counts that a program determines, such as
	// allocations: judged by their difference, without statistics. The others
	// are judged by the ratios of epochs.
	Counted bool
	// Floor is the relative change below which nothing is an alarm, however
	// certain. What a machine class has learned can only raise it.
	Floor float64
	// Slack is the same for counted metrics, in their unit; the larger of the
	// two holds.
	Slack float64
}

// Names of the gated metrics, as comparisons have them.
const (
	ServerCPU  = "server_cpu"
	P50        = "p50"
	P99        = "p99"
	Allocs     = "allocs"
	AllocBytes = "alloc_bytes"
	WireBytes  = "wire_bytes"
	Goroutines = "goroutines"
	OpenFiles  = "open_files"
)

// Metrics are those that are gated. CPU time is the figure that a change to a
// server moves first and a shared machine moves least; what latency adds is
// what costs no CPU: a hop, a lock, a timer.
func Metrics() []Metric {
	return []Metric{
		{Name: ServerCPU, Unit: "ns/req", Floor: 0.02},
		// A hundredth of an allocation is what the runtime itself does beside
		// some thousand requests.
		{Name: Allocs, Unit: "allocs/req", Counted: true, Slack: 0.02},
		{Name: AllocBytes, Unit: "B/req", Counted: true, Floor: 0.005, Slack: 8},
		{Name: WireBytes, Unit: "B/req", Counted: true, Slack: 1e-6},
		// What every connection holds; a few that a process has once do not count.
		{Name: Goroutines, Unit: "goroutines/conn", Counted: true, Slack: 0.5},
		{Name: OpenFiles, Unit: "files/conn", Counted: true, Slack: 0.5},
		{Name: P50, Unit: "ns", Soft: true, Floor: 0.05},
		{Name: P99, Unit: "ns", Soft: true, Floor: 0.05},
	}
}

// Epoch is one pair of fresh processes. A is the base, B what is judged.
type Epoch struct {
	Ratios map[string]float64 `json:"ratios"`      // log of B over A, positive being worse, of metrics that are not counted
	A      map[string]float64 `json:"a,omitempty"` // counted metrics, in their unit
	B      map[string]float64 `json:"b,omitempty"`
}

// swapped is the epoch with the arms exchanged: as good a sample of identical
// programs.
func (e Epoch) swapped() Epoch {
	out := Epoch{Ratios: make(map[string]float64, len(e.Ratios)), A: e.B, B: e.A}
	for name, r := range e.Ratios {
		out.Ratios[name] = -r
	}
	return out
}

func ratios(epochs []Epoch, metric string) []float64 {
	var out []float64
	for _, e := range epochs {
		if r, ok := e.Ratios[metric]; ok {
			out = append(out, r)
		}
	}
	return out
}

// counts are the values of both arms in the epochs that have both.
func counts(epochs []Epoch, metric string) (a, b []float64) {
	for _, e := range epochs {
		x, ok1 := e.A[metric]
		y, ok2 := e.B[metric]
		if ok1 && ok2 {
			a, b = append(a, x), append(b, y)
		}
	}
	return a, b
}

// countedMin is how many epochs a counted metric needs: a median of fewer is
// the word of one or two processes.
const countedMin = 3

// judgeCounted judges a count by the median difference of its epochs.
func (m Metric) judgeCounted(epochs []Epoch, slack float64) stats.Judgement {
	a, b := counts(epochs, m.Name)
	j := stats.Judgement{Verdict: stats.Inconclusive, Epochs: len(a), P: 1, PImproved: 1, MDE: math.Inf(1), Low: math.Inf(-1), High: math.Inf(1)}
	if len(a) < countedMin {
		j.Reasons = []string{"too few epochs have this count in both arms"}
		return j
	}
	diff := make([]float64, len(a))
	for i := range a {
		diff[i] = b[i] - a[i]
	}
	base := stats.Median(a)
	slack = max(slack, m.Slack, m.Floor*base)
	d := stats.Median(diff)
	if base > 0 {
		j.Theta = math.Log1p(max(d/base, -1+1e-9))
		j.MDE = slack / base
	}
	j.Verdict = stats.Equivalent
	switch {
	case d > slack:
		j.Verdict = stats.Regressed
	case d < -slack:
		j.Verdict = stats.Improved
	}
	return j
}
