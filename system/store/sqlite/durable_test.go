package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lars/system/store"
	"lars/system/store/sqlite"
	"lars/system/store/storetest"
)

// childVariable makes the test program a writer that runs until it is killed.
const childVariable = "LARS_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		fmt.Println(writeUntilKilled(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled edits and saves, and says each number once it is answered.
func writeUntilKilled(path string) error {
	ctx := context.Background()
	st, err := sqlite.Open(sqlite.Config{Path: path, Timeout: storetest.Patience})
	if err != nil {
		return err
	}
	if err := st.Migrate(ctx); err != nil {
		return err
	}
	start, err := st.Version(ctx)
	if err != nil {
		return err
	}
	// The one before may have been killed between the last edit and its report.
	for i := max(start-1, 0); ; i++ {
		if err := writeOne(ctx, st, i); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

func writeOne(ctx context.Context, st store.Store, i int64) error {
	_, err := st.Edit(ctx, store.Edit{Actor: "child", Modules: []store.ModuleEdit{{
		Module: store.Module{ModID: int32(i), CmdID: 1}, Op: store.OpEnsure, Hosts: []store.Host{{IP: 1, Port: 1}, {IP: 2, Port: 2}},
	}}})
	if err != nil {
		return err
	}
	_, err = st.SaveReports(ctx, []store.Report{numbered(i)})
	return err
}

func numbered(i int64) store.Report {
	return store.Report{
		Mark: store.Mark{Boot: 1, Number: uint64(i)}, Module: store.Module{ModID: 1, CmdID: 1}, At: time.Unix(60, 0),
		Results: []store.Result{{Host: store.Host{IP: 1, Port: 1}, AddSucc: 1}},
	}
}

func TestKilledWritersLoseNothingAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lars.db")
	last := int64(-1)
	for round := range 5 {
		last = max(last, killAfter(t, path, 20+17*round))
		st := open(t, path)
		checkAnswered(t, st, last)
		checkIntegrity(t, path)
	}
	// Whatever was answered, sending it all again makes the count exact.
	st := open(t, path)
	for i := range last + 1 {
		if _, err := st.SaveReports(t.Context(), []store.Report{numbered(i)}); err != nil {
			t.Fatal(err)
		}
	}
	checkTotal(t, st, last+1, last+2) // one more may have been written and not answered
}

// killAfter runs a writer, kills it after some answers and returns the last one.
func killAfter(t *testing.T, path string, answers int) int64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := int64(-1)
	lines := bufio.NewScanner(out)
	for n := 1; lines.Scan(); n++ {
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			t.Errorf("the writer says %q", lines.Text())
		}
		if n == answers {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	if last < 0 {
		t.Fatal("the writer answered nothing")
	}
	return last
}

func checkAnswered(t *testing.T, st store.Store, last int64) {
	t.Helper()
	hosts := map[store.Module]int{}
	_, err := st.Load(t.Context(), func(r store.Route) error {
		hosts[r.Module]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range last + 1 {
		if hosts[store.Module{ModID: int32(i), CmdID: 1}] != 2 {
			t.Errorf("edit %d of %d is lost or half", i, last)
		}
	}
	version, err := st.Version(t.Context())
	if err != nil || version < last+1 {
		t.Errorf("version %d, %v after %d edits", version, err, last+1)
	}
	changes, err := st.Changes(t.Context(), 0)
	if err != nil || !changes.Complete || len(changes.Modules) != len(hosts) {
		t.Errorf("the log tells %d modules of %d, complete %v, %v", len(changes.Modules), len(hosts), changes.Complete, err)
	}
	checkTotal(t, st, last+1, last+2)
}

func checkTotal(t *testing.T, st store.Store, low, high int64) {
	t.Helper()
	minutes, err := st.Minutes(t.Context(), store.MinuteQuery{Module: store.Module{ModID: 1, CmdID: 1}})
	if err != nil || len(minutes) != 1 || minutes[0].Succ < low || minutes[0].Succ > high {
		t.Errorf("minutes %+v, %v; want %d to %d successes", minutes, err, low, high)
	}
}

func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity: %s, %v", strings.TrimSpace(verdict), err)
	}
}
