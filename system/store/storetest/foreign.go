package storetest

import (
	"database/sql"

	"lars/system/store"
)

// foreignCases are about the original's programs and a person's hands beside us.
func foreignCases() []Case {
	return []Case{
		{Name: "GarbageIsSkippedAndCounted", Check: garbage, SQL: true},
		{Name: "DuplicatesLoadOnceAndGoTogether", Check: duplicates, SQL: true},
		{Name: "ConsoleEditMeansLoad", Check: consoleEdit, SQL: true},
		{Name: "ConsoleAheadOfItsOwnLog", Check: consoleAhead, SQL: true},
		{Name: "VersionSetBack", Check: versionSetBack, SQL: true},
		{Name: "VersionRowGone", Check: versionRowGone, SQL: true},
		{Name: "VersionAbsurd", Check: versionAbsurd, SQL: true},
		{Name: "LogEmptiedByTheOriginalDNS", Check: logEmptied, SQL: true},
		{Name: "OriginalReadsUs", Check: originalReads, SQL: true},
	}
}

const insertRoute = "INSERT INTO RouteData (modid, cmdid, serverip, serverport) VALUES (?, ?, ?, ?)"

func garbage(t T, b *Backend) {
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(1)...))
	for _, row := range [][4]int64{
		{1, 1, 0, 80},
		{1, 1, 5, 0},
		{1, 1, 5, 65536},
		{1, 1, 5, 4294967295},
		{2147483648, 1, 5, 80},
		{1, 4294967295, 5, 80},
	} {
		mustExec(t, b, insertRoute, row[0], row[1], row[2], row[3])
	}
	routes, loaded := mustLoad(t, b.Store)
	wantEqual(t, "routes", routes, []store.Route{{Module: module(1, 1), Host: host(1, 80)}})
	wantEqual(t, "loaded", loaded, store.Loaded{Version: 1, Routes: 1, Garbage: 6})
	wantHosts(t, b.Store, module(1, 1), hosts(1)...)
	wantEqual(t, "changes", mustChanges(t, b.Store, 0), store.Changes{
		Version: 1, Complete: true, Garbage: 4,
		Modules: []store.ModuleHosts{{Module: module(1, 1), Hosts: hosts(1)}},
	})
	mustEdit(t, b.Store, one(store.OpReplace, module(1, 1), hosts(2)...))
	wantHosts(t, b.Store, module(1, 1), hosts(2)...)
}

func duplicates(t T, b *Backend) {
	for range 3 {
		mustExec(t, b, insertRoute, 1, 1, host(1, 80).IP, 80)
	}
	mustExec(t, b, insertRoute, 1, 1, host(2, 80).IP, 80)
	routes, loaded := mustLoad(t, b.Store)
	wantEqual(t, "routes", len(routes), 2)
	wantEqual(t, "loaded", loaded, store.Loaded{Routes: 2, Duplicates: 2})
	wantHosts(t, b.Store, module(1, 1), hosts(1, 2)...)
	edited := mustEdit(t, b.Store, one(store.OpRemove, module(1, 1), hosts(1)...))
	wantEqual(t, "removed", edited.Removed, 1)
	wantHosts(t, b.Store, module(1, 1), hosts(2)...)
	_, loaded = mustLoad(t, b.Store)
	wantEqual(t, "loaded", loaded, store.Loaded{Version: 1, Routes: 1})
}

// consoleSaves does what larsWeb does: three statements, the clock as version.
func consoleSaves(t T, b *Backend, m store.Module, h store.Host, clock int64) {
	t.Helper()
	mustExec(t, b, insertRoute, m.ModID, m.CmdID, h.IP, h.Port)
	mustExec(t, b, "INSERT INTO RouteChange (modid, cmdid, version) VALUES (?, ?, ?)", m.ModID, m.CmdID, clock)
	mustExec(t, b, "UPDATE RouteVersion SET version = ? WHERE id = 1", clock)
}

func consoleEdit(t T, b *Backend) {
	const clock = 1_700_000_000
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(1)...))
	consoleSaves(t, b, module(1, 2), host(2, 80), clock)
	wantEqual(t, "changes", mustChanges(t, b.Store, 1), store.Changes{Version: clock})
	edited := mustEdit(t, b.Store, one(store.OpAdd, module(1, 3), hosts(3)...))
	wantEqual(t, "our next version", edited.Version, int64(clock+1))
	wantEqual(t, "changes over both", mustChanges(t, b.Store, 1).Complete, false)
	wantEqual(t, "changes since the console's", mustChanges(t, b.Store, clock), store.Changes{
		Version: clock + 1, Complete: true, Modules: []store.ModuleHosts{{Module: module(1, 3), Hosts: hosts(3)}},
	})
	log := mustLog(t, b.Store, store.ChangeQuery{})
	if len(log) != 3 || log[1].Prev != -1 || log[1].At.Unix() != clock || log[1].Actor != "" {
		t.Errorf("the console's entry reads %+v", log)
	}
}

