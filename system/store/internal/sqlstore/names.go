package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"

	"lars/system/store"
)

// nameTable is the table and the column of a kind of names.
func nameTable(kind store.NameKind) (table, column string, err error) {
	switch kind {
	case store.ModNames:
		return "ModIDConfig", "modid", nil
	case store.CmdNames:
		return "CmdIDConfig", "cmdid", nil
	}
	return "", "", fmt.Errorf("%w kind of names: %d", store.ErrInvalid, kind)
}

// Names implements store.Names. The original's tables may hold an id twice; the
// older row counts.
func (db *DB) Names(ctx context.Context, kind store.NameKind) (map[int32]string, error) {
	table, column, err := nameTable(kind)
	if err != nil {
		return nil, err
	}
	names := make(map[int32]string)
	err = db.read(ctx, "names", db.timeout, func(ctx context.Context, t *tx) error {
		clear(names)
		return t.query(ctx, func(rows *sql.Rows) error {
			var id number
			var name string
			err := rows.Scan(&id, &name)
			if id >= 0 && id <= math.MaxInt32 {
				names[int32(id)] = name
			}
			return err
		}, "SELECT "+column+", content FROM "+table+" ORDER BY id DESC")
	})
	return names, err
}

// SetName implements store.Names.
func (db *DB) SetName(ctx context.Context, kind store.NameKind, id int32, name string) error {
	table, column, err := nameTable(kind)
	if err != nil {
		return err
	}
	name = strings.TrimSpace(name) // CHAR columns lose it anyway
	if err := store.CheckName(id, name); err != nil {
		return err
	}
	return db.write(ctx, "set name", true, func(ctx context.Context, t *tx) error {
		if name == "" {
			return t.exec(ctx, "DELETE FROM "+table+" WHERE "+column+" = ?", id)
		}
		rows, _, err := t.queryNumber(ctx, "SELECT COUNT(*) FROM "+table+" WHERE "+column+" = ?", id)
		if err != nil {
			return err
		}
		if rows > 0 {
			return t.exec(ctx, "UPDATE "+table+" SET content = ? WHERE "+column+" = ?", name, id)
		}
		return t.exec(ctx, "INSERT INTO "+table+" ("+column+", content) VALUES (?, ?)", id, name)
	})
}
