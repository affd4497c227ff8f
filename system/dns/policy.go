package dns

import (
	"context"
	"maps"

	"lars/system/route"
	"lars/system/store"
)

// policies reads those of changed modules, or all when none are named, and
// returns the policies of all modules. They may be newer than the routes that
// were read before; the next look finds the version that goes with them.
func (w *watcher) policies(ctx context.Context, changed ...store.Module) (route.Policies, error) {
	stored, err := w.st.Policies(ctx, changed...)
	if err != nil {
		return nil, err
	}
	before := w.current.Policies()
	next, told := route.Policies{}, w.refused
	w.refused = map[route.Module]string{}
	if len(changed) > 0 {
		maps.Copy(next, before)
		maps.Copy(w.refused, told)
		for _, m := range changed {
			delete(next, m)
			delete(w.refused, m)
		}
	}
	for _, p := range stored {
		if taken := w.take(p, before[p.Module], told[p.Module]); taken != nil {
			next[p.Module] = taken
		}
	}
	return next, nil
}

// take makes a stored policy one of ours. Of settings that have no meaning, an
// edit by other hands, the last good ones stay; told are those that were
// complained of before.
func (w *watcher) take(p store.Policy, before *route.Policy, told string) *route.Policy {
	next := &route.Policy{Settings: p.Settings, Version: p.Version}
	if _, _, err := store.ParseSettings(p.Settings); err != nil {
		next.Settings, next.Version = "", 0
		if before != nil {
			next.Settings, next.Version = before.Settings, before.Version
		}
		w.refused[p.Module] = p.Settings
		if told != p.Settings {
			w.s.counters.badSettings.Add(1)
			w.log.Warn("dns: settings of a module have no meaning, going on with those before; 'lars policy set' mends it",
				"module", p.Module, "err", err, "in_force", next.Settings)
		}
	}
	for _, h := range p.Hosts {
		next.Hosts = append(next.Hosts, route.HostPolicy{
			Host: h.Host, Weight: h.Weight, Zone: h.Zone, Draining: h.Draining,
		})
	}
	switch {
	case next.Settings == "" && len(next.Hosts) == 0:
		return nil
	case next.Equal(before):
		return before
	}
	return next
}
