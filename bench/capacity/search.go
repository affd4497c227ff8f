// Package capacity finds the highest rate at which a server meets an objective,
// such as "99 % of the responses within 5 ms", on a machine where every single
// window of measurement may be disturbed.
//
// It is for the command lars bench capacity. The answer is a bracket with a
// confidence, never a number: at its lower end the objective was confirmed to
// be met, at its upper end not to be. Search is the search itself, one window
// at a time, pure: it knows neither servers nor clocks. SLO judges a window,
// and Run leads the searches of several servers through interleaved windows.
// The package starts no server and makes no load.
package capacity

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
)

// Outcome is what one window says of its rate.
type Outcome uint8

const (
	Failed Outcome = iota // the objective was not met
	Passed                // it was
	Void                  // neither: the generator could not make the load
)

// Direction is where the rates of a pass come from.
type Direction uint8

const (
	Up   Direction = iota // from below
	Down                  // from above, after an overload
)

// Probe is a window to be measured.
type Probe struct {
	Rate float64 // requests per second
	Direction
}

// Limits are the lowest and the highest rate that may be tried, in requests per
// second.
type Limits struct{ From, To float64 }

// Answer is what a search found. A window meets the objective with a
// probability that falls with the rate; the capacity is the rate at which half
// of the windows do.
type Answer struct {
	// Low and High bracket the capacity, in requests per second. Low is 0 when
	// the objective was confirmed at no rate, High when it failed at none.
	Low, High float64
	// Confidence that the bracket holds the capacity, 0 to 1: 1 less the error
	// of every test that was made. 0 when neither end was confirmed.
	Confidence float64
	Notes      []string
}

// The constants of the search.
const (
	rampFactor   = 1.5  // from one rate of the ramp to the next
	resolution   = 1.05 // a bracket of this ratio is not bisected further
	bisections   = 8
	overload     = 1.5 // times the capacity: where the pass from above begins
	descent      = 1.2 // its steps
	descents     = 12
	voidsMax     = 3   // windows of one probe without a statement, then it has none
	hysteresis   = 1.1 // ratio of the two passes from which they are said to differ
	testWindows  = 12
	testGoodMin  = 10
	pointWindows = 2 // of three that agree are the majority
	voteWindows  = 2*pointWindows - 1
	aboveWindows = 7 * voteWindows // what the pass from above usually takes
	bothTests    = 2 * testWindows // a test of each end, for which every search keeps windows
)

// WindowsMin is the least that a search can do with: a ramp over three powers of
// ten, and a test of each end.
const WindowsMin = 60

// widths are the distances of the confirmed rates from the estimate, as the
// logarithm of the ratio, tried in turn.
func widths() []float64 { return []float64{0.05, 0.1, 0.2, 0.4, 0.8} }

// testError is the probability that a rate at which half of the windows pass
// gets ten of twelve: the error of a test.
func testError() float64 {
	sum, all := 0.0, math.Pow(2, testWindows)
	for k := testGoodMin; k <= testWindows; k++ {
		sum += choose(testWindows, k)
	}
	return sum / all
}

func choose(n, k int) float64 {
	c := 1.0
	for i := range k {
		c = c * float64(n-i) / float64(i+1)
	}
	return c
}

// Search is one search. Ask Next for a window, measure it, Record what it said,
// until Next has none; then Answer. One goroutine uses it; Stop ends it early.
type Search struct {
	limits  Limits
	rng     *rand.Rand
	next    func() (Probe, bool)
	stop    func()
	yield   func(Probe) bool
	stopped bool
	left    int // windows
	short   bool
	last    Outcome
	answer  Answer
}

// New begins a search: a geometric ramp until the objective fails, bisection of
// the logarithm of the rate with a majority of windows for each, the same from
// above after an overload, and twelve windows at each end of the bracket, in
// random order, of which ten have to agree. The seed decides that order. It takes
// at most windowsMax windows, WindowsMin or more: when they are few the bracket is
// bisected less, the pass from above is left out, and ends further apart are
// tested; the notes say so.
func New(l Limits, windowsMax int, seed uint64) *Search {
	s := &Search{limits: l, left: windowsMax, rng: rand.New(rand.NewPCG(seed, 0x6361706163697479))}
	s.next, s.stop = iter.Pull(s.probes)
	return s
}

// Next is the window to be measured next; false when the search is over.
func (s *Search) Next() (Probe, bool) { return s.next() }

