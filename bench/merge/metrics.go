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
		of := figure(m.Name, parts, arm, joined)
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
func figure(name string, parts []Part, arm int, joined []record.Slice) func(*record.RoundInfo) (float64, bool) {
	if p, is := percentile(name); is {
		return func(r *record.RoundInfo) (float64, bool) {
			if r.Counts["timed_out"]+r.Counts["lost"] > 0 {
				return 0, false // how they rank is not known of a single round
			}
			q := ofRound(joined, r.Round).Percentile(p, run.Confidence)
			return float64(q.Value), q.Reportable
		}
	}
	perRequest := func(r *record.RoundInfo, total int64) (float64, bool) {
		n := r.Counts["completed"]
		return float64(total) / float64(n), n > 0
	}
	switch name {
	case "throughput":
		return func(r *record.RoundInfo) (float64, bool) { return total(parts, arm, name, r.Round) }
	case "server_cpu":
		return func(r *record.RoundInfo) (float64, bool) {
			if r.Server == nil {
				return 0, false
			}
			return perRequest(r, r.Server.CPUNS)
		}
	case "generator_cpu":
		return func(r *record.RoundInfo) (float64, bool) { return perRequest(r, r.Generator.CPUNS) }
	case "rss_max":
		return func(r *record.RoundInfo) (float64, bool) {
			if r.Server == nil {
				return 0, false
			}
			return float64(r.Server.RSSMaxBytes), true
		}
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

// total is a figure that adds up over generators.
func total(parts []Part, arm int, metric string, round int) (sum float64, ok bool) {
	for _, p := range parts {
		m := p.Run.Arms[arm].Metric(metric)
		if m == nil {
			return 0, false
		}
		found := false
		for _, s := range m.Samples {
			if s.Round == round {
				sum, found = sum+s.Value, true
			}
		}
		if !found {
			return 0, false
		}
	}
	return sum, true
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
