package sql

import (
	"slices"
	"strings"
	"testing"
)

func TestDialectsHaveTheSameMigrations(t *testing.T) {
	names := map[string][]string{}
	for _, dialect := range []string{MySQL, SQLite} {
		migrations, err := Migrations(dialect)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range migrations {
			if len(m.Statements) == 0 {
				t.Errorf("%s/%s holds no statement", dialect, m.Name)
			}
			names[dialect] = append(names[dialect], m.Name)
		}
	}
	if !slices.Equal(names[MySQL], names[SQLite]) {
		t.Errorf("mysql has %v, sqlite has %v", names[MySQL], names[SQLite])
	}
	if len(names[MySQL]) < 2 || names[MySQL][1] != "0001_original.sql" {
		t.Errorf("migration 1 is not the original's schema: %v", names[MySQL])
	}
}

func TestUnknownDialect(t *testing.T) {
	if _, err := Migrations("oracle"); err == nil || !strings.Contains(err.Error(), MySQL) {
		t.Errorf("Migrations(oracle) = %v, want an error that names the known dialects", err)
	}
	if _, err := Sample("oracle"); err == nil {
		t.Error("Sample(oracle) gave no error")
	}
}

func TestSampleIsTheSameInBothDialects(t *testing.T) {
	mysql, err := Sample(MySQL)
	if err != nil {
		t.Fatal(err)
	}
	sqlite, err := Sample(SQLite)
	if err != nil {
		t.Fatal(err)
	}
	if len(mysql) != 2 || !slices.Equal(mysql, sqlite) {
		t.Errorf("samples differ or are not two statements:\n%v\n%v", mysql, sqlite)
	}
}

func TestSplit(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"empty", "", nil},
		{"comments only", "-- a;\n  -- b\n", nil},
		{"two", "A;\n-- c;\nB\n  C;\n", []string{"A", "B\n  C"}},
		{"no last semicolon", "A;\nB", []string{"A", "B"}},
		{"carriage returns", "A;\r\nB;\r\n", []string{"A", "B"}},
		{"semicolon within a line stays", "A; B;\n", []string{"A; B"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := split(test.text); !slices.Equal(got, test.want) {
				t.Errorf("split(%q) = %q, want %q", test.text, got, test.want)
			}
		})
	}
}

// What TiDB, Vitess or Galera refuse, and what takes the database's time, stays
// out of the schema as well.
func TestForbiddenWords(t *testing.T) {
	forbidden := []string{"NOW(", "UNIX_TIMESTAMP", "CURRENT_TIMESTAMP", "RAND(", "TRIGGER", "FOREIGN KEY", "GET_LOCK", "MYISAM", "DROP TABLE"}
	for _, dialect := range []string{MySQL, SQLite} {
		migrations, err := Migrations(dialect)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range migrations {
			for _, statement := range m.Statements {
				for _, word := range forbidden {
					if strings.Contains(strings.ToUpper(statement), word) {
						t.Errorf("%s/%s uses %s", dialect, m.Name, word)
					}
				}
			}
		}
	}
}
