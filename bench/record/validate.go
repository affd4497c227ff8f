package record

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"time"
)

// Validate checks what the types of Go cannot say. Its errors are ErrForeign
// and ErrBroken, and name the field.
func (r *Run) Validate() error {
	if r.Schema != Schema {
		return fmt.Errorf("%w: schema %.80q", ErrForeign, r.Schema)
	}
	checks := []struct {
		ok    bool
		field string
	}{
		{r.ID != "", "id"},
		{oneOf(r.Kind, "single", "compare", "capacity"), "kind"},
		{r.Status == worst(r.Reasons), "status"},
		{isTime(r.Started), "started"},
		{r.DurationNS >= 0, "duration_ns"},
		{r.Tool.Go != "", "tool.go"},
		{r.Machine.OS != "" && r.Machine.Arch != "" && r.Machine.CPUs > 0, "machine"},
		{r.Scenario.Name != "" && r.Scenario.Conns > 0 && r.Scenario.DurationNS > 0, "scenario"},
		{r.Scenario.Text == "" || r.Scenario.SHA256 == sum([]byte(r.Scenario.Text)), "scenario.sha256"},
		{oneOf(r.Scenario.Network, "tcp", "udp"), "scenario.network"},
		{oneOf(r.Scenario.Mode, "open", "closed"), "scenario.mode"},
		{r.Design.Rounds > 0, "design.rounds"},
		{len(r.Arms) > 0, "arms"},
	}
	for _, c := range checks {
		if !c.ok {
			return broken(c.field)
		}
	}
	names := map[string]bool{}
	for i := range r.Arms {
		if err := r.Arms[i].validate(r.Design.Rounds); err != nil {
			return err
		}
		names[r.Arms[i].Name] = true
	}
	if len(names) < len(r.Arms) {
		return broken("arms.name")
	}
	for _, f := range r.Faults {
		if f.AtNS < 0 || f.EndNS < f.AtNS || f.Kind == "" {
			return broken("faults")
		}
	}
	if r.Design.Baseline != "" && r.Arm(r.Design.Baseline) == nil {
		return broken("design.baseline")
	}
	return r.validateComparison()
}

func broken(field string) error {
	return fmt.Errorf("%w: field %s is missing or impossible: %s", ErrBroken, field, remedyRepeat)
}

// worst is the status that follows from what speaks against a run; empty where
// a reason has none.
func worst(reasons []Reason) string {
	status := "valid"
	for _, x := range reasons {
		switch {
		case !oneOf(x.Status, "degraded", "invalid"):
			return ""
		case status != "invalid":
			status = x.Status
		}
	}
	return status
}

func oneOf(s string, allowed ...string) bool { return slices.Contains(allowed, s) }

// sum is the checksum of a file or of the text of a scenario.
func sum(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func isTime(s string) bool {
	_, err := time.Parse(time.RFC3339Nano, s)
	return err == nil
}

// Arm finds an arm by name, nil if there is none.
func (r *Run) Arm(name string) *Arm {
	for i := range r.Arms {
		if r.Arms[i].Name == name {
			return &r.Arms[i]
		}
	}
	return nil
}

func (a *Arm) validate(rounds int) error {
	if CheckName(a.Name) != nil {
		return broken("arms.name")
	}
	for _, m := range a.Metrics {
		if err := m.validate(rounds); err != nil {
			return fmt.Errorf("arm %s: %w", a.Name, err)
		}
	}
	for _, l := range a.Latency {
		if !oneOf(l.Stage, StageResponse, StageService, StageSendLag) || l.Count < 0 || l.MinNS > l.MaxNS {
			return fmt.Errorf("arm %s: %w", a.Name, broken("latency"))
		}
		// Names of files lead nowhere else.
		if !oneOf(l.HLog, "", logName(a.Name)) || !oneOf(l.HGrm, "", percentileName(a.Name)) {
			return fmt.Errorf("arm %s: %w", a.Name, broken("latency.hlog"))
		}
	}
	if c := a.Correctness; c != nil && (c.Sent < 0 || c.Acked < 0 || c.Lost < 0 || c.Duplicated < 0 || c.StaleRoutes < 0 || c.Stored != nil && *c.Stored < 0) {
		return fmt.Errorf("arm %s: %w", a.Name, broken("correctness"))
	}
	if err := a.Sweep.validate(); err != nil {
		return fmt.Errorf("arm %s: %w", a.Name, err)
	}
	for i := range a.Stages {
		if err := a.Stages[i].validate(a.Name); err != nil {
			return fmt.Errorf("arm %s: %w", a.Name, err)
		}
	}
	for _, round := range a.Rounds {
		if round.Round < 0 || round.Round >= rounds || !isTime(round.Started) {
			return fmt.Errorf("arm %s: %w", a.Name, broken("rounds"))
		}
	}
	return nil
}

func (s *Sweep) validate() error {
	if s == nil {
		return nil
	}
	switch {
	case !(s.SLO.Percentile > 0 && s.SLO.Percentile < 100) || s.SLO.LimitNS <= 0:
		return broken("sweep.slo")
	case s.Low < 0 || s.High < 0 || s.High > 0 && s.Low > s.High:
		return broken("sweep.low")
	case s.Confidence < 0 || s.Confidence > 1:
		return broken("sweep.confidence")
	}
	for _, p := range s.Points {
		if p.Rate <= 0 || p.Achieved < 0 || p.Passed < 0 || p.Passed > p.Windows || !oneOf(p.Direction, DirectionUp, DirectionDown) {
			return broken("sweep.points")
		}
	}
	return nil
}

func (m *Metric) validate(rounds int) error {
	switch {
	case m.Name == "" || m.Unit == "":
		return broken("metrics.name")
	case !oneOf(m.Better, "lower", "higher"):
		return broken("metrics." + m.Name + ".better")
	case math.IsNaN(m.Value) || math.IsInf(m.Value, 0):
		return broken("metrics." + m.Name + ".value")
	}
	for _, s := range m.Samples {
		if s.Round < 0 || s.Round >= rounds {
			return broken("metrics." + m.Name + ".samples")
		}
	}
	return nil
}

// Metric finds a figure by name, nil if the arm has none of that name.
func (a *Arm) Metric(name string) *Metric {
	for i := range a.Metrics {
		if a.Metrics[i].Name == name {
			return &a.Metrics[i]
		}
	}
	return nil
}
