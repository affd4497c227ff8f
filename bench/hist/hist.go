// Package hist records latencies, in nanoseconds, in the geometry of an
// HdrHistogram with three significant digits from 1 ns to 60 s, several times
// faster than a general implementation: the geometry is a constant, so a sample
// costs one bit scan and one increment.
//
// It is for load generators and the programs that report them. Give every
// worker its own Recorder; there are no locks, and nothing here is safe for two
// goroutines at once. To read while a worker records, let the worker hand its
// recorder over with an Exchange. Merge recorders, never percentiles.
//
// What it will not do: choose its own range, correct for coordinated omission
// (measure from the intended send time instead), or guess: a percentile comes
// with its confidence interval and says when there are too few samples for it.
package hist

import "math/bits"

const (
	// ValueMax is the largest value with a counter of its own, in ns: 60 s.
	// Larger ones are counted here and in Over; Max keeps them exact.
	ValueMax = int64(60e9)
	// Digits is the number of significant decimal digits kept.
	Digits = 3
	// counters of the geometry: 2048 for the values below 2048, then 1024 for
	// each doubling up to the one that holds ValueMax.
	counters = 27 * 1024

	subBits = 11 // 2*10^3 needs 11 bits: the sub-bucket count 2048 of HdrHistogram
)

// Recorder counts values. Make it with New: 221 kB, allocated apart so that two
// workers never share a cache line. The zero value is not ready.
type Recorder struct {
	counts   [counters]int64
	n        int64
	sum      int64
	min, max int64
	over     int64
	under    int64
	censored int64
}

// New returns an empty recorder.
func New() *Recorder {
	r := new(Recorder)
	r.clearTotals()
	return r
}

func (r *Recorder) clearTotals() {
	r.n, r.sum, r.max, r.over, r.under, r.censored = 0, 0, 0, 0, 0, 0
	r.min = 1<<63 - 1
}

// index is the counter of v, 0 <= v <= ValueMax.
func index(v uint64) int {
	if v < 1<<subBits {
		return int(v)
	}
	e := bits.Len64(v) - subBits
	return e<<(subBits-1) + int(v>>uint(e))
}

// valueAt is the lowest value that counter i holds, and step the number of
// values it holds.
func valueAt(i int) (low, step int64) {
	if i < 1<<subBits {
		return int64(i), 1
	}
	e := i>>(subBits-1) - 1
	return int64(i-e<<(subBits-1)) << e, 1 << e
}

// Record counts v nanoseconds. It never fails and never allocates: a negative
// value, which only a broken clock makes, counts as 0 and in Under; one above
// ValueMax counts as ValueMax and in Over.
func (r *Recorder) Record(v int64) {
	if uint64(v) > uint64(ValueMax) {
		r.recordOutside(v)
		return
	}
	r.counts[index(uint64(v))]++
	r.n++
	r.sum += v
	r.min = min(r.min, v)
	r.max = max(r.max, v)
}

//go:noinline
func (r *Recorder) recordOutside(v int64) {
	at := ValueMax
	if v < 0 {
		v, at = 0, 0
		r.under++
	} else {
		r.over++
	}
	r.counts[index(uint64(at))]++
	r.n++
	r.sum += v
	r.min = min(r.min, v)
	r.max = max(r.max, v)
}

// Censor counts an observation of which only a lower bound is known: a request
// that was given up at its timeout. It ranks above every recorded value in
// percentiles, and is in neither Count, Mean nor Max.
func (r *Recorder) Censor() { r.censored++ }

// Count is the number of recorded values, without the censored ones.
func (r *Recorder) Count() int64 { return r.n }

// Censored is the number of observations given up.
func (r *Recorder) Censored() int64 { return r.censored }

// Over is the number of values above ValueMax; Under that of negative ones.
func (r *Recorder) Over() int64 { return r.over }

// Under is the number of negative values, recorded as 0.
func (r *Recorder) Under() int64 { return r.under }

// Sum is the exact sum in ns.
func (r *Recorder) Sum() int64 { return r.sum }

// Min is the exact smallest value in ns, 0 when empty.
func (r *Recorder) Min() int64 {
	if r.n == 0 {
		return 0
	}
	return r.min
}

// Max is the exact largest value in ns, 0 when empty.
func (r *Recorder) Max() int64 { return r.max }

// Mean is the exact mean in ns, 0 when empty.
func (r *Recorder) Mean() float64 {
	if r.n == 0 {
		return 0
	}
	return float64(r.sum) / float64(r.n)
}

// span is the range of counters in use, lo to hi excluded: what merging and
// clearing touch, so that both cost what was recorded and not the whole table.
func (r *Recorder) span() (lo, hi int) {
	if r.n == 0 {
		return 0, 0
	}
	return index(uint64(min(r.min, ValueMax))), index(uint64(min(r.max, ValueMax))) + 1
}

// Merge adds all of from to r; from stays as it is.
func (r *Recorder) Merge(from *Recorder) {
	lo, hi := from.span()
	for i := lo; i < hi; i++ {
		r.counts[i] += from.counts[i]
	}
	r.n += from.n
	r.sum += from.sum
	r.over += from.over
	r.under += from.under
	r.censored += from.censored
	r.min = min(r.min, from.min)
	r.max = max(r.max, from.max)
}

// Reset empties r.
func (r *Recorder) Reset() {
	lo, hi := r.span()
	clear(r.counts[lo:hi])
	r.clearTotals()
}

// Clone returns a copy.
func (r *Recorder) Clone() *Recorder {
	c := *r
	return &c
}
