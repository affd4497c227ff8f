// Package sql holds the database schema of Lars: for each dialect the original's
// schema as migration 1 and our upgrades as later numbers, all embedded in the
// binary. It is for the stores, which apply it; a person can also feed the files
// to a database client by hand, in order of their numbers.
//
// A migration is never changed after a release and only ever adds: programs of
// an older release, and the original's own, go on working beside a newer schema.
//
// The package reads no database and knows nothing of the stores.
package sql

import (
	"embed"
	"fmt"
	"strconv"
	"strings"
)

// The dialects, which are also the names of the folders.
const (
	MySQL  = "mysql"
	SQLite = "sqlite"
)

//go:embed mysql/*.sql sqlite/*.sql
var files embed.FS

// Migration is one numbered file.
type Migration struct {
	Number     int      // 0 makes the table that records the others; 1 is the original's schema
	Name       string   // the file's name, for instance "0001_original.sql"
	Statements []string // one SQL statement each, without the closing semicolon
}

// Migrations returns the migrations of a dialect by rising number, starting at 0
// and without a gap.
func Migrations(dialect string) ([]Migration, error) {
	entries, err := files.ReadDir(dialect)
	if err != nil {
		return nil, fmt.Errorf("sql: unknown dialect %q, known are %s and %s", dialect, MySQL, SQLite)
	}
	var found []Migration
	for _, entry := range entries { // sorted by name, so by number
		digits, _, isNumbered := strings.Cut(entry.Name(), "_")
		if !isNumbered {
			continue
		}
		number, err := strconv.Atoi(digits)
		if err != nil || number != len(found) {
			return nil, fmt.Errorf("sql: %s/%s: want number %04d", dialect, entry.Name(), len(found))
		}
		statements, err := read(dialect + "/" + entry.Name())
		if err != nil {
			return nil, err
		}
		found = append(found, Migration{Number: number, Name: entry.Name(), Statements: statements})
	}
	return found, nil
}

// Sample returns the statements that add the original's four sample routes.
func Sample(dialect string) ([]string, error) {
	return read(dialect + "/sample.sql")
}

func read(path string) ([]string, error) {
	text, err := files.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("sql: %w", err)
	}
	return split(string(text)), nil
}

// split cuts a file into statements. Comments are whole lines, and a statement
// ends where a line ends in a semicolon: the files of this package keep to that.
func split(text string) []string {
	var statements []string
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \r\n")
		if line == "" || strings.HasPrefix(strings.TrimSpace(line), "--") {
			continue
		}
		last := strings.HasSuffix(line, ";")
		lines = append(lines, strings.TrimSuffix(line, ";"))
		if last {
			statements = append(statements, strings.Join(lines, "\n"))
			lines = nil
		}
	}
	if len(lines) > 0 {
		statements = append(statements, strings.Join(lines, "\n"))
	}
	return statements
}
