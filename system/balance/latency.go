package balance

import "time"

// Estimates of latency: peak EWMA, from Finagle (com.twitter.finagle
// .loadbalancer.PeakEwma): a call slower than the estimate replaces it at
// once, a faster one lowers it with the time since the last.
//
// Departures: the estimate of a host that is not called falls once a second
// towards half of the mean, not at each look towards 0, so that it is tried
// again some time; a host of which nothing is known has the mean, not a
// penalty; failures have a cost of their own, see fail; weights of the average
// are 1/(1+t) and not exp(-t), which needs no transcendental function.

// observe takes in how long a call took.
func (p *pool) observe(now time.Duration, s *slot, r Result) {
	if r.Outcome == OK {
		s.penalty = 0
	} else {
		p.fail(s)
		// A failure may be slow, but never makes a host look fast.
		if l := float32(r.Latency); l <= s.latency {
			return
		}
	}
	l := float32(r.Latency)
	if r.Latency <= 0 {
		l = p.mean // unknown: nothing speaks against it
	} else if r.Outcome == OK {
		p.mean += float32((l - p.mean) / 64)
	}
	s.rif += float32((float32(float32(s.inFlight)*s.inverse) - s.rif) / 8)
	if l > s.latency {
		s.latency = l
	} else {
		keep := fade(now-s.seenAt, p.cfg.Decay)
		s.latency = l + float32(float32(s.latency-l)*keep)
	}
	s.seenAt = now
}

// fail raises the cost of a host that fails: by FailCost times the square of
// how far its row of failures is from ejection. One failure among successes
// should not make a host look slow for long, a few in a row should keep most
// calls away until it is decided.
func (p *pool) fail(s *slot) {
	if p.cfg.FailCost < 0 {
		return
	}
	limit := float32(max(p.cfg.Consecutive, 1))
	part := min(float32(s.failStreak)/limit, 1)
	s.penalty = float32(part*part) * float32(p.cfg.FailCost)
}

// cool ages the estimates of a host that was not called lately.
func (p *pool) cool(now time.Duration, s *slot, keep float32) {
	if now-s.lastAt < intervalEvery {
		return
	}
	half := p.mean / 2
	s.latency = half + float32(float32(s.latency-half)*keep)
	s.penalty *= keep * keep * keep * keep
	s.refresh()
}

// refresh computes what picks compare, when something of it has changed: once
// for each pick and report, and not for each look at a host.
func (s *slot) refresh() {
	s.load = (float32(s.inFlight) + s.told.doubt) * s.inverse
	s.cost = (s.latency + s.penalty) * (1 + float32(s.load))
}
