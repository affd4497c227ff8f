package reporter_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lars/backends/epoll"
	"lars/backends/std"
	"lars/reactor"
	"lars/reactor/driver"
	"lars/reactor/frame"
	"lars/system/reporter"
	"lars/system/store"
	"lars/system/store/sqlite"
	"lars/system/wire"
)

// patience is for what must happen at last; nothing is measured by it.
const patience = time.Minute

// onBackends runs a test body on backends of different kinds, each with a
// database of its own.
func onBackends(t *testing.T, body func(t *testing.T, d driver.Driver, st store.Store)) {
	for _, d := range []driver.Driver{epoll.Driver{}, std.Driver{}} {
		t.Run(d.Name(), func(t *testing.T) { body(t, d, newStore(t)) })
	}
}

func newStore(t testing.TB) store.Store {
	t.Helper()
	st, err := sqlite.Open(sqlite.Config{Path: filepath.Join(t.TempDir(), "lars.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// lines collects log lines.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), part)
}

func quick() reporter.Config {
	return reporter.Config{Linger: time.Millisecond, RetryMax: 20 * time.Millisecond, MaxConn: 100}
}

// start runs a reporter until the test ends.
func start(t testing.TB, d driver.Driver, cfg reporter.Config, st reporter.Store) (*reporter.Service, *lines) {
	t.Helper()
	log := &lines{}
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	r, err := reactor.Open(d, reactor.Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	s, err := reporter.Start(r, cfg, st)
	if err != nil {
		r.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = s.Close(ctx)
		r.Close()
	})
	return s, log
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func connect(t testing.TB, s *reporter.Service) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

const caller = 0x7F000001

// report is one of module 1,cmd; results are about 192.168.1.1, .2 and so on.
func report(cmd int32, boot, number uint64, results ...wire.HostCallResult) *wire.ReportStatusRequest {
	r := &wire.ReportStatusRequest{ModID: 1, CmdID: cmd, Caller: caller, TS: 1, Boot: boot, Number: number, Results: results}
	for i := range r.Results {
		if r.Results[i].IP == 0 {
			r.Results[i].IP, r.Results[i].Port = -1062731520+int32(i)+1, 80
		}
	}
	return r
}

func send(t testing.TB, c net.Conn, reports ...*wire.ReportStatusRequest) {
	t.Helper()
	var b []byte
	for _, r := range reports {
		b = frame.Append(b, wire.IDReportStatusRequest, r.AppendTo(nil))
	}
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

func calls(succ, err, succAdd, errAdd uint32) wire.HostCallResult {
	return wire.HostCallResult{Succ: succ, Err: err, SuccAdd: succAdd, ErrAdd: errAdd}
}

func idle(t testing.TB, s *reporter.Service, reports uint64) {
	t.Helper()
	until(t, "all reports are stored", func() bool { st := s.Stats(); return st.Reports >= reports && st.Waiting == 0 })
}

// latest is the table ServerCallStatus as "cmd host succ/err caller overload".
func latest(t testing.TB, st store.Store) string {
	t.Helper()
	rows, err := st.Latest(t.Context(), store.LatestQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, r := range rows {
		text = append(text, fmt.Sprintf("%d %v %d/%d %v", r.Module.CmdID, r.Host, r.Succ, r.Err, r.Overload))
		if r.Caller != caller {
			t.Errorf("caller %x", r.Caller)
		}
	}
	return strings.Join(text, "; ")
}

// totals adds the minutes of a module up.
func totals(t testing.TB, st store.Store, cmd int32) (succ, err int64) {
	t.Helper()
	rows, e := st.Minutes(t.Context(), store.MinuteQuery{Module: store.Module{ModID: 1, CmdID: cmd}})
	if e != nil {
		t.Fatal(e)
	}
	for _, r := range rows {
		succ, err = succ+r.Succ, err+r.Err
	}
	return succ, err
}

func TestReportsReachTheTables(t *testing.T) {
	over := calls(5, 6, 5, 6)
	over.Overload = true
	tests := []struct {
		name      string
		reports   []*wire.ReportStatusRequest
		latest    string
		succ, err int64
	}{
		{
			"ours: figures replace, increments add", []*wire.ReportStatusRequest{
				report(1, 7, 1, calls(10, 1, 10, 1)), report(1, 7, 2, calls(15, 1, 5, 0), over),
			}, "1 192.168.1.1:80 15/1 false; 1 192.168.1.2:80 5/6 true", 20, 7,
		},
		{"sent twice counts once", []*wire.ReportStatusRequest{
			report(1, 7, 1, calls(10, 1, 10, 1)), report(1, 7, 1, calls(10, 1, 10, 1)), report(1, 8, 1, calls(1, 0, 1, 0)),
		}, "1 192.168.1.1:80 1/0 false", 11, 1},
		{"the original's: windows", []*wire.ReportStatusRequest{
			report(1, 0, 0, calls(10, 1, 0, 0)), report(1, 0, 0, calls(12, 2, 0, 0)), report(1, 0, 0, calls(1, 0, 0, 0)),
		}, "1 192.168.1.1:80 1/0 false", 13, 2},
		{"no results", []*wire.ReportStatusRequest{report(1, 7, 1), report(1, 7, 2, calls(1, 1, 1, 1))}, "1 192.168.1.1:80 1/1 false", 1, 1},
	}
	onBackends(t, func(t *testing.T, d driver.Driver, _ store.Store) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				st := newStore(t)
				s, _ := start(t, d, quick(), st)
				send(t, connect(t, s), test.reports...)
				idle(t, s, uint64(len(test.reports)))
				if got := latest(t, st); got != test.latest {
					t.Errorf("latest: %s\nwant    %s", got, test.latest)
				}
				if succ, err := totals(t, st, 1); succ != test.succ || err != test.err {
					t.Errorf("totals %d/%d, want %d/%d", succ, err, test.succ, test.err)
				}
			})
		}
	})
}

// The bytes of a report of the original's agent.
func TestReportOfTheOriginal(t *testing.T) {
	bytes, err := hex.DecodeString("03000000200000000801100118818080f807220e08b183a085fcffffffff0110e13c288bc383d806")
	if err != nil {
		t.Fatal(err)
	}
	onBackends(t, func(t *testing.T, d driver.Driver, st store.Store) {
		s, _ := start(t, d, quick(), st)
		if _, err := connect(t, s).Write(bytes); err != nil {
			t.Fatal(err)
		}
		idle(t, s, 1)
		if got, want := latest(t, st), "1 192.168.1.177:7777 0/0 false"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		rows, err := st.Latest(t.Context(), store.LatestQuery{})
		if err != nil || rows[0].At.Unix() != 1795219851 { // as sent
			t.Errorf("%+v, %v", rows, err)
		}
	})
}

func TestBadInput(t *testing.T) {
	badHost := report(1, 7, 1, wire.HostCallResult{IP: 5, Port: 70000}, wire.HostCallResult{IP: 5, Port: -1}, calls(1, 2, 1, 2))
	badHost.Results[2].IP, badHost.Results[2].Port = 16909060, 65535
	negative := report(-5, 7, 1, calls(1, 1, 1, 1))
	body := func(b []byte) []byte { return frame.Append(nil, wire.IDReportStatusRequest, b) }
	tests := []struct {
		name   string
		bytes  []byte
		closes bool
		ok     func(reporter.Stats) bool
	}{
		{"garbage", body([]byte{255, 255, 255}), false, func(s reporter.Stats) bool { return s.Malformed == 1 }},
		{"cut result", body([]byte{0x22, 5, 8, 1}), false, func(s reporter.Stats) bool { return s.Malformed == 1 }},
		{"empty", body(nil), false, func(s reporter.Stats) bool { return s.Reports == 2 && s.Malformed == 0 }},
		{"negative id", body(negative.AppendTo(nil)), false, func(s reporter.Stats) bool { return s.BadModule == 1 }},
		{"bad hosts", body(badHost.AppendTo(nil)), false, func(s reporter.Stats) bool { return s.BadHost == 2 && s.Results == 2 }},
		{"unknown id", frame.Append(nil, 1, []byte{8, 1}), false, nil},
		{"negative length", []byte{3, 0, 0, 0, 255, 255, 255, 255}, true, nil},
		{"too long", frame.Append(nil, 3, make([]byte, wire.BodyBytesMax+1)), true, nil},
	}
	onBackends(t, func(t *testing.T, d driver.Driver, _ store.Store) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				st := newStore(t)
				s, _ := start(t, d, quick(), st)
				c := connect(t, s)
				if _, err := c.Write(test.bytes); err != nil {
					t.Fatal(err)
				}
				if test.closes {
					_ = c.SetReadDeadline(time.Now().Add(patience))
					if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
						t.Errorf("read: %v, want an end", err)
					}
					c = connect(t, s)
				}
				send(t, c, report(9, 9, 1, calls(1, 0, 1, 0)))
				until(t, "something is stored", func() bool { return s.Stats().Stored > 0 })
				until(t, "the next report is stored", func() bool { succ, _ := totals(t, st, 9); return succ == 1 })
				if test.ok != nil && !test.ok(s.Stats()) {
					t.Errorf("stats: %+v", s.Stats())
				}
			})
		}
	})
}

