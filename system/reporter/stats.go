package reporter

import (
	"sync/atomic"
	"time"
)

// decodeCounters are written on a loop and read from anywhere.
type decodeCounters struct {
	reports, results, malformed, badModule, badHost, badSuspect atomic.Uint64
}

// Stats of a Service since it started. Counters that a healthy system leaves at
// zero come after those of its work.
type Stats struct {
	Conns   int    `json:"conns"`
	Reports uint64 `json:"reports"` // messages, of every fate
	Results uint64 `json:"results"` // hosts in the good ones
	Waiting int    `json:"waiting"` // results not yet stored
	Batches uint64 `json:"batches"`
	Stored  uint64 `json:"stored"` // results in batches that are stored, repeated ones included

	TrimmedMinutes uint64 `json:"trimmed_minutes"` // rows
	TrimmedMarks   uint64 `json:"trimmed_marks"`   // rows
	TrimmedHints   uint64 `json:"trimmed_hints"`   // rows of what agents suspected

	Repeated     uint64        `json:"repeated"`      // reports that had come before
	Merged       uint64        `json:"merged"`        // results that went into a waiting one
	Dropped      uint64        `json:"dropped"`       // results without room in the queue
	DroppedCalls uint64        `json:"dropped_calls"` // calls in them
	Malformed    uint64        `json:"malformed"`     // messages dropped: not what their id says
	BadModule    uint64        `json:"bad_module"`    // reports dropped: negative id
	BadHost      uint64        `json:"bad_host"`      // results dropped: address or port that is none
	BadSuspect   uint64        `json:"bad_suspect"`   // words on hosts ignored: unknown, of no agent that shares its suspicions, or too many
	Refused      uint64        `json:"refused"`       // results that the store would not take
	Skipped      uint64        `json:"skipped"`       // results that the store passed over
	Failures     uint64        `json:"failures"`      // attempts of a writer that failed
	TrimFailures uint64        `json:"trim_failures"`
	Away         time.Duration `json:"store_away_ns"` // how long the store has been away; 0 while it answers
}

// Stats reads the counters without stopping anything; from any goroutine.
func (s *Service) Stats() Stats {
	t := Stats{
		Conns: s.conns.Len(), Away: s.outage.lasts(s.cfg.Wall()),
		TrimmedMinutes: s.trims.minutes.Load(), TrimmedMarks: s.trims.marks.Load(), TrimmedHints: s.trims.hints.Load(), TrimFailures: s.trims.failures.Load(),
	}
	for _, d := range s.decode {
		t.Reports += d.counts.reports.Load()
		t.Results += d.counts.results.Load()
		t.Malformed += d.counts.malformed.Load()
		t.BadModule += d.counts.badModule.Load()
		t.BadHost += d.counts.badHost.Load()
		t.BadSuspect += d.counts.badSuspect.Load()
	}
	for _, l := range s.lanes {
		l.addTo(&t)
	}
	return t
}

func (l *lane) addTo(t *Stats) {
	q, c := l.stats(), &l.counters
	t.Waiting += q.Waiting
	t.Merged += q.Merged
	t.Dropped += q.Dropped
	t.DroppedCalls += q.DroppedCalls
	t.Repeated += q.Repeated + c.repeated.Load()
	t.Batches += c.batches.Load()
	t.Stored += c.stored.Load()
	t.Skipped += c.skipped.Load()
	t.Refused += c.refused.Load()
	t.Failures += c.failures.Load()
}
