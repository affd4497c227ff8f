package storetest

import (
	"context"
	"errors"

	"lars/system/store"
)

func routeCases() []Case {
	return []Case{
		{Name: "EmptyStore", Check: emptyStore},
		{Name: "LoadInOrder", Check: loadInOrder},
		{Name: "LoadStopsWithTheCallback", Check: loadStops},
		{Name: "ChangesTellEveryModule", Check: changesTell},
		{Name: "ChangesFromTheFuture", Check: changesFromTheFuture},
		{Name: "TooManyChangesMeanLoad", Check: tooManyChanges},
	}
}

func emptyStore(t T, b *Backend) {
	wantEqual(t, "version", mustVersion(t, b.Store), int64(0))
	routes, loaded := mustLoad(t, b.Store)
	wantEqual(t, "routes", len(routes), 0)
	wantEqual(t, "loaded", loaded, store.Loaded{})
	wantEqual(t, "changes", mustChanges(t, b.Store, 0), store.Changes{Complete: true})
	wantHosts(t, b.Store, module(1, 1))
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(1)...)) // it is not read-only
	wantHosts(t, b.Store, module(1, 1), hosts(1)...)
}

func loadInOrder(t T, b *Backend) {
	mustEdit(t, b.Store, one(store.OpAdd, module(2, 1), host(9, 80), host(1, 81), host(1, 80)))
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 2), store.Host{IP: 0xFFFFFFFF, Port: 65535}))
	mustEdit(t, b.Store, one(store.OpAdd, module(0, 0), store.Host{IP: 1, Port: 1}))
	last := mustEdit(t, b.Store, one(store.OpAdd, module(1<<31-1, 1<<31-1), host(1, 80)))
	routes, loaded := mustLoad(t, b.Store)
	wantEqual(t, "routes", routes, []store.Route{
		{Module: module(0, 0), Host: store.Host{IP: 1, Port: 1}},
		{Module: module(1, 2), Host: store.Host{IP: 0xFFFFFFFF, Port: 65535}},
		{Module: module(2, 1), Host: host(1, 80)},
		{Module: module(2, 1), Host: host(1, 81)},
		{Module: module(2, 1), Host: host(9, 80)},
		{Module: module(1<<31-1, 1<<31-1), Host: host(1, 80)},
	})
	wantEqual(t, "loaded", loaded, store.Loaded{Version: last.Version, Routes: 6})
}

func loadStops(t T, b *Backend) {
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(1, 2, 3)...))
	enough := errors.New("enough")
	seen := 0
	_, err := b.Store.Load(t.Context(), func(store.Route) error {
		if seen++; seen == 2 {
			return enough
		}
		return nil
	})
	if err != enough || seen != 2 {
		t.Errorf("Load = %v after %d routes, want the callback's error after 2", err, seen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Store.Version(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Version with a cancelled context: %v", err)
	}
	routes, _ := mustLoad(t, b.Store)
	wantEqual(t, "routes after the stopped load", len(routes), 3)
}

func changesTell(t T, b *Backend) {
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(1, 2)...))
	start := mustEdit(t, b.Store, one(store.OpAdd, module(1, 2), hosts(1)...)).Version
	mustEdit(t, b.Store, one(store.OpAdd, module(3, 3), hosts(3)...))
	mustEdit(t, b.Store, one(store.OpRemove, module(1, 1), hosts(2)...))
	end := mustEdit(t, b.Store, one(store.OpReplace, module(1, 2))).Version
	wantEqual(t, "changes", mustChanges(t, b.Store, start), store.Changes{
		Version: end, Complete: true,
		Modules: []store.ModuleHosts{
			{Module: module(1, 1), Hosts: hosts(1)},
			{Module: module(1, 2)},
			{Module: module(3, 3), Hosts: hosts(3)},
		},
	})
	wantEqual(t, "changes since now", mustChanges(t, b.Store, end), store.Changes{Version: end, Complete: true})
	all := mustChanges(t, b.Store, 0)
	wantEqual(t, "changes since the beginning", []any{all.Complete, len(all.Modules)}, []any{true, 3})
}

func changesFromTheFuture(t T, b *Backend) {
	version := mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(1)...)).Version
	wantEqual(t, "changes", mustChanges(t, b.Store, version+5), store.Changes{Version: version})
}

func tooManyChanges(t T, b *Backend) {
	var edit store.Edit
	for i := range int32(store.ChangedModulesMax/2 + 1) {
		edit.Modules = append(edit.Modules, store.ModuleEdit{Module: module(i, 1), Op: store.OpAdd, Hosts: hosts(1)})
	}
	edit.Actor = "tester"
	first := mustEdit(t, b.Store, edit)
	wantEqual(t, "modules of the first edit", len(mustChanges(t, b.Store, 0).Modules), len(edit.Modules))
	for i := range edit.Modules {
		edit.Modules[i].Module.CmdID = 2
	}
	second := mustEdit(t, b.Store, edit)
	wantEqual(t, "changes over both", mustChanges(t, b.Store, 0), store.Changes{Version: second.Version})
	wantEqual(t, "changes over one", mustChanges(t, b.Store, first.Version).Complete, true)
}
