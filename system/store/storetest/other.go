package storetest

import (
	"strings"
	"time"

	"lars/system/store"
)

func otherCases() []Case {
	return []Case{
		{Name: "MigrateAgainChangesNothing", Check: migrateAgain},
		{Name: "NamesInAnyScript", Check: names},
		{Name: "NamesRefuseInvalid", Check: namesInvalid},
		{Name: "NamesOfTheOriginal", Check: namesForeign, SQL: true},
		{Name: "TrimChangesByAge", Check: trimChanges, SQL: true},
		{Name: "TrimKeepsYoungBehindOld", Check: trimClock},
		{Name: "TrimStatistics", Check: trimStats},
		{Name: "TrimOfNothing", Check: trimNothing},
		{Name: "ClosedIsUnavailable", Check: closed},
	}
}

func migrateAgain(t T, b *Backend) {
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(1)...))
	for range 2 {
		if err := b.Store.Migrate(t.Context()); err != nil {
			t.Fatalf("Migrate: %v", err)
		}
	}
	wantHosts(t, b.Store, module(1, 1), hosts(1)...)
	wantEqual(t, "version", mustVersion(t, b.Store), int64(1))
}

func mustNames(t T, st store.Store, kind store.NameKind) map[int32]string {
	t.Helper()
	names, err := st.Names(t.Context(), kind)
	if err != nil {
		t.Fatalf("Names: %v", err)
	}
	return names
}

func names(t T, b *Backend) {
	longest := strings.Repeat("界", store.NameCharsMax)
	steps := []struct {
		kind store.NameKind
		id   int32
		name string
	}{
		{store.ModNames, 1, "first"},
		{store.ModNames, 1, "订单服务 🙂"},
		{store.ModNames, 2, longest},
		{store.CmdNames, 1, "it's; -- \"quoted\" \\ %"},
		{store.CmdNames, 0, "gone soon"},
		{store.CmdNames, 0, ""},
		{store.CmdNames, 3, "  spaced "},
	}
	for _, step := range steps {
		if err := b.Store.SetName(t.Context(), step.kind, step.id, step.name); err != nil {
			t.Fatalf("SetName(%v): %v", step, err)
		}
	}
	wantEqual(t, "mod names", mustNames(t, b.Store, store.ModNames), map[int32]string{1: "订单服务 🙂", 2: longest})
	wantEqual(t, "cmd names", mustNames(t, b.Store, store.CmdNames),
		map[int32]string{1: "it's; -- \"quoted\" \\ %", 3: "spaced"})
}

func namesInvalid(t T, b *Backend) {
	ctx := t.Context()
	wantKind(t, "negative id", b.Store.SetName(ctx, store.ModNames, -1, "a"), store.ErrInvalid)
	wantKind(t, "overlong", b.Store.SetName(ctx, store.ModNames, 1, strings.Repeat("a", store.NameCharsMax+1)), store.ErrInvalid)
	wantKind(t, "control", b.Store.SetName(ctx, store.ModNames, 1, "a\x00b"), store.ErrInvalid)
	wantKind(t, "not UTF-8", b.Store.SetName(ctx, store.ModNames, 1, "\xff"), store.ErrInvalid)
	wantKind(t, "odd kind", b.Store.SetName(ctx, 7, 1, "a"), store.ErrInvalid)
	_, err := b.Store.Names(ctx, 7)
	wantKind(t, "odd kind", err, store.ErrInvalid)
	wantEqual(t, "names", len(mustNames(t, b.Store, store.ModNames)), 0)
}

// The original's tables may hold an id twice, and ids that we do not have.
func namesForeign(t T, b *Backend) {
	for _, row := range []struct {
		id   int64
		name string
	}{{5, "old"}, {5, "new"}, {4294967295, "far"}} {
		mustExec(t, b, "INSERT INTO ModIDConfig (modid, content) VALUES (?, ?)", row.id, row.name)
	}
	wantEqual(t, "names", mustNames(t, b.Store, store.ModNames), map[int32]string{5: "old"})
	if err := b.Store.SetName(t.Context(), store.ModNames, 5, "both"); err != nil {
		t.Fatalf("SetName: %v", err)
	}
	wantEqual(t, "names", mustNames(t, b.Store, store.ModNames), map[int32]string{5: "both"})
	if err := b.Store.SetName(t.Context(), store.ModNames, 5, ""); err != nil {
		t.Fatalf("SetName: %v", err)
	}
	wantEqual(t, "names", mustNames(t, b.Store, store.ModNames), map[int32]string{})
}

func mustTrim(t T, st store.Store, limits store.TrimLimits) store.Trimmed {
	t.Helper()
	trimmed, err := st.Trim(t.Context(), limits)
	if err != nil {
		t.Fatalf("Trim: %v", err)
	}
	return trimmed
}

func editAt(t T, b *Backend, at time.Time, last byte) {
	t.Helper()
	e := one(store.OpAdd, module(1, int32(last)), host(last, 80))
	e.At = at
	mustEdit(t, b.Store, e)
}

