package sim

import "time"

// random is splitmix64 (Steele, Lea, Flood 2014): its sequence is ours, so it
// is the same on every machine and with every version of Go.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// chance is true with probability p. It draws nothing for 0, so that a link
// without a fault does not disturb the sequence.
func (r *random) chance(p float64) bool {
	return p > 0 && float64(r.next()>>11) < p*(1<<53)
}

// within is a duration from 0 up to, but not including, d.
func (r *random) within(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(r.next() % uint64(d))
}
