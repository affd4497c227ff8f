package sqlstore

import (
	"context"
	"database/sql"
	"math"
	"strings"
	"time"

	"lars/system/store"
)

// validKey leaves out rows that make no sense, in the database because a page
// that lost rows afterwards would look like the last one.
const validKey = "modid >= 0 AND cmdid >= 0 AND ip > 0 AND ip <= 4294967295 AND port > 0 AND port <= 65535"

// Latest implements store.StatReader.
func (db *DB) Latest(ctx context.Context, q store.LatestQuery) ([]store.CallStat, error) {
	text, args := latestText(q)
	var stats []store.CallStat
	err := db.read(ctx, "latest statistics", db.timeout, func(ctx context.Context, t *tx) error {
		stats = nil
		return t.query(ctx, func(rows *sql.Rows) error {
			stat, err := scanLatest(rows)
			stats = append(stats, stat)
			return err
		}, text, args...)
	})
	return stats, err
}

func latestText(q store.LatestQuery) (text string, args []any) {
	where := []string{validKey, "caller >= 0 AND caller <= 4294967295"}
	if q.Module != nil {
		where = append(where, "modid = ? AND cmdid = ?")
		args = append(args, q.Module.ModID, q.Module.CmdID)
	}
	if q.Host != nil {
		where = append(where, "ip = ? AND port = ?")
		args = append(args, q.Host.IP, q.Host.Port)
	}
	if a := q.After; a != nil {
		// The first condition is implied by the second, but lets the index be used.
		where = append(where, "modid >= ?", "(modid, cmdid, ip, port, caller) > (?, ?, ?, ?, ?)")
		args = append(args, a.Module.ModID, a.Module.ModID, a.Module.CmdID, a.Host.IP, a.Host.Port, a.Caller)
	}
	return "SELECT modid, cmdid, ip, port, caller, succ_cnt, err_cnt, ts, overload FROM ServerCallStatus WHERE " +
		strings.Join(where, " AND ") + " ORDER BY modid, cmdid, ip, port, caller LIMIT ?", append(args, limitRows(q.Limit))
}

func scanLatest(rows *sql.Rows) (store.CallStat, error) {
	var r row
	var caller, succ, fail, ts number
	var overload string
	err := rows.Scan(&r.modID, &r.cmdID, &r.ip, &r.port, &caller, &succ, &fail, &ts, &overload)
	route, _ := r.route()
	return store.CallStat{
		Module: route.Module, Host: route.Host, Caller: capUint32(caller),
		Succ: capUint32(succ), Err: capUint32(fail), At: time.Unix(int64(ts), 0), Overload: overload == "1",
	}, err
}

// Minutes implements store.StatReader.
func (db *DB) Minutes(ctx context.Context, q store.MinuteQuery) ([]store.MinuteStat, error) {
	text, args := minutesText(q)
	var stats []store.MinuteStat
	err := db.read(ctx, "statistics per minute", db.timeout, func(ctx context.Context, t *tx) error {
		stats = nil
		return t.query(ctx, func(rows *sql.Rows) error {
			stat, err := scanMinute(rows)
			stats = append(stats, stat)
			return err
		}, text, args...)
	})
	return stats, err
}

func minutesText(q store.MinuteQuery) (text string, args []any) {
	where := []string{"modid = ? AND cmdid = ?", validKey}
	args = []any{q.Module.ModID, q.Module.CmdID}
	if q.Host != nil {
		where = append(where, "ip = ? AND port = ?")
		args = append(args, q.Host.IP, q.Host.Port)
	}
	from, to := int64(0), int64(math.MaxInt64)
	if !q.From.IsZero() {
		from = q.From.Unix()
	}
	if !q.To.IsZero() {
		to = q.To.Unix()
	}
	where = append(where, "minute >= ? AND minute < ?")
	args = append(args, from, to)
	if a := q.After; a != nil {
		where = append(where, "(minute, ip, port) > (?, ?, ?)")
		args = append(args, a.Minute.Unix(), a.Host.IP, a.Host.Port)
	}
	return "SELECT modid, cmdid, ip, port, minute, succ, err, overload FROM CallStat1m WHERE " +
		strings.Join(where, " AND ") + " ORDER BY minute, ip, port LIMIT ?", append(args, limitRows(q.Limit))
}

func scanMinute(rows *sql.Rows) (store.MinuteStat, error) {
	var r row
	var minute number
	var stat store.MinuteStat
	err := rows.Scan(&r.modID, &r.cmdID, &r.ip, &r.port, &minute, &stat.Succ, &stat.Err, &stat.Overload)
	route, _ := r.route()
	stat.Module, stat.Host, stat.Minute = route.Module, route.Host, time.Unix(int64(minute), 0)
	return stat, err
}
