package tally

import (
	"cmp"
	"iter"
	"time"
)

// SentConfig is what a Sent list is made with.
type SentConfig struct {
	// KeepFor is how long a report is kept. Zero means 2 minutes. Marks must
	// live longer in the store.
	KeepFor time.Duration
	// BytesMax bounds the reports kept, as reckoned with resultBytes and
	// sentBytes; beyond it the oldest goes early. Zero means 16 MiB.
	BytesMax int
}

// What a kept report costs.
const (
	resultBytes = 32
	sentBytes   = 72
)

// Sent keeps the reports that an agent sent lately. The original's protocol
// has no answer to a report, so one that was on its way when a connection or a
// reporter died may be lost: send all that is kept again on the next
// connection, and the marks see to it that each counts once. Not safe for
// concurrent use.
type Sent struct {
	cfg   SentConfig
	ring  []sent // ring[first:first+count], around the end
	first int
	count int
	bytes int
	early uint64
	spare []Result // the room of the report that went last, for the next one
}

type sent struct {
	at     time.Duration
	report Report
}

// NewSent makes an empty list.
func NewSent(cfg SentConfig) *Sent {
	cfg.KeepFor = cmp.Or(cfg.KeepFor, 2*time.Minute)
	cfg.BytesMax = cmp.Or(cfg.BytesMax, 16<<20)
	return &Sent{cfg: cfg}
}

// Add keeps a copy of a report sent now. now is monotonic.
func (s *Sent) Add(now time.Duration, r *Report) {
	s.expire(now)
	results := s.room(len(r.Results))
	size := sentBytes + cap(results)*resultBytes
	for s.count > 0 && s.bytes+size > s.cfg.BytesMax {
		s.drop()
		s.early++
	}
	if size > s.cfg.BytesMax {
		s.early++
		return
	}
	if s.count == len(s.ring) {
		s.grow()
	}
	slot := s.slot(s.count)
	*slot = sent{now, *r}
	slot.report.Results = append(results, r.Results...)
	s.count++
	s.bytes += size
}

// All yields what is kept now, oldest first. A report is valid until the next
// call of the list; add nothing meanwhile.
func (s *Sent) All(now time.Duration) iter.Seq[*Report] {
	s.expire(now)
	return func(yield func(*Report) bool) {
		for i := range s.count {
			if !yield(&s.slot(i).report) {
				return
			}
		}
	}
}

// Early counts the reports that went before their time, for want of room.
func (s *Sent) Early() uint64 { return s.early }

// Bytes returns the bytes reckoned now, of BytesMax.
func (s *Sent) Bytes() int { return s.bytes }

func (s *Sent) slot(i int) *sent { return &s.ring[(s.first+i)%len(s.ring)] }

func (s *Sent) expire(now time.Duration) {
	for s.count > 0 && now-s.slot(0).at > s.cfg.KeepFor {
		s.drop()
	}
}

// room is for n results. What is much too large is left, so that the room of
// long reports does not end up with short ones.
func (s *Sent) room(n int) []Result {
	room := s.spare
	s.spare = nil
	if cap(room) < n || cap(room) > 2*n {
		return make([]Result, 0, n)
	}
	return room[:0]
}

// drop forgets the oldest report.
func (s *Sent) drop() {
	s.spare = s.slot(0).report.Results
	s.slot(0).report.Results = nil
	s.bytes -= sentBytes + cap(s.spare)*resultBytes
	s.first = (s.first + 1) % len(s.ring)
	s.count--
}

func (s *Sent) grow() {
	wider := make([]sent, max(16, 2*len(s.ring)))
	for i := range s.count {
		wider[i] = *s.slot(i)
	}
	s.ring, s.first = wider, 0
}
