package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lars/system/store"
	"lars/system/store/sqlite"
	"lars/system/store/storetest"

	schema "lars/sql"
)

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	for _, path := range []string{"", ":memory:", "file::memory:?cache=shared"} {
		if _, err := sqlite.Open(sqlite.Config{Path: path}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("Open(%q) = %v, want ErrInvalid", path, err)
		}
	}
}

func TestErrorsByKind(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		kind       error
		migrates   bool
	}{
		{"no folder", filepath.Join(folder, "none", "lars.db"), store.ErrUnavailable, false},
		{"a folder", folder, store.ErrUnavailable, false},
		{"no database", text, store.ErrSchema, false},
		{"not migrated", filepath.Join(folder, "fresh.db"), store.ErrSchema, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			st := open(t, test.path)
			if _, err := st.Version(t.Context()); !errors.Is(err, test.kind) {
				t.Errorf("Version: %v, want %v", err, test.kind)
			}
			if _, err := st.SaveReports(t.Context(), []store.Report{numbered(1)}); !errors.Is(err, test.kind) {
				t.Errorf("SaveReports: %v, want %v", err, test.kind)
			}
			err := st.Migrate(t.Context())
			if test.migrates != (err == nil) || (err != nil && !errors.Is(err, test.kind)) {
				t.Errorf("Migrate: %v, want %v", err, test.kind)
			}
		})
	}
}

// A program that holds the database makes writers unavailable within their time,
// leaves readers alone, and costs nothing once it is gone.
func TestLockedByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lars.db")
	if err := open(t, path).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := sqlite.Open(sqlite.Config{Path: path, Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	other, err := sql.Open("sqlite", "file:"+path+"?_txlock=exclusive")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	holding, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	errs := storetest.CallAll(limited{t, time.Second}, st)
	for _, what := range []string{"Edit", "SaveReports", "SetName", "Trim"} {
		if !errors.Is(errs[what], store.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", what, errs[what])
		}
	}
	for _, what := range []string{"Version", "Load", "Changes", "Hosts", "Latest", "Minutes", "Names", "ChangeLog"} {
		if errs[what] != nil {
			t.Errorf("%s: %v, want none", what, errs[what])
		}
	}
	if err := holding.Rollback(); err != nil {
		t.Fatal(err)
	}
	for what, err := range storetest.CallAll(t, st) {
		if err != nil {
			t.Errorf("%s after the lock: %v", what, err)
		}
	}
}

// Several processes start on a file that does not exist yet.
func TestFirstStartOfMany(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lars.db")
	var group sync.WaitGroup
	for range 6 {
		st := open(t, path)
		group.Go(func() {
			if err := st.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestSampleIsSampleRoutes(t *testing.T) {
	b := backend(t)
	statements, err := schema.Sample(schema.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := b.Raw.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	want := store.SampleRoutes()
	loaded, err := b.Store.Load(t.Context(), func(r store.Route) error {
		if len(want) == 0 || r != want[0] {
			t.Errorf("%v, want %v", r, want)
			return nil
		}
		want = want[1:]
		return nil
	})
	if err != nil || loaded != (store.Loaded{Version: 1, Routes: 4}) {
		t.Errorf("loaded %+v, %v", loaded, err)
	}
}

// limited is a test whose context ends: Migrate has no limit of its own.
type limited struct {
	*testing.T
	limit time.Duration
}

func (l limited) Context() context.Context {
	ctx, cancel := context.WithTimeout(l.T.Context(), l.limit)
	l.Cleanup(cancel)
	return ctx
}
