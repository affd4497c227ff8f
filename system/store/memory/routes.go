package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"lars/system/store"
	"lars/system/store/internal/plan"
)

// find returns the place of a module and whether it is there.
func (d *data) find(m store.Module) (at int, found bool) {
	return slices.BinarySearchFunc(d.modules, m, func(e store.ModuleHosts, m store.Module) int { return e.Module.Compare(m) })
}

func (d *data) hosts(m store.Module) []store.Host {
	if at, found := d.find(m); found {
		return d.modules[at].Hosts
	}
	return nil
}

func (d *data) setHosts(m store.Module, hosts []store.Host) {
	at, found := d.find(m)
	switch {
	case len(hosts) == 0 && found:
		d.modules = slices.Delete(d.modules, at, at+1)
	case found:
		d.modules[at].Hosts = hosts
	case len(hosts) > 0:
		d.modules = slices.Insert(d.modules, at, store.ModuleHosts{Module: m, Hosts: hosts})
	}
}

// Version implements store.RouteReader.
func (s *Store) Version(ctx context.Context) (version int64, err error) {
	err = s.do(ctx, "Version", func(d *data) error {
		version = d.version
		return nil
	})
	return version, err
}

// Load implements store.RouteReader. The callback may call the store.
func (s *Store) Load(ctx context.Context, yield func(store.Route) error) (store.Loaded, error) {
	var loaded store.Loaded
	var modules []store.ModuleHosts
	err := s.do(ctx, "Load", func(d *data) error {
		loaded.Version, modules = d.version, slices.Clone(d.modules)
		return nil
	})
	if err != nil {
		return loaded, err
	}
	for _, m := range modules {
		for _, h := range m.Hosts {
			loaded.Routes++
			if err := yield(store.Route{Module: m.Module, Host: h}); err != nil {
				return loaded, err
			}
		}
	}
	return loaded, nil
}

// Hosts implements store.RouteReader.
func (s *Store) Hosts(ctx context.Context, m store.Module) (hosts []store.Host, err error) {
	err = s.do(ctx, "Hosts", func(d *data) error {
		hosts = slices.Clone(d.hosts(m))
		return nil
	})
	return hosts, err
}

// Policies implements store.RouteReader.
func (s *Store) Policies(ctx context.Context, modules ...store.Module) (found []store.Policy, err error) {
	err = s.do(ctx, "Policies", func(d *data) error {
		for m, p := range d.policies {
			if len(modules) == 0 || slices.Contains(modules, m) {
				p.Hosts = slices.Clone(p.Hosts)
				found = append(found, p)
			}
		}
		slices.SortFunc(found, func(a, b store.Policy) int { return a.Module.Compare(b.Module) })
		return nil
	})
	return found, err
}

// Changes implements store.RouteReader.
func (s *Store) Changes(ctx context.Context, since int64) (changes store.Changes, err error) {
	err = s.do(ctx, "Changes", func(d *data) error {
		changes.Version = d.version
		modules, complete := d.changed(since)
		if !complete {
			return nil
		}
		changes.Complete = true
		for _, m := range modules {
			changes.Modules = append(changes.Modules, store.ModuleHosts{Module: m, Hosts: slices.Clone(d.hosts(m))})
		}
		return nil
	})
	return changes, err
}

// changed follows the log from since on; complete is false when it does not
// reach back, or names too many modules.
func (d *data) changed(since int64) (modules []store.Module, complete bool) {
	first, _ := slices.BinarySearchFunc(d.log, since+1, func(e entry, v int64) int { return cmp.Compare(e.Version, v) })
	news := d.log[first:]
	if since > d.version || since < d.version && (len(news) == 0 || news[0].Prev != since) {
		return nil, false
	}
	for i := range news {
		if news[i].Version <= d.version {
			modules = append(modules, news[i].Module)
		}
	}
	slices.SortFunc(modules, store.Module.Compare)
	modules = slices.Compact(modules)
	return modules, len(modules) <= store.ChangedModulesMax
}

