package storetest_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"lars/system/store"
	"lars/system/store/mysql"
	"lars/system/store/mysql/mariadbtest"
	"lars/system/store/sqlite"
	"lars/system/store/storetest"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "seed of the random operations; 0 takes a new one")
	stepsFlag = flag.Int("steps", 300, "number of random operations")
)

// TestSameOperationsGiveTheSame runs the same random operations on both
// databases, ours and those of foreign programs, and wants every answer, every
// kind of error and all that can be read to be the same.
func TestSameOperationsGiveTheSame(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -seed=%d -steps=%d", seed, *stepsFlag)
	server := mariadbtest.Start(t)
	sides := []side{openSQLite(t), openMySQL(t, server)}
	random := rand.New(rand.NewPCG(seed, 0))
	for step := range *stepsFlag {
		name, do := operation(random)
		var results [2]string
		for i, s := range sides {
			results[i] = do(t.Context(), s)
		}
		if results[0] != results[1] {
			t.Fatalf("step %d, %s:\nsqlite %s\nmysql  %s", step, name, results[0], results[1])
		}
		if step%20 == 0 || step == *stepsFlag-1 {
			if a, b := dump(t, sides[0].Store), dump(t, sides[1].Store); !reflect.DeepEqual(a, b) {
				t.Fatalf("after step %d, %s:\nsqlite %v\nmysql  %v", step, name, a, b)
			}
		}
	}
}

type side struct {
	store.Store
	raw *sql.DB
}

func openSQLite(t *testing.T) side {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lars.db")
	st, err := sqlite.Open(sqlite.Config{Path: path, Timeout: storetest.Patience})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(st.Close(), raw.Close()) })
	return migrated(t, side{st, raw})
}

func openMySQL(t *testing.T, server *mariadbtest.Server) side {
	t.Helper()
	config := server.NewDatabase(t)
	st, err := mysql.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return migrated(t, side{st, server.OpenRaw(t, config)})
}

