package run

import (
	"cmp"
	"slices"

	"lars/bench/hist"
	"lars/bench/record"
	"lars/bench/stats"
)

// Confidence of the intervals that a result states.
const Confidence = 0.95

// figure is one number of a round; ok is false where there is none. A figure is
// read off a distribution, or by a function.
type figure struct {
	name, unit, better string
	of                 func(*Round) (v float64, ok bool)
	from               func(*Round) *hist.Recorder
	p                  float64 // percentile of it; 100 is the maximum
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
	MetricGivenUp    = "given_up" // share of requests; only where there are any
)

// percentilesStated are those that a result states, where enough samples lie above.
var percentilesStated = [...]struct {
	name string
	p    float64
}{{MetricP50, 50}, {"p90", 90}, {MetricP99, 99}, {"p99.9", 99.9}, {"p99.99", 99.99}}

// figures lists what is read off every round.
func figures() []figure {
	out := []figure{{name: MetricThroughput, unit: "req/s", better: higher, of: func(r *Round) (float64, bool) {
		return r.Load.Throughput(), r.Load.Completed > 0
	}}}
	for _, q := range percentilesStated {
		out = append(out, figure{name: q.name, unit: "ns", better: lower, from: response, p: q.p})
	}
	return append(out,
		figure{name: MetricMax, unit: "ns", better: lower, from: response, p: 100},
		figure{name: MetricGivenUp, unit: "share", better: lower, of: func(r *Round) (float64, bool) {
			h := r.Load.Response
			return float64(h.Censored()) / float64(h.Count()+h.Censored()), h.Count()+h.Censored() > 0
		}},
		figure{name: MetricServerCPU, unit: "ns/op", better: lower, of: func(r *Round) (float64, bool) {
			return perRequest(r, float64(r.Server.CPU)), r.Server.Known && r.Load.Completed > 0
		}},
		figure{name: MetricGenerator, unit: "ns/op", better: lower, of: func(r *Round) (float64, bool) {
			return perRequest(r, float64(r.Load.Audit.CPU)), r.Load.Completed > 0
		}},
		figure{name: MetricSendLag50, unit: "ns", better: lower, from: sendLag, p: 50},
		figure{name: MetricSendLag, unit: "ns", better: lower, from: sendLag, p: 99},
		figure{name: MetricRSS, unit: "B", better: lower, of: func(r *Round) (float64, bool) { return float64(r.Server.Memory.RSSMaxBytes), r.Server.Known }},
		figure{name: MetricSwitches, unit: "switches/op", better: lower, of: func(r *Round) (float64, bool) {
			all := float64(r.Load.Completed + r.Load.WarmupCounts.Completed)
			return float64(r.Server.Voluntary+r.Server.Involuntary) / all, r.Server.Known && all > 0
		}},
	)
}

func perRequest(r *Round, total float64) float64 { return total / float64(r.Load.Completed) }

func response(r *Round) *hist.Recorder { return r.Load.Response }

func sendLag(r *Round) *hist.Recorder { return r.Load.SendLag }

// read is the figure of a round, with its interval where one round has one.
func (f *figure) read(r *Round) (s record.Sample, low, high *float64, ok bool) {
	s.Round = r.Index
	if f.from == nil {
		s.Value, ok = f.of(r)
		return s, nil, nil, ok
	}
	h := f.from(r)
	if h == nil || h.Count()+h.Censored() == 0 {
		return s, nil, nil, false
	}
	if f.p == 100 {
		if s.Value = float64(h.Max()); h.Censored() > 0 {
			s.Value, s.Censored = givenUpAfter(r, h), true
		}
		return s, nil, nil, true
	}
	q := h.Percentile(f.p, Confidence)
	if !q.Reportable {
		return s, nil, nil, false
	}
	if s.Value = float64(q.Value); q.Censored {
		s.Value, s.Censored = givenUpAfter(r, h), true
		return s, nil, nil, true
	}
	l, u := float64(q.Low), float64(q.High)
	if q.HighOpen {
		return s, &l, nil, true
	}
	return s, &l, &u, true
}

// givenUpAfter is what a request that was given up certainly took: the timeout;
// of those that ended with their connection nothing more is known than that it
// was among the longest.
func givenUpAfter(r *Round, h *hist.Recorder) float64 {
	if r.Load.TimedOut+r.Load.WarmupCounts.TimedOut > 0 {
		return float64(r.Load.Config.Timeout)
	}
	return float64(h.Max())
}

// Metrics are the figures of one target over its rounds: the median of rounds,
// never a percentile of merged rounds.
func Metrics(rounds []*Round) []record.Metric {
	var out []record.Metric
	for _, f := range figures() {
		m := record.Metric{Name: f.name, Unit: f.unit, Better: f.better}
		for _, round := range rounds {
			if s, low, high, ok := f.read(round); ok {
				m.Samples = append(m.Samples, s)
				m.Low, m.High = low, high
			}
		}
		if len(m.Samples) == 0 || f.from != nil && 2*len(m.Samples) <= len(rounds) {
			continue // of the rounds with enough requests alone, p99 may lie above the maximum of all
		}
		Summarise(&m)
		if m.Name == MetricGivenUp && !slices.ContainsFunc(m.Samples, func(s record.Sample) bool { return s.Value > 0 }) {
			continue
		}
		out = append(out, m)
	}
	return out
}

// Summarise fills in what follows from the samples, of which there is one at
// least; the interval of a single one stays as it is. Requests given up count as
// slower than all others: nothing is left out because it took too long.
func Summarise(m *record.Metric) {
	sorted := slices.SortedFunc(slices.Values(m.Samples), func(a, b record.Sample) int {
		if a.Censored != b.Censored {
			return cmp.Compare(b2i(a.Censored), b2i(b.Censored))
		}
		return cmp.Compare(a.Value, b.Value)
	})
	n := len(sorted)
	var values []float64
	for _, s := range sorted {
		values = append(values, s.Value)
	}
	m.Value, m.MAD = stats.Median(values), stats.MAD(values)
	if upper := sorted[n/2]; upper.Censored {
		m.Value, m.Censored = upper.Value, true
	}
	if n == 1 {
		return // the interval is that of the round
	}
	m.Low, m.High = nil, nil
	if lo, hi, ok := stats.MedianRanks(n, Confidence); ok && !sorted[lo].Censored {
		m.Low = &values[lo]
		if !sorted[hi].Censored {
			m.High = &values[hi]
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
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
	// A value that is only a lower bound has no ratio; and to compare only the
	// other rounds would be to leave out the slow ones.
	censored := func(s record.Sample) bool { return s.Censored }
	if slices.ContainsFunc(a, censored) || slices.ContainsFunc(b, censored) {
		return nil
	}
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
