package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"lars/system/store"
)

// Edit implements store.RouteEditor.
func (db *DB) Edit(ctx context.Context, e store.Edit) (store.Edited, error) {
	if err := e.Check(); err != nil {
		return store.Edited{}, err
	}
	e.At = orNow(e.At)
	keyIsOurs := e.Key == ""
	if keyIsOurs {
		e.Key = rand.Text()
	}
	e.Modules = slices.Clone(e.Modules)
	slices.SortFunc(e.Modules, func(a, b store.ModuleEdit) int { return a.Module.Compare(b.Module) })

	var edited store.Edited
	attempts := 0
	err := db.write(ctx, "edit routes", true, func(ctx context.Context, t *tx) (err error) {
		attempts++
		// A random key can only be known if an earlier attempt was committed.
		edited, err = db.edit(ctx, t, &e, !keyIsOurs || attempts > 1)
		return err
	})
	if errors.Is(err, errNothingToDo) {
		return edited, nil
	}
	return edited, err
}

func (db *DB) edit(ctx context.Context, t *tx, e *store.Edit, keyMayBeKnown bool) (store.Edited, error) {
	// First of all: this row makes editors queue, so what is read below is what
	// the edit before has left, and versions are committed in their order.
	version, prev, err := bumpVersion(ctx, t)
	if err != nil {
		return store.Edited{}, err
	}
	if keyMayBeKnown {
		first, known, err := t.queryNumber(ctx, "SELECT version FROM RouteChange WHERE edit_key = ?", e.Key)
		if err != nil {
			return store.Edited{}, err
		}
		if known {
			return store.Edited{Version: first, Repeated: true}, callbackError{errNothingToDo}
		}
	}
	plans, err := db.plan(ctx, t, e.Modules)
	if err != nil {
		return store.Edited{}, err
	}
	if len(plans) == 0 {
		return store.Edited{Version: prev}, callbackError{errNothingToDo}
	}
	edited := store.Edited{Version: version, Modules: len(plans)}
	for _, p := range plans {
		edited.Added += len(p.came)
		edited.Removed += len(p.left)
	}
	if edited.Added+edited.Removed > store.EditRowsMax {
		return store.Edited{}, fmt.Errorf("%w edit: changes %d rows, at most %d at once",
			store.ErrInvalid, edited.Added+edited.Removed, store.EditRowsMax)
	}
	return edited, errors.Join(
		db.deleteRoutes(ctx, t, plans),
		db.insertRoutes(ctx, t, plans),
		db.logChanges(ctx, t, plans, e, version, prev))
}

// bumpVersion raises the version above all that ever were, as far as the log
// remembers: the original's console may have set it back to its clock.
func bumpVersion(ctx context.Context, t *tx) (version, prev int64, err error) {
	if err := t.exec(ctx, "UPDATE RouteVersion SET version = version + 1 WHERE id = 1"); err != nil {
		return 0, 0, err
	}
	stored, found, err := t.queryNumber(ctx, versionText)
	if err != nil {
		return 0, 0, err
	}
	logged, _, err := t.queryNumber(ctx, "SELECT MAX(version) FROM RouteChange WHERE version < ?", int64(versionMax))
	if err != nil {
		return 0, 0, err
	}
	version = max(stored, logged+1, 1)
	prev = max(stored-1, 0)
	switch {
	case !found:
		err = t.exec(ctx, "INSERT INTO RouteVersion (id, version) VALUES (1, ?)", version)
	case version != stored:
		err = t.exec(ctx, "UPDATE RouteVersion SET version = ? WHERE id = 1", version)
	}
	return version, prev, err
}

// modulePlan is what an edit comes to for one module.
type modulePlan struct {
	module     store.Module
	op         store.Op
	left, came []store.Host
}

// plan compares the edit with what is stored. Modules that stay as they are have
// no plan.
func (db *DB) plan(ctx context.Context, t *tx, edits []store.ModuleEdit) ([]modulePlan, error) {
	modules := make([]store.Module, len(edits))
	for i, me := range edits {
		modules[i] = me.Module
	}
	stored, _, err := db.hostsOf(ctx, t, modules)
	if err != nil {
		return nil, err
	}
	var plans []modulePlan
	for i, me := range edits {
		p, err := planModule(me, stored[i].Hosts)
		if err != nil {
			return nil, err
		}
		if len(p.left)+len(p.came) > 0 {
			plans = append(plans, p)
		}
	}
	return plans, nil
}

func planModule(me store.ModuleEdit, stored []store.Host) (modulePlan, error) {
	p := modulePlan{module: me.Module, op: me.Op}
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
		p.came = absent
	case store.OpRemove:
		if len(absent) > 0 {
			return p, fmt.Errorf("%w: module %v does not have %s", store.ErrConflict, me.Module, summary(absent))
		}
		p.left = there
	case store.OpReplace:
		p.came = absent
		_, p.left = divide(stored, wanted)
	case store.OpEnsure:
		p.came = absent
	case store.OpDrop:
		p.left = there
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

var routeColumns = []string{"modid", "cmdid", "serverip", "serverport"}

// deleteRoutes removes all duplicates of a route with it.
func (db *DB) deleteRoutes(ctx context.Context, t *tx, plans []modulePlan) error {
	args := routeArgs(plans, func(p *modulePlan) []store.Host { return p.left })
	return t.pieces(db.d, len(routeColumns), args, func(n int, args []any) error {
		return t.exec(ctx, "DELETE FROM RouteData WHERE "+anyOf(routeColumns, n), args...)
	})
}

func (db *DB) insertRoutes(ctx context.Context, t *tx, plans []modulePlan) error {
	args := routeArgs(plans, func(p *modulePlan) []store.Host { return p.came })
	return t.pieces(db.d, len(routeColumns), args, func(n int, args []any) error {
		return t.exec(ctx, insertText("RouteData", routeColumns, n), args...)
	})
}

func routeArgs(plans []modulePlan, hosts func(*modulePlan) []store.Host) []any {
	var args []any
	for i := range plans {
		m := plans[i].module
		for _, h := range hosts(&plans[i]) {
			args = append(args, m.ModID, m.CmdID, h.IP, h.Port)
		}
	}
	return args
}

var logColumns = []string{
	"modid", "cmdid", "version", "prev", "op", "actor", "at_ms", "edit_key", "hosts_before", "hosts_after",
}

func (db *DB) logChanges(ctx context.Context, t *tx, plans []modulePlan, e *store.Edit, version, prev int64) error {
	args := make([]any, 0, len(plans)*len(logColumns))
	for i := range plans {
		p := &plans[i]
		args = append(args, p.module.ModID, p.module.CmdID, version, prev, p.op.String(), e.Actor,
			e.At.UnixMilli(), e.Key, store.FormatHosts(p.left), store.FormatHosts(p.came))
	}
	return t.pieces(db.d, len(logColumns), args, func(n int, args []any) error {
		return t.exec(ctx, insertText("RouteChange", logColumns, n), args...)
	})
}

// changeTime is when an entry was made. The original's programs write no time,
// but their version is the clock.
func changeTime(atMs, version int64) time.Time {
	if atMs > 0 {
		return time.UnixMilli(atMs)
	}
	return time.Unix(version, 0)
}