func migrated(t *testing.T, s side) side {
	t.Helper()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// result writes an answer and the kind of an error so that they can be compared.
func result(answer any, err error) string {
	for _, kind := range []error{store.ErrUnavailable, store.ErrConflict, store.ErrInvalid, store.ErrSchema} {
		if errors.Is(err, kind) {
			return fmt.Sprintf("%+v, %v", answer, kind)
		}
	}
	return fmt.Sprintf("%+v, %v", answer, err)
}

// operation draws everything that is random now, so that both sides do the same.
func operation(r *rand.Rand) (name string, do func(context.Context, side) string) {
	switch r.IntN(10) {
	case 0, 1, 2, 3:
		e := randomEdit(r)
		return fmt.Sprintf("edit %+v", e), func(ctx context.Context, s side) string { return result(s.Edit(ctx, e)) }
	case 4, 5, 6:
		reports := randomReports(r)
		return fmt.Sprintf("reports %+v", reports), func(ctx context.Context, s side) string { return result(s.SaveReports(ctx, reports)) }
	case 7:
		id, word := int32(r.IntN(4)-1), []string{"", "name", "名字", " x "}[r.IntN(4)]
		kind := store.NameKind(r.IntN(2))
		return fmt.Sprintf("name %d %q", id, word), func(ctx context.Context, s side) string {
			return result(nil, s.SetName(ctx, kind, id, word))
		}
	case 8:
		limits := store.TrimLimits{Changes: randomTime(r), Minutes: randomTime(r), Marks: randomTime(r), Hints: randomTime(r)}
		return fmt.Sprintf("trim %+v", limits), func(ctx context.Context, s side) string { return result(s.Trim(ctx, limits)) }
	}
	return foreign(r)
}

// foreign is what the original's programs and hands do.
func foreign(r *rand.Rand) (name string, do func(context.Context, side) string) {
	clock := 1_700_000_000 + r.Int64N(100)
	statements := []string{
		fmt.Sprintf("INSERT INTO RouteData (modid, cmdid, serverip, serverport) VALUES (%d, %d, %d, %d)", r.IntN(4), r.IntN(3), r.IntN(4), r.IntN(4)),
		fmt.Sprintf("INSERT INTO RouteData (modid, cmdid, serverip, serverport) VALUES (%d, 1, %d, %d)", r.Int64N(1<<32), r.Int64N(1<<32), r.Int64N(1<<32)),
		fmt.Sprintf("DELETE FROM RouteData WHERE modid = %d", r.IntN(4)),
		fmt.Sprintf("INSERT INTO RouteChange (modid, cmdid, version) VALUES (%d, %d, %d)", r.IntN(4), r.IntN(3), clock),
		fmt.Sprintf("UPDATE RouteVersion SET version = %d WHERE id = 1", clock),
		"DELETE FROM RouteVersion",
		fmt.Sprintf("DELETE FROM RouteChange WHERE version <= %d", clock),
		fmt.Sprintf("INSERT INTO ModIDConfig (modid, content) VALUES (%d, 'hand')", r.Int64N(4)),
	}
	statement := statements[r.IntN(len(statements))]
	return statement, func(ctx context.Context, s side) string {
		_, err := s.raw.ExecContext(ctx, statement)
		return result(nil, err)
	}
}

func randomTime(r *rand.Rand) time.Time {
	return time.Unix(1_700_000_000+r.Int64N(600), r.Int64N(1000)*1e6)
}

func randomHost(r *rand.Rand) store.Host {
	return store.Host{IP: uint32(r.IntN(4)), Port: uint16(r.IntN(4))}
}

func randomModule(r *rand.Rand) store.Module {
	return store.Module{ModID: int32(r.IntN(5) - 1), CmdID: int32(r.IntN(3))}
}

func randomEdit(r *rand.Rand) store.Edit {
	e := store.Edit{Actor: "tester", At: randomTime(r)}
	if r.IntN(10) == 0 {
		e.Key = fmt.Sprint("key ", r.IntN(3))
	}
	for range 1 + r.IntN(3) {
		me := store.ModuleEdit{Module: randomModule(r), Op: store.Op(1 + r.IntN(int(store.OpTune)))}
		if me.Op == store.OpSettings {
			me.Settings = []string{"", "algorithm=rr", "algorithm=p2c outlier=off", "bad"}[r.IntN(4)]
		}
		if weight, yes := r.Uint32N(4), r.IntN(2) == 0; me.Op == store.OpTune || me.Op == store.OpEnsure && r.IntN(2) == 0 {
			me.Tune = store.Tune{Weight: &weight, Draining: &yes}
		}
		for range r.IntN(4) {
			if me.Op == store.OpSettings {
				break
			}
			h := randomHost(r)
			if r.IntN(10) > 0 { // mostly valid
				h.IP, h.Port = h.IP+1, h.Port+1
			}
			me.Hosts = append(me.Hosts, h)
		}
		if r.IntN(10) == 0 {
			me.Expect = []store.Host{}
		}
		e.Modules = append(e.Modules, me)
	}
	return e
}

func randomReports(r *rand.Rand) []store.Report {
	var reports []store.Report
	for range r.IntN(6) {
		report := store.Report{
			Mark:   store.Mark{Boot: r.Uint64N(3), Number: r.Uint64N(20)},
			Module: randomModule(r), Caller: r.Uint32(), At: randomTime(r),
			Sharing: r.IntN(2) == 0,
		}
		if r.IntN(2) == 0 {
			report.Sent = time.Unix(int64(r.Uint32()), 0)
		}
		for range r.IntN(5) {
			report.Results = append(report.Results, store.Result{
				Host: randomHost(r), Succ: r.Uint32(), Err: r.Uint32(), AddSucc: r.Uint32N(9), AddErr: r.Uint32N(9), Overload: r.IntN(2) == 0,
				Suspect: store.Word(r.IntN(3)),
			})
		}
		reports = append(reports, report)
	}
	return reports
}

// dump is all that can be read of a store.
func dump(t *testing.T, st store.Store) map[string]string {
	t.Helper()
	ctx := t.Context()
	all := map[string]string{"version": result(st.Version(ctx))}
	var routes []store.Route
	all["loaded"] = result(st.Load(ctx, func(r store.Route) error {
		routes = append(routes, r)
		return nil
	}))
	all["routes"] = fmt.Sprint(routes)
	version, _ := st.Version(ctx)
	for since := version - 10; since <= version+1; since++ {
		all[fmt.Sprint("changes since ", since)] = result(st.Changes(ctx, since))
	}
	log, err := st.ChangeLog(ctx, store.ChangeQuery{})
	for i := range log {
		log[i].ID = 0 // numbers of rows that were rolled back differ
	}
	all["log"] = result(log, err)
	all["latest"] = result(st.Latest(ctx, store.LatestQuery{}))
	for modID := range int32(4) {
		for cmdID := range int32(3) {
			m := store.Module{ModID: modID, CmdID: cmdID}
			all["hosts of "+m.String()] = result(st.Hosts(ctx, m))
			all["minutes of "+m.String()] = result(st.Minutes(ctx, store.MinuteQuery{Module: m}))
		}
	}
	for at := int64(0); at < 600; at += 50 {
		all[fmt.Sprint("suspicions at ", at)] = result(st.Suspicions(ctx, time.Unix(1_700_000_000+at, 0)))
	}
	all["policies"] = result(st.Policies(ctx))
	all["mod names"] = result(st.Names(ctx, store.ModNames))
	all["cmd names"] = result(st.Names(ctx, store.CmdNames))
	return all
}
