package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"math/rand/v2"
	"slices"
	"time"

	"lars/system/store"
)

// The two tables that every result is written to, and the one that remembers marks.
var (
	latestUpsert = upsert{
		table: "ServerCallStatus",
		keys:  []string{"modid", "cmdid", "ip", "port", "caller"},
		set:   []string{"succ_cnt", "err_cnt", "ts", "overload"},
	}
	minuteUpsert = upsert{
		table: "CallStat1m",
		keys:  []string{"modid", "cmdid", "ip", "port", "minute"},
		add:   []string{"succ", "err", "overload"},
	}
	seenUpsert = upsert{
		table: "ReportSeen",
		keys:  []string{"boot", "number"},
		keep:  []string{"token", "at_s"},
	}
)

// SaveReports implements store.ReportWriter.
func (db *DB) SaveReports(ctx context.Context, reports []store.Report) (store.Saved, error) {
	var saved store.Saved
	for len(reports) > 0 {
		n := chunkLength(reports)
		repeated, skipped, err := db.saveChunk(ctx, reports[:n])
		if err != nil {
			return saved, err
		}
		saved.Reports += n
		saved.Repeated += repeated
		saved.Skipped += skipped
		reports = reports[n:]
	}
	return saved, nil
}

// chunkLength is how many reports go into the next transaction.
func chunkLength(reports []store.Report) int {
	rows := 0
	for i := range reports {
		rows += max(len(reports[i].Results), 1)
		if rows > store.SaveRowsMax && i > 0 {
			return i
		}
	}
	return len(reports)
}

func (db *DB) saveChunk(ctx context.Context, reports []store.Report) (repeated, skipped int, err error) {
	marks := marksOf(reports)
	err = db.write(ctx, "save reports", repeatable(reports), func(ctx context.Context, t *tx) error {
		fresh, err := db.claim(ctx, t, marks)
		if err != nil {
			return err
		}
		var b batch
		repeated = b.collect(reports, fresh)
		skipped = b.skipped
		return b.write(ctx, t, db.d)
	})
	return repeated, skipped, err
}

// repeatable reports whether writing all of it twice counts once: what only sets
// the latest figures does, and what is marked.
func repeatable(reports []store.Report) bool {
	for i := range reports {
		if reports[i].Mark.Boot != 0 {
			continue
		}
		for _, r := range reports[i].Results {
			if r.AddSucc|r.AddErr != 0 || r.Overload {
				return false
			}
		}
	}
	return true
}

// marksOf returns the marks in order, each once.
func marksOf(reports []store.Report) []store.Mark {
	var marks []store.Mark
	for i := range reports {
		if m := reports[i].Mark; m.Boot != 0 {
			marks = append(marks, m)
		}
	}
	slices.SortFunc(marks, compareMarks)
	return slices.Compact(marks)
}

// compareMarks orders as the database does: by the signed form.
func compareMarks(a, b store.Mark) int {
	return cmp.Or(cmp.Compare(int64(a.Boot), int64(b.Boot)), cmp.Compare(int64(a.Number), int64(b.Number)))
}

// claim enters the marks and returns those that nobody had entered before. How
// many rows a statement affected differs between databases, so each write signs
// its rows with a token of its own and then looks which ones carry it. A second
// writer of the same mark waits for the first to commit. A mark's age begins
// now, not when its report came, or one that waited for long could be trimmed
// before its write is tried again.
func (db *DB) claim(ctx context.Context, t *tx, marks []store.Mark) (map[store.Mark]struct{}, error) {
	fresh := make(map[store.Mark]struct{}, len(marks))
	if len(marks) == 0 {
		return fresh, nil
	}
	token, now := rand.Int64(), time.Now().Unix()
	rows := make([]any, 0, len(marks)*seenUpsert.width())
	keys := make([]any, 0, len(marks)*2)
	for _, m := range marks {
		rows = append(rows, int64(m.Boot), int64(m.Number), token, now)
		keys = append(keys, int64(m.Boot), int64(m.Number))
	}
	if err := t.upsert(ctx, db.d, seenUpsert, rows); err != nil {
		return nil, err
	}
	err := t.pieces(db.d, 2, keys, func(n int, keys []any) error {
		text := "SELECT boot, number FROM ReportSeen WHERE " + anyOf(seenUpsert.keys, n) + " AND token = ?"
		return t.query(ctx, func(rows *sql.Rows) error {
			var boot, number int64
			err := rows.Scan(&boot, &number)
			fresh[store.Mark{Boot: uint64(boot), Number: uint64(number)}] = struct{}{}
			return err
		}, text, append(slices.Clip(keys), token)...)
	})
	return fresh, err
}

