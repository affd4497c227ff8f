package storetest

import (
	"strings"
	"time"

	"lars/system/store"
)

func editCases() []Case {
	return []Case{
		{Name: "EditOperations", Check: editOperations},
		{Name: "EditIsAllOrNothing", Check: editAllOrNothing},
		{Name: "EditConflicts", Check: editConflicts},
		{Name: "EditRefusesInvalid", Check: editRefusesInvalid},
		{Name: "EditTooLarge", Check: editTooLarge},
		{Name: "EditExpect", Check: editExpect},
		{Name: "EditWithoutChange", Check: editWithoutChange},
		{Name: "EditKeyCountsOnce", Check: editKey},
		{Name: "ChangeLogTellsWhoAndWhen", Check: changeLog},
		{Name: "ImportMergesAndReplaces", Check: importRoutes},
	}
}

func editOperations(t T, b *Backend) {
	m := module(1, 1)
	steps := []struct {
		op             store.Op
		hosts, want    []store.Host
		added, removed int
	}{
		{store.OpAdd, hosts(1, 2), hosts(1, 2), 2, 0},
		{store.OpRemove, hosts(1), hosts(2), 0, 1},
		{store.OpReplace, hosts(4, 3), hosts(3, 4), 2, 1},
		{store.OpEnsure, hosts(3, 5), hosts(3, 4, 5), 1, 0},
		{store.OpDrop, hosts(1, 4), hosts(3, 5), 0, 1},
		{store.OpReplace, nil, nil, 0, 2},
	}
	version := int64(0)
	for _, step := range steps {
		edited := mustEdit(t, b.Store, one(step.op, m, step.hosts...))
		version++
		wantEqual(t, step.op.String(), edited,
			store.Edited{Version: version, Modules: 1, Added: step.added, Removed: step.removed})
		wantHosts(t, b.Store, m, step.want...)
		wantEqual(t, "version", mustVersion(t, b.Store), version)
	}
}

func editAllOrNothing(t T, b *Backend) {
	mustEdit(t, b.Store, one(store.OpAdd, module(2, 2), hosts(1)...))
	e := one(store.OpAdd, module(1, 1), hosts(1)...)
	e.Modules = append(e.Modules, store.ModuleEdit{Module: module(2, 2), Op: store.OpAdd, Hosts: hosts(1)})
	_, err := b.Store.Edit(t.Context(), e)
	wantKind(t, "half an edit", err, store.ErrConflict)
	wantHosts(t, b.Store, module(1, 1))
	wantEqual(t, "version", mustVersion(t, b.Store), int64(1))
	e.Modules[1].Op = store.OpRemove
	edited := mustEdit(t, b.Store, e)
	wantEqual(t, "edited", edited, store.Edited{Version: 2, Modules: 2, Added: 1, Removed: 1})
}

func editConflicts(t T, b *Backend) {
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(1, 2)...))
	_, err := b.Store.Edit(t.Context(), one(store.OpAdd, module(1, 1), hosts(2, 3)...))
	wantKind(t, "duplicate", err, store.ErrConflict)
	if err == nil || !strings.Contains(err.Error(), "1,1 already has 192.168.1.2:80") {
		t.Errorf("the error does not name the duplicate: %v", err)
	}
	_, err = b.Store.Edit(t.Context(), one(store.OpRemove, module(1, 1), hosts(9)...))
	wantKind(t, "absent", err, store.ErrConflict)
	_, err = b.Store.Edit(t.Context(), one(store.OpRemove, module(7, 7), hosts(9)...))
	wantKind(t, "absent module", err, store.ErrConflict)
	wantHosts(t, b.Store, module(1, 1), hosts(1, 2)...)
	wantEqual(t, "version", mustVersion(t, b.Store), int64(1))
}

