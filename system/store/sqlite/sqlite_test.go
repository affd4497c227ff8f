package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"lars/system/store"
	"lars/system/store/sqlite"
	"lars/system/store/storetest"
)

func open(tb testing.TB, path string) *sqlite.Store {
	tb.Helper()
	st, err := sqlite.Open(sqlite.Config{Path: path, Timeout: storetest.Patience})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := st.Close(); err != nil {
			tb.Error(err)
		}
	})
	return st
}

func backend(tb testing.TB) *storetest.Backend {
	tb.Helper()
	// A name that needs escaping in SQLite's address of the file.
	path := filepath.Join(tb.TempDir(), "lars 100%?#.db")
	st := open(tb, path)
	if err := st.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+filepath.Dir(path)+"/lars%20100%25%3F%23.db?_pragma=busy_timeout(5000)")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = raw.Close() })
	return &storetest.Backend{Store: st, Again: func() store.Store { return open(tb, path) }, Raw: raw}
}

func TestConformance(t *testing.T) { storetest.Run(t, backend) }

func BenchmarkStore(b *testing.B) { storetest.Benchmark(b, backend, 1_000_000) }
