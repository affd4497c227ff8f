package check

import (
	"time"

	"lars/system/store"
)

// Picks watches that no host is picked that never was in the route, or that
// left it longer ago than the bound while all was well (invariant I3).
type Picks struct {
	log    *Log
	bound  time.Duration
	routes map[route]time.Duration // when the host left; Never: it is there
}

// NewPicks makes a watcher. bound is how long an edit may take to every agent
// of a healthy system.
func NewPicks(l *Log, bound time.Duration) *Picks {
	return &Picks{log: l, bound: bound, routes: map[route]time.Duration{}}
}

// Joined notes that a host is in the route of the database.
func (p *Picks) Joined(m store.Module, h store.Host) { p.routes[route{m, h}] = Never }

// Left notes that it is no longer.
func (p *Picks) Left(now time.Duration, m store.Module, h store.Host) { p.routes[route{m, h}] = now }

// Picked notes a pick of an agent. wellSince is since when all between the
// database and the agent has been well: Never, when it is not.
func (p *Picks) Picked(now time.Duration, m store.Module, h store.Host, wellSince time.Duration) {
	left, known := p.routes[route{m, h}]
	switch {
	case !known:
		p.log.Failf(now, "picks", "%v of module %v was picked, which never was in the route", h, m)
	case wellSince <= now && now-max(left, wellSince) > p.bound && left != Never:
		p.log.Failf(now, "picks", "%v of module %v was picked %v after it had left the route", h, m, now-left)
	}
}