func editRefusesInvalid(t T, b *Backend) {
	good := hosts(1)
	edits := map[string]store.Edit{
		"no module":       {Actor: "tester"},
		"negative modid":  one(store.OpAdd, module(-1, 1), good...),
		"negative cmdid":  one(store.OpAdd, module(1, -1), good...),
		"address 0":       one(store.OpAdd, module(1, 1), store.Host{Port: 80}),
		"port 0":          one(store.OpAdd, module(1, 1), store.Host{IP: 1}),
		"host twice":      one(store.OpAdd, module(1, 1), hosts(1, 2, 1)...),
		"nothing to add":  one(store.OpAdd, module(1, 1)),
		"no operation":    one(0, module(1, 1), good...),
		"odd operation":   one(99, module(1, 1), good...),
		"module twice":    {Actor: "tester", Modules: append(one(store.OpAdd, module(1, 1), good...).Modules, one(store.OpAdd, module(1, 1), hosts(2)...).Modules...)},
		"no actor":        {Modules: one(store.OpAdd, module(1, 1), good...).Modules},
		"overlong actor":  {Actor: strings.Repeat("a", store.ActorBytesMax+1), Modules: one(store.OpAdd, module(1, 1), good...).Modules},
		"control actor":   {Actor: "a\nb", Modules: one(store.OpAdd, module(1, 1), good...).Modules},
		"actor not UTF-8": {Actor: "a\xff", Modules: one(store.OpAdd, module(1, 1), good...).Modules},
		"overlong key":    {Actor: "tester", Key: strings.Repeat("k", store.KeyBytesMax+1), Modules: one(store.OpAdd, module(1, 1), good...).Modules},
	}
	for name, e := range edits {
		_, err := b.Store.Edit(t.Context(), e)
		wantKind(t, name, err, store.ErrInvalid)
	}
	wantEqual(t, "version", mustVersion(t, b.Store), int64(0))
}

func editTooLarge(t T, b *Backend) {
	many := make([]store.Host, store.EditRowsMax+1)
	for i := range many {
		many[i] = store.Host{IP: uint32(i + 1), Port: 80}
	}
	_, err := b.Store.Edit(t.Context(), one(store.OpAdd, module(1, 1), many...))
	wantKind(t, "too many rows", err, store.ErrInvalid)
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), many[1:]...))
	// What counts is what changes, not what is named.
	edited := mustEdit(t, b.Store, one(store.OpReplace, module(1, 1), many...))
	wantEqual(t, "added", edited.Added, 1)
}

func editExpect(t T, b *Backend) {
	m := module(1, 1)
	e := one(store.OpReplace, m, hosts(1)...)
	e.Modules[0].Expect = []store.Host{}
	mustEdit(t, b.Store, e)
	e = one(store.OpReplace, m, hosts(3)...)
	e.Modules[0].Expect = hosts(2)
	_, err := b.Store.Edit(t.Context(), e)
	wantKind(t, "other hosts", err, store.ErrConflict)
	e.Modules[0].Expect = []store.Host{}
	_, err = b.Store.Edit(t.Context(), e)
	wantKind(t, "no hosts expected", err, store.ErrConflict)
	e.Modules[0].Expect = hosts(1)
	mustEdit(t, b.Store, e)
	wantHosts(t, b.Store, m, hosts(3)...)
}

func editWithoutChange(t T, b *Backend) {
	m := module(1, 1)
	mustEdit(t, b.Store, one(store.OpAdd, m, hosts(1)...))
	for _, e := range []store.Edit{
		one(store.OpReplace, m, hosts(1)...), one(store.OpEnsure, m, hosts(1)...),
		one(store.OpDrop, m, hosts(2)...), one(store.OpReplace, module(8, 8)),
	} {
		edited := mustEdit(t, b.Store, e)
		wantEqual(t, "edited", edited, store.Edited{Version: 1})
	}
	wantEqual(t, "version", mustVersion(t, b.Store), int64(1))
}

func editKey(t T, b *Backend) {
	e := one(store.OpAdd, module(1, 1), hosts(1)...)
	e.Key = "the one edit"
	mustEdit(t, b.Store, e)
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(2)...))
	wantEqual(t, "repeated", mustEdit(t, b.Store, e), store.Edited{Version: 1, Repeated: true})
	wantEqual(t, "repeated elsewhere", mustEdit(t, b.Again(), e), store.Edited{Version: 1, Repeated: true})
	wantEqual(t, "version", mustVersion(t, b.Store), int64(2))
	wantHosts(t, b.Store, module(1, 1), hosts(1, 2)...)
}

