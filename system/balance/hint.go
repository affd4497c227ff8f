package balance

import (
	"time"

	"lars/system/route"
)

// What other agents found out. With few calls an agent needs long to be sure of
// a host; ten agents that each saw one call fail know it at once. What they say
// is a hint and never an order:
//
//   - A hint counts by how many more agents suspect this host than the others:
//     who suspects all of them says nothing, be it that all fail, or that the
//     agent lies.
//   - A doubtful host looks as if it had more calls in flight. So algorithms
//     that look at load prefer others while these have room, and no more.
//   - Agents that suspect it count like failures of one's own; but without one
//     of those nothing is ejected, and caps hold.
//   - After an ejection with hints the first half-open call comes as late as the
//     following ones, since others try, too; when fewer suspect the host than
//     before it comes at once.

// hint is what is known from others of a host.
type hint struct {
	share float32 // of the others that suspect it
	count float32 // these
	until time.Duration
	fell  bool    // share did
	doubt float32 // calls in flight that it seems to have besides
	trust float32 // part of the usual evidence that is enough, with doubt
}

const (
	// leastSurprise is what hints cannot do without, in bits: a failure of a
	// caller that fails once in sixteen calls.
	leastSurprise = 4
	// doubtMost is the doubt when all other agents suspect one host.
	doubtMost = 20
	// doubtLeast is the excess of suspects below which there is no doubt: what
	// an agent or two of hundreds suspect by chance.
	doubtLeast = 0.02
	// standOut is how many times more suspects a host must have than the
	// average of the others before there is any.
	standOut = 1.5
)

// Hint takes note; what follows from it waits until all hints of the moment are
// there.
func (p *pool) Hint(now time.Duration, host route.Host, suspectedBy, of uint32) bool {
	i, ok := p.index[host.Key()]
	if !ok || of == 0 || p.cfg.HintTTL < 0 || !p.outlier {
		return false
	}
	suspectedBy = min(suspectedBy, of)
	share := float32(suspectedBy) / float32(of)
	h := &p.slots[i].told
	h.fell = h.fell || share < h.share
	h.share, h.count, h.until = share, float32(suspectedBy), now+p.cfg.HintTTL
	p.hinted, p.wake = true, now
	return true
}

// heed draws the conclusions from hints, and forgets old ones.
func (p *pool) heed(now time.Duration) {
	p.hinted, p.doubtful = false, false
	var sum float32
	for i := range p.slots {
		h := &p.slots[i].told
		if h.share > 0 && now >= h.until {
			h.share, h.fell = 0, true
		}
		p.doubtful = p.doubtful || h.share > 0
		sum += h.share
	}
	changed := false
	for i := range p.slots {
		s := &p.slots[i]
		if s.state == Gone {
			continue
		}
		h := &s.told
		elsewhere := (sum - h.share) / float32(max(1, p.Len()-1))
		h.doubt = 0
		if excess := h.share - float32(standOut*elsewhere); excess > doubtLeast {
			h.doubt = doubtMost * excess
			h.trust = (1 - excess) / (1 + float32(h.count*excess/h.share))
		}
		s.refresh()
		switch {
		case s.state.Out() && h.fell:
			s.until = min(s.until, now)
			p.due = now
		case !s.state.Out() && h.doubt > 0 && s.hardStreak > 0:
			if why, hard, guilty := p.guilty(now, s); guilty && p.room(s, hard) {
				p.eject(now, s, why, hard)
				changed = true
			}
		}
		h.fell = false
	}
	if changed {
		p.rebuild(false)
	}
}

// suspect says that a host is out, or looks as if it should be to somebody with
// more calls. A suspicion ages as a hint does, since a host that is avoided for
// it would never lose it. Who does not heed hints gives none.
func (p *pool) suspect(s *slot) bool {
	return p.outlier && p.cfg.HintTTL > 0 && (s.state.Out() ||
		s.hardStreak > 0 && s.rowSurprise >= leastSurprise && p.interval-s.lastAt < p.cfg.HintTTL)
}