// latestRow and minuteRow are rows to be written.
type latestRow struct {
	route     store.Route
	caller    uint32
	succ, err uint32
	ts        int64
	overload  bool
}

func (r *latestRow) compare(other *latestRow) int {
	return cmp.Or(r.route.Compare(other.route), cmp.Compare(r.caller, other.caller))
}

type minuteRow struct {
	route               store.Route
	minute              int64
	succ, err, overload int64
}

func (r *minuteRow) compare(other *minuteRow) int {
	return cmp.Or(r.route.Compare(other.route), cmp.Compare(r.minute, other.minute))
}

// batch is what some reports come to, row by row of the tables.
type batch struct {
	latest  []latestRow
	minutes []minuteRow
	skipped int

	suspects, sharing []hintRow // in the order of the reports
}

// collect takes the reports apart, leaving out those whose mark is not fresh, and
// returns how many these were. It uses fresh up.
func (b *batch) collect(reports []store.Report, fresh map[store.Mark]struct{}) (repeated int) {
	for i := range reports {
		r := &reports[i]
		if r.Mark.Boot != 0 {
			if _, first := fresh[r.Mark]; !first {
				repeated++
				continue
			}
			delete(fresh, r.Mark)
		}
		b.add(r)
	}
	b.sort()
	return repeated
}

const minuteSeconds = 60

func (b *batch) add(r *store.Report) {
	at := r.At.Unix()
	if !r.Module.Valid() || at < 0 {
		b.skipped++
		return
	}
	b.addHints(r, at)
	ts := at
	if !r.Sent.IsZero() {
		ts = r.Sent.Unix()
	}
	for i := range r.Results {
		result := &r.Results[i]
		if !result.Host.Valid() {
			b.skipped++
			continue
		}
		route := store.Route{Module: r.Module, Host: result.Host}
		b.latest = append(b.latest, latestRow{route, r.Caller, result.Succ, result.Err, ts, result.Overload})
		m := minuteRow{route: route, minute: at - at%minuteSeconds, succ: int64(result.AddSucc), err: int64(result.AddErr)}
		if result.Overload {
			m.overload = 1
		}
		if m.succ|m.err|m.overload != 0 {
			b.minutes = append(b.minutes, m)
		}
	}
}

// sort puts the rows into the order of their keys, so that two writers never wait
// for each other in a circle, and makes rows of the same key one: the last of the
// latest figures, the sum of the others.
func (b *batch) sort() {
	slices.SortStableFunc(b.latest, func(x, y latestRow) int { return x.compare(&y) })
	slices.SortFunc(b.minutes, func(x, y minuteRow) int { return x.compare(&y) })
	n := 0
	for i := range b.latest {
		if n > 0 && b.latest[n-1].compare(&b.latest[i]) == 0 {
			n--
		}
		b.latest[n] = b.latest[i]
		n++
	}
	b.latest = b.latest[:n]
	n = 0
	for i := range b.minutes {
		m := &b.minutes[i]
		if n > 0 && b.minutes[n-1].compare(m) == 0 {
			sum := &b.minutes[n-1]
			sum.succ += m.succ
			sum.err += m.err
			sum.overload += m.overload
			continue
		}
		b.minutes[n] = *m
		n++
	}
	b.minutes = b.minutes[:n]
}

func (b *batch) write(ctx context.Context, t *tx, d *Dialect) error {
	args := make([]any, 0, len(b.latest)*latestUpsert.width())
	for i := range b.latest {
		r := &b.latest[i]
		overload := "0"
		if r.overload {
			overload = "1"
		}
		args = append(args, r.route.ModID, r.route.CmdID, r.route.IP, r.route.Port, r.caller,
			capInt(r.succ), capInt(r.err), r.ts, overload)
	}
	if err := t.upsert(ctx, d, latestUpsert, args); err != nil {
		return err
	}
	args = args[:0]
	for i := range b.minutes {
		r := &b.minutes[i]
		args = append(args, r.route.ModID, r.route.CmdID, r.route.IP, r.route.Port, r.minute,
			r.succ, r.err, r.overload)
	}
	if err := t.upsert(ctx, d, minuteUpsert, args); err != nil {
		return err
	}
	return b.writeHints(ctx, t, d)
}

// upsert writes rows of u.width() values each.
func (t *tx) upsert(ctx context.Context, d *Dialect, u upsert, args []any) error {
	return t.pieces(d, u.width(), args, func(n int, args []any) error {
		return t.exec(ctx, u.text(d, n), args...)
	})
}
