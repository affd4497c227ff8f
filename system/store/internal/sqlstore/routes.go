package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"lars/system/store"
)

const (
	versionText = "SELECT version FROM RouteVersion WHERE id = 1"
	routeColumn = "modid, cmdid, serverip, serverport"
	// The index lars_route has exactly this order, so nothing is sorted.
	routeOrder = " ORDER BY modid, cmdid, serverip, serverport"
)

// Version implements store.RouteReader. No transaction: one statement needs none,
// and this is the call that is made all the time.
func (db *DB) Version(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	var version number
	err := db.reader.queryRow(ctx, versionText, &version)
	if err != nil {
		return 0, db.classify(ctx, "route version", err)
	}
	return version.version(), nil
}

func currentVersion(ctx context.Context, t *tx) (int64, error) {
	version, _, err := t.queryNumber(ctx, versionText)
	return number(version).version(), err
}

// Load implements store.RouteReader.
func (db *DB) Load(ctx context.Context, yield func(store.Route) error) (store.Loaded, error) {
	var loaded store.Loaded
	err := db.read(ctx, "load routes", db.loadTimeout, func(ctx context.Context, t *tx) (err error) {
		if loaded.Version, err = currentVersion(ctx, t); err != nil {
			return err
		}
		filter := routeFilter{yield: yield, loaded: &loaded}
		return t.query(ctx, filter.row, "SELECT "+routeColumn+" FROM RouteData"+routeOrder)
	})
	return loaded, err
}

// routeFilter passes on each route once and only if it makes sense. Rows come in
// order, so equal ones are neighbours.
type routeFilter struct {
	yield  func(store.Route) error
	loaded *store.Loaded
	row0   row
	last   store.Route
}

func (f *routeFilter) row(rows *sql.Rows) error {
	r := &f.row0
	if err := rows.Scan(&r.modID, &r.cmdID, &r.ip, &r.port); err != nil {
		return err
	}
	route, ok := r.route()
	switch {
	case !ok:
		f.loaded.Garbage++
		return nil
	case f.loaded.Routes > 0 && route == f.last:
		f.loaded.Duplicates++
		return nil
	}
	f.loaded.Routes++
	f.last = route
	if err := f.yield(route); err != nil {
		return callbackError{err}
	}
	return nil
}

// Hosts implements store.RouteReader.
func (db *DB) Hosts(ctx context.Context, m store.Module) ([]store.Host, error) {
	var found []store.ModuleHosts
	err := db.read(ctx, "hosts of module", db.timeout, func(ctx context.Context, t *tx) (err error) {
		found, _, err = db.hostsOf(ctx, t, []store.Module{m})
		return err
	})
	if err != nil {
		return nil, err
	}
	return found[0].Hosts, nil
}

// hostsOf reads the hosts of modules, which are in order and none twice. The
// answer has the same modules in the same order.
func (db *DB) hostsOf(ctx context.Context, t *tx, modules []store.Module) (found []store.ModuleHosts, garbage int, err error) {
	found = make([]store.ModuleHosts, len(modules))
	args := make([]any, 0, 2*len(modules))
	for i, m := range modules {
		found[i].Module = m
		args = append(args, m.ModID, m.CmdID)
	}
	var loaded store.Loaded
	next := 0
	add := func(route store.Route) error {
		for found[next].Module != route.Module {
			next++
		}
		found[next].Hosts = append(found[next].Hosts, route.Host)
		return nil
	}
	filter := routeFilter{yield: add, loaded: &loaded}
	err = t.pieces(db.d, 2, args, func(n int, args []any) error {
		text := "SELECT " + routeColumn + " FROM RouteData WHERE " + anyOf([]string{"modid", "cmdid"}, n) + routeOrder
		return t.query(ctx, filter.row, text, args...)
	})
	return found, loaded.Garbage, err
}

// Changes implements store.RouteReader.
func (db *DB) Changes(ctx context.Context, since int64) (store.Changes, error) {
	var changes store.Changes
	err := db.read(ctx, "route changes", db.timeout, func(ctx context.Context, t *tx) (err error) {
		if changes.Version, err = currentVersion(ctx, t); err != nil {
			return err
		}
		modules, complete, err := changedModules(ctx, t, since, changes.Version)
		if err != nil || !complete {
			return err
		}
		changes.Complete = true
		if len(modules) == 0 {
			return nil
		}
		changes.Modules, changes.Garbage, err = db.hostsOf(ctx, t, modules)
		return err
	})
	return changes, err
}

// changedModules follows the log from since to version; complete is false when
// the chain breaks.
func changedModules(ctx context.Context, t *tx, since, version int64) (modules []store.Module, complete bool, err error) {
	if since >= version {
		return nil, since == version, nil
	}
	chain := changeChain{at: since, changed: make(map[store.Module]struct{})}
	err = t.query(ctx, chain.row,
		"SELECT version, prev, modid, cmdid FROM RouteChange WHERE version > ? AND version <= ? ORDER BY version, id LIMIT ?",
		since, version, changeRowsMax)
	cutOff := chain.rows >= changeRowsMax
	if err != nil || cutOff || chain.broken || chain.at != version || len(chain.changed) > store.ChangedModulesMax {
		return nil, false, err
	}
	for m := range chain.changed {
		modules = append(modules, m)
	}
	slices.SortFunc(modules, store.Module.Compare)
	return modules, true, nil
}

// changeRowsMax bounds the part of the log that is read at once: beyond it, a
// full load is cheaper.
const changeRowsMax = 10 * store.ChangedModulesMax

// changeChain walks the log by rising version. All rows of one edit have the
// same version and the same prev, which is the version of the edit before.
type changeChain struct {
	at      int64 // the version reached
	prev    int64 // the version before at, once there were rows
	rows    int
	broken  bool
	changed map[store.Module]struct{}
}

func (c *changeChain) row(rows *sql.Rows) error {
	var version, prev number
	var r row
	if err := rows.Scan(&version, &prev, &r.modID, &r.cmdID); err != nil {
		return err
	}
	continues := int64(prev) == c.at
	sameEdit := c.rows > 0 && int64(version) == c.at && int64(prev) == c.prev
	if !continues && !sameEdit {
		c.broken = true
	}
	c.rows++
	if !sameEdit {
		c.prev, c.at = c.at, int64(version)
	}
	if m, ok := r.module(); ok && len(c.changed) <= store.ChangedModulesMax {
		c.changed[m] = struct{}{}
	}
	return nil
}
