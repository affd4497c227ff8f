// Package mysql is the store for production: MySQL or MariaDB, and what speaks
// like them. Any number of processes on any number of machines may share it,
// the original's programs among them.
//
//	st, err := mysql.Open(mysql.Config{Addr: "db:3306", User: "lars", PasswordFile: "/etc/lars/db"})
//
// The database must exist and the user must have its rights in it: to read and
// write always, to create and alter tables for Migrate only.
//
// On a Galera cluster, write to one node, and set wsrep_sync_wait=1 on it if dns
// reads from another, or dns may see a version go back. Statements that a node
// or a deadlock refused are repeated.
//
// The package only connects and says how MySQL differs; all statements are
// shared with package sqlite.
package mysql

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"lars/system/store"
	"lars/system/store/internal/sqlstore"
)

// Secret is a password. It prints as stars.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the secret from %#v as well.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// PasswordEnvDefault is the environment variable that is read when a Config
// names no other source.
const PasswordEnvDefault = "LARS_DB_PASSWORD"

// Config opens a Store.
type Config struct {
	Addr   string // host:port. Empty: 127.0.0.1:3306, the original's default
	Socket string // path of a Unix socket, instead of Addr. Empty: none

	User     string // must not be empty
	Database string // empty: lars_dns, the original's name

	// The password comes from the first of these that is set: a file (its content
	// without the line end), the environment variable of this name, a value that
	// was read from a configuration file, the variable LARS_DB_PASSWORD. All
	// empty: no password. There is no other way, so none in flags or code.
	PasswordFile string
	PasswordEnv  string
	Password     Secret

	TLS string // "" (none), "true", "skip-verify" or "preferred"

	// Conns is the most connections at the same time. Zero: 8.
	Conns int

	// ConnectTimeout limits making a connection. Zero: 5 s.
	ConnectTimeout time.Duration

	// Timeout limits each call other than Load. Zero: 10 s.
	Timeout time.Duration

	// LoadTimeout limits Load. Zero: 2 min.
	LoadTimeout time.Duration

	// Wrap stands between the store and the connections that it makes, to trace
	// them or to make them fail. Nil: nothing does.
	Wrap func(driver.Connector) driver.Connector
}

const (
	addrDefault           = "127.0.0.1:3306"
	databaseDefault       = "lars_dns"
	connsDefault          = 8
	connectTimeoutDefault = 5 * time.Second

	// connLifetime lets connections move on after a fail-over or a change of DNS.
	connLifetime = 5 * time.Minute

	passwordBytesMax = 4096
)

// Store is a store.Store in a MySQL database.
type Store struct {
	*sqlstore.DB
}

var _ store.Store = (*Store)(nil)

// Open makes a Store. It reads the password but does not connect: the first call
// does, and fails with store.ErrUnavailable while there is no database.
func Open(c Config) (*Store, error) {
	config, err := c.driver()
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("%w mysql configuration: %w", store.ErrInvalid, err)
	}
	if c.Wrap != nil {
		connector = c.Wrap(connector)
	}
	db := sql.OpenDB(connector)
	conns := c.Conns
	if conns <= 0 {
		conns = connsDefault
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxLifetime(connLifetime)
	return &Store{sqlstore.New(sqlstore.Params{
		Dialect: dialect(), Write: db, Read: db, Timeout: c.Timeout, LoadTimeout: c.LoadTimeout,
	})}, nil
}

func (c Config) driver() (*mysql.Config, error) {
	if c.User == "" {
		return nil, fmt.Errorf("%w mysql configuration: no user", store.ErrInvalid)
	}
	password, err := c.password()
	if err != nil {
		return nil, err
	}
	d := mysql.NewConfig()
	d.User, d.Passwd = c.User, string(password)
	d.Net, d.Addr = "tcp", or(c.Addr, addrDefault)
	if c.Socket != "" {
		d.Net, d.Addr = "unix", c.Socket
	}
	d.DBName = or(c.Database, databaseDefault)
	d.TLSConfig = c.TLS
	d.Timeout = c.ConnectTimeout
	if d.Timeout <= 0 {
		d.Timeout = connectTimeoutDefault
	}
	d.Logger = &mysql.NopLogger{} // errors are returned; nothing is printed behind the caller's back
	d.Collation = "utf8mb4_bin"
	d.ClientFoundRows = true   // "changed" means "matched", as everywhere else
	d.InterpolateParams = true // one round trip for a statement instead of three
	d.Params = map[string]string{
		"sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'", // an error, never a cut value
		// Shorter than our own limit, so that a wait ends as a wait (and is tried
		// again) rather than as a lost connection. In s.
		"innodb_lock_wait_timeout": "3",
	}
	return d, nil
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

func (c Config) password() (Secret, error) {
	switch {
	case c.PasswordFile != "":
		return passwordFromFile(c.PasswordFile)
	case c.PasswordEnv != "":
		value, set := os.LookupEnv(c.PasswordEnv)
		if !set {
			return "", fmt.Errorf("%w mysql configuration: environment variable %s is not set", store.ErrInvalid, c.PasswordEnv)
		}
		return Secret(value), nil
	case c.Password != "":
		return c.Password, nil
	}
	return Secret(os.Getenv(PasswordEnvDefault)), nil
}

func passwordFromFile(path string) (Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w mysql password file: %w", store.ErrInvalid, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, passwordBytesMax+1))
	if err != nil {
		return "", fmt.Errorf("%w mysql password file: %w", store.ErrInvalid, err)
	}
	if len(text) > passwordBytesMax {
		return "", fmt.Errorf("%w mysql password file %s: longer than %d bytes", store.ErrInvalid, path, passwordBytesMax)
	}
	return Secret(strings.TrimRight(string(text), "\r\n")), nil
}

func dialect() *sqlstore.Dialect {
	return &sqlstore.Dialect{
		Schema:      "mysql",
		OnConflict:  func([]string) string { return "ON DUPLICATE KEY UPDATE" },
		Excluded:    func(column string) string { return "VALUES(" + column + ")" },
		Tables:      "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
		Piece:       func(n int) int { return min(n, pieceRows) },
		AlreadyDone: alreadyDone,
		Classify:    classify,

		ConnectionLost: connectionLost,

		EditTx: sql.TxOptions{Isolation: sql.LevelReadCommitted},
		ReadTx: sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
	}
}

// pieceRows is the most rows of one statement.
const pieceRows = 250
