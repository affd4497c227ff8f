package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"lars/system/store"
)

// tx is one transaction.
type tx struct {
	*sql.Tx
	pool *pool
}

func (t *tx) exec(ctx context.Context, text string, args ...any) error {
	var err error
	if stmt := t.pool.statement(text); stmt != nil {
		_, err = t.StmtContext(ctx, stmt).ExecContext(ctx, args...)
	} else {
		_, err = t.ExecContext(ctx, text, args...)
	}
	return err
}

// query calls scan for every row.
func (t *tx) query(ctx context.Context, scan func(*sql.Rows) error, text string, args ...any) (err error) {
	var rows *sql.Rows
	if stmt := t.pool.statement(text); stmt != nil {
		rows, err = t.StmtContext(ctx, stmt).QueryContext(ctx, args...)
	} else {
		rows, err = t.QueryContext(ctx, text, args...)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// queryNumber reads the one number of the first row; found is false without one.
func (t *tx) queryNumber(ctx context.Context, text string, args ...any) (value int64, found bool, err error) {
	err = t.query(ctx, func(rows *sql.Rows) error {
		found = true
		return rows.Scan((*number)(&value))
	}, text, args...)
	return value, found, err
}

// pieces cuts args, with width values to a row, into statements.
func (t *tx) pieces(d *Dialect, width int, args []any, do func(n int, args []any) error) error {
	for len(args) > 0 {
		n := d.Piece(len(args) / width)
		if err := do(n, args[:n*width]); err != nil {
			return err
		}
		args = args[n*width:]
	}
	return nil
}

// callbackError carries an error of the caller's own function past classify.
type callbackError struct{ error }

// errNothingToDo rolls an edit back without being an error.
var errNothingToDo = errors.New("nothing to do")

const (
	attemptsMax  = 8
	backoffFirst = 5 * time.Millisecond
	backoffMax   = 500 * time.Millisecond
)

// write runs do in a transaction that changes something, again when the database
// gave way to another (deadlock, lock wait, certification), and, if the work may
// be repeated even when it was committed unnoticed, once after a lost connection.
func (db *DB) write(ctx context.Context, what string, repeatable bool, do func(ctx context.Context, t *tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	lost := 0
	for attempt := 1; ; attempt++ {
		err := once(ctx, db.writer, &db.d.EditTx, do)
		if err == nil {
			return nil
		}
		_, again := db.d.Classify(err)
		if !again && repeatable && lost == 0 && db.d.ConnectionLost(err) {
			lost, again = 1, true
		}
		if !again || attempt == attemptsMax || !pause(ctx, attempt) {
			return db.classify(ctx, what, err)
		}
	}
}

// read runs do in a transaction that sees one moment.
func (db *DB) read(ctx context.Context, what string, timeout time.Duration, do func(ctx context.Context, t *tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := once(ctx, db.reader, &db.d.ReadTx, do)
	if err == nil {
		return nil
	}
	return db.classify(ctx, what, err)
}

func once(ctx context.Context, p *pool, opts *sql.TxOptions, do func(ctx context.Context, t *tx) error) error {
	t, err := p.begin(ctx, opts)
	if err != nil {
		return err
	}
	if err := do(ctx, t); err != nil {
		_ = t.Rollback()
		return err
	}
	return t.Commit()
}

// pause waits before the next attempt: exponential, with jitter so that two who
// met do not meet again.
func pause(ctx context.Context, attempt int) bool {
	wait := min(backoffFirst<<(attempt-1), backoffMax)
	wait = wait/2 + rand.N(wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// classify gives err its kind. An error that nothing is known about counts as
// unavailability: the request was checked before, so the fault is not with it.
func (db *DB) classify(ctx context.Context, what string, err error) error {
	var own callbackError
	switch {
	case errors.As(err, &own):
		return own.error
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrInvalid),
		errors.Is(err, store.ErrSchema), errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("%s: %w", what, err)
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %w", what, ctx.Err())
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w: %w", what, store.ErrUnavailable, ctx.Err())
	}
	kind, _ := db.d.Classify(err)
	if kind == nil {
		kind = store.ErrUnavailable
	}
	return fmt.Errorf("%s: %w: %w", what, kind, err)
}
