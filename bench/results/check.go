package results

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"lars/bench/hist"
	"lars/bench/record"
	"lars/bench/stats"
)

// ErrFigure is a figure of run.json that the rest of its result contradicts.
var ErrFigure = errors.New("does not follow from its result")

// Check computes the figures of run.json again that follow from what is beside
// them: percentiles from the histograms and the log, the samples of metrics from
// the rounds, the value of a metric from its samples. Its errors name the field.
func Check(f *record.Folder) error {
	for i := range f.Run.Arms {
		c := checker{folder: f, arm: &f.Run.Arms[i]}
		for _, check := range []func() error{c.rounds, c.latency, c.stages, c.metrics} {
			if err := check(); err != nil {
				return err
			}
		}
	}
	return nil
}

type checker struct {
	folder  *record.Folder
	arm     *record.Arm
	byRound map[int]*hist.Recorder
}

func (c *checker) differs(field, format string, args ...any) error {
	return fmt.Errorf("arm %s: field %s %w: %s: fetch the result again, or repeat the run", c.arm.Name, field, ErrFigure, fmt.Sprintf(format, args...))
}

// rounds asks for all that the design has; only a run that broke off, and so is
// invalid, has fewer.
func (c *checker) rounds() error {
	replies, seen := int64(0), map[int]bool{}
	for _, r := range c.arm.Rounds {
		if seen[r.Round] {
			return c.differs("rounds", "round %d stands there twice", r.Round)
		}
		seen[r.Round] = true
		replies += r.Counts["completed"] - r.Counts["one_way"]
	}
	run := c.folder.Run
	if run.Status == "invalid" || c.arm.Sweep != nil { // a search has windows, no rounds
		return nil
	}
	if len(seen) != run.Design.Rounds {
		return c.differs("rounds", "it has %d, the design %d", len(seen), run.Design.Rounds)
	}
	if replies > 0 && c.folder.Hist(c.arm.Name, record.StageResponse) == nil {
		return c.differs("latency", "there were %d replies, and there is no histogram of the response", replies)
	}
	return nil
}

// latency compares the percentiles with their histogram, and its count with that
// of the log.
func (c *checker) latency() (err error) {
	// The log of slices of one server at a time lacks what was answered after
	// the end of a slice.
	pair := c.folder.Run.Comparison
	whole := pair == nil || pair.Design != record.DesignABBA
	if whole {
		if c.byRound, err = c.folder.ByRound(c.arm.Name); err != nil {
			return err
		}
	}
	for _, l := range c.arm.Latency {
		h := c.folder.Hist(c.arm.Name, l.Stage)
		if h == nil {
			return c.differs("latency."+l.Stage+".hdr_v2", "it is missing")
		}
		for _, q := range l.Percentiles {
			if got := h.Percentile(q.P, c.folder.Run.Design.Confidence); got.Value != q.NS || got.Censored != q.Censored {
				return c.differs("latency."+l.Stage+".percentiles", "p%g is %d ns, its histogram has %d", q.P, q.NS, got.Value)
			}
		}
		if l.HLog == "" || !whole {
			continue
		}
		logged := int64(0)
		for _, r := range c.byRound {
			logged += r.Count()
		}
		if logged != l.Count && c.folder.Run.Status == "invalid" {
			c.byRound = nil // a generator that failed told its intervals, and no total
			continue
		}
		if logged != l.Count {
			return c.differs("latency."+l.Stage+".count", "it is %d, %s has %d", l.Count, l.HLog, logged)
		}
	}
	return nil
}

// stages compares percentiles with their histogram, which has three digits.
func (c *checker) stages() error {
	for i := range c.arm.Stages {
		s := &c.arm.Stages[i]
		h := c.folder.Stage(s)
		if h == nil {
			return c.differs("stages."+s.Stage+".hdr_v2", "it is missing")
		}
		for p, ns := range map[float64]int64{50: s.P50NS, 90: s.P90NS, 99: s.P99NS, 99.9: s.P999NS} {
			if q := h.Percentile(p, 0); ns != 0 && !near(float64(q.Value), float64(ns), bucketShare) {
				return c.differs("stages."+s.Stage, "p%g is %d ns, its histogram has %d", p, ns, q.Value)
			}
		}
	}
	return nil
}

