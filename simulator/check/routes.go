package check

import (
	"slices"
	"time"

	"lars/system/store"
)

// Routes watches what agents say the hosts of a module are: that it never goes
// back to an older state (I2), and that it is the newest in the end.
type Routes struct {
	log    *Log
	states map[store.Module][][]store.Host // of the database, in order
	seen   map[reader]int                  // the state that a reader has seen last
}

type reader struct {
	who    string
	module store.Module
}

// NewRoutes makes a watcher.
func NewRoutes(l *Log) *Routes {
	return &Routes{log: l, states: map[store.Module][][]store.Host{}, seen: map[reader]int{}}
}

// Is notes the hosts of a module in the database, in order, whenever they have
// changed.
func (r *Routes) Is(m store.Module, hosts []store.Host) {
	r.states[m] = append(r.states[m], slices.Clone(hosts))
}

// Restarted forgets what somebody has seen: it may begin anew with anything.
func (r *Routes) Restarted(who string) {
	for k := range r.seen {
		if k.who == who {
			delete(r.seen, k)
		}
	}
}

// Saw notes what somebody says. Nothing at all is no state: it may not know the
// module yet.
func (r *Routes) Saw(now time.Duration, who string, m store.Module, hosts []store.Host) {
	if len(hosts) == 0 {
		return
	}
	hosts = sorted(hosts)
	from := r.seen[reader{who, m}]
	for i, state := range r.states[m][min(from, len(r.states[m])):] {
		if slices.Equal(hosts, state) {
			r.seen[reader{who, m}] = from + i
			return
		}
	}
	r.log.Failf(now, "versions", "%s has %s for module %v, which the route is not and was not since what it had before",
		who, store.FormatHosts(hosts), m)
}

// Final checks that somebody has the newest route.
func (r *Routes) Final(now time.Duration, who string, m store.Module, hosts []store.Host) {
	states := r.states[m]
	want := states[len(states)-1]
	if got := sorted(hosts); !slices.Equal(got, want) {
		r.log.Failf(now, "converge", "%s has %q for module %v, the database %q", who, store.FormatHosts(got), m, store.FormatHosts(want))
	}
}

func sorted(hosts []store.Host) []store.Host {
	hosts = slices.Clone(hosts)
	slices.SortFunc(hosts, store.Host.Compare)
	return hosts
}
