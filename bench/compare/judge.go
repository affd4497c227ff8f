package compare

import (
	"math"
	"slices"

	"lars/bench/record"
	"lars/bench/stats"
)

const (
	// sliceShareMin and slicesMin are rule R1's: a slice with less than a
	// quarter of the usual requests, in either arm, is dropped in both, and an
	// epoch needs eight that are left, or half of fewer than sixteen.
	sliceShareMin = 0.25
	slicesMin     = 8
)

// validSlices are those that count, by rule R1.
func validSlices(e *record.Epoch) []record.PairedSlice {
	var a, b []float64
	for _, s := range e.Slices {
		a, b = append(a, s.A[requests]), append(b, s.B[requests])
	}
	leastA, leastB := sliceShareMin*stats.Median(a), sliceShareMin*stats.Median(b)
	var out []record.PairedSlice
	for _, s := range e.Slices {
		if n, m := s.A[requests], s.B[requests]; n > 0 && m > 0 && n >= leastA && m >= leastB {
			out = append(out, s)
		}
	}
	return out
}

// pairs are the values of both arms: of the valid slices, or the one of the
// epoch where slices do not have the metric. None when there are too few.
func (m Metric) pairs(e *record.Epoch) (a, b []float64) {
	if e.Invalid != "" {
		return nil, nil
	}
	x, ok1 := m.of(e.A)
	y, ok2 := m.of(e.B)
	if ok1 && ok2 {
		return []float64{x}, []float64{y}
	}
	for _, s := range validSlices(e) {
		x, ok1 := m.of(s.A)
		y, ok2 := m.of(s.B)
		if ok1 && ok2 {
			a, b = append(a, x), append(b, y)
		}
	}
	if len(a) == 0 || len(a) < min(slicesMin, (len(e.Slices)+1)/2) {
		return nil, nil
	}
	return a, b
}

// LogRatio is the logarithm of B over A in an epoch, positive being worse: the
// median of its slices. ok is false when the epoch does not have it.
func (m Metric) LogRatio(e *record.Epoch) (log float64, ok bool) {
	a, b := m.pairs(e)
	if len(a) == 0 {
		return 0, false
	}
	logs := make([]float64, len(a))
	for i := range a {
		logs[i] = m.worse(math.Log(max(b[i], m.Least) / max(a[i], m.Least)))
	}
	return stats.Median(logs), true
}

// drift is stats.Drift of the log ratios of slices, each epoch a series. ok is
// false where slices do not have the metric.
func (m Metric) drift(epochs []record.Epoch) (p float64, ok bool) {
	var all [][]float64
	for i := range epochs {
		a, b := m.pairs(&epochs[i])
		if len(a) < 2 {
			continue
		}
		logs := make([]float64, len(a))
		for k := range a {
			logs[k] = math.Log(b[k] / a[k])
		}
		all = append(all, logs)
	}
	return stats.Drift(all...), len(all) > 0
}

// driftAlpha is how often a comparison without drift is said to have one.
const driftAlpha = 0.01

// Drifting are the gated metrics whose ratio moved while epochs lasted: what was
// measured had not settled, so a longer warm-up would give another ratio.
func Drifting(metrics []record.ComparedMetric) []string {
	var names []string
	var ps []float64
	for _, m := range metrics {
		if m.Gated && m.DriftP != nil {
			names, ps = append(names, m.Name), append(ps, *m.DriftP)
		}
	}
	var out []string
	for i, p := range stats.Holm(ps) {
		if p < driftAlpha {
			out = append(out, names[i])
		}
	}
	return out
}

// worse turns a logarithm so that positive is worse, and back.
func (m Metric) worse(log float64) float64 {
	if m.Better == higher {
		return -log
	}
	return log
}

// Judge applies the rule to every metric that the epochs have. It is pure: the
// same epochs, read back from a file, give the same judgement.
func Judge(epochs []record.Epoch, metrics []Metric, rule stats.Rule) []record.ComparedMetric {
	var out []record.ComparedMetric
	var judged []stats.Judgement
	for _, m := range metrics {
		c, j := m.judge(epochs, rule)
		if c.Epochs == 0 {
			continue // neither arm tells it, or only one
		}
		out, judged = append(out, c), append(judged, j)
	}
	correct(out, judged, rule)
	return out
}

