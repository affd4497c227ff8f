package workload

import (
	"math"
	"time"
)

// Random is splitmix64 (Steele, Lea, Flood 2014). Not for concurrent use.
type Random struct{ state uint64 }

// NewRandom makes a stream of its own for each seed and name.
func NewRandom(seed uint64, name string) *Random {
	const prime = 1099511628211 // FNV-1a of the name
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * prime
	}
	r := &Random{seed}
	r.state = r.Uint64() ^ h
	return r
}

// Uint64 is the next number.
func (r *Random) Uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Float is from 0 up to, but not including, 1.
func (r *Random) Float() float64 { return float64(r.Uint64()>>11) / (1 << 53) }

// Intn is from 0 to n-1; n must be above 0. Its bias is below n/2^32.
func (r *Random) Intn(n int) int { return int(r.Uint64() >> 32 * uint64(n) >> 32) }

// Chance is true with probability p.
func (r *Random) Chance(p float64) bool { return r.Float() < p }

// Between is a time from low to high, in whole microseconds.
func (r *Random) Between(low, high time.Duration) time.Duration {
	return low + micros(float64(high-low)*r.Float())
}

// exp is exponentially distributed.
func (r *Random) exp(mean time.Duration) time.Duration {
	return micros(-float64(mean) * math.Log(1-r.Float()))
}

// normal is about normally distributed, by the sum of twelve: it needs no
// function that processors compute differently.
func (r *Random) normal() float64 {
	sum := -6.0
	for range 12 {
		sum += r.Float()
	}
	return sum
}

func micros(ns float64) time.Duration { return time.Duration(ns/1e3+0.5) * time.Microsecond }