func (c *checker) metrics() error {
	for i := range c.arm.Metrics {
		m := &c.arm.Metrics[i]
		for _, check := range []func(*record.Metric) error{c.median, c.samples, c.percentile} {
			if err := check(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// median leaves out what was given up in some round: its rank is not among the
// samples.
func (c *checker) median(m *record.Metric) error {
	var values []float64
	for _, s := range m.Samples {
		if s.Censored {
			return nil
		}
		values = append(values, s.Value)
	}
	if values == nil || m.Censored {
		return nil
	}
	if median := stats.Median(values); !near(median, m.Value, 1e-9) {
		return c.differs("metrics."+m.Name+".value", "it is %g, the median of its samples %g", m.Value, median)
	}
	return nil
}

func near(a, b, share float64) bool { return math.Abs(a-b) <= share*math.Abs(a) }

// samples compares what follows from the counts and times of a round: none may
// be missing either.
func (c *checker) samples(m *record.Metric) error {
	field, have := "metrics."+m.Name+".samples", map[int]bool{}
	for _, s := range m.Samples {
		r := c.arm.Round(s.Round)
		if have[s.Round] || r == nil && c.arm.Sweep == nil {
			return c.differs(field, "round %d stands there twice, or is not among the rounds", s.Round)
		}
		have[s.Round] = true
		if r == nil {
			continue
		}
		if want, ok := r.Figure(m.Name); ok && !near(want, s.Value, 1e-9) {
			return c.differs(field, "round %d has %g, its counts and times give %g", s.Round, s.Value, want)
		}
	}
	for i := range c.arm.Rounds {
		r := &c.arm.Rounds[i]
		if _, ok := r.Figure(m.Name); ok && !have[r.Round] {
			return c.differs(field, "round %d is missing", r.Round)
		}
	}
	return nil
}

// percentile compares samples that are read off a distribution with those that
// are there: of one round the histogram, of several the log; the send lag of
// several has no log, so that only its bounds are known.
func (c *checker) percentile(m *record.Metric) error {
	stage, p, ok := percentileOf(m.Name)
	// What too few rounds of a comparison have is read off its slices.
	few := c.folder.Run.Comparison != nil && 2*len(m.Samples) <= len(c.arm.Rounds)
	if !ok || few {
		return nil
	}
	field := "metrics." + m.Name + ".samples"
	all := c.folder.Hist(c.arm.Name, stage)
	if all == nil {
		return c.differs(field, "there is no histogram of the %s in latency", stage)
	}
	low, high, rounds := math.Inf(1), math.Inf(-1), 0
	for _, s := range m.Samples {
		if s.Censored {
			if all.Censored() == 0 {
				return c.differs(field, "round %d is called a lower bound, and nothing was given up", s.Round)
			}
			continue
		}
		low, high, rounds = min(low, s.Value), max(high, s.Value), rounds+1
		least, most := c.bounds(all, stage, s.Round, p)
		if s.Value < least || s.Value > most {
			return c.differs(field, "round %d has %g ns, its histogram %g to %g", s.Round, s.Value, least, most)
		}
	}
	if rounds < len(c.arm.Rounds) || all.Censored() > 0 {
		return nil // too few requests in the others, or some given up in which nobody knows
	}
	// The distribution of all rounds lies between those of the rounds.
	if q := all.Percentile(p, boundsConfidence); float64(q.Low) > high || float64(q.High) < low || p == 100 && high != float64(all.Max()) {
		return c.differs(field, "they span %g to %g ns, the histogram of all rounds has %d", low, high, q.Value)
	}
	return nil
}

const (
	bucketShare      = 0.001 // three digits
	logShare         = 0.01  // two, as a compact log has
	boundsConfidence = 0.99
)

// bounds hold the percentile of a round: that of the only one is in the histogram
// of all, of several it is read off the log, which does not tell in which of them
// requests were given up; otherwise only the span of all is known.
func (c *checker) bounds(all *hist.Recorder, stage string, round int, p float64) (least, most float64) {
	if len(c.arm.Rounds) == 1 {
		ns := float64(all.Percentile(p, 0).Value)
		return ns, ns
	}
	least, most = float64(all.Min()), float64(all.Max())
	h := c.byRound[round]
	if stage != record.StageResponse || h == nil {
		return least, most
	}
	least = max(least, (1-logShare)*float64(h.Percentile(p, 0).Value))
	if given := h.Clone(); given.Restore(hist.Exact{Min: h.Min(), Max: h.Max(), Sum: h.Sum(), Censored: all.Censored()}) == nil {
		if q := given.Percentile(p, 0); !q.Censored {
			most = min(most, (1+logShare)*float64(q.Value))
		}
	}
	return least, most
}

// percentileOf is what a metric of that name is read off.
func percentileOf(metric string) (stage string, p float64, ok bool) {
	stage = record.StageResponse
	if lag, is := strings.CutPrefix(metric, record.StageSendLag+"_"); is {
		stage, metric = record.StageSendLag, lag
	}
	if metric == "max" {
		return stage, 100, true
	}
	n, _ := fmt.Sscanf(metric, "p%g", &p)
	return stage, p, n == 1
}
