package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"lars/system/store"
	"lars/system/store/sqlite"
)

// TestSuiteFindsBrokenStores tests the suite: each case must fail on at least one
// store that is broken on purpose, and each broken store must be found out by
// the cases that its row names.
func TestSuiteFindsBrokenStores(t *testing.T) {
	cases := map[string]Case{}
	for _, c := range Cases() {
		cases[c.Name] = c
	}
	proven := map[string]bool{}
	for _, b := range breakages() {
		t.Run(b.name, func(t *testing.T) {
			for name := range strings.FieldsSeq(b.foundBy) {
				c, known := cases[name]
				if !known {
					t.Fatalf("no case %s", name)
				}
				proven[name] = true
				if !runOn(t, c, b.make).failed {
					t.Errorf("case %s does not find it", name)
				}
			}
		})
	}
	for name := range cases {
		if !proven[name] {
			t.Errorf("no broken store is there to test case %s", name)
		}
	}
}

// breakage is a way to be broken.
type breakage struct {
	name    string
	foundBy string // names of cases
	make    func(store.Store) store.Store
}

// recorder is a T that only notes what happens.
type recorder struct {
	ctx context.Context

	mu       sync.Mutex
	failed   bool
	messages []string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func runOn(tb testing.TB, c Case, breakIt func(store.Store) store.Store) *recorder {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "lars.db")
	var opened []store.Store
	open := func() store.Store {
		st, err := sqlite.Open(sqlite.Config{Path: path, Timeout: Patience})
		if err != nil {
			tb.Fatal(err)
		}
		opened = append(opened, st)
		return breakIt(st)
	}
	raw, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		tb.Fatal(err)
	}
	defer raw.Close()
	defer func() {
		for _, st := range opened {
			_ = st.Close()
		}
	}()
	b := &Backend{Store: open(), Again: open, Raw: raw}
	if err := opened[0].Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	defer cancel()
	r := &recorder{ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Check(r, b)
	}()
	<-done
	return r
}

// broken is a good store but for what its fields replace.
type broken struct {
	store.Store
	edit    func(context.Context, store.Edit) (store.Edited, error)
	version func(int64) int64
	load    func(func(store.Route) error) func(store.Route) error
	changes func(store.Changes) store.Changes
	save    func([]store.Report) []store.Report
	latest  func([]store.CallStat) []store.CallStat
	minutes func([]store.MinuteStat) []store.MinuteStat
	names   func(map[int32]string) map[int32]string
	policy  func([]store.Policy) []store.Policy
	suspect func([]store.Suspicion) []store.Suspicion
	log     func([]store.Change) []store.Change
	limits  func(store.TrimLimits) store.TrimLimits
	err     func(error) error
	migrate func() error
}

func (b *broken) fail(err error) error {
	if b.err != nil {
		return b.err(err)
	}
	return err
}

func (b *broken) Migrate(ctx context.Context) error {
	if b.migrate != nil {
		return b.migrate()
	}
	return b.fail(b.Store.Migrate(ctx))
}

func (b *broken) Edit(ctx context.Context, e store.Edit) (store.Edited, error) {
	if b.edit != nil {
		return b.edit(ctx, e)
	}
	edited, err := b.Store.Edit(ctx, e)
	return edited, b.fail(err)
}

func (b *broken) Version(ctx context.Context) (int64, error) {
	version, err := b.Store.Version(ctx)
	if b.version != nil {
		version = b.version(version)
	}
	return version, b.fail(err)
}

func (b *broken) Load(ctx context.Context, yield func(store.Route) error) (store.Loaded, error) {
	if b.load != nil {
		yield = b.load(yield)
	}
	loaded, err := b.Store.Load(ctx, yield)
	return loaded, b.fail(err)
}

func (b *broken) Changes(ctx context.Context, since int64) (store.Changes, error) {
	changes, err := b.Store.Changes(ctx, since)
	if b.changes != nil {
		changes = b.changes(changes)
	}
	return changes, b.fail(err)
}

func (b *broken) Policies(ctx context.Context, modules ...store.Module) ([]store.Policy, error) {
	found, err := b.Store.Policies(ctx, modules...)
	if b.policy != nil {
		found = b.policy(found)
	}
	return found, b.fail(err)
}

func (b *broken) Suspicions(ctx context.Context, now time.Time) ([]store.Suspicion, error) {
	found, err := b.Store.Suspicions(ctx, now)
	if b.suspect != nil {
		found = b.suspect(found)
	}
	return found, b.fail(err)
}

func (b *broken) SaveReports(ctx context.Context, reports []store.Report) (store.Saved, error) {
	if b.save != nil {
		reports = b.save(reports)
	}
	saved, err := b.Store.SaveReports(ctx, reports)
	return saved, b.fail(err)
}

