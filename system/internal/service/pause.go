package service

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff is the pause between attempts: it doubles with each failure and is
// drawn from its upper half ("equal jitter"), so that many who failed together
// do not come back together. The zero value pauses for no time.
type Backoff struct {
	Min, Max time.Duration
	failures int
}

// Next is the pause after one more failure.
func (b *Backoff) Next() time.Duration {
	limit := min(b.Min<<min(b.failures, 20), b.Max)
	b.failures++
	if limit <= 0 {
		return 0
	}
	return limit/2 + rand.N(limit/2+1)
}

// Reset starts over, after a success.
func (b *Backoff) Reset() { b.failures = 0 }

// Sleep waits and reports true, or false as soon as ctx ends.
func Sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Limiter lets one in a while through: log lines about what may happen often.
// The zero value lets everything through. Not safe for concurrent use.
type Limiter struct {
	Every time.Duration
	next  time.Time
}

// Ok reports whether the line may be written now.
func (l *Limiter) Ok(now time.Time) bool {
	if now.Before(l.next) {
		return false
	}
	l.next = now.Add(l.Every)
	return true
}

// Reset lets the next one through.
func (l *Limiter) Reset() { l.next = time.Time{} }