func (m Metric) judge(epochs []record.Epoch, rule stats.Rule) (record.ComparedMetric, stats.Judgement) {
	c := record.ComparedMetric{
		Name: m.Name, Unit: m.Unit, Better: m.Better, Gated: m.Gated, Exact: m.Exact, Floor: m.Floor, Ratios: []record.EpochRatio{},
	}
	var logs, as, bs, differences []float64
	for i := range epochs {
		e := &epochs[i]
		log, ok := m.LogRatio(e)
		if !ok {
			continue
		}
		a, b := m.pairs(e)
		d := make([]float64, len(a))
		for k := range a {
			d[k] = b[k] - a[k]
		}
		logs = append(logs, log)
		as, bs, differences = append(as, stats.Median(a)), append(bs, stats.Median(b)), append(differences, stats.Median(d))
		c.Ratios = append(c.Ratios, record.EpochRatio{Epoch: e.Index, Ratio: math.Exp(m.worse(log))})
	}
	if c.Epochs = len(logs); c.Epochs == 0 {
		return c, stats.Judgement{}
	}
	rule.Floor = m.Floor
	rule.Equivalence = max(rule.Equivalence, rule.Floor)
	j := stats.Judge(logs, rule)
	c.A, c.B, c.Difference = stats.Median(as), stats.Median(bs), stats.Median(differences)
	c.Ratio, c.P, c.PHolm, c.Verdict = math.Exp(m.worse(j.Theta)), j.P, j.P, string(j.Verdict)
	if !math.IsInf(j.Low, 0) && !math.IsInf(j.High, 0) {
		low, high := math.Exp(m.worse(j.Low)), math.Exp(m.worse(j.High))
		low, high = min(low, high, c.Ratio), max(low, high, c.Ratio)
		c.Low, c.High, c.Confidence = &low, &high, 1-2*j.Alpha
	}
	if p, ok := m.drift(epochs); ok {
		c.DriftP = &p
	}
	if !math.IsInf(j.MDE, 0) && !math.IsNaN(j.MDE) {
		c.MDE = &j.MDE
	}
	return c, j
}

// correct takes back what the number of gated metrics explains as well (Holm),
// and leaves the others without a verdict. Exact metrics are no part of that
// family: a program determines them, and chance does not.
func correct(metrics []record.ComparedMetric, judged []stats.Judgement, rule stats.Rule) {
	var worse, better []float64
	for i, m := range metrics {
		if m.Gated && !m.Exact {
			worse, better = append(worse, judged[i].P), append(better, judged[i].PImproved)
		}
	}
	worse, better = stats.Holm(worse), stats.Holm(better)
	for i := range metrics {
		m := &metrics[i]
		if !m.Gated {
			m.Verdict = record.VerdictInformative
			continue
		}
		if m.Exact {
			continue
		}
		m.PHolm = worse[0]
		if m.Verdict == record.VerdictRegressed && worse[0] > rule.Alpha || m.Verdict == record.VerdictImproved && better[0] > rule.Alpha {
			m.Verdict = record.VerdictInconclusive
		}
		worse, better = worse[1:], better[1:]
	}
}

// EpochsFewest is the number of epochs below which the rule cannot call any
// metric of a family of that size regressed, however large the change.
func EpochsFewest(metrics []Metric, rule stats.Rule) int {
	family := 0
	for _, m := range metrics {
		if m.Gated && !m.Exact {
			family++
		}
	}
	return max(rule.EpochsMin, int(math.Ceil(math.Log2(float64(family)/rule.Alpha))))
}

// Overall is the verdict of the gated metrics together: the worst of them.
// Without any it is inconclusive.
func Overall(metrics []record.ComparedMetric) string {
	order := []string{record.VerdictRegressed, record.VerdictInconclusive, record.VerdictImproved, record.VerdictEquivalent}
	worst := len(order)
	for _, m := range metrics {
		if at := slices.Index(order, m.Verdict); m.Gated && at >= 0 {
			worst = min(worst, at)
		}
	}
	if worst == len(order) {
		return record.VerdictInconclusive
	}
	return order[worst]
}