func changeLog(t T, b *Backend) {
	at := epoch.Add(123 * time.Millisecond)
	e := one(store.OpReplace, module(1, 1), hosts(1, 2)...)
	e.Actor, e.At = "Grüße 刘丹冰 🙂", at
	mustEdit(t, b.Store, e)
	e.Actor, e.At = "second", at.Add(time.Hour)
	e.Modules[0].Hosts = hosts(2, 3)
	e.Modules = append(e.Modules, store.ModuleEdit{Module: module(2, 2), Op: store.OpAdd, Hosts: hosts(9)})
	mustEdit(t, b.Store, e)

	log := mustLog(t, b.Store, store.ChangeQuery{})
	wantEqual(t, "log", withoutIDs(log), []store.Change{
		{Version: 2, Prev: 1, Module: module(2, 2), Op: "add", Actor: "second", At: at.Add(time.Hour), After: hosts(9)},
		{Version: 2, Prev: 1, Module: module(1, 1), Op: "replace", Actor: "second", At: at.Add(time.Hour), Before: hosts(1), After: hosts(3)},
		{Version: 1, Prev: 0, Module: module(1, 1), Op: "replace", Actor: "Grüße 刘丹冰 🙂", At: at, After: hosts(1, 2)},
	})
	if len(log) != 3 {
		return
	}
	m := module(1, 1)
	wantEqual(t, "of a module", len(mustLog(t, b.Store, store.ChangeQuery{Module: &m})), 2)
	wantEqual(t, "first page", mustLog(t, b.Store, store.ChangeQuery{Limit: 1}), log[:1])
	wantEqual(t, "second page", mustLog(t, b.Store, store.ChangeQuery{Limit: 1, After: &log[0]}), log[1:2])
	wantEqual(t, "last page", mustLog(t, b.Store, store.ChangeQuery{Limit: 9, After: &log[1]}), log[2:])
}

func mustLog(t T, st store.Store, q store.ChangeQuery) []store.Change {
	t.Helper()
	log, err := st.ChangeLog(t.Context(), q)
	if err != nil {
		t.Fatalf("ChangeLog: %v", err)
	}
	for i := range log {
		log[i].At = log[i].At.UTC()
	}
	return log
}

// withoutIDs makes logs of different databases comparable.
func withoutIDs(log []store.Change) []store.Change {
	same := append([]store.Change(nil), log...)
	for i := range same {
		same[i].ID = 0
	}
	return same
}

func importRoutes(t T, b *Backend) {
	mustEdit(t, b.Store, one(store.OpAdd, module(0, 5), hosts(1, 200)...))
	var wanted []store.Route
	for i := range 2*store.ImportChunkRows + 10 {
		wanted = append(wanted, store.Route{Module: module(int32(i/100), 5), Host: host(byte(i%100), 80)})
	}
	sequence := func(yield func(store.Item, error) bool) {
		for _, r := range wanted {
			if !yield(store.Item{Route: r}, nil) {
				return
			}
		}
	}
	done, err := store.Import(t.Context(), b.Store, store.ImportOptions{Actor: "importer"}, sequence)
	if err != nil {
		t.Fatalf("Import: %v", err)
	}
	wantEqual(t, "merged", done, store.Imported{Version: 4, Read: len(wanted), Added: len(wanted) - 1})
	done, err = store.Import(t.Context(), b.Store, store.ImportOptions{Actor: "importer", Replace: true}, sequence)
	if err != nil {
		t.Fatalf("Import: %v", err)
	}
	wantEqual(t, "replaced", done, store.Imported{Version: 5, Read: len(wanted), Removed: 1})
	routes, _ := mustLoad(t, b.Store)
	wantEqual(t, "routes", routes, wanted)
}
