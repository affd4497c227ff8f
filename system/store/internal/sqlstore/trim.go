package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"lars/system/store"
)

// trimRows is how many rows one transaction deletes: few, so that a trim is never
// in the way of an edit or a report.
const trimRows = 1_000

// Trim implements store.Store.
func (db *DB) Trim(ctx context.Context, limits store.TrimLimits) (store.Trimmed, error) {
	var trimmed store.Trimmed
	if !limits.Changes.IsZero() {
		if err := db.trimChanges(ctx, limits.Changes, &trimmed.Changes); err != nil {
			return trimmed, err
		}
	}
	for _, old := range []struct {
		table   upsert
		column  string
		limit   time.Time
		deleted *int
	}{
		{minuteUpsert, "minute", limits.Minutes, &trimmed.Minutes},
		{seenUpsert, "at_s", limits.Marks, &trimmed.Marks},
		{suspectUpsert, "until_s", limits.Hints, &trimmed.Hints},
		{sharingUpsert, "until_s", limits.Hints, &trimmed.Hints},
	} {
		if old.limit.IsZero() {
			continue
		}
		if err := db.trimOld(ctx, old.table, old.column, old.limit.Unix(), old.deleted); err != nil {
			return trimmed, err
		}
	}
	return trimmed, nil
}

// trimChanges deletes whole edits from the old end of the log and stops at the
// first young entry, whatever the clocks of those who edited said: what is left
// is a log without holes.
func (db *DB) trimChanges(ctx context.Context, before time.Time, deleted *int) error {
	for {
		n := int64(0)
		err := db.write(ctx, "trim changes", true, func(ctx context.Context, t *tx) error {
			var err error
			n, err = trimSomeChanges(ctx, t, before)
			return err
		})
		*deleted += int(n)
		if err != nil || n == 0 {
			return err
		}
	}
}

func trimSomeChanges(ctx context.Context, t *tx, before time.Time) (int64, error) {
	const young = "SELECT version FROM RouteChange WHERE (at_ms >= ?) OR (at_ms = 0 AND version >= ?) ORDER BY version LIMIT 1"
	end, found, err := t.queryNumber(ctx, young, before.UnixMilli(), before.Unix())
	if err != nil {
		return 0, err
	}
	if !found {
		end = versionMax
	}
	// The version at which trimRows are reached, with all its rows.
	last, found, err := t.queryNumber(ctx,
		"SELECT version FROM RouteChange WHERE version < ? ORDER BY version LIMIT 1 OFFSET ?", end, trimRows-1)
	if err != nil {
		return 0, err
	}
	if found {
		end = last + 1
	}
	n, _, err := t.queryNumber(ctx, "SELECT COUNT(*) FROM RouteChange WHERE version < ?", end)
	if err != nil || n == 0 {
		return 0, err
	}
	return n, t.exec(ctx, "DELETE FROM RouteChange WHERE version < ?", end)
}

// trimOld deletes the rows of which column is below limit.
func (db *DB) trimOld(ctx context.Context, of upsert, column string, limit int64, deleted *int) error {
	table, keys := of.table, of.keys
	for {
		n := 0
		err := db.write(ctx, "trim "+table, true, func(ctx context.Context, t *tx) error {
			old, err := oldKeys(ctx, t, table, keys, column, limit)
			if err != nil {
				return err
			}
			n = len(old) / len(keys)
			return t.pieces(db.d, len(keys), old, func(n int, old []any) error {
				return t.exec(ctx, "DELETE FROM "+table+" WHERE "+anyOf(keys, n), old...)
			})
		})
		if err != nil {
			return err
		}
		*deleted += n
		if n == 0 {
			return nil
		}
	}
}

func oldKeys(ctx context.Context, t *tx, table string, keys []string, column string, limit int64) ([]any, error) {
	var old []any
	columns := keys[0]
	for _, key := range keys[1:] {
		columns += ", " + key
	}
	values := make([]int64, len(keys))
	targets := make([]any, len(keys))
	for i := range values {
		targets[i] = &values[i]
	}
	err := t.query(ctx, func(rows *sql.Rows) error {
		err := rows.Scan(targets...)
		for _, v := range values {
			old = append(old, v)
		}
		return err
	}, "SELECT "+columns+" FROM "+table+" WHERE "+column+" < ? ORDER BY "+column+" LIMIT ?", limit, trimRows)
	return old, err
}
