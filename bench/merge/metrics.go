package merge

import (
	"fmt"

	"lars/bench/hist"
	"lars/bench/record"
	"lars/bench/run"
)

// metrics are the figures of the merged rounds. What cannot be had exactly from
// the parts, such as a percentile of the send lag of one round, is left out.
func metrics(parts []Part, arm int, rounds []record.RoundInfo, joined []record.Slice) []record.Metric {
	first := &parts[0].Run.Arms[arm]
	var out []record.Metric
	for _, m := range first.Metrics {
		of := figure(m.Name, joined)
		if of == nil {
			continue
		}
		merged := record.Metric{Name: m.Name, Unit: m.Unit, Better: m.Better}
		for _, r := range rounds {
			if v, ok := of(&r); ok {
				merged.Samples = append(merged.Samples, record.Sample{Round: r.Round, Value: v})
			}
		}
		if merged.Samples == nil {
			continue
		}
		if p, is := percentile(m.Name); is { // the interval where there is one round
			q := ofRound(joined, merged.Samples[0].Round).Percentile(p, run.Confidence)
			merged.Low, merged.High = ptr(q.Low), ptr(q.High)
		}
		run.Summarise(&merged)
		out = append(out, merged)
	}
	return out
}

// figure is how a metric follows from merged rounds; nil where it does not.
func figure(name string, joined []record.Slice) func(*record.RoundInfo) (float64, bool) {
	if p, is := percentile(name); is {
		return func(r *record.RoundInfo) (float64, bool) {
			if r.Counts["timed_out"]+r.Counts["lost"] > 0 {
				return 0, false // how they rank is not known of a single round
			}
			q := ofRound(joined, r.Round).Percentile(p, run.Confidence)
			return float64(q.Value), q.Reportable
		}
	}
	switch name {
	case "throughput", "server_cpu", "generator_cpu", "rss_max":
		return func(r *record.RoundInfo) (float64, bool) { return r.Figure(name) }
	}
	return nil
}

// percentile is the one that a metric is, of the response time.
func percentile(name string) (p float64, is bool) {
	n, _ := fmt.Sscanf(name, "p%g", &p)
	return p, n == 1
}

func ptr(ns int64) *float64 {
	x := float64(ns)
	return &x
}

func ofRound(joined []record.Slice, round int) *hist.Recorder {
	out := hist.New()
	for _, s := range joined {
		if s.Round == round {
			for _, b := range s.Response {
				out.Add(b)
			}
		}
	}
	return out
}

// addRatios compares each arm with the baseline, within rounds.
func addRatios(r *record.Run) {
	base := r.Arm(r.Design.Baseline)
	if base == nil {
		return
	}
	for i := range r.Arms {
		a := &r.Arms[i]
		for j := range a.Metrics {
			if a != base {
				a.Metrics[j].Ratio = run.Ratio(a, base, a.Metrics[j].Name)
			}
		}
	}
}
