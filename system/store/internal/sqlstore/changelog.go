package sqlstore

import (
	"context"
	"database/sql"
	"strings"

	"lars/system/store"
)

// ChangeLog implements store.RouteEditor.
func (db *DB) ChangeLog(ctx context.Context, q store.ChangeQuery) ([]store.Change, error) {
	text, args := changeLogText(q)
	var changes []store.Change
	err := db.read(ctx, "change log", db.timeout, func(ctx context.Context, t *tx) error {
		changes = nil
		return t.query(ctx, func(rows *sql.Rows) error {
			change, err := scanChange(rows)
			changes = append(changes, change)
			return err
		}, text, args...)
	})
	return changes, err
}

func changeLogText(q store.ChangeQuery) (text string, args []any) {
	var where []string
	if q.Module != nil {
		where = append(where, "modid = ? AND cmdid = ?")
		args = append(args, q.Module.ModID, q.Module.CmdID)
	}
	if q.After != nil {
		where = append(where, "(version < ? OR (version = ? AND id < ?))")
		args = append(args, q.After.Version, q.After.Version, q.After.ID)
	}
	text = "SELECT id, version, prev, modid, cmdid, op, actor, at_ms, hosts_before, hosts_after, detail FROM RouteChange"
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	return text + " ORDER BY version DESC, id DESC LIMIT ?", append(args, limitRows(q.Limit))
}

func scanChange(rows *sql.Rows) (store.Change, error) {
	var id, version, prev, atMs number
	var r row
	var c store.Change
	var before, after, detail sql.NullString
	err := rows.Scan(&id, &version, &prev, &r.modID, &r.cmdID, &c.Op, &c.Actor, &atMs, &before, &after, &detail)
	c.ID, c.Version, c.Prev = int64(id), int64(version), int64(prev)
	c.Module, _ = r.module() // an id that makes no sense shows as what is left of it
	c.At = changeTime(int64(atMs), c.Version)
	c.Before, c.After, c.Detail = parseHosts(before.String), parseHosts(after.String), detail.String
	return c, err
}

// parseHosts leaves out what is no host.
func parseHosts(text string) []store.Host {
	var hosts []store.Host
	for part := range strings.SplitSeq(text, ",") {
		if h, err := store.ParseHost(part); err == nil {
			hosts = append(hosts, h)
		}
	}
	return hosts
}
