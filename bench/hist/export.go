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
