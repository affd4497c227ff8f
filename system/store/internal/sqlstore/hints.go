package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"lars/system/store"
)

var (
	suspectUpsert = upsert{
		table: "HostSuspect",
		keys:  []string{"modid", "cmdid", "ip", "port", "agent"},
		set:   []string{"until_s"},
	}
	sharingUpsert = upsert{
		table: "SharingAgent",
		keys:  []string{"modid", "cmdid", "agent"},
		set:   []string{"until_s"},
	}
)

// hintRow is a row of either table: of the second the host is zero.
type hintRow struct {
	route        store.Route
	agent, until int64
}

func compareHints(a, b hintRow) int {
	return cmp.Or(a.route.Compare(b.route), cmp.Compare(a.agent, b.agent))
}

// lastOfEach puts rows into the order of their keys and leaves the last of each.
func lastOfEach(rows []hintRow) []hintRow {
	slices.Reverse(rows)
	slices.SortStableFunc(rows, compareHints)
	return slices.CompactFunc(rows, func(a, b hintRow) bool { return compareHints(a, b) == 0 })
}

// addHints takes what a report says for other agents.
func (b *batch) addHints(r *store.Report, at int64) {
	if r.Mark.Boot == 0 {
		return
	}
	row := hintRow{route: store.Route{Module: r.Module}, agent: int64(r.Mark.Boot)}
	if r.Sharing {
		row.until = at + int64(store.SharingKeep/time.Second)
		b.sharing = append(b.sharing, row)
	}
	for i := range r.Results {
		x := &r.Results[i]
		row.until = 0
		switch {
		case !x.Host.Valid():
			continue
		case x.Suspect == store.Suspected:
			row.until = at + int64(store.SuspectKeep/time.Second)
		case x.Suspect != store.Cleared:
			continue
		}
		row.route.Host = x.Host
		b.suspects = append(b.suspects, row)
	}
}

func (b *batch) writeHints(ctx context.Context, t *tx, d *Dialect) error {
	var args []any
	for _, r := range lastOfEach(b.suspects) {
		args = append(args, r.route.ModID, r.route.CmdID, r.route.IP, r.route.Port, r.agent, r.until)
	}
	if err := t.upsert(ctx, d, suspectUpsert, args); err != nil {
		return err
	}
	args = args[:0]
	for _, r := range lastOfEach(b.sharing) {
		args = append(args, r.route.ModID, r.route.CmdID, r.agent, r.until)
	}
	return t.upsert(ctx, d, sharingUpsert, args)
}

// Suspicions implements store.HintReader.
func (db *DB) Suspicions(ctx context.Context, now time.Time) (found []store.Suspicion, err error) {
	err = db.read(ctx, "suspicions", db.timeout, func(ctx context.Context, t *tx) error {
		var err error
		if found, err = suspects(ctx, t, now); err != nil {
			return err
		}
		return db.countSharing(ctx, t, now, found)
	})
	return found, err
}

// during is a condition with its arguments: a row is not over, nor from a clock
// that is far ahead.
const during = "until_s > ? AND until_s <= ?"

func duringArgs(now time.Time, keep time.Duration) []any {
	return []any{now.Unix(), now.Add(2 * keep).Unix()}
}

func suspects(ctx context.Context, t *tx, now time.Time) (found []store.Suspicion, err error) {
	err = t.query(ctx, func(rows *sql.Rows) error {
		var r row
		var by number
		err := rows.Scan(&r.modID, &r.cmdID, &r.ip, &r.port, &by)
		if route, ok := r.route(); ok {
			found = append(found, store.Suspicion{Module: route.Module, Host: route.Host, By: capUint32(by), Of: capUint32(by)})
		}
		return err
	}, "SELECT modid, cmdid, ip, port, COUNT(*) FROM HostSuspect WHERE "+during+" AND "+validKey+
		" GROUP BY modid, cmdid, ip, port ORDER BY modid, cmdid, ip, port LIMIT ?",
		append(duringArgs(now, store.SuspectKeep), store.SuspicionsMax)...)
	return found, err
}

// countSharing fills in Of.
func (db *DB) countSharing(ctx context.Context, t *tx, now time.Time, found []store.Suspicion) error {
	of := map[store.Module]uint32{}
	var args []any
	for _, s := range found {
		if _, known := of[s.Module]; !known {
			of[s.Module] = 0
			args = append(args, s.Module.ModID, s.Module.CmdID)
		}
	}
	err := t.pieces(db.d, 2, args, func(n int, args []any) error {
		return t.query(ctx, func(rows *sql.Rows) error {
			var r row
			var agents number
			err := rows.Scan(&r.modID, &r.cmdID, &agents)
			m, _ := r.module()
			of[m] = capUint32(agents)
			return err
		}, "SELECT modid, cmdid, COUNT(*) FROM SharingAgent WHERE "+anyOf(sharingUpsert.keys[:2], n)+" AND "+during+
			" GROUP BY modid, cmdid", append(slices.Clip(args), duringArgs(now, store.SharingKeep)...)...)
	})
	for i := range found {
		found[i].Of = max(found[i].By, of[found[i].Module])
	}
	return err
}
