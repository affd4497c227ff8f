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
// is the estimate of latency.go scaled from the RIF at which it was taken to
// the RIF now (without that, all agents run to the same host). A candidate is
// used once; each pick looks at two more, and the oldest goes when the pool is
// full. It is worth its cost with twenty hosts and more: with fewer the pool
// covers all of them. The pool holds
// 8 and not 16, for its RIF are exact and looks at it cost time.
type prequal struct {
	pool [poolMax]int32
	n    int     // in use
	old  int     // the oldest one
	hot  float32 // the quantile of RIF
}

// looks is how many candidates a pick adds.
const looks = 2

func (q *prequal) choose(p *pool, set *candidates, _ Ask) int32 {
	for range looks {
		q.look(p, p.sample(set.list))
	}
	whole := len(set.list) == len(p.all.list)
	first := uint64(math.MaxUint64)
	for k, i := range q.pool[:q.n] {
		s := &p.slots[i]
		if !whole && s.host.Zone != p.slots[set.list[0]].host.Zone {
			continue
		}
		first = min(first, s.rank(q.hot)<<8|uint64(k))
	}
	best := first & 0xff
	i := q.pool[best]
	q.n--
	q.pool[best] = q.pool[q.n]
	if q.old >= q.n {
		q.old = 0
	}
	return i
}

// look adds a candidate and lets its RIF move the quantile.
func (q *prequal) look(p *pool, i int32) {
	target := float32(p.cfg.HotRIF)
	step := 0.05 * max(q.hot, 1)
	if p.slots[i].load() > q.hot {
		q.hot += float32(step * target)
	} else {
		q.hot = max(0, q.hot-float32(step*(1-target)))
	}
	if q.n < p.cfg.Pool {
		q.pool[q.n] = i
		q.n++
		return
	}
	q.pool[q.old] = i
	if q.old++; q.old >= q.n {
		q.old = 0
	}
}

// rank orders candidates, the best has the lowest: cold ones by the latency to
// expect with the calls now in flight, then hot ones by those calls. It has no
// branches, which no processor could predict here: floats that are not
// negative are ordered as their bits are.
func (s *slot) rank(hot float32) uint64 {
	load := math.Float32bits(s.load())
	isHot := uint32(int32(math.Float32bits(hot)-load) >> 31) // all ones if so
	latency := math.Float32bits(s.each * (float32(s.inFlight) + 1))
	return uint64(latency&^isHot | (load|1<<31)&isHot)
}

// rebuilt empties the pool: its hosts may be gone.
func (q *prequal) rebuilt(*pool, bool) { q.n, q.old = 0, 0 }
