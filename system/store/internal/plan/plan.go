// Package plan is what all stores do alike: it tells what an edit comes to. It
// is pure.
package plan

import (
	"fmt"
	"slices"

	"lars/system/store"
)

// Module is what an edit comes to for one module.
type Module struct {
	Module     store.Module
	Op         store.Op
	Left, Came []store.Host // in order

	Settings *string            // the module's new ones; nil: as they are
	Tuned    []store.HostPolicy // new ones, of which something is left to say
	Cleared  []store.Host       // their policies go
	Tunes    int                // as Edited counts them
	Detail   string             // for the log
}

// Nothing reports whether the module stays as it is.
func (p *Module) Nothing() bool { return p.Rows() == 0 }

// Rows is how many rows it changes, but for those that go with others.
func (p *Module) Rows() int { return len(p.Left) + len(p.Came) + p.Tunes }

// Of compares an edit of a module with the hosts that are stored, in order, and
// the policy.
func Of(me store.ModuleEdit, stored []store.Host, policy store.Policy) (Module, error) {
	p := Module{Module: me.Module, Op: me.Op}
	if me.Expect != nil && !slices.Equal(sortedHosts(me.Expect), stored) {
		return p, fmt.Errorf("%w: module %v has other hosts than expected: %s",
			store.ErrConflict, me.Module, summary(stored))
	}
	wanted := sortedHosts(me.Hosts)
	there, absent := divide(wanted, stored)
	switch me.Op {
	case store.OpAdd:
		if len(there) > 0 {
			return p, fmt.Errorf("%w: module %v already has %s", store.ErrConflict, me.Module, summary(there))
		}
		p.Came = absent
	case store.OpRemove:
		if len(absent) > 0 {
			return p, fmt.Errorf("%w: module %v does not have %s", store.ErrConflict, me.Module, summary(absent))
		}
		p.Left = there
	case store.OpReplace:
		p.Came = absent
		_, p.Left = divide(stored, wanted)
	case store.OpEnsure:
		p.Came = absent
		p.tune(me, wanted, policy)
	case store.OpDrop:
		p.Left = there
	case store.OpSettings:
		p.settings(me, policy)
	case store.OpTune:
		if len(absent) > 0 {
			return p, fmt.Errorf("%w: module %v does not have %s", store.ErrConflict, me.Module, summary(absent))
		}
		p.tune(me, there, policy)
	}
	// What was said of a host is not true of one that has its address later.
	for _, h := range slices.Concat(p.Left, p.Came) {
		if _, said := find(policy.Hosts, h); said {
			p.Cleared = append(p.Cleared, h)
		}
	}
	return p, nil
}

func (p *Module) settings(me store.ModuleEdit, policy store.Policy) {
	_, short, _ := store.ParseSettings(me.Settings) // checked with the edit
	if short == policy.Settings {
		return
	}
	p.Settings, p.Detail, p.Tunes = &short, short, 1
}

func (p *Module) tune(me store.ModuleEdit, hosts []store.Host, policy store.Policy) {
	var changed []store.Host
	for _, h := range hosts {
		before := store.HostPolicy{Host: h}
		at, said := find(policy.Hosts, h)
		_, came := slices.BinarySearchFunc(p.Came, h, store.Host.Compare)
		if said = said && !came; said {
			before = policy.Hosts[at]
		}
		after, say := me.Tune.Apply(before)
		if after == before {
			continue
		}
		changed = append(changed, h)
		if said {
			p.Cleared = append(p.Cleared, h)
		}
		if say {
			p.Tuned = append(p.Tuned, after)
		}
	}
	if p.Tunes = len(changed); p.Tunes > 0 {
		p.Detail = store.FormatHosts(changed) + " " + me.Tune.String()
	}
}

// Policy is what a plan makes of a module's policy, at a version.
func (p *Module) Policy(before store.Policy, version int64) store.Policy {
	after := store.Policy{Module: p.Module, Settings: before.Settings, Version: before.Version}
	if p.Settings != nil {
		after.Settings, after.Version = *p.Settings, version
	}
	if after.Settings == "" {
		after.Version = 0
	}
	for _, h := range before.Hosts {
		if !slices.Contains(p.Cleared, h.Host) {
			after.Hosts = append(after.Hosts, h)
		}
	}
	after.Hosts = append(after.Hosts, p.Tuned...)
	slices.SortFunc(after.Hosts, func(a, b store.HostPolicy) int { return a.Host.Compare(b.Host) })
	return after
}

func find(policies []store.HostPolicy, h store.Host) (at int, found bool) {
	return slices.BinarySearchFunc(policies, h, func(p store.HostPolicy, h store.Host) int { return p.Host.Compare(h) })
}

func sortedHosts(hosts []store.Host) []store.Host {
	sorted := slices.Clone(hosts)
	slices.SortFunc(sorted, store.Host.Compare)
	return slices.Compact(sorted)
}

// divide splits hosts into those that are in set and those that are not; set is
// in order.
func divide(hosts, set []store.Host) (in, out []store.Host) {
	for _, h := range hosts {
		if _, found := slices.BinarySearchFunc(set, h, store.Host.Compare); found {
			in = append(in, h)
		} else {
			out = append(out, h)
		}
	}
	return in, out
}

// summary names the first few hosts, for an error that a person reads.
func summary(hosts []store.Host) string {
	const shown = 5
	switch {
	case len(hosts) == 0:
		return "none"
	case len(hosts) > shown:
		return fmt.Sprintf("%s and %d more", store.FormatHosts(hosts[:shown]), len(hosts)-shown)
	}
	return store.FormatHosts(hosts)
}
