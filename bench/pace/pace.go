// Package pace makes the arrival times of an open-loop load: when each request
// is meant to be sent, decided by a rate and a seed before anything is sent, so
// that a slow server cannot slow the questions down.
//
// It is for the load generator and the simulator. It is pure: it reads no clock
// and sleeps nowhere; the same seed gives the same times on every machine. Times
// are generated one by one in constant memory.
package pace

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Kind is the law of the gaps between arrivals. The zero value is Poisson.
type Kind uint8

const (
	// Poisson arrivals are independent of one another: exponential gaps, as
	// from many unrelated users.
	Poisson Kind = iota
	// Constant arrivals are evenly spaced.
	Constant
)

// String is the name that ParseKind reads.
func (k Kind) String() string {
	switch k {
	case Poisson:
		return "poisson"
	case Constant:
		return "constant"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// ErrKind is an unknown name of a kind of arrivals.
var ErrKind = errors.New("pace: unknown arrivals")

// ParseKind reads "poisson" or "constant".
func ParseKind(name string) (Kind, error) {
	switch name {
	case "poisson":
		return Poisson, nil
	case "constant":
		return Constant, nil
	}
	return 0, fmt.Errorf("%w %q: choose poisson or constant", ErrKind, name)
}

// RateMax is the highest rate, in arrivals per second: one each nanosecond.
const RateMax = 1e9

// ErrRate is a rate that is no rate.
var ErrRate = errors.New("pace: rate must be above 0 and at most 1e9 per second")

// stream parts the random numbers of schedules from other uses of one seed.
const stream = 0x70616365 // "pace"

// Schedule yields arrival times in order. One goroutine uses it.
type Schedule struct {
	kind Kind
	gap  float64 // mean gap, ns
	k    int64   // arrivals made
	at   float64 // the last Poisson arrival, ns
	rng  *rand.Rand
}

// New returns the schedule of rate arrivals a second from the given seed.
func New(kind Kind, rate float64, seed uint64) (*Schedule, error) {
	if !(rate > 0 && rate <= RateMax) {
		return nil, fmt.Errorf("%w: %v", ErrRate, rate)
	}
	if kind > Constant {
		return nil, fmt.Errorf("%w: %v", ErrKind, kind)
	}
	return &Schedule{kind: kind, gap: 1e9 / rate, rng: rand.New(rand.NewPCG(seed, stream))}, nil
}

// Next returns the next arrival in ns after the start, never before the last.
// Evenly spaced ones are computed from their number, so no error accumulates;
// the first of them is at 0.
func (s *Schedule) Next() int64 {
	k := s.k
	s.k++
	if s.kind == Constant {
		return int64(math.Round(float64(k) * s.gap))
	}
	s.at += s.rng.ExpFloat64() * s.gap
	return int64(s.at)
}
