package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lars/bench/load"
	"lars/bench/record"
	"lars/bench/run"
	"lars/bench/workload"
	"lars/internal/cli"
	"lars/system/store"
	"lars/system/store/sqlite"
)

// onStd runs a command line below "lars bench" with services on a backend that
// is there.
func onStd(t *testing.T, args ...string) (*record.Run, string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	dir := filepath.Join(t.TempDir(), "result")
	args = append(args, "--duration", "150ms", "--warmup", "20ms", "--conns", "3", "--modules", "70", "--hosts", "4", "--out", dir)
	// 3 says that the machine was too busy; what was answered is told all the same.
	code, out, errs := larsOn([]Backend{{Name: "std"}}, args...)
	if code != 0 && code != cli.ExitInvalid {
		t.Fatalf("code %d, %s%s", code, out, errs)
	}
	raw, err := os.ReadFile(filepath.Join(dir, record.RunFile))
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	return r, out
}

// TestServices: real services, each reply right, the agent's counters as the
// oracle of what has none.
func TestServices(t *testing.T) {
	for _, c := range []struct{ name, network string }{{"gethost", "udp"}, {"getroute", "tcp"}, {"report", "udp"}, {"reportstore", "tcp"}, {"push", "tcp"}} {
		t.Run(c.name, func(t *testing.T) {
			r, out := onStd(t, "run", "--workload", c.name, "--backend", "std", "--repeat", "2")
			if r.Scenario.Name != c.name || r.Scenario.Network != c.network || !strings.Contains(out, c.name+" over "+c.network) {
				t.Errorf("scenario %+v, %s", r.Scenario, out)
			}
			counts := r.Arms[0].Rounds[0].Counts
			if strings.Contains(out, "totals in the store") || strings.Contains(out, "counted") {
				t.Errorf("the oracle: %s", out)
			}
			// Of a round a busy machine may have given the generator nothing.
			if r.Arms[0].Correctness.Acked == 0 || counts["wrong"]+counts["duplicated"] != 0 || r.Arms[0].Rounds[0].ServerReport == nil {
				t.Errorf("%v\n%s", counts, out)
			}
		})
	}
}

func TestWithEcho(t *testing.T) {
	r, out := onStd(t, "all", "--workload", "getroute", "--repeat", "2")
	bare := r.Arm("std-echo")
	if len(r.Arms) != 2 || bare == nil || bare.Rounds[0].Counts["wrong"] != 0 || bare.Rounds[0].Counts["completed"] == 0 {
		t.Fatalf("%s", out)
	}
	in, replies := bare.Rounds[0].Counts["bytes_in"], bare.Rounds[0].Counts["completed"]
	if dns := r.Arm("std").Rounds[0].Counts; in*dns["completed"] != dns["bytes_in"]*replies {
		t.Errorf("replies of other lengths: %d bytes in %d, %v", in, replies, dns)
	}
	if !strings.Contains(out, "times its own echo") || strings.Contains(out, "times std ") {
		t.Errorf("ratios:\n%s", out)
	}
	if r, out = onStd(t, "all", "--workload", "getroute", "--repeat", "1", "--with-echo=false"); len(r.Arms) != 1 || strings.Contains(out, "times") {
		t.Errorf("without: %s", out)
	}
}

// sized is a workload of which only the length of replies counts.
type sized struct {
	load.Echo
	reply int
}

func (s sized) FrameBytesMax() (request, reply int) { return 20, s.reply }

func TestEchoLike(t *testing.T) {
	for want := 16; want < 70_000; want += 1 + want/50 {
		e, err := echoLike(sized{reply: want})
		if got, _ := e.FrameBytesMax(); err != nil || got < want || got > want+1 {
			t.Errorf("for %d bytes: %d, %v", want, got, err)
		}
	}
}

