package capacity

import "math"

// side is one end of the bracket under test.
type side struct {
	from      float64 // the estimate
	rate      float64 // under test; 0: this end is not looked for
	want      Outcome
	direction Direction
	good, bad int
	voids     int // of the bad ones
	confirmed bool
}

func (s *side) open() bool { return s.rate > 0 && !s.confirmed }

// windows is how many a test of the end takes.
func (s *side) windows() int {
	if s.open() {
		return testWindows
	}
	return 0
}

// decided is true when the windows left cannot change the test.
func (s *side) decided() bool {
	return s.good >= testGoodMin || s.bad > testWindows-testGoodMin
}

func (s *side) record(o Outcome) {
	if o == s.want {
		s.good++
		return
	}
	s.bad++
	if o == Void {
		s.voids++
	}
}

// confirm tests rates below and above the estimates, further away from them
// after each test that fails; 0 leaves an end out.
func (s *Search) confirm(lowest, highest float64) {
	low := &side{from: lowest, want: Passed, direction: Up}
	high := &side{from: highest, want: Failed, direction: Down}
	tests := 0
	for _, width := range s.affordable() {
		low.rate = s.lowRate(low, width)
		high.rate = s.highRate(high, width)
		if !low.open() && !high.open() || s.stopped {
			break
		}
		if s.short = s.left < low.windows()+high.windows(); s.short {
			break
		}
		tests += s.test(low, high)
	}
	if s.stopped {
		return
	}
	s.conclude(low, high, tests)
}

// affordable are the widths to be tried: where there is time for one test or two
// they begin further apart, where a test is more likely to succeed.
func (s *Search) affordable() []float64 {
	const narrow = 3 // tests that a search without haste may need
	return widths()[min(max(narrow-s.left/bothTests, 0), narrow-1):]
}

// lowRate and highRate are what is tested next: what was confirmed stays, and
// nothing outside of the limits is tried.
func (s *Search) lowRate(low *side, width float64) float64 {
	switch rate := low.from * math.Exp(-width); {
	case low.confirmed:
		return low.rate
	case low.from == s.limits.To && low.rate == 0:
		return low.from // nothing failed: the limit itself
	case rate < s.limits.From:
		return 0
	default:
		return rate
	}
}

func (s *Search) highRate(high *side, width float64) float64 {
	switch {
	case high.confirmed:
		return high.rate
	case high.voids > testWindows-testGoodMin:
		return 0 // a higher rate is nothing for this generator
	case high.from == s.limits.From && high.rate == 0:
		return high.from // nothing passed: the limit itself
	}
	return high.from * math.Exp(width)
}

// test gives each open end its windows, in random order.
func (s *Search) test(ends ...*side) (tests int) {
	var order []*side
	for _, e := range ends {
		if !e.open() {
			continue
		}
		tests++
		e.good, e.bad, e.voids = 0, 0, 0
		for range testWindows {
			order = append(order, e)
		}
	}
	s.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, e := range order {
		if !e.decided() {
			e.record(s.window(e.rate, e.direction))
		}
	}
	for _, e := range ends {
		e.confirmed = e.confirmed || e.open() && e.good >= testGoodMin
	}
	return tests
}

func (s *Search) conclude(low, high *side, tests int) {
	a := &s.answer
	why := "windows differ too much; longer windows, or a quieter machine, may help"
	if s.short {
		why = "there was no time for more windows; --for gives it more"
	}
	if low.confirmed {
		a.Low = low.rate
	} else if low.from > 0 {
		s.note("no rate could be confirmed to meet the objective: %s", why)
	}
	switch {
	case high.confirmed:
		a.High = high.rate
	case high.voids > testWindows-testGoodMin:
		s.note("the generator was the bottleneck at higher rates: the server may do more")
	case high.from > 0:
		s.note("no rate could be confirmed to fail: %s", why)
	}
	if low.confirmed || high.confirmed {
		a.Confidence = max(0, 1-float64(tests)*testError())
	}
}