func (b *broken) Latest(ctx context.Context, q store.LatestQuery) ([]store.CallStat, error) {
	stats, err := b.Store.Latest(ctx, q)
	if b.latest != nil {
		stats = b.latest(stats)
	}
	return stats, b.fail(err)
}

func (b *broken) Minutes(ctx context.Context, q store.MinuteQuery) ([]store.MinuteStat, error) {
	stats, err := b.Store.Minutes(ctx, q)
	if b.minutes != nil {
		stats = b.minutes(stats)
	}
	return stats, b.fail(err)
}

func (b *broken) Names(ctx context.Context, kind store.NameKind) (map[int32]string, error) {
	names, err := b.Store.Names(ctx, kind)
	if b.names != nil {
		names = b.names(names)
	}
	return names, b.fail(err)
}

func (b *broken) ChangeLog(ctx context.Context, q store.ChangeQuery) ([]store.Change, error) {
	log, err := b.Store.ChangeLog(ctx, q)
	if b.log != nil {
		log = b.log(log)
	}
	return log, b.fail(err)
}

func (b *broken) SetName(ctx context.Context, kind store.NameKind, id int32, name string) error {
	return b.fail(b.Store.SetName(ctx, kind, id, name))
}

func (b *broken) Trim(ctx context.Context, limits store.TrimLimits) (store.Trimmed, error) {
	if b.limits != nil {
		limits = b.limits(limits)
	}
	trimmed, err := b.Store.Trim(ctx, limits)
	return trimmed, b.fail(err)
}