// Edit implements store.RouteEditor.
func (s *Store) Edit(ctx context.Context, e store.Edit) (edited store.Edited, err error) {
	if err := e.Check(); err != nil {
		return edited, err
	}
	e.Modules = slices.Clone(e.Modules)
	slices.SortFunc(e.Modules, func(a, b store.ModuleEdit) int { return a.Module.Compare(b.Module) })
	var done store.Edited
	err = s.do(ctx, "Edit", func(d *data) (err error) {
		if e.At.IsZero() {
			e.At = s.db.now()
		}
		done, err = d.edit(&e)
		return err
	})
	if err != nil {
		return edited, err
	}
	return done, nil
}

func (d *data) edit(e *store.Edit) (edited store.Edited, err error) {
	if e.Key != "" {
		if i := slices.IndexFunc(d.log, func(x entry) bool { return x.key == e.Key }); i >= 0 {
			return store.Edited{Version: d.log[i].Version, Repeated: true}, nil
		}
	}
	var plans []plan.Module
	for _, me := range e.Modules {
		p, err := plan.Of(me, d.hosts(me.Module), d.policies[me.Module])
		if err != nil {
			return edited, err
		}
		if !p.Nothing() {
			plans = append(plans, p)
			edited.Added += len(p.Came)
			edited.Removed += len(p.Left)
			edited.Tuned += p.Tunes
		}
	}
	if len(plans) == 0 {
		return store.Edited{Version: d.version}, nil
	}
	if n := edited.Added + edited.Removed + edited.Tuned; n > store.EditRowsMax {
		return edited, fmt.Errorf("%w edit: changes %d rows, at most %d at once", store.ErrInvalid, n, store.EditRowsMax)
	}
	edited.Modules, edited.Version = len(plans), d.nextVersion()
	for _, p := range plans {
		d.apply(p, e, edited.Version)
	}
	d.version = edited.Version
	return edited, nil
}

// nextVersion is above all that ever were, as far as the log remembers.
func (d *data) nextVersion() int64 {
	next := d.version + 1
	if n := len(d.log); n > 0 {
		next = max(next, d.log[n-1].Version+1)
	}
	return next
}

func (d *data) apply(p plan.Module, e *store.Edit, version int64) {
	kept := slices.DeleteFunc(slices.Clone(d.hosts(p.Module)), func(h store.Host) bool {
		_, left := slices.BinarySearchFunc(p.Left, h, store.Host.Compare)
		return left
	})
	kept = append(kept, p.Came...)
	slices.SortFunc(kept, store.Host.Compare)
	d.setHosts(p.Module, kept)
	d.policies[p.Module] = p.Policy(d.policies[p.Module], version)
	if after := d.policies[p.Module]; after.Settings == "" && len(after.Hosts) == 0 {
		delete(d.policies, p.Module)
	}
	d.logged++
	d.log = append(d.log, entry{key: e.Key, Change: store.Change{
		ID: d.logged, Version: version, Prev: d.version, Module: p.Module, Op: p.Op.String(), Actor: e.Actor,
		At: e.At.Truncate(1e6), Before: p.Left, After: p.Came, Detail: p.Detail,
	}})
}

// ChangeLog implements store.RouteEditor.
func (s *Store) ChangeLog(ctx context.Context, q store.ChangeQuery) (changes []store.Change, err error) {
	err = s.do(ctx, "ChangeLog", func(d *data) error {
		for i := len(d.log) - 1; i >= 0 && len(changes) < limitRows(q.Limit); i-- {
			c := d.log[i].Change
			older := q.After == nil || cmp.Or(cmp.Compare(c.Version, q.After.Version), cmp.Compare(c.ID, q.After.ID)) < 0
			if older && (q.Module == nil || *q.Module == c.Module) {
				changes = append(changes, c)
			}
		}
		return nil
	})
	return changes, err
}

func limitRows(limit int) int {
	if limit <= 0 || limit > store.QueryRowsMax {
		return store.QueryRowsMax
	}
	return limit
}
