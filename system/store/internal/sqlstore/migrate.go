package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	schema "lars/sql"
)

var errAlreadyApplied = errors.New("already applied")

// Migrate implements store.Store. Where DDL is atomic, a transaction makes sure
// that each migration runs once. Elsewhere several processes may run the same
// one at the same time, or go on where one was killed: every statement can be
// executed again, or fails in a way that the dialect knows to be harmless.
func (db *DB) Migrate(ctx context.Context) error {
	migrations, err := schema.Migrations(db.d.Schema)
	if err != nil {
		return err
	}
	applied, err := db.appliedMigrations(ctx)
	if err != nil {
		return db.classify(ctx, "migrate", err)
	}
	for _, m := range migrations {
		if applied[m.Number] {
			continue
		}
		err := db.apply(ctx, m)
		if err != nil && !errors.Is(err, errAlreadyApplied) {
			return db.classify(ctx, "migrate: "+m.Name, err)
		}
	}
	return nil
}

// appliedMigrations is empty for a database that never was migrated.
func (db *DB) appliedMigrations(ctx context.Context) (map[int]bool, error) {
	applied := make(map[int]bool)
	err := db.repeat(ctx, func() error {
		clear(applied)
		return once(ctx, db.writer, &db.d.EditTx, func(ctx context.Context, t *tx) error {
			tables, _, err := t.queryNumber(ctx, db.d.Tables, "SchemaMigration")
			if err != nil || tables == 0 {
				return err
			}
			return t.query(ctx, func(rows *sql.Rows) error {
				var n int
				err := rows.Scan(&n)
				applied[n] = true
				return err
			}, "SELECT number FROM SchemaMigration")
		})
	})
	return applied, err
}

func (db *DB) apply(ctx context.Context, m schema.Migration) error {
	if db.d.AtomicDDL {
		return db.repeat(ctx, func() error {
			return once(ctx, db.writer, &db.d.EditTx, func(ctx context.Context, t *tx) error {
				return db.applyIn(ctx, t, m)
			})
		})
	}
	for _, statement := range m.Statements {
		err := db.repeat(ctx, func() error {
			_, err := db.writer.db.ExecContext(ctx, statement)
			return err
		})
		if err != nil && !db.d.AlreadyDone(err) {
			return err
		}
	}
	return db.repeat(ctx, func() error {
		return once(ctx, db.writer, &db.d.EditTx, func(ctx context.Context, t *tx) error {
			return db.record(ctx, t, m)
		})
	})
}

func (db *DB) applyIn(ctx context.Context, t *tx, m schema.Migration) error {
	if m.Number > 0 {
		_, done, err := t.queryNumber(ctx, "SELECT number FROM SchemaMigration WHERE number = ?", m.Number)
		if err != nil {
			return err
		}
		if done {
			return errAlreadyApplied
		}
	}
	for _, statement := range m.Statements {
		if _, err := t.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return db.record(ctx, t, m)
}

func (db *DB) record(ctx context.Context, t *tx, m schema.Migration) error {
	u := upsert{table: "SchemaMigration", keys: []string{"number"}, set: []string{"name", "at_ms"}}
	_, err := t.ExecContext(ctx, u.text(db.d, 1), m.Number, m.Name, time.Now().UnixMilli())
	return err
}

// repeat runs do again while the database asks for it.
func (db *DB) repeat(ctx context.Context, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil {
			return nil
		}
		if _, again := db.d.Classify(err); !again || attempt == attemptsMax || !pause(ctx, attempt) {
			return err
		}
	}
}
