package check

import (
	"time"

	"lars/system/store"
)

// Known watches that an agent never forgets a module that has hosts, whatever
// becomes of dns: what it has known for longer than the bound it knows also
// after it was killed.
type Known struct {
	log   *Log
	bound time.Duration
	since map[reader]time.Duration
}

// NewKnown makes a watcher of modules that always have hosts. bound is how long
// an agent may take to keep what it learns.
func NewKnown(l *Log, bound time.Duration) *Known {
	return &Known{log: l, bound: bound, since: map[reader]time.Duration{}}
}

// Known notes an answer with a host.
func (k *Known) Known(now time.Duration, who string, m store.Module) {
	if _, known := k.since[reader{who, m}]; !known {
		k.since[reader{who, m}] = now
	}
}

// Killed notes when an agent's life ended, before another begins.
func (k *Known) Killed(at time.Duration, who string) {
	for r, since := range k.since {
		if r.who == who && at-since <= k.bound {
			delete(k.since, r)
		}
	}
}

// Unknown notes an answer that there is no host.
func (k *Known) Unknown(now time.Duration, who string, m store.Module) {
	if since, known := k.since[reader{who, m}]; known {
		k.log.Failf(now, "known", "%s has no host for module %v, which it has known since %v", who, m, since)
	}
}
