package check

import (
	"maps"
	"slices"
	"time"

	"lars/system/store"
)

// Share watches that no host of a route starves while all is well.
type Share struct {
	log   *Log
	picks map[route]int
}

// NewShare makes a watcher of the picks of a healthy time.
func NewShare(l *Log) *Share { return &Share{log: l, picks: map[route]int{}} }

// Picked notes a pick.
func (s *Share) Picked(m store.Module, h store.Host) { s.picks[route{m, h}]++ }

// shareMin is the picks that every host must have been due, on average, before
// having none means anything: by chance alone one in e^30 would have none.
const shareMin = 30

// Final checks a module with its hosts.
func (s *Share) Final(now time.Duration, m store.Module, hosts []store.Host) {
	all := 0
	for _, h := range hosts {
		all += s.picks[route{m, h}]
	}
	for _, h := range hosts {
		if all >= shareMin*len(hosts) && s.picks[route{m, h}] == 0 {
			s.log.Failf(now, "share", "%v of module %v starves: none of %d picks among %d hosts", h, m, all, len(hosts))
		}
	}
}

// Quota watches that hosts that an agent holds for overloaded get no more than
// the picks of probes.
type Quota struct {
	log     *Log
	every   int // picks between two probes
	modules map[reader]*quota
	gone    map[route]bool
}

// quota is of one agent's module.
type quota struct {
	overloaded map[store.Host]struct{}
	picks      int // asked for while some host was overloaded
	probes     int // of those, of hosts that were
	events     int // times that a host became overloaded
}

// NewQuota makes a watcher of agents that probe once in so many picks.
func NewQuota(l *Log, every int) *Quota {
	return &Quota{log: l, every: every, modules: map[reader]*quota{}, gone: map[route]bool{}}
}

func (q *Quota) of(who string, m store.Module) *quota {
	at := q.modules[reader{who, m}]
	if at == nil {
		at = &quota{overloaded: map[store.Host]struct{}{}}
		q.modules[reader{who, m}] = at
	}
	return at
}

// Changed notes an agent's word on a host.
func (q *Quota) Changed(who string, m store.Module, h store.Host, overloaded bool) {
	at := q.of(who, m)
	if !overloaded || q.gone[route{m, h}] {
		delete(at.overloaded, h)
		return
	}
	at.overloaded[h] = struct{}{}
	at.events++
}

// Gone notes that a host has left the route. What an agent holds of it is not
// known from then on, for it may hear of that, and of its return, at any time.
func (q *Quota) Gone(m store.Module, h store.Host) {
	q.gone[route{m, h}] = true
	for k, at := range q.modules {
		if k.module == m {
			delete(at.overloaded, h)
		}
	}
}

// Restarted forgets what an agent has said.
func (q *Quota) Restarted(who string) {
	for k := range q.modules {
		if k.who == who {
			delete(q.modules, k)
		}
	}
}

// Refused notes that an agent picked nobody.
func (q *Quota) Refused(who string, m store.Module) {
	if at := q.of(who, m); len(at.overloaded) > 0 {
		at.picks++
	}
}

// Picked notes a pick of an agent.
func (q *Quota) Picked(now time.Duration, who string, m store.Module, h store.Host) {
	at := q.of(who, m)
	if len(at.overloaded) == 0 {
		return
	}
	at.picks++
	if _, is := at.overloaded[h]; !is {
		return
	}
	at.probes++
	// What was under way when a host was found overloaded is no probe.
	if allowed := at.picks/q.every + 2*at.events + 1; at.probes > allowed {
		q.log.Failf(now, "quota", "%s has picked overloaded hosts of module %v %d times in %d picks, more than %d",
			who, m, at.probes, at.picks, allowed)
		at.probes = 0
	}
}

// Errors watches that calls go well again after the last fault.
type Errors struct {
	log           *Log
	calls, failed int
	kinds         map[string]int
}

// NewErrors makes a watcher of the calls of a healthy time.
func NewErrors(l *Log) *Errors { return &Errors{log: l, kinds: map[string]int{}} }

// Call notes how a call ended: "" is well.
func (e *Errors) Call(how string) {
	e.calls++
	if how != "" {
		e.failed++
		e.kinds[how]++
	}
}

// callsMin is how many calls must be due before having none means anything.
const callsMin = 30

// Final checks the share of calls that failed, when so many were due.
func (e *Errors) Final(now time.Duration, shareMax, due float64) {
	if e.calls == 0 && due >= callsMin {
		e.log.Failf(now, "recovery", "no calls after the last fault, when %.0f were due", due)
	}
	if float64(e.failed) > shareMax*float64(e.calls)+3 {
		e.log.Failf(now, "recovery", "%d of %d calls failed after the last fault (%v), more than %.1f %%",
			e.failed, e.calls, slices.Sorted(maps.Keys(e.kinds)), shareMax*100)
	}
}