func trimChanges(t T, b *Backend) {
	for i := range byte(6) {
		editAt(t, b, epoch.Add(time.Duration(i)*time.Hour), i)
	}
	trimmed := mustTrim(t, b.Store, store.TrimLimits{Changes: epoch.Add(3 * time.Hour)})
	wantEqual(t, "trimmed", trimmed, store.Trimmed{Changes: 3})
	wantEqual(t, "changes since 2", mustChanges(t, b.Store, 2), store.Changes{Version: 6})
	changes := mustChanges(t, b.Store, 3)
	wantEqual(t, "changes since 3", []any{changes.Complete, len(changes.Modules)}, []any{true, 3})
	wantEqual(t, "log", len(mustLog(t, b.Store, store.ChangeQuery{})), 3)

	// Entries of the original's console have their time in the version.
	consoleSaves(t, b, module(9, 9), host(9, 80), epoch.Add(9*time.Hour).Unix())
	wantEqual(t, "trimmed", mustTrim(t, b.Store, store.TrimLimits{Changes: epoch.Add(9 * time.Hour)}), store.Trimmed{Changes: 3})
	wantEqual(t, "trimmed", mustTrim(t, b.Store, store.TrimLimits{Changes: epoch.Add(10 * time.Hour)}), store.Trimmed{Changes: 1})
	edited := mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(99)...))
	wantEqual(t, "version goes on", edited.Version, epoch.Add(9*time.Hour).Unix()+1)
}

// An editor whose clock is wrong makes no hole in the log.
func trimClock(t T, b *Backend) {
	editAt(t, b, epoch, 1)
	editAt(t, b, epoch.Add(5*time.Hour), 2)
	editAt(t, b, epoch, 3)
	wantEqual(t, "trimmed", mustTrim(t, b.Store, store.TrimLimits{Changes: epoch.Add(time.Hour)}), store.Trimmed{Changes: 1})
	wantEqual(t, "changes since 1", mustChanges(t, b.Store, 1).Complete, true)
}

func trimStats(t T, b *Backend) {
	const hosts, minutes = 600, 4
	for i := range minutes {
		r := report(store.Mark{Boot: 5, Number: uint64(i)}, 1, 1)
		r.At = epoch.Truncate(time.Minute).Add(time.Duration(i) * time.Minute)
		r.Results = nil
		for h := range hosts {
			r.Results = append(r.Results, store.Result{Host: store.Host{IP: uint32(h + 1), Port: 80}, AddErr: 1})
		}
		mustSave(t, b.Store, r)
	}
	limit := epoch.Truncate(time.Minute).Add((minutes - 1) * time.Minute)
	trimmed := mustTrim(t, b.Store, store.TrimLimits{Minutes: limit, Marks: limit})
	wantEqual(t, "trimmed", trimmed, store.Trimmed{Minutes: hosts * (minutes - 1)})
	wantEqual(t, "left", len(mustMinutes(t, b.Store, store.MinuteQuery{Module: module(1, 1)})), hosts)
	wantEqual(t, "latest are kept", len(mustLatest(t, b.Store, store.LatestQuery{})), hosts)
	// Marks are as old as their row: a report may have waited before it.
	wantEqual(t, "trimmed", mustTrim(t, b.Store, store.TrimLimits{Marks: time.Now().Add(-time.Hour)}), store.Trimmed{})
	again := report(store.Mark{Boot: 5, Number: 0}, 1, 1)
	wantEqual(t, "a young mark still counts", mustSave(t, b.Store, again).Repeated, 1)
	wantEqual(t, "trimmed", mustTrim(t, b.Store, store.TrimLimits{Marks: time.Now().Add(time.Hour)}), store.Trimmed{Marks: minutes})
}

func trimNothing(t T, b *Backend) {
	editAt(t, b, epoch, 1)
	mustSave(t, b.Store, report(store.Mark{Boot: 1, Number: 1}, 1, 1))
	wantEqual(t, "zero limits", mustTrim(t, b.Store, store.TrimLimits{}), store.Trimmed{})
	all := store.TrimLimits{Changes: epoch, Minutes: epoch.Truncate(time.Minute), Marks: epoch}
	wantEqual(t, "nothing older", mustTrim(t, b.Store, all), store.Trimmed{})
	all = store.TrimLimits{Changes: epoch.Add(1), Minutes: epoch.Add(time.Minute), Marks: time.Now().Add(time.Hour)}
	all.Changes = epoch.Add(time.Second)
	wantEqual(t, "all older", mustTrim(t, b.Store, all), store.Trimmed{Changes: 1, Minutes: 1, Marks: 1})
}

func closed(t T, b *Backend) {
	st := b.Again()
	if err := st.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for what, err := range CallAll(t, st) {
		wantKind(t, what, err, store.ErrUnavailable)
	}
}

// CallAll calls every method of a store once, with requests that make sense, and
// returns the errors by the method's name: for tests of how a store behaves
// without its database.
func CallAll(t T, st store.Store) map[string]error {
	errs := map[string]error{"Migrate": st.Migrate(t.Context())}
	_, errs["Version"] = st.Version(t.Context())
	_, errs["Load"] = st.Load(t.Context(), func(store.Route) error { return nil })
	_, errs["Changes"] = st.Changes(t.Context(), 0)
	_, errs["Hosts"] = st.Hosts(t.Context(), module(1, 1))
	_, errs["Edit"] = st.Edit(t.Context(), one(store.OpEnsure, module(1, 1), hosts(1)...))
	_, errs["ChangeLog"] = st.ChangeLog(t.Context(), store.ChangeQuery{})
	_, errs["SaveReports"] = st.SaveReports(t.Context(), []store.Report{report(store.Mark{}, 1, 1)})
	_, errs["Suspicions"] = st.Suspicions(t.Context(), epoch)
	_, errs["Latest"] = st.Latest(t.Context(), store.LatestQuery{})
	_, errs["Minutes"] = st.Minutes(t.Context(), store.MinuteQuery{Module: module(1, 1)})
	_, errs["Names"] = st.Names(t.Context(), store.ModNames)
	errs["SetName"] = st.SetName(t.Context(), store.ModNames, 1, "a")
	_, errs["Trim"] = st.Trim(t.Context(), store.TrimLimits{Minutes: epoch})
	return errs
}
