package balance

import (
	"cmp"
	"slices"
)

// chash sends calls with equal keys to equal hosts: consistent hashing (Karger
// et al. 1997) with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2018). Hosts
// have points on a ring; a key goes to the next host on it that may be picked
// and has fewer calls in flight than Bound times its share of all. When a host
// comes or goes, only about its share of the keys moves; when one is ejected,
// only its own.
//
// Departures: the ring is found through a table of its sections and not by a
// binary search, so that a pick takes constant time; keys come to a warming
// host one by one, each at its own point of the slow start; zones do not
// matter, or a key would mean different hosts in each. A call without a key
// goes anywhere.
type chash struct {
	ring  []point  // by hash
	start []int32  // section -> first point in it or after it
	shift uint     // hash >> shift is the section
	known []weight // hosts with points, by slot
	fresh []point
}

// point is one of a host's places on the ring.
type point struct {
	hash uint64
	slot int32
}

// weight is what a slot's points were made of.
type weight struct {
	key uint64
	n   int32
}

const (
	// pointsEach is how many points a host of mean weight has: shares of keys
	// then vary by 1/sqrt(64), about 12 %.
	pointsEach = 64
	// walkMax bounds the search for a host that is not full.
	walkMax = 256
)

func (c *chash) choose(p *pool, set *candidates, a Ask) int32 {
	if a.Key == 0 || len(c.ring) == 0 {
		return p2c{}.choose(p, &p.all, a)
	}
	hash := mix(a.Key)
	// float: its share of the key space decides about warming hosts.
	bit := float32(mix(hash)>>40) / (1 << 24)
	at := int(c.start[hash>>c.shift])
	for at < len(c.ring) && c.ring[at].hash < hash {
		at++
	}
	average := float32(p.cfg.Bound) * float32(p.inFlight+1) / float32(len(p.all.list))
	for n := range min(len(c.ring), walkMax) {
		k := at + n
		if k >= len(c.ring) {
			k -= len(c.ring)
		}
		s := &p.slots[c.ring[k].slot]
		if !s.picked || bit >= s.warmthInUse() {
			continue
		}
		// With Bound off, average is negative; full is a host above its share,
		// rounded up.
		if average < 0 || s.load < average {
			return c.ring[k].slot
		}
	}
	return p2c{}.choose(p, &p.all, a)
}

// rebuilt brings the ring up to date with the hosts of the route. Hosts that
// cannot be picked keep their points, so that their keys come back with them.
func (c *chash) rebuilt(p *pool, hosts bool) {
	if !hosts || p.Len() == 0 {
		return
	}
	c.known = append(c.known, make([]weight, len(p.slots)-len(c.known))...)
	var sum float32
	for i := range p.slots {
		if p.slots[i].state != Gone {
			sum += p.weight(&p.slots[i])
		}
	}
	mean := sum / float32(p.Len())
	c.fresh = c.fresh[:0]
	stale := make([]bool, len(p.slots))
	for i := range p.slots {
		s, w := &p.slots[i], weight{}
		if s.state != Gone {
			// Coarse steps: another host's weight should not move all keys.
			n := min(max(float32(pointsEach)*p.weight(s)/mean, 1), pointsEach*heavy)
			w = weight{s.addr.Key() + 1, int32(n)}
		}
		if stale[i] = c.known[i] != w; !stale[i] {
			continue
		}
		c.known[i] = w
		for k := range w.n {
			c.fresh = append(c.fresh, point{mix(mix(w.key) + uint64(k)), int32(i)})
		}
	}
	kept := slices.DeleteFunc(c.ring, func(x point) bool { return stale[x.slot] })
	slices.SortFunc(c.fresh, point.compare)
	c.ring = merge(kept, c.fresh)
	c.index()
}

func (x point) compare(y point) int {
	return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.slot, y.slot))
}

// merge merges two sorted lists.
func merge(a, b []point) []point {
	out := make([]point, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].compare(b[0]) < 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// index makes the table of sections: as many as points, or up to twice.
func (c *chash) index() {
	bits := uint(1)
	for 1<<bits < len(c.ring) {
		bits++
	}
	c.shift = 64 - bits
	c.start = slices.Grow(c.start[:0], 1<<bits)[:1<<bits]
	at := int32(0)
	for section := range c.start {
		for int(at) < len(c.ring) && c.ring[at].hash>>c.shift < uint64(section) {
			at++
		}
		c.start[section] = at
	}
}
