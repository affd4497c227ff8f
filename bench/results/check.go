package results

import (
	"errors"
	"fmt"
	"math"

	"lars/bench/record"
	"lars/bench/stats"
)

// ErrFigure is a figure of run.json that its own samples contradict.
var ErrFigure = errors.New("does not follow from its samples")

// Check computes the figures of run.json again that follow from what is beside
// them: percentiles from the histogram, the value of a metric from the samples
// of its rounds.
func Check(f *record.Folder) error {
	for i := range f.Run.Arms {
		a := &f.Run.Arms[i]
		for _, l := range a.Latency {
			if err := checkPercentiles(f, a.Name, &l); err != nil {
				return err
			}
		}
		for _, m := range a.Metrics {
			if err := checkMedian(a.Name, &m); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPercentiles(f *record.Folder, arm string, l *record.Latency) error {
	r := f.Hist(arm, l.Stage)
	if r == nil {
		return nil
	}
	for _, q := range l.Percentiles {
		if got := r.Percentile(q.P, f.Run.Design.Confidence); got.Value != q.NS || got.Censored != q.Censored {
			return fmt.Errorf("%w: p%g of %s of %s is %d ns, its histogram has %d: fetch the result again, or repeat the run", ErrFigure, q.P, l.Stage, arm, q.NS, got.Value)
		}
	}
	return nil
}

// checkMedian leaves out what was given up in some round: its rank is not among
// the samples.
func checkMedian(arm string, m *record.Metric) error {
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
	if median := stats.Median(values); math.Abs(median-m.Value) > 1e-9*math.Abs(median) {
		return fmt.Errorf("%w: %s of %s is %g, the median of its rounds is %g: fetch the result again, or repeat the run", ErrFigure, m.Name, arm, m.Value, median)
	}
	return nil
}
