package service

import "time"

// Steady tells whether the wall clock can be trusted to say how old something
// is. The zero value is ready. Not safe for concurrent use.
type Steady struct {
	// For is how long a clock that has stepped must go on steadily before it is
	// trusted again; the first look trusts it.
	For time.Duration

	looked bool
	zero   time.Time     // what the clock said when the monotonic time was 0
	since  time.Duration // steady
}

// stepMin is what counts as a step: more than any clock is slewed between two
// looks.
const stepMin = time.Minute

// Ok is to be called now and then with both clocks; mono never steps.
func (s *Steady) Ok(wall time.Time, mono time.Duration) bool {
	zero := wall.Round(0).Add(-mono) // without the monotonic reading, which hides steps
	if s.looked && zero.Sub(s.zero).Abs() > stepMin {
		s.since = mono + s.For
	}
	s.looked, s.zero = true, zero
	return mono >= s.since
}