// Record tells what the window of the last Next said.
func (s *Search) Record(o Outcome) { s.last = o }

// Left is how many windows the search may still take.
func (s *Search) Left() int { return s.left }

// Stop ends the search before its end. It may be called at any time, twice too.
func (s *Search) Stop() { s.stop() }

// Answer is what was found; of a search that was stopped only what had been
// confirmed.
func (s *Search) Answer() Answer { return s.answer }

// probes is the whole search, as the sequence of its windows.
func (s *Search) probes(yield func(Probe) bool) {
	s.yield = yield
	lo, hi := s.fromBelow()
	switch {
	case s.stopped:
	case lo == 0:
		s.note("not even %.0f requests a second met the objective", s.limits.From)
		s.confirm(0, s.limits.From)
	case hi == 0 && s.short:
		s.note("%.0f requests a second met the objective, and there was no time for higher rates", lo)
		s.confirm(lo, 0)
	case hi == 0:
		s.note("the highest rate of the search, %.0f requests a second, met the objective", lo)
		s.confirm(lo, 0)
	default:
		up := math.Sqrt(lo * hi)
		down := up
		if s.room(aboveWindows) {
			down = s.fromAbove(up)
		} else {
			s.note("there was no time to approach the rate from above, after an overload")
		}
		if ratio := up / down; ratio > hysteresis && !s.stopped {
			s.note("hysteresis: met up to %.0f requests a second from below, but only from %.0f on after an overload", up, down)
		}
		s.confirm(down, max(up, down))
	}
}

// room reports whether so many windows can be measured before those that are
// kept for the tests.
func (s *Search) room(windows int) bool { return s.left >= windows+bothTests }

func (s *Search) note(format string, args ...any) {
	s.answer.Notes = append(s.answer.Notes, fmt.Sprintf(format, args...))
}

// window measures one rate until a window says something. Once the search has
// been stopped it says Void at once: every loop here ends soon.
func (s *Search) window(rate float64, d Direction) Outcome {
	for range voidsMax {
		if s.left <= 0 {
			s.short = true
			return Void
		}
		if s.stopped = s.stopped || !s.yield(Probe{rate, d}); s.stopped {
			return Void
		}
		s.left--
		if s.last != Void {
			return s.last
		}
	}
	return Void
}

// majority is the vote of up to three windows, of which some failed already.
func (s *Search) majority(rate float64, d Direction, failed int) bool {
	passed := 0
	for passed < pointWindows && failed < pointWindows {
		if s.window(rate, d) == Passed {
			passed++
		} else {
			failed++
		}
	}
	return passed == pointWindows
}

// fromBelow is the highest rate that passed and the lowest that did not; lo is
// 0 when none did, hi when all did.
func (s *Search) fromBelow() (lo, hi float64) {
	for rate := s.limits.From; ; rate = min(rate*rampFactor, s.limits.To) {
		if lo > 0 && !s.room(voteWindows) {
			s.short = true
			return lo, 0
		}
		passed := s.window(rate, Up) == Passed || s.majority(rate, Up, 1)
		switch {
		case passed:
		case lo > 0:
			return s.bisect(lo, rate, Up)
		case !s.majority(rate, Up, 0): // a second time: everything follows from it
			return 0, rate
		}
		if lo = rate; rate >= s.limits.To {
			return lo, 0
		}
	}
}

// bisect narrows a bracket.
func (s *Search) bisect(lo, hi float64, d Direction) (float64, float64) {
	for range bisections {
		if hi/lo <= resolution || !s.room(voteWindows) {
			break
		}
		if mid := math.Sqrt(lo * hi); s.majority(mid, d, 0) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo, hi
}

// fromAbove begins with an overload and goes down until the objective is met
// again; the result is an estimate of the capacity.
func (s *Search) fromAbove(estimate float64) float64 {
	rate := estimate * overload
	for rate < s.limits.To && s.room(voteWindows) && s.majority(rate, Down, 0) {
		rate *= overload // what failed below was a disturbance
	}
	for range descents {
		if !s.room(voteWindows) {
			s.note("there was no time to find where the objective is met again after an overload")
			return estimate
		}
		failed := rate
		rate /= descent
		if rate <= s.limits.From {
			return s.limits.From
		}
		if s.majority(rate, Down, 0) {
			lo, hi := s.bisect(rate, failed, Down)
			return math.Sqrt(lo * hi)
		}
	}
	return rate
}
