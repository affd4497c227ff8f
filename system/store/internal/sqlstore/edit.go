package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"lars/system/store"
	"lars/system/store/internal/plan"
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
		edited.Added += len(p.Came)
		edited.Removed += len(p.Left)
		edited.Tuned += p.Tunes
	}
	if rows := edited.Added + edited.Removed + edited.Tuned; rows > store.EditRowsMax {
		return store.Edited{}, fmt.Errorf("%w edit: changes %d rows, at most %d at once",
			store.ErrInvalid, rows, store.EditRowsMax)
	}
	return edited, errors.Join(
		db.deleteRoutes(ctx, t, plans),
		db.insertRoutes(ctx, t, plans),
		db.writePolicies(ctx, t, plans, version),
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

// plan compares the edit with what is stored. Modules that stay as they are have
// no plan.
func (db *DB) plan(ctx context.Context, t *tx, edits []store.ModuleEdit) ([]plan.Module, error) {
	modules := make([]store.Module, len(edits))
	for i, me := range edits {
		modules[i] = me.Module
	}
	stored, _, err := db.hostsOf(ctx, t, modules)
	if err != nil {
		return nil, err
	}
	policies, err := db.policiesOf(ctx, t, modules)
	if err != nil {
		return nil, err
	}
	var plans []plan.Module
	for i, me := range edits {
		p, err := plan.Of(me, stored[i].Hosts, policies[me.Module])
		if err != nil {
			return nil, err
		}
		if !p.Nothing() {
			plans = append(plans, p)
		}
	}
	return plans, nil
}

var routeColumns = []string{"modid", "cmdid", "serverip", "serverport"}

// deleteRoutes removes all duplicates of a route with it.
func (db *DB) deleteRoutes(ctx context.Context, t *tx, plans []plan.Module) error {
	args := routeArgs(plans, func(p *plan.Module) []store.Host { return p.Left })
	return t.pieces(db.d, len(routeColumns), args, func(n int, args []any) error {
		return t.exec(ctx, "DELETE FROM RouteData WHERE "+anyOf(routeColumns, n), args...)
	})
}

func (db *DB) insertRoutes(ctx context.Context, t *tx, plans []plan.Module) error {
	args := routeArgs(plans, func(p *plan.Module) []store.Host { return p.Came })
	return t.pieces(db.d, len(routeColumns), args, func(n int, args []any) error {
		return t.exec(ctx, insertText("RouteData", routeColumns, n), args...)
	})
}

func routeArgs(plans []plan.Module, hosts func(*plan.Module) []store.Host) []any {
	var args []any
	for i := range plans {
		m := plans[i].Module
		for _, h := range hosts(&plans[i]) {
			args = append(args, m.ModID, m.CmdID, h.IP, h.Port)
		}
	}
	return args
}

var logColumns = []string{
	"modid", "cmdid", "version", "prev", "op", "actor", "at_ms", "edit_key", "hosts_before", "hosts_after", "detail",
}

func (db *DB) logChanges(ctx context.Context, t *tx, plans []plan.Module, e *store.Edit, version, prev int64) error {
	args := make([]any, 0, len(plans)*len(logColumns))
	for i := range plans {
		p := &plans[i]
		args = append(args, p.Module.ModID, p.Module.CmdID, version, prev, p.Op.String(), e.Actor,
			e.At.UnixMilli(), e.Key, store.FormatHosts(p.Left), store.FormatHosts(p.Came), p.Detail)
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