// faulty is a real store that can be away, can lose the answer to a write, and
// takes no transaction with a report on a module of cmdid refused.
type faulty struct {
	store.Store
	away, mute atomic.Bool
	refused    int32 // 0: none
}

func (f *faulty) Migrate(ctx context.Context) error {
	if f.away.Load() {
		return fmt.Errorf("%w: switched off by the test", store.ErrUnavailable)
	}
	return f.Store.Migrate(ctx)
}

func (f *faulty) SaveReports(ctx context.Context, reports []store.Report) (store.Saved, error) {
	if f.away.Load() {
		return store.Saved{}, fmt.Errorf("%w: switched off by the test", store.ErrUnavailable)
	}
	for _, r := range reports {
		if f.refused != 0 && r.Module.CmdID == f.refused {
			return store.Saved{}, fmt.Errorf("%w: refused by the test", store.ErrInvalid)
		}
	}
	saved, err := f.Store.SaveReports(ctx, reports)
	if f.mute.Swap(false) && err == nil {
		return store.Saved{}, fmt.Errorf("%w: answer lost by the test", store.ErrUnavailable)
	}
	return saved, err
}

// What the store refuses is given up alone: all else of its batch is stored.
func TestRefusedReportIsGivenUpAlone(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver, st store.Store) {
		const modules, each = 40, 3
		f := &faulty{Store: st, refused: 13}
		f.away.Store(true) // until all wait, so that they come in batches
		s, log := start(t, d, quick(), f)
		c := connect(t, s)
		for cmd := range int32(modules) {
			for boot := uint64(1); boot <= each; boot++ {
				send(t, c, report(cmd, boot, uint64(cmd)+1, calls(1, 0, 1, 0), calls(1, 0, 1, 0)))
			}
		}
		until(t, "all are accepted", func() bool { return s.Stats().Reports == modules*each })
		f.away.Store(false)
		idle(t, s, modules*each)
		for cmd := range int32(modules) {
			want := int64(2 * each)
			if cmd == f.refused {
				want = 0
			}
			if succ, _ := totals(t, st, cmd); succ != want {
				t.Errorf("module 1,%d: %d calls stored, want %d", cmd, succ, want)
			}
		}
		if n := s.Stats(); n.Refused != 2*each || n.Stored != 2*each*(modules-1) {
			t.Errorf("refused %d, stored %d", n.Refused, n.Stored)
		}
		if log.count("refused by the store") == 0 {
			t.Error("nobody is told")
		}
	})
}

