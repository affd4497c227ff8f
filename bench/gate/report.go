package gate

import (
	"math"

	"lars/bench/record"
)

// FivePercent is the effect whose power every verdict quotes.
const FivePercent = 0.05

// Record puts the result into the form of the verdict's file. The caller adds
// what only it knows: programs, machine, time.
func Record(subjects []Subject, noise *record.Noise) record.Gate {
	g := record.Gate{Schema: record.GateSchema, Subjects: make([]record.GateSubject, 0, len(subjects))}
	g.Verdict, g.Reasons = Verdict(subjects)
	g.Exit = Exit(g.Verdict)
	for i := range subjects {
		s := &subjects[i]
		out := record.GateSubject{Name: s.Name, Verdict: string(s.Verdict), Stages: s.Stages, Reasons: s.Reasons, Metrics: make([]record.GateMetric, 0, len(s.Outcomes))}
		var learned *record.NoiseSubject
		if noise != nil {
			if learned = noise.Subject(s.Name); learned != nil {
				out.FalseAlarms = &learned.FalseAlarms
			}
		}
		for k := range s.Outcomes {
			out.Metrics = append(out.Metrics, s.Outcomes[k].record(learned))
		}
		g.Subjects = append(g.Subjects, out)
	}
	return g
}

func (o *Outcome) record(learned *record.NoiseSubject) record.GateMetric {
	m := record.GateMetric{
		Name: o.Metric.Name, Unit: o.Metric.Unit, Verdict: string(o.Verdict), Soft: o.Metric.Soft, Counted: o.Metric.Counted,
		Stage: o.Stage, Alarms: o.Alarms, Needs: o.Metric.needs(), Epochs: o.Epochs, Floor: o.Floor, P: o.PHolm, Reasons: o.Reasons,
	}
	if o.Unknown {
		m.Verdict = "unknown"
		return m
	}
	if !math.IsNaN(o.Theta) {
		m.Change = math.Expm1(o.Theta)
	}
	if o.Metric.Counted {
		m.A, m.B = known(o.A), known(o.B)
		return m
	}
	m.Low, m.High, m.MDE = known(math.Expm1(o.Low)), known(math.Expm1(o.High)), known(o.MDE)
	if math.IsInf(o.Low, 0) {
		m.Low = nil
	}
	if learned == nil {
		return m
	}
	if l := learned.Metric(o.Metric.Name); l != nil {
		for i := range l.Power {
			if l.Power[i].Effect == FivePercent {
				m.Power = &l.Power[i].Found
			}
		}
	}
	return m
}

// known is nil for what is no number.
func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
