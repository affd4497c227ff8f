package hist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// wireVersion begins the binary form of a Recorder.
const wireVersion = 1

// ErrWire is a binary form that AppendBinary has not made.
var ErrWire = errors.New("hist: not a recorder in its binary form")

// AppendBinary appends everything that r holds, exactly, in a form for another
// process: the totals, then each counter in use as its distance from the last
// one and its count, all as varints. It never fails.
func (r *Recorder) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, wireVersion)
	for _, v := range []int64{r.n, r.sum, r.Min(), r.max, r.over, r.under, r.censored} {
		b = binary.AppendVarint(b, v)
	}
	lo, hi := r.span()
	last := -1
	for i := lo; i < hi; i++ {
		if c := r.counts[i]; c != 0 {
			b = binary.AppendUvarint(b, uint64(i-last))
			b = binary.AppendUvarint(b, uint64(c))
			last = i
		}
	}
	return b, nil
}

// UnmarshalBinary makes r what AppendBinary was given. Anything that no
// recorder can hold is ErrWire, and leaves r empty.
func (r *Recorder) UnmarshalBinary(b []byte) error {
	r.counts = [counters]int64{}
	r.clearTotals()
	if err := r.decode(b); err != nil {
		r.counts = [counters]int64{}
		r.clearTotals()
		return fmt.Errorf("%w: %w", ErrWire, err)
	}
	return nil
}

var (
	errCut   = errors.New("it is cut short")
	errSense = errors.New("its figures contradict each other")
)

func (r *Recorder) decode(b []byte) error {
	if len(b) == 0 || b[0] != wireVersion {
		return errors.New("another version")
	}
	b = b[1:]
	var least int64
	for _, v := range []*int64{&r.n, &r.sum, &least, &r.max, &r.over, &r.under, &r.censored} {
		size := 0
		if *v, size = binary.Varint(b); size <= 0 {
			return errCut
		}
		b = b[size:]
	}
	total, at := int64(0), -1
	for len(b) > 0 {
		gap, n := binary.Uvarint(b)
		count, m := binary.Uvarint(b[max(n, 0):])
		if n <= 0 || m <= 0 {
			return errCut
		}
		b = b[n+m:]
		if gap == 0 || gap > counters || count == 0 || count > math.MaxInt64-uint64(total) {
			return errSense
		}
		if at += int(gap); at >= counters {
			return errSense
		}
		r.counts[at] = int64(count)
		total += int64(count)
	}
	if r.n > 0 {
		r.min = least
	}
	return r.consistent(total, at)
}

// consistent checks the totals against the counters, of which the last in use
// is given.
func (r *Recorder) consistent(total int64, last int) error {
	switch {
	case r.n != total || r.n < 0 || r.censored < 0 || r.over < 0 || r.under < 0 || r.over > r.n || r.under > r.n:
		return errSense
	case r.n == 0 && (r.sum != 0 || r.max != 0):
		return errSense
	case r.n == 0:
		return nil
	case r.min < 0 || r.max < r.min || r.sum < 0 || index(uint64(min(r.max, ValueMax))) != last:
		return errSense
	}
	first := index(uint64(min(r.min, ValueMax)))
	for i := range first {
		if r.counts[i] != 0 {
			return errSense
		}
	}
	if r.counts[first] == 0 {
		return errSense
	}
	return nil
}