func TestStoreAway(t *testing.T) {
	for _, atStart := range []bool{true, false} {
		t.Run(fmt.Sprintf("at start %v", atStart), func(t *testing.T) {
			onBackends(t, func(t *testing.T, d driver.Driver, st store.Store) {
				f := &faulty{Store: st}
				f.away.Store(atStart)
				s, log := start(t, d, quick(), f)
				c, total := connect(t, s), uint64(500)
				if !atStart {
					total++
					send(t, c, report(1, 5, 1, calls(1, 0, 1, 0)))
					idle(t, s, 1)
					f.away.Store(true)
				}
				for n := uint64(1); n <= 500; n++ {
					send(t, c, report(int32(n%7), 6, n, calls(uint32(n), 0, 1, 0), calls(0, uint32(n), 0, 1)))
				}
				until(t, "all are accepted", func() bool { return s.Stats().Reports == total })
				until(t, "it says so", func() bool { return log.count("results wait") == 1 })
				f.away.Store(false)
				idle(t, s, total)
				var succ, err int64
				for cmd := range int32(7) {
					a, b := totals(t, st, cmd)
					succ, err = succ+a, err+b
				}
				if !atStart {
					succ--
				}
				if succ != 500 || err != 500 {
					t.Errorf("totals %d/%d, want 500/500: %+v", succ, err, s.Stats())
				}
			})
		})
	}
}

