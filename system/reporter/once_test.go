package reporter_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"lars/backends/epoll"
	"lars/system/reporter"
	"lars/system/store"
	"lars/system/store/mysql"
	"lars/system/store/mysql/mariadbtest"
	"lars/system/store/sqlite"
	"lars/system/store/storetest"
	"lars/system/wire"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random reports and failures; 0 takes a new one")

// openStore opens one and the same database; the fuse is between.
type openStore func(t *testing.T, fuse *storetest.Fuse) store.Store

func TestEachReportCountsOnceWhateverFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lars.db")
	eachReportCountsOnce(t, func(t *testing.T, fuse *storetest.Fuse) store.Store {
		st, err := sqlite.Open(sqlite.Config{Path: path, Wrap: fuse.Wrap})
		return opened(t, st, err)
	})
}

func TestEachReportCountsOnceInMariaDB(t *testing.T) {
	config := mariadbtest.Start(t).NewDatabase(t)
	eachReportCountsOnce(t, func(t *testing.T, fuse *storetest.Fuse) store.Store {
		c := config
		c.Wrap = fuse.Wrap
		st, err := mysql.Open(c)
		return opened(t, st, err)
	})
}

func opened(t *testing.T, st store.Store, err error) store.Store {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// eachReportCountsOnce: agents send reports, send them again and in any order,
// to two reporters at a time, whose statements fail now and then and who are
// killed within a transaction or between two; what is stored at last is the sum
// of the reports.
func eachReportCountsOnce(t *testing.T, open openStore) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -seed=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	agents := []*agent{{boot: random.Uint64() | 1}, {boot: random.Uint64() | 1}, {boot: 1}}
	const lives = 6
	failed := 0
	for life := range lives {
		last := life == lives-1
		var fuses []*storetest.Fuse
		var services []*reporter.Service
		for range 2 {
			fuse := storetest.NewFuse(rand.New(rand.NewPCG(random.Uint64(), 0)), 40)
			if last {
				fuse.Mend()
			}
			cfg := quick()
			cfg.Writers = 2
			s, _ := start(t, epoll.Driver{}, cfg, open(t, fuse))
			fuses, services = append(fuses, fuse), append(services, s)
		}
		sent := make([]uint64, len(services))
		for _, a := range agents {
			for range 20 {
				a.make(random)
			}
			for range 2 { // a connection, and the one after it
				i := random.IntN(len(services))
				sent[i] += a.sendAll(t, random, services[i], last)
			}
		}
		for i, fuse := range fuses {
			if !last {
				fuse.BlowAfter(1 + random.IntN(120))
				until(t, "the process is killed", func() bool { return fuse.Blown() || stored(services[i], sent[i]) })
				kill(t, services[i])
				failed += fuse.Failed()
				continue
			}
			idle(t, services[i], sent[i])
		}
	}
	if failed < lives {
		t.Errorf("%d failures: too few to prove anything", failed)
	}
	want, got := map[string]int64{}, map[string]int64{}
	for _, a := range agents {
		a.sum(want)
	}
	readSums(t, open(t, storetest.NewFuse(random, 0)), got)
	if !maps.Equal(got, want) {
		for k, n := range want {
			if got[k] != n {
				t.Errorf("%s: %d calls stored, %d reported", k, got[k], n)
			}
		}
		t.Errorf("%d hosts have totals, want %d", len(got), len(want))
	}
}

func stored(s *reporter.Service, reports uint64) bool {
	n := s.Stats()
	return n.Reports >= reports && n.Waiting == 0
}

// kill gives the service no time for anything.
func kill(t *testing.T, s *reporter.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// agent remembers all that it reported.
type agent struct {
	boot    uint64
	reports []*wire.ReportStatusRequest
}

const onceModules = 4

// make adds a report: mostly of a few hosts, now and then of more than go into
// one transaction of others.
func (a *agent) make(random *rand.Rand) {
	hosts := 1 + random.IntN(5)
	if random.IntN(30) == 0 {
		hosts = store.SaveRowsMax + random.IntN(300)
	}
	results := make([]wire.HostCallResult, hosts)
	for i := range results {
		results[i] = calls(1, 1, random.Uint32N(9), random.Uint32N(9))
	}
	a.reports = append(a.reports, report(random.Int32N(onceModules), a.boot, uint64(len(a.reports)+1), results...))
}

// sendAll sends everything, or what a long row of lost connections leaves of
// it, in order or in none.
func (a *agent) sendAll(t *testing.T, random *rand.Rand, s *reporter.Service, all bool) (sent uint64) {
	t.Helper()
	c := connect(t, s)
	order := make([]int, len(a.reports))
	for i := range order {
		order[i] = i
	}
	if random.IntN(2) == 0 {
		order = random.Perm(len(a.reports))
	}
	for _, i := range order {
		if all || random.IntN(4) > 0 {
			send(t, c, a.reports[i])
			sent++
		}
	}
	return sent
}

func (a *agent) sum(into map[string]int64) {
	for _, r := range a.reports {
		for _, x := range r.Results {
			h := store.Host{IP: uint32(x.IP), Port: uint16(x.Port)}
			into[fmt.Sprint(r.CmdID, " ", h, " succ")] += int64(x.SuccAdd)
			into[fmt.Sprint(r.CmdID, " ", h, " err")] += int64(x.ErrAdd)
		}
	}
	maps.DeleteFunc(into, func(_ string, n int64) bool { return n == 0 })
}

func readSums(t *testing.T, st store.Store, into map[string]int64) {
	t.Helper()
	for cmd := range int32(onceModules) {
		rows, err := st.Minutes(t.Context(), store.MinuteQuery{Module: store.Module{ModID: 1, CmdID: cmd}})
		if err != nil || len(rows) == store.QueryRowsMax {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for _, r := range rows {
			into[fmt.Sprint(cmd, " ", r.Host, " succ")] += r.Succ
			into[fmt.Sprint(cmd, " ", r.Host, " err")] += r.Err
		}
	}
	maps.DeleteFunc(into, func(_ string, n int64) bool { return n == 0 })
}