func breakages() []breakage {
	with := func(change func(*broken)) func(store.Store) store.Store {
		return func(st store.Store) store.Store {
			b := &broken{Store: st}
			change(b)
			return b
		}
	}
	return []breakage{
		{"edits are answered and forgotten", "OriginalReadsUs", with(func(b *broken) {
			b.edit = func(_ context.Context, e store.Edit) (store.Edited, error) {
				return store.Edited{Version: 1, Modules: 1, Added: 1}, e.Check()
			}
		})},
		{"edits happen twice", "EmptyStore", with(func(b *broken) {
			b.edit = func(ctx context.Context, e store.Edit) (store.Edited, error) {
				_, _ = b.Store.Edit(ctx, e)
				return b.Store.Edit(ctx, e)
			}
		})},
		{"edits forget their key", "EditKeyCountsOnce EditRefusesInvalid", with(func(b *broken) {
			b.edit = func(ctx context.Context, e store.Edit) (store.Edited, error) {
				e.Key = ""
				return b.Store.Edit(ctx, e)
			}
		})},
		{"edits ignore Expect", "EditExpect WritersOfOneModuleLoseNoEdit", with(func(b *broken) {
			b.edit = func(ctx context.Context, e store.Edit) (store.Edited, error) {
				e.Modules = append([]store.ModuleEdit(nil), e.Modules...)
				for i := range e.Modules {
					e.Modules[i].Expect = nil
				}
				return b.Store.Edit(ctx, e)
			}
		})},
		{"the version stands still", "EditOperations EditWithoutChange VersionAbsurd VersionRowGone", with(func(b *broken) {
			b.version = func(int64) int64 { return 0 }
		})},
		{"routes are loaded twice", "DuplicatesLoadOnceAndGoTogether FollowersEndUpWithEverything GarbageIsSkippedAndCounted ImportMergesAndReplaces LoadInOrder LoadStopsWithTheCallback TwoWritersLoseNoEdit", with(func(b *broken) {
			b.load = func(yield func(store.Route) error) func(store.Route) error {
				return func(r store.Route) error { return errors.Join(yield(r), yield(r)) }
			}
		})},
		{"the load hides the callback's error", "LoadStopsWithTheCallback", with(func(b *broken) {
			b.load = func(yield func(store.Route) error) func(store.Route) error {
				return func(r store.Route) error { _ = yield(r); return nil }
			}
		})},
		{"changes are never complete", "EmptyStore", with(func(b *broken) {
			b.changes = func(c store.Changes) store.Changes { c.Complete, c.Modules = false, nil; return c }
		})},
		{"changes are always complete", "ChangesFromTheFuture ConsoleAheadOfItsOwnLog ConsoleEditMeansLoad LogEmptiedByTheOriginalDNS TooManyChangesMeanLoad VersionSetBack", with(func(b *broken) {
			b.changes = func(c store.Changes) store.Changes { c.Complete = true; return c }
		})},
		{"the first change is lost", "ChangesTellEveryModule ConsoleEditMeansLoad FollowersEndUpWithEverything GarbageIsSkippedAndCounted LateCommitIsSeenInOrder TooManyChangesMeanLoad", with(func(b *broken) {
			b.changes = func(c store.Changes) store.Changes { c.Modules = c.Modules[min(1, len(c.Modules)):]; return c }
		})},
		{"the version of changes lags", "EmptyStore", with(func(b *broken) {
			b.changes = func(c store.Changes) store.Changes { c.Version--; return c }
		})},
		{"the first policy is lost", "SettingsAreVersioned HostsAreTuned HostsComeTuned PoliciesFollowTheirHosts PoliciesByHand", with(func(b *broken) {
			b.policy = func(found []store.Policy) []store.Policy { return found[min(1, len(found)):] }
		})},
		{"the first suspicion is lost", "SuspicionsAreCounted SuspicionsEnd SuspicionsOfNobody SuspicionsByHand", with(func(b *broken) {
			b.suspect = func(found []store.Suspicion) []store.Suspicion { return found[min(1, len(found)):] }
		})},
		{"marks are ignored", "LargeSave MarkedReportsCountOnce SameMarkAtOnceCountsOnce TrimOfNothing TrimStatistics", with(func(b *broken) {
			b.save = func(reports []store.Report) []store.Report {
				reports = append([]store.Report(nil), reports...)
				for i := range reports {
					reports[i].Mark = store.Mark{}
				}
				return reports
			}
		})},
		{"the agent's time is lost", "TimesOfReports", with(func(b *broken) {
			b.save = func(reports []store.Report) []store.Report {
				reports = append([]store.Report(nil), reports...)
				for i := range reports {
					reports[i].Sent = time.Time{}
				}
				return reports
			}
		})},
		{"the last report is lost", "SameMarkAtOnceCountsOnce", with(func(b *broken) {
			b.save = func(reports []store.Report) []store.Report { return reports[:max(len(reports)-1, 0)] }
		})},
		{"latest figures lose the error count", "CountsAtTheEdge LatestOverwrites StatGarbageIsSkipped", with(func(b *broken) {
			b.latest = func(stats []store.CallStat) []store.CallStat {
				for i := range stats {
					stats[i].Err = 0
				}
				return stats
			}
		})},
		{"latest figures lose a row", "LatestOverwrites LatestPages ReportGarbageIsSkipped StatGarbageIsSkipped", with(func(b *broken) {
			b.latest = func(stats []store.CallStat) []store.CallStat { return stats[min(1, len(stats)):] }
		})},
		{"minutes lose a row", "CountsAtTheEdge LargeSave MarkedReportsCountOnce MinutesAddUp MinutesPages MinutesSelect SameMarkAtOnceCountsOnce", with(func(b *broken) {
			b.minutes = func(stats []store.MinuteStat) []store.MinuteStat { return stats[min(1, len(stats)):] }
		})},
		{"names are cut", "NamesInAnyScript NamesOfTheOriginal", with(func(b *broken) {
			b.names = func(names map[int32]string) map[int32]string {
				for id, name := range names {
					names[id] = name[:1]
				}
				return names
			}
		})},
		{"invalid names get a default", "NamesInAnyScript NamesOfTheOriginal NamesRefuseInvalid", with(func(b *broken) {
			b.names = func(names map[int32]string) map[int32]string {
				if names != nil {
					names[0] = "default"
				}
				return names
			}
		})},
		{"the log forgets who", "ChangeLogTellsWhoAndWhen", with(func(b *broken) {
			b.log = func(log []store.Change) []store.Change {
				for i := range log {
					log[i].Actor = ""
				}
				return log
			}
		})},
		{"nothing is trimmed", "ClosedIsUnavailable TrimChangesByAge TrimKeepsYoungBehindOld TrimStatistics", with(func(b *broken) {
			b.limits = func(store.TrimLimits) store.TrimLimits { return store.TrimLimits{} }
		})},
		{"trimming ignores the age", "TrimChangesByAge TrimKeepsYoungBehindOld TrimOfNothing", with(func(b *broken) {
			b.limits = func(l store.TrimLimits) store.TrimLimits {
				l.Changes = l.Changes.AddDate(10, 0, 0)
				return l
			}
		})},
		{"errors have no kind", "EditConflicts EditIsAllOrNothing EditTooLarge PolicyEditsRefuseInvalid", with(func(b *broken) {
			b.err = func(err error) error {
				if err != nil {
					err = errors.New("something went wrong")
				}
				return err
			}
		})},
		{"migration never works a second time", "ClosedIsUnavailable ManyProcessesMigrate MigrateAgainChangesNothing", with(func(b *broken) {
			b.migrate = func() error { return store.ErrSchema }
		})},
	}
}
