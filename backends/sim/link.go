package sim

import "time"

// A Link says how packets travel from one host to another, one way. The zero
// value is a perfect link without delay.
type Link struct {
	Delay  time.Duration // of each packet
	Jitter time.Duration // more, drawn evenly; it changes no order
	// Loss, Duplicate and Reorder are probabilities, 0 to 1, for each packet. A
	// reordered one arrives ReorderBy later than its turn (0 means a
	// millisecond), so that others overtake it.
	Loss, Duplicate, Reorder float64
	ReorderBy                time.Duration
	// BytesPerSecond limits the rate; 0 is no limit. What would wait for more
	// than QueueMax (0 means 100 ms) to be sent is lost.
	BytesPerSecond int64
	QueueMax       time.Duration
	Cut            bool // nothing arrives
}

const (
	reorderByDefault = time.Millisecond
	queueMaxDefault  = 100 * time.Millisecond
)

// path is a Link in force.
type path struct {
	Link
	busy time.Duration // until when it sends what was given to it
	last time.Duration // arrival of the latest packet that kept its order
}

// SetLink changes the link from one host to another (or to itself) for packets
// sent from now on.
func (w *World) SetLink(from, to *Host, l Link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	from.path(to).Link = l
}

// Link is the present link from one host to another.
func (w *World) Link(from, to *Host) Link {
	w.mu.Lock()
	defer w.mu.Unlock()
	return from.path(to).Link
}

// Join sets the link in both directions.
func (w *World) Join(a, b *Host, l Link) {
	w.SetLink(a, b, l)
	w.SetLink(b, a, l)
}

// Cut cuts every link between the hosts of a and those of b, both ways; Heal
// joins them again as they were.
func (w *World) Cut(a, b []*Host) { w.cut(a, b, true) }

// Heal undoes Cut.
func (w *World) Heal(a, b []*Host) { w.cut(a, b, false) }

func (w *World) cut(a, b []*Host, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range a {
		for _, y := range b {
			x.path(y).Cut, y.path(x).Cut = cut, cut
		}
	}
}

// path finds the way to another host. Each host has a row of those that it has
// used.
func (h *Host) path(to *Host) *path {
	if to.index >= len(h.paths) {
		h.paths = append(h.paths, make([]*path, to.index+1-len(h.paths))...)
	}
	p := h.paths[to.index]
	if p == nil {
		p = &path{Link: h.w.config.Link}
		if to == h {
			p.Link = Link{Delay: localDelay}
			if h.w.free != nil {
				p.Delay = 0
			}
		}
		h.paths[to.index] = p
	}
	return p
}

// fate of a packet: when it arrives, and whether it does.
type fate struct {
	at      time.Duration
	dropped kind // why it does not; 0 when it does
	doubled bool
}

// carry decides a packet's fate.
func (p *path) carry(w *World, bytes int) fate {
	now := w.clock()
	switch {
	case p.Cut:
		return fate{dropped: kindCut}
	case w.random.chance(p.Loss):
		return fate{dropped: kindLost}
	}
	at := now
	if p.BytesPerSecond > 0 {
		limit := p.QueueMax
		if limit == 0 {
			limit = queueMaxDefault
		}
		p.busy = max(p.busy, now)
		if p.busy-now > limit {
			return fate{dropped: kindOverflow}
		}
		p.busy += time.Duration(int64(bytes+headerBytes) * int64(time.Second) / p.BytesPerSecond)
		at = p.busy
	}
	at += p.Delay + w.random.within(p.Jitter)
	f := fate{at: max(at, p.last)}
	if w.random.chance(p.Reorder) {
		by := p.ReorderBy
		if by == 0 {
			by = reorderByDefault
		}
		f.at += by
	} else {
		p.last = f.at
	}
	f.doubled = w.random.chance(p.Duplicate)
	return f
}

// roundTrip is about how long an answer takes on this link and one like it.
func (p *path) roundTrip() time.Duration { return 2 * (p.Delay + p.Jitter) }
