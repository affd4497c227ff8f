package sqlite_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"lars/system/store"
	"lars/system/store/sqlite"
	"lars/system/store/storetest"
)

// A save that is cut after any number of operations, answered or not, and then
// made again by another process counts once.
func TestSaveCutAnywhereCountsOnce(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	r := store.Report{
		Mark: store.Mark{Boot: 1, Number: 1}, Module: store.Module{ModID: 1, CmdID: 1}, At: time.Unix(1_700_000_000, 0),
		Results: []store.Result{{Host: store.Host{IP: 1, Port: 1}, AddSucc: 1}},
	}
	path := filepath.Join(t.TempDir(), "lars.db")
	again := openStore(t, sqlite.Config{Path: path})
	if err := again.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	cut := 0
	for operations := 1; ; operations++ {
		fuse := storetest.NewFuse(random, 0)
		fuse.BlowAfter(operations)
		_, err := openStore(t, sqlite.Config{Path: path, Wrap: fuse.Wrap}).SaveReports(t.Context(), []store.Report{r})
		if err == nil {
			break
		}
		if cut++; fuse.Failed() == 0 {
			t.Fatalf("after %d operations: %v", operations, err)
		}
		if operations%2 == 0 {
			continue // the next cut meets what this one left
		}
		if _, err := again.SaveReports(t.Context(), []store.Report{r}); err != nil {
			t.Fatal(err)
		}
		rows, err := again.Minutes(t.Context(), store.MinuteQuery{Module: r.Module})
		if err != nil || len(rows) != 1 || rows[0].Succ != int64(r.Mark.Number) {
			t.Fatalf("cut after %d operations: %+v, %v; want %d", operations, rows, err, r.Mark.Number)
		}
		r.Mark.Number++
	}
	if cut < 5 {
		t.Errorf("cut %d times: too few for begin, marks, figures, totals, commit", cut)
	}
}

func openStore(t *testing.T, c sqlite.Config) *sqlite.Store {
	t.Helper()
	st, err := sqlite.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}
