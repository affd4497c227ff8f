package outcome

import (
	"slices"
	"time"
)

// pair is an agent and a host.
type pair struct{ agent, module, host int }

// held is how an agent holds a host that a fault afflicts.
type held struct {
	out       bool          // now
	ejected   time.Duration // first, since the fault began; below 0: never
	recovered time.Duration // since it ended; below 0: never
}

// IsOut is what a message of an agent's log says of a host: whether it is out of
// use; and whether it says that at all.
func IsOut(message string) (out, is bool) {
	switch message {
	case "host is overloaded", "host is half-open":
		return true, true
	case "host is idle", "host is warming":
		return false, true
	}
	return false, false
}

// Moved notes that an agent has taken a host out, or back in.
func (t *Tally) Moved(at time.Duration, agent, module, host int, out bool) {
	for _, a := range t.afflicted {
		if !a.modules[module] || !a.victims.Host(&t.plan.Workload, module, host) || at < a.From {
			continue
		}
		h := a.pairs[pair{agent, module, host}]
		if h == nil {
			h = &held{ejected: -1, recovered: -1}
			a.pairs[pair{agent, module, host}] = h
		}
		if out && at <= a.To && h.ejected < 0 {
			h.ejected = at - a.From
		}
		if !out && at > a.To && h.out && h.recovered < 0 {
			h.recovered = at - a.To
		}
		h.out = out
	}
}

// sum works out the medians.
func (a *Afflicted) sum() {
	var eject, again []time.Duration
	a.Still = 0
	for _, h := range a.pairs {
		if h.ejected >= 0 {
			eject = append(eject, h.ejected)
		}
		if h.recovered >= 0 {
			again = append(again, h.recovered)
		}
		if h.out {
			a.Still++
		}
	}
	a.Ejected, a.Eject = len(eject), median(eject)
	a.Recovered, a.Recover = len(again), median(again)
}

func median(all []time.Duration) *time.Duration {
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return &all[(len(all)-1)/2]
}
