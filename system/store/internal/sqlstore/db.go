// Package sqlstore is the store over database/sql, shared by store/sqlite and
// store/mysql: all of the SQL text that is the same for both, with a [Dialect]
// for what is not. Those two packages open the database, name the dialect, and
// do nothing else.
package sqlstore

import (
	"database/sql"
	"errors"
	"time"

	"lars/system/store"
)

// Params opens a DB.
type Params struct {
	Dialect *Dialect

	// Write takes all transactions that change something, Read all others; they
	// may be the same. Close closes both.
	Write, Read *sql.DB

	// Timeout limits each call other than Load, Migrate, Trim and SaveReports (of
	// the latter two, each transaction). Zero: 10 s.
	Timeout time.Duration

	// LoadTimeout limits Load. Zero: 2 min.
	LoadTimeout time.Duration
}

const (
	timeoutDefault     = 10 * time.Second
	loadTimeoutDefault = 2 * time.Minute
)

// DB implements store.Store.
type DB struct {
	d           *Dialect
	writer      *pool
	reader      *pool
	timeout     time.Duration
	loadTimeout time.Duration
}

var _ store.Store = (*DB)(nil)

// New makes a DB. It does not touch the database.
func New(p Params) *DB {
	db := &DB{d: p.Dialect, timeout: p.Timeout, loadTimeout: p.LoadTimeout}
	if db.timeout <= 0 {
		db.timeout = timeoutDefault
	}
	if db.loadTimeout <= 0 {
		db.loadTimeout = loadTimeoutDefault
	}
	db.writer = newPool(p.Write, p.Dialect.Prepare)
	db.reader = db.writer
	if p.Read != p.Write {
		db.reader = newPool(p.Read, p.Dialect.Prepare)
	}
	return db
}

// Close implements store.Store.
func (db *DB) Close() error {
	err := db.writer.close()
	if db.reader != db.writer {
		err = errors.Join(err, db.reader.close())
	}
	return err
}
