package service

import (
	"math/rand/v2"
	"time"
)

// Backoff is the pause between attempts: it doubles with each failure and is
// drawn from its upper half ("equal jitter"), so that many who failed together
// do not come back together. The zero value pauses for no time.
type Backoff struct {
	Min, Max time.Duration
	Random   *rand.Rand // nil: one that no run repeats
	failures int
}

// Next is the pause after one more failure.
func (b *Backoff) Next() time.Duration {
	limit := min(b.Min<<min(b.failures, 20), b.Max)
	b.failures++
	if limit <= 0 {
		return 0
	}
	if b.Random == nil {
		return limit/2 + rand.N(limit/2+1)
	}
	return limit/2 + time.Duration(b.Random.Int64N(int64(limit/2)+1))
}

// Reset starts over, after a success.
func (b *Backoff) Reset() { b.failures = 0 }

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
