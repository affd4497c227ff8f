package cli

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	schema "lars/sql"
	"lars/system/store/mysql/mariadbtest"
)

// originalsDatabase has the original's tables, a route and a row of statistics.
func originalsDatabase(t *testing.T, db *sql.DB, dialect string) {
	t.Helper()
	migrations, err := schema.Migrations(dialect)
	if err != nil {
		t.Fatal(err)
	}
	statements := append(slices.Clone(migrations[1].Statements),
		"INSERT INTO RouteData (modid, cmdid, serverip, serverport) VALUES (1, 1, 3232235953, 7777)",
		"INSERT INTO ServerCallStatus (modid, cmdid, ip, port, caller, succ_cnt, err_cnt, ts, overload) VALUES (1, 1, 3232235953, 7777, 2130706433, 180, 5, 1574000001, '0')")
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// tablesOf is all that a database says of its tables.
func tablesOf(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var a, b sql.NullString
		if err := rows.Scan(&a, &b); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(a.String, " ", b.String))
	}
	return all
}

// Who looks at a database of the original changes nothing of it: what it can
// tell it tells, and otherwise the answer is what to do.
func TestReadingChangesNoTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "original.db")
	lite, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer lite.Close()
	server := mariadbtest.Start(t)
	maria := server.NewDatabase(t)
	for _, d := range []struct {
		name, url, tables string
		raw               *sql.DB
	}{
		{"sqlite", "sqlite:" + path, "SELECT name, sql FROM sqlite_master ORDER BY name", lite},
		{"mysql", mysqlURL(t, maria), "SELECT CONCAT_WS(' ', table_name, column_name), column_type FROM information_schema.columns WHERE table_schema = DATABASE() UNION ALL SELECT CONCAT_WS(' ', table_name, index_name), column_name FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY 1, 2", server.OpenRaw(t, maria)},
	} {
		t.Run(d.name, func(t *testing.T) {
			originalsDatabase(t, d.raw, d.name)
			before := tablesOf(t, d.raw, d.tables)
			const what = "'lars route upgrade' brings its tables up to date"
			for _, c := range []struct{ args, want string }{
				{"route list", "1,1  192.168.1.177:7777\n"},
				{"route list --module 1,1", "1,1  192.168.1.177:7777\n"},
				{"route export", "1,1,192.168.1.177,7777,1,0,off,\n"},
				{"route log", what},
				{"policy get", what},
				{"calls", "180"},
				{"calls 1 1", what},
			} {
				got := runReader(t, c.args, d.url)
				if !strings.Contains(got, c.want) {
					t.Errorf("lars %s: %q, want %q", c.args, got, c.want)
				}
				if after := tablesOf(t, d.raw, d.tables); !slices.Equal(after, before) {
					t.Fatalf("lars %s changed the tables:\n%s\nwere\n%s", c.args, after, before)
				}
			}
			if got := runReader(t, "route upgrade", d.url); got != "the tables are up to date; the routes are of version 0\n" {
				t.Errorf("upgrade: %q", got)
			}
			for _, args := range []string{"route log", "policy get", "calls 1 1"} {
				if got := runReader(t, args, d.url); strings.Contains(got, "schema") {
					t.Errorf("lars %s after the upgrade: %q", args, got)
				}
			}
		})
	}
}

// runReader is what a command prints, or the error.
func runReader(t *testing.T, args, url string) string {
	t.Helper()
	words := append(strings.Fields(args), "--store", url)
	run := Calls
	switch words[0] {
	case "route":
		run = Route().Run
	case "policy":
		run = Policy().Run
	}
	got, _, err := command(t, run, words[1:]...)
	if err != nil {
		return err.Error()
	}
	return got
}
