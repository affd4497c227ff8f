package sqlstore

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"lars/system/store"
	"lars/system/store/internal/plan"
)

// Policies implements store.RouteReader.
func (db *DB) Policies(ctx context.Context, modules ...store.Module) ([]store.Policy, error) {
	limit := db.timeout
	if len(modules) == 0 {
		limit = db.loadTimeout
	}
	var found map[store.Module]store.Policy
	err := db.read(ctx, "policies", limit, func(ctx context.Context, t *tx) (err error) {
		found, err = db.policiesOf(ctx, t, modules)
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(found), func(a, b store.Policy) int { return a.Module.Compare(b.Module) }), nil
}

// policiesOf reads the policies of modules, or all.
func (db *DB) policiesOf(ctx context.Context, t *tx, modules []store.Module) (map[store.Module]store.Policy, error) {
	found := map[store.Module]store.Policy{}
	const (
		ofModules = "SELECT modid, cmdid, settings, version FROM ModulePolicy"
		ofHosts   = "SELECT modid, cmdid, serverip, serverport, weight, zone, draining FROM HostPolicy"
	)
	settings := func(rows *sql.Rows) error { return scanSettings(rows, found) }
	host := func(rows *sql.Rows) error { return scanHostPolicy(rows, found) }
	if len(modules) == 0 {
		if err := t.query(ctx, settings, ofModules); err != nil {
			return nil, err
		}
		return found, t.query(ctx, host, ofHosts+routeOrder)
	}
	var args []any
	for _, m := range modules {
		args = append(args, m.ModID, m.CmdID)
	}
	return found, t.pieces(db.d, 2, args, func(n int, args []any) error {
		where := " WHERE " + anyOf([]string{"modid", "cmdid"}, n)
		if err := t.query(ctx, settings, ofModules+where, args...); err != nil {
			return err
		}
		return t.query(ctx, host, ofHosts+where+routeOrder, args...)
	})
}

func scanSettings(rows *sql.Rows, found map[store.Module]store.Policy) error {
	var r row
	var version number
	var text string
	if err := rows.Scan(&r.modID, &r.cmdID, &text, &version); err != nil {
		return err
	}
	if m, ok := r.module(); ok && text != "" {
		found[m] = store.Policy{Module: m, Settings: text, Version: version.version()}
	}
	return nil
}

func scanHostPolicy(rows *sql.Rows, found map[store.Module]store.Policy) error {
	var r row
	var weight, zone, draining number
	if err := rows.Scan(&r.modID, &r.cmdID, &r.ip, &r.port, &weight, &zone, &draining); err != nil {
		return err
	}
	route, ok := r.route()
	if !ok || weight < 0 || weight > store.WeightMax || zone < 0 || zone > 1<<16-1 {
		return nil
	}
	p := found[route.Module]
	p.Module = route.Module
	p.Hosts = append(p.Hosts, store.HostPolicy{
		Host: route.Host, Weight: uint32(weight), Zone: uint16(zone), Draining: draining != 0,
	})
	found[route.Module] = p
	return nil
}

var (
	settingsColumns   = []string{"modid", "cmdid", "settings", "version"}
	hostPolicyColumns = []string{"modid", "cmdid", "serverip", "serverport", "weight", "zone", "draining"}
)

// writePolicies replaces rows: they are deleted, and inserted if there is
// anything to say.
func (db *DB) writePolicies(ctx context.Context, t *tx, plans []plan.Module, version int64) error {
	var gone, settings, tuned []any
	for i := range plans {
		p := &plans[i]
		m := p.Module
		if p.Settings != nil {
			gone = append(gone, m.ModID, m.CmdID)
			if *p.Settings != "" {
				settings = append(settings, m.ModID, m.CmdID, *p.Settings, version)
			}
		}
		for _, h := range p.Tuned {
			tuned = append(tuned, m.ModID, m.CmdID, h.Host.IP, h.Host.Port, h.Weight, h.Zone, flag(h.Draining))
		}
	}
	cleared := routeArgs(plans, func(p *plan.Module) []store.Host { return p.Cleared })
	for _, change := range []struct {
		columns []string
		args    []any
		text    func(columns []string, n int) string
	}{
		{settingsColumns[:2], gone, func(columns []string, n int) string { return "DELETE FROM ModulePolicy WHERE " + anyOf(columns, n) }},
		{settingsColumns, settings, func(columns []string, n int) string { return insertText("ModulePolicy", columns, n) }},
		{routeColumns, cleared, func(columns []string, n int) string { return "DELETE FROM HostPolicy WHERE " + anyOf(columns, n) }},
		{hostPolicyColumns, tuned, func(columns []string, n int) string { return insertText("HostPolicy", columns, n) }},
	} {
		err := t.pieces(db.d, len(change.columns), change.args, func(n int, args []any) error {
			return t.exec(ctx, change.text(change.columns, n), args...)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func flag(v bool) int {
	if v {
		return 1
	}
	return 0
}
