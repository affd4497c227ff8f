package balance

// candidates is a set of hosts that may be picked, with a place in it for
// algorithms that go round.
type candidates struct {
	list []int32
	next int
	turn uint32 // how often it went round
	// number tells sets apart: 0 is all, zones follow.
	number int
}

// zone is the part of the candidates that is in one zone.
type zone struct {
	candidates
	id uint16
	// stay is the chance that a call of this zone is kept in it.
	stay float32
}

// rebuild makes the candidates anew: hosts in use and not draining, and more
// in need. hosts says that hosts came or left or changed.
func (p *pool) rebuild(hosts bool) {
	using, working := p.census()
	inUse := func(s *slot) bool { return !s.state.Out() }
	plain := func(s *slot) bool { return !s.host.Draining }
	switch {
	case using > 0 && working > 0 && float64(using) >= p.cfg.Panic*float64(p.hosts):
		p.collect(func(s *slot) bool { return plain(s) && inUse(s) })
	case using > 0 && working > 0: // panic: bad answers are better than overload, no answers are not
		p.collect(func(s *slot) bool { return plain(s) && (inUse(s) || !s.hard) })
	case using == 0 && p.collect(inUse) > 0: // all others are out: what drains works yet
	case p.hosts > 0: // fail open: nothing is known to work
		p.collect(plain)
	default: // all drain, and are out
		p.collect(func(*slot) bool { return true })
	}
	p.split()
	p.shares()
	p.chooser.rebuilt(p, hosts)
}

// census counts hosts that do not drain: those in use, and those of them that
// do not fail all the time.
func (p *pool) census() (using, working int) {
	p.hosts, p.out, p.outs = 0, 0, p.outs[:0]
	for i := range p.slots {
		s := &p.slots[i]
		switch {
		case s.state == Gone || s.host.Draining:
		case s.state.Out():
			p.hosts++
			p.out++
			p.outs = append(p.outs, int32(i))
		default:
			p.hosts++
			using++
			if !p.failing(s) {
				working++
			}
		}
	}
	return using, working
}

// collect makes the hosts that want says the candidates.
func (p *pool) collect(want func(*slot) bool) int {
	p.all.list = p.all.list[:0]
	for i := range p.slots {
		s := &p.slots[i]
		if s.picked = s.state != Gone && want(s); s.picked {
			p.all.list = append(p.all.list, int32(i))
		}
	}
	return len(p.all.list)
}

// split makes the zones' parts. A zone takes its own calls as long as
// ZoneShare of its weight is in use, and the part of them that it can below
// (Envoy's overprovisioning factor of 1.4 is a share of 1/1.4).
func (p *pool) split() {
	was := p.zones
	p.zones = p.zones[:0]
	if p.cfg.ZoneShare < 0 {
		return
	}
	several := false
	for _, i := range p.all.list {
		several = several || p.slots[i].host.Zone != p.slots[p.all.list[0]].host.Zone
	}
	if !several {
		return
	}
	for _, i := range p.all.list {
		z := p.zone(p.slots[i].host.Zone, was)
		z.list = append(z.list, i)
	}
	var all float32
	weights := func(match func(*slot) bool) (sum float32) {
		for i := range p.slots {
			if s := &p.slots[i]; s.state != Gone && match(s) {
				sum += p.weight(s)
			}
		}
		return sum
	}
	all = weights(func(s *slot) bool { return s.picked })
	for n := range p.zones {
		z := &p.zones[n]
		here := weights(func(s *slot) bool { return s.picked && s.host.Zone == z.id })
		full := weights(func(s *slot) bool { return s.host.Zone == z.id && !s.host.Draining })
		able := min(1, here/float32(p.cfg.ZoneShare)/max(full, here))
		// A call that is not kept is picked from all, and so may stay as well.
		part := here / all
		z.stay = max(0, (able-part)/(1-part))
	}
}

// zone finds the zone with that id, or begins it, in the memory of an earlier
// one.
func (p *pool) zone(id uint16, was []zone) *zone {
	for n := range p.zones {
		if p.zones[n].id == id {
			return &p.zones[n]
		}
	}
	z := zone{id: id}
	z.number = len(p.zones) + 1
	if n := len(p.zones); n < cap(was) {
		old := was[:cap(was)][n]
		z.list, z.next = old.list[:0], old.next
	} else {
		z.next = int(p.rnd.next() >> 33)
	}
	p.zones = append(p.zones, z)
	return &p.zones[len(p.zones)-1]
}

// local is where a call from a zone is picked from.
func (p *pool) local(id uint16) *candidates {
	for n := range p.zones {
		if z := &p.zones[n]; z.id == id {
			if z.stay >= 1 || z.stay > 0 && p.rnd.float() < z.stay {
				return &z.candidates
			}
			break
		}
	}
	return &p.all
}

func (p *pool) weight(s *slot) float32 {
	if !p.weighted || s.host.Weight == 0 {
		return 1
	}
	return float32(s.host.Weight)
}

// heavy is how many times the mean weight counts: what is above would make the
// search for a host long. gRPC clamps its weights so (A58, static stride
// scheduler).
const heavy = 10

// shares computes what part of the picks the candidates get.
func (p *pool) shares() {
	list := p.all.list
	if len(list) == 0 {
		return
	}
	var sum, top float32
	for _, i := range list {
		sum += p.weight(&p.slots[i])
	}
	mean := sum / float32(len(list))
	limit := mean * heavy
	for _, i := range list {
		s := &p.slots[i]
		s.share = float32(min(p.weight(s), limit) * s.warmthInUse())
		top = max(top, s.share)
	}
	p.uniform = true
	for _, i := range list {
		s := &p.slots[i]
		s.inverse = mean / s.share
		s.refresh()
		s.share /= top
		s.stride = uint16(max(float32(s.share*65535), 1))
		p.uniform = p.uniform && s.share == 1
	}
}

// warmthInUse is 1 for hosts that are candidates in need only.
func (s *slot) warmthInUse() float32 {
	if s.state == Warming {
		return s.warmth
	}
	return 1
}

// triesMax bounds the search for a host by its share.
const triesMax = 64

// sample draws a candidate, by share.
func (p *pool) sample(list []int32) int32 {
	i := list[p.rnd.below(len(list))]
	if p.uniform {
		return i
	}
	for range triesMax {
		x := p.rnd.next()
		if s := &p.slots[i]; float32(uint32(x)>>8) < s.share*(1<<24) {
			break
		}
		i = list[scale(uint32(x>>32), len(list))]
	}
	return i
}

// other draws a candidate that is not i, unless there is none.
func (p *pool) other(list []int32, i int32) int32 {
	for range 4 {
		if j := p.sample(list); j != i || len(list) == 1 {
			return j
		}
	}
	// i has almost all of the weight, or chance will have it so.
	n := p.rnd.below(len(list) - 1)
	if list[n] == i {
		return list[len(list)-1]
	}
	return list[n]
}