// What was written and not answered is written again, and counts once, for our
// agents and for the original's.
func TestLostAnswerCountsOnce(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver, st store.Store) {
		f := &faulty{Store: st}
		f.mute.Store(true)
		cfg := quick()
		cfg.Writers = 1
		s, _ := start(t, d, cfg, f)
		send(t, connect(t, s), report(1, 5, 1, calls(3, 2, 3, 2)), report(1, 0, 0, calls(4, 1, 0, 0)))
		idle(t, s, 2)
		if succ, err := totals(t, st, 1); succ != 7 || err != 3 {
			t.Errorf("totals %d/%d, want 7/3", succ, err)
		}
		if st := s.Stats(); st.Failures != 1 || st.Repeated == 0 {
			t.Errorf("stats: %+v", st)
		}
	})
}

// A reporter that was restarted refuses what its predecessor stored.
func TestRestartCountsOnce(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver, st store.Store) {
		for run := range 2 {
			s, _ := start(t, d, quick(), st)
			send(t, connect(t, s), report(1, 5, 1, calls(3, 2, 3, 2)), report(1, 5, 2, calls(4, 2, 1, 0)))
			until(t, "taken", func() bool { return s.Stats().Reports == 2 })
			if err := s.Close(t.Context()); err != nil { // stores what waits
				t.Fatal(err)
			}
			if succ, err := totals(t, st, 1); succ != 4 || err != 2 {
				t.Errorf("run %d: totals %d/%d, want 4/2", run, succ, err)
			}
		}
	})
}

// The queue is bounded, and what it could not take is counted and said.
func TestFullQueueDrops(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver, st store.Store) {
		f := &faulty{Store: st}
		f.away.Store(true)
		cfg := quick()
		cfg.Writers, cfg.QueueBytesMax = 1, 100_000
		s, log := start(t, d, cfg, f)
		c := connect(t, s)
		const reports = 3000
		for n := uint64(1); n <= reports; n++ {
			send(t, c, report(int32(n%50), 6, n, calls(uint32(n), 0, 1, 0)))
		}
		until(t, "all have come", func() bool { return s.Stats().Reports == reports })
		full := s.Stats()
		if full.Waiting > 1000 || full.Dropped == 0 {
			t.Errorf("stats: %+v", full)
		}
		f.away.Store(false)
		idle(t, s, reports)
		sum := int64(0)
		for cmd := range int32(50) {
			succ, _ := totals(t, st, cmd)
			sum += succ
		}
		if want := int64(reports - s.Stats().DroppedCalls); sum != want {
			t.Errorf("%d calls stored, want those reported less those counted as dropped: %d", sum, want)
		}
		until(t, "a line about the drops", func() bool { return log.count("results dropped") == 1 })
	})
}

func TestCloseWithoutStoreLosesAndSays(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver, st store.Store) {
		f := &faulty{Store: st}
		f.away.Store(true)
		s, log := start(t, d, quick(), f)
		send(t, connect(t, s), report(1, 5, 1, calls(1, 0, 1, 0)))
		until(t, "taken", func() bool { return s.Stats().Waiting > 0 })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Close(ctx); err == nil || log.count("lost at the end") != 1 {
			t.Errorf("Close: %v", err)
		}
		idleService, _ := start(t, d, quick(), f)
		if err := idleService.Close(t.Context()); err != nil {
			t.Errorf("Close with nothing waiting: %v", err)
		}
	})
}

// Rows of the past go, those of today stay.
func TestRetention(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver, st store.Store) {
		if err := st.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		old := store.Report{
			Mark: store.Mark{Boot: 1, Number: 1}, Module: store.Module{ModID: 1, CmdID: 1}, At: time.Now().Add(-8 * 24 * time.Hour),
			Results: []store.Result{{Host: store.Host{IP: 1, Port: 1}, AddSucc: 1}},
		}
		young := old
		young.Mark.Number, young.At = 2, time.Now()
		if _, err := st.SaveReports(t.Context(), []store.Report{old, young}); err != nil {
			t.Fatal(err)
		}
		cfg := quick()
		cfg.TrimEvery, cfg.MarksKeep = 10*time.Millisecond, time.Nanosecond // marks age from their writing on
		s, _ := start(t, d, cfg, st)
		until(t, "trimmed", func() bool { st := s.Stats(); return st.TrimmedMinutes == 1 && st.TrimmedMarks == 2 })
		if succ, _ := totals(t, st, 1); succ != 1 {
			t.Errorf("%d calls left, want 1", succ)
		}
	})
}
