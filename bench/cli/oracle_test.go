package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lars/bench/load"
	"lars/bench/run"
	"lars/bench/workload"
	"lars/system/store"
)

// Of a reporter that could not end in time it is said how far it came.
func TestUnfinishedReporter(t *testing.T) {
	u := &upstream{
		routes: workload.Routes{Modules: 1, Hosts: 2}, external: "sqlite:" + filepath.Join(t.TempDir(), "lars.db"),
		since: time.Now().Add(-time.Hour), before: 3,
	}
	st, err := u.openStore()
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	report := store.Report{At: time.Now(), Results: []store.Result{{Host: store.Host{IP: 1, Port: 1}, AddSucc: 10}}}
	report.Module.ModID, report.Module.CmdID = u.routes.Module(0)
	if _, err := st.SaveReports(t.Context(), []store.Report{report}); err != nil {
		t.Fatal(err)
	}
	var r run.Round
	r.Intervals = []run.Interval{{}}
	r.Intervals[0].Counts.Sent = 50 // of two results each
	got := u.checkStored(&r)
	if len(got) != 1 || got[0].Verdict != load.Invalid || !strings.HasSuffix(got[0].Text, "; 7 of 100 results are stored") {
		t.Errorf("%+v", got)
	}
	if s := r.Correctness.Stored; s == nil || *s != 7 {
		t.Errorf("stored: %v", s)
	}
}