func TestCheckReports(t *testing.T) {
	round := func(counts map[string]any) *run.Round {
		r := &run.Round{Load: &load.Result{}, Intervals: make([]run.Interval, 2)}
		r.Intervals[0].Counts.OneWay, r.Intervals[1].Counts.OneWay = 400, 600
		if counts != nil {
			r.Server.Report = map[string]any{"counts": counts}
		}
		return r
	}
	for _, c := range []struct {
		name   string
		counts map[string]any
		want   load.Verdict
		lost   uint64
	}{
		{"all", map[string]any{"reports": 1000.}, load.Valid, 0},
		{"one lost", map[string]any{"reports": 999.}, load.Degraded, 1},
		{"too many", map[string]any{"reports": 1001.}, load.Invalid, 0},
		{"refused", map[string]any{"reports": 1000., "unknown_host": 1.}, load.Invalid, 0},
		{"silent", nil, load.Invalid, 0},
		{"none", map[string]any{}, load.Invalid, 0},
	} {
		r := round(c.counts)
		if got := load.Worst(checkReports(r)); got != c.want || r.Load.Lost != c.lost {
			t.Errorf("%s: %v, %d lost; want %v, %d", c.name, got, r.Load.Lost, c.want, c.lost)
		}
	}
}

// TestCheckStored: each way in which the reporter's words, or its store, may
// differ from what was sent.
func TestCheckStored(t *testing.T) {
	u, err := newUpstream(t.Context(), reporterService, workload.Routes{Modules: 2, Hosts: 2}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	st, err := sqlite.Open(sqlite.Config{Path: u.path()})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	st.Close()
	for _, c := range []struct {
		name   string
		sent   uint64
		report map[string]any
		ending time.Duration
		says   string
	}{
		{"nothing", 0, map[string]any{"results": 0.}, 0, ""},
		{"silent", 0, nil, 0, "did not tell"},
		{"dropped", 0, map[string]any{"results": 0., "dropped": 7.}, 0, "7 results or reports as dropped"},
		{"fewer", 3, map[string]any{"results": 5.}, 0, "counted 5 results, 6 were sent"},
		{"not stored", 3, map[string]any{"results": 6.}, 0, "are 0 calls, 6 were sent"},
		{"late", 0, map[string]any{"results": 0.}, 2 * time.Second, "fell behind: it took 2s"},
	} {
		r := &run.Round{Load: &load.Result{Elapsed: time.Second}, Intervals: make([]run.Interval, 1)}
		r.Intervals[0].Counts.Sent, r.Server.Report, r.Server.Ending = c.sent, c.report, c.ending
		reasons := u.checkStored(r)
		if c.says == "" && len(reasons) > 0 || c.says != "" && (len(reasons) != 1 || !strings.Contains(reasons[0].Text, c.says)) {
			t.Errorf("%s: %v, want %q", c.name, reasons, c.says)
		}
	}
	checkStoredTwice(t, u)
	if err := u.empty(t.Context()); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(u.folder); len(left) != 0 {
		t.Errorf("left in the store's folder: %v", left)
	}
}

// checkStoredTwice: a reporter that says what was sent, and stores it twice; and
// a store of somebody's own, in which there was something before.
func checkStoredTwice(t *testing.T, u *upstream) {
	t.Helper()
	st, err := u.openStore()
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	h, m := u.routes.Host(1, 1), store.Module{}
	m.ModID, m.CmdID = u.routes.Module(1)
	report := store.Report{Module: m, At: time.Now(), Results: []store.Result{{Host: store.Host{IP: uint32(h.IP), Port: uint16(h.Port)}, AddSucc: 4}}}
	if _, err := st.SaveReports(t.Context(), []store.Report{report}); err != nil {
		t.Fatal(err)
	}
	for before, want := range map[uint64]string{0: "some are stored twice", 2: "", 4: "some are lost"} {
		r := &run.Round{Load: &load.Result{Elapsed: time.Second}, Intervals: make([]run.Interval, 1)}
		r.Intervals[0].Counts.Sent, r.Server.Report = 1, map[string]any{"results": 2.}
		u.before = before
		reasons, c := u.checkStored(r), &r.Correctness
		if got := fmt.Sprint(reasons); want != "" && !strings.Contains(got, want) || want == "" && len(reasons) > 0 {
			t.Errorf("%d before: %s, want %q", before, got, want)
		}
		if c.Sent != 2 || c.Acked != 2 || *c.Stored != 4-int64(before) || c.Duplicated != max(0, *c.Stored-2) || c.Lost != max(0, 2-*c.Stored) {
			t.Errorf("%d before: %+v, stored %d", before, c, *c.Stored)
		}
	}
}
