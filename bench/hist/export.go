package hist

import (
	"errors"
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Bucket is one counter of the distribution that is not zero.
type Bucket struct {
	Low, High int64 // ns, both included
	Count     int64
}

// Exact reports whether b is a counter of a Recorder, and not one of a coarser
// histogram.
func (b Bucket) Exact() bool {
	if b.Low < 0 || b.Low > ValueMax {
		return false
	}
	low, step := valueAt(index(uint64(b.Low)))
	return b.Low == low && b.High == low+step-1
}

// Buckets yields the counters in use, lowest value first.
func (r *Recorder) Buckets(yield func(Bucket) bool) {
	lo, hi := r.span()
	for i := lo; i < hi; i++ {
		if r.counts[i] == 0 {
			continue
		}
		low, step := valueAt(i)
		if !yield(Bucket{low, low + step - 1, r.counts[i]}) {
			return
		}
	}
}

// Histogram returns the same counts as an HdrHistogram of 1 ns to 60 s and
// three digits, for its file formats. It holds a copy. What that type cannot
// hold stays behind: the exact minimum, maximum and sum, and the censored.
func (r *Recorder) Histogram() *hdrhistogram.Histogram {
	counts := make([]int64, counters)
	copy(counts, r.counts[:])
	return hdrhistogram.Import(&hdrhistogram.Snapshot{
		LowestTrackableValue:  1,
		HighestTrackableValue: ValueMax,
		SignificantFigures:    Digits,
		Counts:                counts,
	})
}

// ErrGeometry is a histogram whose counters are not those of a Recorder.
var ErrGeometry = errors.New("hist: not a histogram of 1 ns to 60 s with 3 digits")

// FromHistogram reads back what Histogram wrote. The minimum, maximum and sum
// are then those of the counters, exact to three digits.
func FromHistogram(h *hdrhistogram.Histogram) (*Recorder, error) {
	s := h.Export()
	if s.LowestTrackableValue != 1 || s.HighestTrackableValue != ValueMax ||
		s.SignificantFigures != Digits || len(s.Counts) != counters {
		return nil, fmt.Errorf("%w: %d to %d ns with %d digits", ErrGeometry,
			s.LowestTrackableValue, s.HighestTrackableValue, s.SignificantFigures)
	}
	r := New()
	for i, c := range s.Counts {
		if c == 0 {
			continue
		}
		low, step := valueAt(i)
		r.counts[i] = c
		r.n += c
		r.sum += c * (low + step/2)
		r.min = min(r.min, low)
		r.max = max(r.max, min(low+step-1, ValueMax))
	}
	return r, nil
}

// Add records the values of a bucket, as if each were its lowest.
func (r *Recorder) Add(b Bucket) {
	if b.Count <= 0 {
		return
	}
	r.counts[index(uint64(min(max(b.Low, 0), ValueMax)))] += b.Count
	r.n += b.Count
	r.sum += b.Count * b.Low
	r.min = min(r.min, b.Low)
	r.max = max(r.max, b.High)
}

// Exact is what the counters of a recorder do not hold.
type Exact struct {
	Min, Max, Sum  int64 // ns
	Over, Censored int64
}

// Restore gives a recorder of FromHistogram back what was known exactly when
// the histogram was made. ErrExact when that cannot be of these counters.
func (r *Recorder) Restore(e Exact) error {
	switch {
	case e.Over < 0 || e.Over > r.n || e.Censored < 0 || e.Min > e.Max:
		return fmt.Errorf("%w: %+v", ErrExact, e)
	case r.n > 0 && (index(inRange(e.Min)) != index(inRange(r.min)) || index(inRange(e.Max)) != index(inRange(r.max))):
		return fmt.Errorf("%w: the counters span %d to %d ns, not %d to %d", ErrExact, r.min, r.max, e.Min, e.Max)
	}
	r.over, r.censored, r.sum = e.Over, e.Censored, e.Sum
	if r.n > 0 {
		r.min, r.max = e.Min, e.Max
	}
	return nil
}

// ErrExact is a minimum, maximum or count that its histogram contradicts.
var ErrExact = errors.New("hist: not of this histogram")

func inRange(v int64) uint64 { return uint64(min(max(v, 0), ValueMax)) }