// The console writes its log first and may die before it sets the version.
func consoleAhead(t T, b *Backend) {
	const clock = 1_700_000_000
	mustExec(t, b, "INSERT INTO RouteChange (modid, cmdid, version) VALUES (1, 1, ?)", int64(clock))
	edited := mustEdit(t, b.Store, one(store.OpAdd, module(1, 3), hosts(3)...))
	wantEqual(t, "our version", edited.Version, int64(clock+1))
	wantEqual(t, "changes", mustChanges(t, b.Store, 0), store.Changes{Version: clock + 1})
	next := mustEdit(t, b.Store, one(store.OpAdd, module(1, 4), hosts(3)...))
	wantEqual(t, "changes after", mustChanges(t, b.Store, edited.Version).Complete, true)
	wantEqual(t, "next version", next.Version, edited.Version+1)
}

func versionSetBack(t T, b *Backend) {
	for last := range byte(5) {
		mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), host(last, 80)))
	}
	mustExec(t, b, "UPDATE RouteVersion SET version = 2 WHERE id = 1")
	wantEqual(t, "changes", mustChanges(t, b.Store, 5), store.Changes{Version: 2})
	edited := mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), host(9, 80)))
	wantEqual(t, "a version is never used twice", edited.Version, int64(6))
	wantEqual(t, "changes since 5", mustChanges(t, b.Store, 5), store.Changes{Version: 6})
	wantEqual(t, "changes since 4", mustChanges(t, b.Store, 4), store.Changes{Version: 6})
}

func versionRowGone(t T, b *Backend) {
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(1)...))
	mustExec(t, b, "DELETE FROM RouteVersion")
	wantEqual(t, "version", mustVersion(t, b.Store), int64(0))
	edited := mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(2)...))
	wantEqual(t, "edited", edited.Version, int64(2))
	wantEqual(t, "version", mustVersion(t, b.Store), int64(2))
}

func versionAbsurd(t T, b *Backend) {
	mustExec(t, b, "UPDATE RouteVersion SET version = ? WHERE id = 1", int64(1<<62))
	if version := mustVersion(t, b.Store); version <= 0 {
		t.Errorf("version %d", version)
	}
	if _, loaded := mustLoad(t, b.Store); loaded.Version <= 0 {
		t.Errorf("loaded %+v", loaded)
	}
	mustExec(t, b, "INSERT INTO RouteChange (modid, cmdid, version) VALUES (1, 1, ?)", int64(1<<62))
	mustExec(t, b, "UPDATE RouteVersion SET version = 7 WHERE id = 1")
	edited := mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(2)...))
	wantEqual(t, "edited", edited.Version, int64(8))
	wantEqual(t, "changes", mustChanges(t, b.Store, 7).Complete, true)
}

func logEmptied(t T, b *Backend) {
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(1)...))
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(2)...))
	mustExec(t, b, "DELETE FROM RouteChange WHERE version <= 2")
	wantEqual(t, "changes", mustChanges(t, b.Store, 1), store.Changes{Version: 2})
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(3)...))
	wantEqual(t, "changes with a gap", mustChanges(t, b.Store, 1), store.Changes{Version: 3})
	wantEqual(t, "changes without", mustChanges(t, b.Store, 2).Complete, true)
}

// originalReads runs the queries of lars_dns on what we wrote: rows by position.
func originalReads(t T, b *Backend) {
	mustEdit(t, b.Store, one(store.OpAdd, module(3, 4), hosts(1)...))
	rows, err := b.Raw.QueryContext(t.Context(), "SELECT * FROM RouteData")
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil || !rows.Next() {
		t.Fatalf("no row: %v", err)
	}
	values := make([]sql.NullInt64, len(columns))
	targets := make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	if err := rows.Scan(targets...); err != nil {
		t.Fatalf("%v", err)
	}
	wantEqual(t, "modid, cmdid, ip, port by position",
		[]int64{values[1].Int64, values[2].Int64, values[3].Int64, values[4].Int64}, []int64{3, 4, 3232235777, 80})
	var modID, cmdID int64
	err = b.Raw.QueryRowContext(t.Context(), "SELECT modid,cmdid FROM RouteChange WHERE version <= 1").Scan(&modID, &cmdID)
	if err != nil || modID != 3 || cmdID != 4 {
		t.Errorf("RouteChange reads %d, %d, %v", modID, cmdID, err)
	}
}
