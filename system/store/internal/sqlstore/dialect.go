package sqlstore

import (
	"database/sql"
	"slices"
	"strings"
)

// Dialect is all in which the databases differ.
type Dialect struct {
	// Schema is the folder of package sql.
	Schema string

	// OnConflict begins the tail of an upsert, for the columns of the primary key.
	OnConflict func(keys []string) string

	// Excluded names the value that an upsert wanted to insert.
	Excluded func(column string) string

	// Tables counts the tables of a name (one parameter) in the database.
	Tables string

	// Piece says how many of n rows the next statement takes: at least 1. A small
	// set of sizes keeps the set of prepared statements small.
	Piece func(n int) int

	// Prepare keeps statements prepared. Off where the driver fills in the
	// parameters itself and so saves a round trip.
	Prepare bool

	// AtomicDDL says that a transaction holds ALTER TABLE as well.
	AtomicDDL bool

	// AlreadyDone says that a statement of a migration failed because it has been
	// executed before. Only asked when DDL is not atomic.
	AlreadyDone func(error) bool

	// Classify tells the kind of a driver's error and whether the transaction is
	// certain to have been rolled back and worth repeating. A nil kind means
	// unknown.
	Classify func(error) (kind error, repeat bool)

	// ConnectionLost says that it is not known what became of the transaction.
	ConnectionLost func(error) bool

	// EditTx and ReadTx are how transactions begin. In an edit each statement
	// must see what was committed before it; a read must see one moment.
	EditTx, ReadTx sql.TxOptions
}

// upsert describes INSERT or else UPDATE of many rows.
type upsert struct {
	table string
	keys  []string // columns of the primary key
	set   []string // columns that take the new value
	add   []string // columns to which the new value is added
	keep  []string // columns that only an insert writes
}

// columns are those of one row, in the order of its parameters.
func (u upsert) columns() []string { return slices.Concat(u.keys, u.set, u.add, u.keep) }

// width is the number of parameters of one row.
func (u upsert) width() int { return len(u.keys) + len(u.set) + len(u.add) + len(u.keep) }

// text is the statement for n rows. When there is nothing to set or add, an
// existing row stays as it is.
func (u upsert) text(d *Dialect, n int) string {
	var b strings.Builder
	b.WriteString(insertText(u.table, u.columns(), n))
	b.WriteByte(' ')
	b.WriteString(d.OnConflict(u.keys))
	separator := " "
	assign := func(column, value string) {
		b.WriteString(separator + column + " = " + value)
		separator = ", "
	}
	for _, column := range u.set {
		assign(column, d.Excluded(column))
	}
	for _, column := range u.add {
		assign(column, u.table+"."+column+" + "+d.Excluded(column))
	}
	if len(u.set)+len(u.add) == 0 {
		assign(u.keys[0], u.table+"."+u.keys[0])
	}
	return b.String()
}

// insertText is a plain INSERT of n rows.
func insertText(table string, columns []string, n int) string {
	row := "(?" + strings.Repeat(", ?", len(columns)-1) + ")"
	return "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES " +
		row + strings.Repeat(", "+row, n-1)
}

// anyOf is a condition that holds for n given combinations of columns. A chain
// of OR, since only that uses an index in every one of the databases.
func anyOf(columns []string, n int) string {
	one := "(" + strings.Join(columns, " = ? AND ") + " = ?)"
	return "(" + one + strings.Repeat(" OR "+one, n-1) + ")"
}
