package reporter

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"lars/system/internal/service"
	"lars/system/store"
)

// upkeep is what the service does for its tables, on its first loop and the
// workers.
type upkeep struct {
	s     *Service
	began time.Time
	retry service.Backoff // of prepare
	again service.Backoff // of trim
	lines service.Limiter // about prepare
	trims service.Limiter // about trim
	clock service.Steady
}

func newUpkeep(s *Service) *upkeep {
	random := rand.New(rand.NewPCG(s.cfg.Seed, 1<<32)) // no lane's
	return &upkeep{
		s: s, began: s.cfg.Wall(),
		retry: service.Backoff{Min: retryMin, Max: max(s.cfg.RetryMax, retryMin), Random: random},
		again: service.Backoff{Min: s.cfg.TrimEvery, Max: s.cfg.TrimEvery, Random: random},
		lines: service.Limiter{Every: logEvery},
		trims: service.Limiter{Every: time.Hour},
		clock: service.Steady{For: time.Hour},
	}
}

// prepare brings the tables up to date, however long the store is away, and
// then wakes the writers.
func (u *upkeep) prepare() {
	s, loop := u.s, u.s.r.Loops()[0]
	var err error
	s.jobs.Run(loop, func(ctx context.Context) { err = s.st.Migrate(ctx) }, func() {
		if err == nil {
			for _, l := range s.lanes {
				l.loop.Post(l.next)
			}
			return
		}
		wait := u.retry.Next()
		if now := s.cfg.Wall(); u.lines.Ok(now) {
			s.cfg.Log.Warn("reporter: store away at start, results wait", "for", now.Sub(u.began).Round(time.Millisecond),
				"waiting", s.Stats().Waiting, "retry_in", wait.Round(time.Millisecond), "err", err)
		}
		loop.After(wait, u.prepare)
	})
}

// hintsKeep is how long suspicions stay that are over: nobody reads them, but
// for a dns whose clock is behind.
const hintsKeep = time.Minute

// trim deletes what is too old, now and then; nothing by a clock that has
// stepped a while ago. Several reporters may do it at the same time.
func (u *upkeep) trim() {
	s, loop := u.s, u.s.r.Loops()[0]
	u.clock.Ok(s.cfg.Wall(), loop.Now())
	loop.After(u.again.Next(), func() {
		now := s.cfg.Wall()
		if !u.clock.Ok(now, loop.Now()) {
			u.trim()
			return
		}
		s.jobs.Run(loop, func(ctx context.Context) {
			done, err := s.st.Trim(ctx, store.TrimLimits{
				Minutes: now.Add(-s.cfg.MinutesKeep), Marks: now.Add(-s.cfg.MarksKeep), Hints: now.Add(-hintsKeep),
			})
			s.trims.minutes.Add(uint64(done.Minutes))
			s.trims.marks.Add(uint64(done.Marks))
			s.trims.hints.Add(uint64(done.Hints))
			if err != nil && ctx.Err() == nil {
				s.trims.failures.Add(1)
				if u.trims.Ok(now) {
					s.cfg.Log.Warn("reporter: old rows not deleted", "err", err)
				}
			}
		}, u.trim)
	})
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
type trimCounters struct{ minutes, marks, hints, failures atomic.Uint64 }
