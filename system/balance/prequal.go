package balance

import "math"

// prequal is Google's Prequal (Wydrowski et al., NSDI 2024): a pool of
// candidates, each with its requests in flight (RIF) and its latency at about
// that number; a candidate above a quantile of RIF is hot. The cold one with
// the lowest latency is taken, or, when all are hot, that with the fewest
// requests.
//
// Departures: there are no probes on the wire. A probe is a look at what
// reports have told, so RIF are this balancer's own calls only, and the latency
// is the estimate of latency.go, scaled from the RIF at which it was taken to
// the RIF now (without that, all agents run to the same host). A candidate is
// used once; each pick looks at two more, which replace others in turn when the
// pool is full. It is worth its cost with twenty hosts and more: with fewer the
// pool covers all of them. The pool holds 8 and not 16, for looks are cheap and
// fresh here.
type prequal struct {
	pools  []looks // by the candidates' number
	newest int32   // looked at last
	hot    float32 // the quantile of RIF
}

// looks is a pool.
type looks struct {
	pool [poolMax]look
	n    int // in use
	turn int // which one is replaced next
}

// look is a candidate as it was seen: its rank, then its slot.
type look uint64

const (
	looksEach = 2 // candidates that a pick adds
	slotBits  = 31
)

func (x look) slot() int32 { return int32(x & (1<<slotBits - 1)) }

func (q *prequal) choose(p *pool, set *candidates, _ Ask) int32 {
	for len(q.pools) <= set.number {
		q.pools = append(q.pools, looks{})
	}
	l := &q.pools[set.number]
	for range looksEach {
		q.newest = p.sample(set.list)
		l.add(look(p.slots[q.newest].rank(q.hot)<<slotBits|uint64(q.newest)), p.cfg.Pool)
	}
	q.learn(p)
	return l.take()
}

// add puts a candidate into the pool.
func (l *looks) add(x look, limit int) {
	if l.n < limit {
		l.pool[l.n] = x
		l.n++
		return
	}
	if l.turn++; l.turn >= l.n {
		l.turn = 0
	}
	l.pool[l.turn] = x
}

// take removes the best candidate, with all looks at it: they are out of date
// now.
func (l *looks) take() int32 {
	first := look(math.MaxUint64)
	for _, x := range l.pool[:l.n] {
		first = min(first, x)
	}
	i, kept := first.slot(), 0
	for _, x := range l.pool[:l.n] {
		l.pool[kept] = x
		other := uint64(x.slot() ^ i)
		kept += int((other | -other) >> 63) // 1, or 0 for i: no branch to predict
	}
	l.n = kept
	return i
}

// learn lets the newest candidate's RIF move the quantile: up by as much as
// the quantile is of 1, or down by the rest.
func (q *prequal) learn(p *pool) {
	step := float32(0.05)
	if q.hot > 1 {
		step *= q.hot
	}
	q.hot += float32(step * (float32(p.cfg.HotRIF) - 1 + float32(p.slots[q.newest].above(q.hot)&1)))
	if q.hot < 0 {
		q.hot = 0
	}
}

// rank orders candidates, the best has the lowest: cold ones by the latency to
// expect with the calls now in flight, then hot ones by those calls. It has 33
// bits and no branches, which no processor could predict here: floats that are
// not negative are ordered as their bits are.
func (s *slot) rank(hot float32) uint64 {
	isHot := s.above(hot)
	latency := s.cost / (s.rif + 1)
	return uint64(math.Float32bits(latency)&^isHot) | uint64(math.Float32bits(s.load)&isHot) | uint64(isHot&1)<<32
}

// above is all ones when the host has more in flight than hot, else 0.
func (s *slot) above(hot float32) uint32 {
	return uint32(int32(math.Float32bits(hot)-math.Float32bits(s.load)) >> 31)
}

// rebuilt empties the pools: their hosts may be gone.
func (q *prequal) rebuilt(*pool, bool) {
	for i := range q.pools {
		q.pools[i].n, q.pools[i].turn = 0, 0
	}
}
