package reactor

import "time"

// sweeper enforces time-outs of connections without a timer for each: it
// visits a part of the loop's connections per tick, so that each is seen four
// times within the shortest time-out and none costs memory.
type sweeper struct {
	loop   *Loop
	tick   time.Duration // 0 while there is nothing to watch
	cancel func()        // of the next tick
	cursor *Conn         // the next to visit; nil starts over
}

const (
	sweepTickMin   = 5 * time.Millisecond
	sweepsPerLimit = 4  // visits of a connection within the shortest time-out
	ticksPerSweep  = 4  // ticks to visit all
	sweepConnsMin  = 64 // visited per tick at least
)

// watch makes the sweeper fine enough for the endpoint's time-outs.
func (s *sweeper) watch(e *endpoint) {
	for _, limit := range []time.Duration{e.IdleTimeout, e.PartialTimeout, e.WriteTimeout} {
		if limit <= 0 {
			continue
		}
		tick := max(limit/(sweepsPerLimit*ticksPerSweep), sweepTickMin)
		if s.tick != 0 && s.tick <= tick {
			continue
		}
		if s.tick != 0 {
			s.cancel()
		}
		s.tick = tick
		s.cancel = s.loop.d.After(tick, s.run)
	}
}

func (s *sweeper) run() {
	l := s.loop
	for range min(l.conns.len, l.conns.len/ticksPerSweep+sweepConnsMin) {
		if s.cursor == nil {
			s.cursor = l.conns.head
		}
		c := s.cursor
		s.cursor = c.next
		if err := c.overdue(l.d.Now()); err != nil {
			c.Close(err)
		}
	}
	if l.conns.len == 0 {
		s.tick = 0 // until the next connection
		return
	}
	s.cancel = l.d.After(s.tick, s.run)
}

// forget moves on from a connection that leaves the list.
func (s *sweeper) forget(c *Conn) {
	if s.cursor == c {
		s.cursor = c.next
	}
}

func (c *Conn) overdue(now time.Duration) error {
	if limit := c.end.PartialTimeout; limit > 0 && c.since > 0 && now-c.since > limit {
		return ErrPartial
	}
	if limit := c.end.IdleTimeout; limit > 0 && now-c.active > limit {
		return ErrIdle
	}
	if limit := c.end.WriteTimeout; limit > 0 && c.stalled(now) > limit {
		return ErrStalled
	}
	return nil
}

// stalled is for how long visits have found output waiting, and none of it taken.
func (c *Conn) stalled(now time.Duration) time.Duration {
	waits := c.d.Buffered()
	if taken := c.output - uint64(waits); waits == 0 || taken != c.taken {
		c.taken, c.takenAt = taken, now
	}
	return now - c.takenAt
}
