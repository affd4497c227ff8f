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
}

// Of compares an edit of a module with the hosts that are stored, in order.
func Of(me store.ModuleEdit, stored []store.Host) (Module, error) {
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
	case store.OpDrop:
		p.Left = there
	}
	return p, nil
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
