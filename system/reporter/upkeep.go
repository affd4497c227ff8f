package reporter

import (
	"sync"
	"sync/atomic"
	"time"

	"lars/system/internal/service"
	"lars/system/store"
)

// prepare brings the tables up to date, however long the store is away.
func (s *Service) prepare() {
	backoff := service.Backoff{Min: retryMin, Max: max(s.cfg.RetryMax, retryMin)}
	log := service.Limiter{Every: logEvery}
	began := time.Now()
	for {
		err := s.st.Migrate(s.life)
		if err == nil {
			s.ready.set()
			return
		}
		wait := backoff.Next()
		if now := time.Now(); s.life.Err() == nil && log.Ok(now) {
			s.cfg.Log.Warn("reporter: store away at start, results wait", "for", now.Sub(began).Round(time.Millisecond),
				"waiting", s.Stats().Waiting, "retry_in", wait.Round(time.Millisecond), "err", err)
		}
		if !service.Sleep(s.life, wait) {
			return
		}
	}
}

// outage is what all writers together know of the store being away, so that
// they say it once.
type outage struct {
	mu    sync.Mutex
	since time.Time // zero while the store answers
	lines service.Limiter
}

// goesOn notes a failure and reports whether it is time for a log line.
func (o *outage) goesOn(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		o.since = now
	}
	return o.lines.Ok(now)
}

// end returns how long the store was away, to the first who asks.
func (o *outage) end(now time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return 0
	}
	lasted := now.Sub(o.since)
	o.since = time.Time{}
	o.lines.Reset()
	return lasted
}

// lasts is how long the store has been away.
func (o *outage) lasts(now time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return 0
	}
	return now.Sub(o.since)
}

// trimCounters are rows that were deleted for their age.
type trimCounters struct{ minutes, marks, failures atomic.Uint64 }

// trim deletes what is too old, now and then. Several reporters may do it at
// the same time.
func (s *Service) trim() {
	log := service.Limiter{Every: time.Hour}
	pause := service.Backoff{Min: s.cfg.TrimEvery, Max: s.cfg.TrimEvery}
	for service.Sleep(s.ending, pause.Next()) {
		now := time.Now()
		done, err := s.st.Trim(s.ending, store.TrimLimits{Minutes: now.Add(-s.cfg.MinutesKeep), Marks: now.Add(-s.cfg.MarksKeep)})
		s.trims.minutes.Add(uint64(done.Minutes))
		s.trims.marks.Add(uint64(done.Marks))
		if err != nil && s.ending.Err() == nil {
			s.trims.failures.Add(1)
			if log.Ok(now) {
				s.cfg.Log.Warn("reporter: old rows not deleted", "err", err)
			}
		}
	}
}
