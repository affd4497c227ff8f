// Package sqlite is the embedded store: one SQLite file, no server, no set-up. It
// is the default, and safe for several processes of one machine at a time; each
// committed change survives the process being killed and the machine losing
// power. It is not for a file on a network file system, and not for several
// machines: those use package mysql.
//
//	st, err := sqlite.Open(sqlite.Config{Path: "lars.db"})
//
// The package only opens the file and says how SQLite differs; all statements
// are shared with package mysql.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"lars/system/store"
	"lars/system/store/internal/sqlstore"
)

// Config opens a Store.
type Config struct {
	// Path of the file, made when it is missing; its folder must exist. Two files
	// of the same name with -wal and -shm belong to it while it is open.
	Path string

	// Timeout limits each call other than Load. Zero: 10 s.
	Timeout time.Duration

	// LoadTimeout limits Load. Zero: 2 min.
	LoadTimeout time.Duration

	// Readers is how many calls read at the same time. Zero: 4. There is always
	// one writer.
	Readers int

	// Wrap stands between the store and the connections that it makes, to trace
	// them or to make them fail. Nil: nothing does.
	Wrap func(driver.Connector) driver.Connector
}

const readersDefault = 4

// Store is a store.Store in an SQLite file.
type Store struct {
	*sqlstore.DB
}

var _ store.Store = (*Store)(nil)

// Open makes a Store. The file is not touched before the first call on it.
func Open(c Config) (*Store, error) {
	if c.Path == "" || strings.Contains(c.Path, ":memory:") {
		return nil, fmt.Errorf("%w sqlite path %q: want a file", store.ErrInvalid, c.Path)
	}
	if c.Readers <= 0 {
		c.Readers = readersDefault
	}
	// One writing connection: writers queue in Go, in order and without polling,
	// and no two connections of this process ever write a checkpoint at once.
	write, err := c.pool(1, writerPragmas())
	if err != nil {
		return nil, err
	}
	read, err := c.pool(c.Readers, readerPragmas())
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &Store{sqlstore.New(sqlstore.Params{
		Dialect: dialect(), Write: write, Read: read, Timeout: c.Timeout, LoadTimeout: c.LoadTimeout,
	})}, nil
}

// busyTimeout is how long SQLite itself waits for another process, in ms.
const busyTimeout = "busy_timeout(5000)"

func writerPragmas() url.Values {
	return url.Values{
		// Take the lock at BEGIN: a transaction that reads first and writes then
		// could not be repeated by SQLite's own waiting.
		"_txlock": {"immediate"},
		"_pragma": {
			busyTimeout,
			"journal_mode(WAL)",
			"synchronous(FULL)", // an answered edit is on the disk
			"wal_autocheckpoint(4000)",
			"journal_size_limit(67108864)",
			"cache_size(-16384)",
		},
	}
}

func readerPragmas() url.Values {
	return url.Values{"_pragma": {busyTimeout, "query_only(1)"}}
}

func (c *Config) pool(connections int, params url.Values) (*sql.DB, error) {
	name := "file:" + (&url.URL{Path: c.Path}).EscapedPath() + "?" + params.Encode()
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("%w sqlite path %q: %w", store.ErrInvalid, c.Path, err)
	}
	if c.Wrap != nil {
		db = sql.OpenDB(c.Wrap(connector{name, db.Driver()}))
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// connector makes connections as sql.Open does.
type connector struct {
	name   string
	driver driver.Driver
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.name) }
func (c connector) Driver() driver.Driver                        { return c.driver }

func dialect() *sqlstore.Dialect {
	return &sqlstore.Dialect{
		Schema: "sqlite",
		OnConflict: func(keys []string) string {
			return "ON CONFLICT (" + strings.Join(keys, ", ") + ") DO UPDATE SET"
		},
		Excluded:  func(column string) string { return "excluded." + column },
		Tables:    "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
		Piece:     piece,
		Prepare:   true,
		AtomicDDL: true,
		Classify:  classify,

		ConnectionLost: func(error) bool { return false },
	}
}

// piece keeps to three sizes of statement, since each size is prepared once and
// kept.
func piece(n int) int {
	switch {
	case n >= 100:
		return 100
	case n >= 10:
		return 10
	}
	return 1
}

// classify goes by the primary result code, the low byte of SQLite's code.
func classify(err error) (kind error, repeat bool) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return nil, false
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_SCHEMA:
		return store.ErrUnavailable, true
	case lib.SQLITE_ERROR, lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_FORMAT:
		return store.ErrSchema, false
	case lib.SQLITE_CONSTRAINT:
		return store.ErrConflict, false
	case lib.SQLITE_MISMATCH, lib.SQLITE_TOOBIG, lib.SQLITE_RANGE:
		return store.ErrInvalid, false
	}
	return store.ErrUnavailable, false
}
