package balance

// p2c draws two hosts, by their shares, and takes the one with fewer calls in
// flight: the power of two choices (Mitzenmacher 2001; Azar et al. 1994).
// Calls in flight are those that this balancer picked and that were not
// reported; a report that got lost counts for CallTimeout to twice that. With
// callers that never report it evens out the picks of that time.
type p2c struct{}

func (p2c) choose(p *pool, set *candidates, _ Ask) int32 {
	i := p.sample(set.list)
	j := p.other(set.list, i)
	if p.slots[j].load < p.slots[i].load {
		return j
	}
	return i
}

func (p2c) rebuilt(*pool, bool) {}

// leastRequest is p2c with more choices: Envoy's least request. More choices
// are fairer with one agent, and herd with many.
type leastRequest struct{}

func (leastRequest) choose(p *pool, set *candidates, _ Ask) int32 {
	best := p.sample(set.list)
	for range p.cfg.Choices - 1 {
		if j := p.sample(set.list); p.slots[j].load < p.slots[best].load {
			best = j
		}
	}
	return best
}

func (leastRequest) rebuilt(*pool, bool) {}

// ewma is p2c by what a call costs: the peak EWMA of the latency times the
// calls to serve, see latency.go. Finagle's and Linkerd's balancer. Without
// latencies in the reports all hosts count as equally fast.
type ewma struct{}

func (ewma) choose(p *pool, set *candidates, _ Ask) int32 {
	i := p.sample(set.list)
	j := p.other(set.list, i)
	if p.slots[j].cost < p.slots[i].cost {
		return j
	}
	return i
}

func (ewma) rebuilt(*pool, bool) {}
