package run

import (
	"lars/bench/hist"
	"lars/bench/record"
	"lars/bench/stats"
)

// Confidence of the intervals that a result states.
const Confidence = 0.95

// figure is one number of a round; ok is false where there is none.
type figure struct {
	name, unit, better string
	of                 func(*Round) (v float64, ok bool)
}

const (
	lower  = "lower"
	higher = "higher"
)

// Names of metrics that other packages look up.
const (
	MetricThroughput = "throughput"
	MetricServerCPU  = "server_cpu"
	MetricP50        = "p50"
	MetricP99        = "p99"
	MetricMax        = "max"
	MetricSendLag50  = "send_lag_p50"
	MetricSendLag    = "send_lag_p99"
	MetricGenerator  = "generator_cpu"
	MetricRSS        = "rss_max"
	MetricSwitches   = "switches"
)

// percentilesStated are those that a result states, where enough samples lie above.
var percentilesStated = [...]struct {
	name string
	p    float64
}{{MetricP50, 50}, {"p90", 90}, {MetricP99, 99}, {"p99.9", 99.9}, {"p99.99", 99.99}}

// figures lists what is read off every round.
func figures() []figure {
	out := []figure{{MetricThroughput, "req/s", higher, func(r *Round) (float64, bool) {
		return r.Load.Throughput(), r.Load.Completed > 0
	}}}
	for _, q := range percentilesStated {
		out = append(out, figure{q.name, "ns", lower, func(r *Round) (float64, bool) { return percentile(r.Load.Response, q.p) }})
	}
	return append(out,
		figure{MetricMax, "ns", lower, func(r *Round) (float64, bool) {
			return float64(r.Load.Response.Max()), r.Load.Response.Count() > 0 && r.Load.Response.Censored() == 0
		}},
		figure{MetricServerCPU, "ns/op", lower, func(r *Round) (float64, bool) {
			return perRequest(r, float64(r.Server.CPU)), r.Server.Known && r.Load.Completed > 0
		}},
		figure{MetricGenerator, "ns/op", lower, func(r *Round) (float64, bool) {
			return perRequest(r, float64(r.Load.Audit.CPU)), r.Load.Completed > 0
		}},
		figure{MetricSendLag50, "ns", lower, func(r *Round) (float64, bool) { return percentile(r.Load.SendLag, 50) }},
		figure{MetricSendLag, "ns", lower, func(r *Round) (float64, bool) { return percentile(r.Load.SendLag, 99) }},
		figure{MetricRSS, "B", lower, func(r *Round) (float64, bool) { return float64(r.Server.Memory.RSSMaxBytes), r.Server.Known }},
		figure{MetricSwitches, "switches/op", lower, func(r *Round) (float64, bool) {
			all := float64(r.Load.Completed + r.Load.WarmupCounts.Completed)
			return float64(r.Server.Voluntary+r.Server.Involuntary) / all, r.Server.Known && all > 0
		}},
	)
}

func perRequest(r *Round, total float64) float64 { return total / float64(r.Load.Completed) }

// percentile is only what has ten samples above it, and no request given up
// below it.
func percentile(h *hist.Recorder, p float64) (float64, bool) {
	if h == nil {
		return 0, false
	}
	q := h.Percentile(p, Confidence)
	return float64(q.Value), q.Reportable && !q.Censored
}

// metrics are the figures of one target over its rounds: the median of rounds,
// never a percentile of merged rounds.
func (r *Result) metrics(target int) []record.Metric {
	var out []record.Metric
	rounds := r.RoundsOf(target)
	for _, f := range figures() {
		m := record.Metric{Name: f.name, Unit: f.unit, Better: f.better}
		var values []float64
		for _, round := range rounds {
			if v, ok := f.of(round); ok {
				m.Samples = append(m.Samples, record.Sample{Round: round.Index, Value: v})
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			continue
		}
		m.Value, m.MAD = stats.Median(values), stats.MAD(values)
		out = append(out, m)
	}
	return out
}

// addRatios compares each arm with the baseline, within rounds.
func addRatios(arms []record.Arm, baseline string) {
	var base *record.Arm
	for i := range arms {
		if arms[i].Name == baseline {
			base = &arms[i]
		}
	}
	if base == nil {
		return
	}
	for i := range arms {
		for j := range arms[i].Metrics {
			m := &arms[i].Metrics[j]
			if b := base.Metric(m.Name); b != nil && &arms[i] != base {
				m.Ratio = ratio(m.Samples, b.Samples)
			}
		}
	}
}

// Ratio compares one figure of an arm with that of another of the same run,
// within rounds; nil when no round has both.
func Ratio(arm, of *record.Arm, metric string) *record.Ratio {
	a, b := arm.Metric(metric), of.Metric(metric)
	if a == nil || b == nil {
		return nil
	}
	return ratio(a.Samples, b.Samples)
}

func ratio(a, b []record.Sample) *record.Ratio {
	inB := map[int]float64{}
	for _, s := range b {
		inB[s.Round] = s.Value
	}
	var x, y []float64
	for _, s := range a {
		if v, ok := inB[s.Round]; ok {
			x, y = append(x, s.Value), append(y, v)
		}
	}
	got := stats.PairedRatio(x, y, Confidence)
	if got.Rounds == 0 {
		return nil
	}
	out := &record.Ratio{Value: got.Value, Rounds: got.Rounds}
	if got.Known {
		out.Low, out.High, out.Confidence = &got.Low, &got.High, got.Confidence
	}
	return out
}
