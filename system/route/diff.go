package route

import "slices"

// Diff returns the modules whose routes or policies differ between two
// snapshots: changed, new and gone, each once. It skips what the two share.
func Diff(before, after *Snapshot) []Module {
	var changed []Module
	after.unshared(before, func(m Module, hosts []Host) {
		if !slices.Equal(before.Lookup(m), hosts) {
			changed = append(changed, m)
		}
	})
	before.unshared(after, func(m Module, _ []Host) {
		if len(after.Lookup(m)) == 0 {
			changed = append(changed, m)
		}
	})
	routes := slices.Clone(changed)
	slices.SortFunc(routes, Module.Compare)
	after.Policies().diff(before.Policies(), func(m Module) {
		if _, already := slices.BinarySearchFunc(routes, m, Module.Compare); !already {
			changed = append(changed, m)
		}
	})
	return changed
}

// unshared calls f for the modules of the shards that s does not share with
// other.
func (s *Snapshot) unshared(other *Snapshot, f func(Module, []Host)) {
	if s == nil {
		return
	}
	aligned := other != nil && len(other.shards) == len(s.shards)
	for i, sh := range s.shards {
		if aligned && other.shards[i] == sh {
			continue
		}
		for n := range sh.size() {
			f(moduleOf(sh.keys[n]), sh.route(n))
		}
	}
}

// Alarm is a set of reasons to doubt a new snapshot.
type Alarm uint8

const (
	// Regressed: the version is lower than the one in force, as after a
	// fail-over to a database that lags behind.
	Regressed Alarm = 1 << iota
	// Shrunk: more than a third of all routes is gone at once.
	Shrunk
)

// String names the reasons for a log line.
func (a Alarm) String() string {
	switch a {
	case 0:
		return "none"
	case Regressed:
		return "version went backwards"
	case Shrunk:
		return "more than a third of the routes is gone"
	}
	return "version went backwards and more than a third of the routes is gone"
}

// Verdict is what a Guard says about a snapshot.
type Verdict struct {
	// Accept: put it in force. Otherwise read again and ask again.
	Accept bool
	// Alarm is what is doubtful about it. With Accept set, a second read has
	// confirmed it. Zero: nothing.
	Alarm Alarm
}

// Guard keeps a doubtful snapshot back until a second read of the store
// confirms it, so that a broken read does not take hosts away from everybody.
// The zero value is ready. Not safe for concurrent use.
type Guard struct {
	doubted *Snapshot
}

// Judge says whether next, just read, may replace current. A doubtful one is
// accepted when the read before was doubtful as well and next raises no alarm
// against that one: it is as low, or as small, but not more so. Both reads
// should be full loads.
func (g *Guard) Judge(current, next *Snapshot) Verdict {
	alarm := suspect(current, next)
	if alarm == 0 || (g.doubted != nil && suspect(g.doubted, next) == 0) {
		g.doubted = nil
		return Verdict{Accept: true, Alarm: alarm}
	}
	g.doubted = next
	return Verdict{Alarm: alarm}
}

func suspect(before, after *Snapshot) Alarm {
	var a Alarm
	if after.Version() < before.Version() {
		a |= Regressed
	}
	if lost := before.Routes() - after.Routes(); lost*3 > before.Routes() {
		a |= Shrunk
	}
	return a
}
