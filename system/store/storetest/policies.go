package storetest

import (
	"strings"

	"lars/system/store"
)

func policyCases() []Case {
	return []Case{
		{Name: "SettingsAreVersioned", Check: settings},
		{Name: "HostsAreTuned", Check: tunes},
		{Name: "HostsComeTuned", Check: ensuresTuned},
		{Name: "PolicyEditsRefuseInvalid", Check: policyInvalid},
		{Name: "PoliciesFollowTheirHosts", Check: policyOfHosts},
		{Name: "PoliciesByHand", Check: policiesByHand, SQL: true},
	}
}

func setting(m store.Module, text string) store.Edit {
	e := one(store.OpSettings, m)
	e.Modules[0].Settings = text
	return e
}

func tune(m store.Module, t store.Tune, h ...store.Host) store.Edit {
	e := one(store.OpTune, m, h...)
	e.Modules[0].Tune = t
	return e
}

func mustPolicies(t T, st store.Store, modules ...store.Module) []store.Policy {
	t.Helper()
	found, err := st.Policies(t.Context(), modules...)
	if err != nil {
		t.Fatalf("Policies: %v", err)
	}
	return found
}

func wantPolicies(t T, what string, got []store.Policy, want ...store.Policy) {
	t.Helper()
	if len(got)+len(want) > 0 {
		wantEqual(t, what, got, want)
	}
}

func settings(t T, b *Backend) {
	wantPolicies(t, "of an empty database", mustPolicies(t, b.Store))
	m, other := module(1, 1), module(2, 2)
	wantEqual(t, "set", mustEdit(t, b.Store, setting(m, " outlier=off  algorithm=p2c")), store.Edited{Version: 1, Modules: 1, Tuned: 1})
	first := store.Policy{Module: m, Settings: "algorithm=p2c outlier=off", Version: 1}
	wantPolicies(t, "set", mustPolicies(t, b.Again()), first)
	wantEqual(t, "the same again", mustEdit(t, b.Store, setting(m, "algorithm=p2c outlier=off")), store.Edited{Version: 1})

	mustEdit(t, b.Store, setting(other, "algorithm=rr"))
	second := store.Policy{Module: other, Settings: "algorithm=rr", Version: 2}
	wantPolicies(t, "all", mustPolicies(t, b.Store), first, second)
	wantPolicies(t, "one", mustPolicies(t, b.Store, other, module(3, 3)), second)
	wantPolicies(t, "none", mustPolicies(t, b.Store, module(3, 3)))
	wantEqual(t, "changes", mustChanges(t, b.Store, 1), store.Changes{
		Version: 2, Complete: true, Modules: []store.ModuleHosts{{Module: other}},
	})

	mustEdit(t, b.Store, setting(m, ""))
	wantPolicies(t, "unset", mustPolicies(t, b.Store), second)
	wantEqual(t, "log", withoutIDs(mustLog(t, b.Store, store.ChangeQuery{Module: &m})), []store.Change{
		{Version: 3, Prev: 2, Module: m, Op: "settings", Actor: "tester", At: epoch},
		{Version: 1, Prev: 0, Module: m, Op: "settings", Actor: "tester", At: epoch, Detail: "algorithm=p2c outlier=off"},
	})
}

func tunes(t T, b *Backend) {
	m := module(1, 1)
	mustEdit(t, b.Store, one(store.OpAdd, m, hosts(1, 2, 3)...))
	three, one, zone, yes, no := uint32(3), uint32(1), uint16(7), true, false
	wantEqual(t, "tuned", mustEdit(t, b.Store, tune(m, store.Tune{Weight: &three, Zone: &zone}, hosts(3, 1)...)),
		store.Edited{Version: 2, Modules: 1, Tuned: 2})
	mustEdit(t, b.Store, tune(m, store.Tune{Draining: &yes}, hosts(3)...))
	wantPolicies(t, "tuned", mustPolicies(t, b.Again(), m), store.Policy{Module: m, Hosts: []store.HostPolicy{
		{Host: host(1, 80), Weight: 3, Zone: 7}, {Host: host(3, 80), Weight: 3, Zone: 7, Draining: true},
	}})
	wantEqual(t, "nothing new", mustEdit(t, b.Store, tune(m, store.Tune{Draining: &yes}, hosts(3)...)), store.Edited{Version: 3})
	wantHosts(t, b.Store, m, hosts(1, 2, 3)...)
	wantEqual(t, "changes", mustChanges(t, b.Store, 2), store.Changes{
		Version: 3, Complete: true, Modules: []store.ModuleHosts{{Module: m, Hosts: hosts(1, 2, 3)}},
	})
	wantEqual(t, "log", mustLog(t, b.Store, store.ChangeQuery{Limit: 1})[0].Detail, "192.168.1.3:80 draining=true")

	none := uint16(0)
	mustEdit(t, b.Store, tune(m, store.Tune{Weight: &one, Zone: &none, Draining: &no}, hosts(1, 2, 3)...))
	wantPolicies(t, "as at first", mustPolicies(t, b.Store))
}

// A host that is to drain comes so, in the version that adds it.
func ensuresTuned(t T, b *Backend) {
	m, yes, weight := module(1, 1), true, uint32(2)
	mustEdit(t, b.Store, one(store.OpAdd, m, hosts(1, 2)...))
	mustEdit(t, b.Store, tune(m, store.Tune{Weight: &weight}, hosts(1)...))
	e := tune(m, store.Tune{Draining: &yes}, hosts(3, 1)...)
	e.Modules[0].Op = store.OpEnsure
	wantEqual(t, "one comes, two are tuned", mustEdit(t, b.Store, e), store.Edited{Version: 3, Modules: 1, Added: 1, Tuned: 2})
	wantPolicies(t, "tuned", mustPolicies(t, b.Again(), m), store.Policy{Module: m, Hosts: []store.HostPolicy{
		{Host: host(1, 80), Weight: 2, Draining: true}, {Host: host(3, 80), Draining: true},
	}})
	wantHosts(t, b.Store, m, hosts(1, 2, 3)...)
	wantEqual(t, "the same again", mustEdit(t, b.Store, e), store.Edited{Version: 3})
	wantEqual(t, "log", withoutIDs(mustLog(t, b.Store, store.ChangeQuery{Limit: 1})), []store.Change{{
		Version: 3, Prev: 2, Module: m, Op: "ensure", Actor: "tester", At: epoch, After: hosts(3),
		Detail: "192.168.1.1:80,192.168.1.3:80 draining=true",
	}})
	mustEdit(t, b.Store, one(store.OpEnsure, m, hosts(4)...))
	wantEqual(t, "nothing set", mustLog(t, b.Store, store.ChangeQuery{Limit: 1})[0].Detail, "")
	heavy := uint32(store.WeightMax + 1)
	e.Modules[0].Tune = store.Tune{Weight: &heavy}
	_, err := b.Store.Edit(t.Context(), e)
	wantKind(t, "heavy", err, store.ErrInvalid)
}

func policyInvalid(t T, b *Backend) {
	m := module(1, 1)
	mustEdit(t, b.Store, one(store.OpAdd, m, hosts(1)...))
	heavy, yes := uint32(store.WeightMax+1), true
	for word, e := range map[string]store.Edit{
		"algorithm":  setting(m, "algorithm=fastest"),
		"there are":  setting(m, "colour=red"),
		"at most":    setting(m, strings.Repeat(" ", store.SettingsBytesMax+1)),
		"id below 0": setting(module(-1, 1), "algorithm=rr"),
		"10000":      tune(m, store.Tune{Weight: &heavy}, hosts(1)...),
		"draining":   tune(m, store.Tune{}, hosts(1)...),
		"nothing to": tune(m, store.Tune{Draining: &yes}),
	} {
		_, err := b.Store.Edit(t.Context(), e)
		wantKind(t, word, err, store.ErrInvalid)
		if err != nil && !strings.Contains(err.Error(), word) {
			t.Errorf("%v: does not say %q", err, word)
		}
	}
	e := setting(m, "algorithm=rr")
	e.Modules[0].Hosts = hosts(1)
	_, err := b.Store.Edit(t.Context(), e)
	wantKind(t, "settings of a host", err, store.ErrInvalid)
	_, err = b.Store.Edit(t.Context(), tune(m, store.Tune{Draining: &yes}, hosts(1, 2)...))
	wantKind(t, "absent host", err, store.ErrConflict)
	wantPolicies(t, "untouched", mustPolicies(t, b.Store))
	wantEqual(t, "version", mustVersion(t, b.Store), int64(1))
}

// A host that comes back is not the one that was drained.
func policyOfHosts(t T, b *Backend) {
	m, yes := module(1, 1), true
	mustEdit(t, b.Store, one(store.OpAdd, m, hosts(1, 2)...))
	mustEdit(t, b.Store, setting(m, "algorithm=rr"))
	mustEdit(t, b.Store, tune(m, store.Tune{Draining: &yes}, hosts(1, 2)...))
	kept := store.Policy{Module: m, Settings: "algorithm=rr", Version: 2}
	drained := kept
	drained.Hosts = []store.HostPolicy{{Host: host(2, 80), Draining: true}}
	mustEdit(t, b.Store, one(store.OpRemove, m, hosts(1)...))
	wantPolicies(t, "one left", mustPolicies(t, b.Store), drained)
	mustEdit(t, b.Store, one(store.OpAdd, m, hosts(1)...))
	wantPolicies(t, "it came back", mustPolicies(t, b.Store), drained)
	mustEdit(t, b.Store, one(store.OpReplace, m))
	wantPolicies(t, "all left", mustPolicies(t, b.Store), kept)
}

func policiesByHand(t T, b *Backend) {
	m := module(1, 1)
	for _, values := range []string{
		"ModulePolicy (modid, cmdid, settings, version) VALUES (1, 1, 'nonsense', 3)",
		"ModulePolicy (modid, cmdid, settings, version) VALUES (2, 1, '', 3)",
		"ModulePolicy (modid, cmdid, settings, version) VALUES (-1, 1, 'algorithm=rr', 3)",
		"HostPolicy (modid, cmdid, serverip, serverport, weight, zone, draining) VALUES (1, 1, 1, 1, 5, 65535, 9)",
		"HostPolicy (modid, cmdid, serverip, serverport, weight, zone, draining) VALUES (1, 1, 0, 1, 5, 1, 1)",
		"HostPolicy (modid, cmdid, serverip, serverport, weight, zone, draining) VALUES (1, 1, 2, 1, 10001, 1, 1)",
		"HostPolicy (modid, cmdid, serverip, serverport, weight, zone, draining) VALUES (1, 1, 3, 1, 1, 65536, 1)",
	} {
		mustExec(t, b, "INSERT INTO "+values)
	}
	wantPolicies(t, "by hand", mustPolicies(t, b.Store), store.Policy{Module: m, Settings: "nonsense", Version: 3, Hosts: []store.HostPolicy{
		{Host: store.Host{IP: 1, Port: 1}, Weight: 5, Zone: 65535, Draining: true},
	}})
	// What is said of an address before it is a route does not count.
	mustEdit(t, b.Store, one(store.OpAdd, m, store.Host{IP: 1, Port: 1}))
	wantPolicies(t, "edited", mustPolicies(t, b.Store, m), store.Policy{Module: m, Settings: "nonsense", Version: 3})
	mustExec(t, b, "INSERT INTO HostPolicy (modid, cmdid, serverip, serverport, weight, zone, draining) VALUES (1, 1, 2, 2, 5, 3, 1)")
	weight := uint32(7)
	e := tune(m, store.Tune{Weight: &weight}, store.Host{IP: 2, Port: 2})
	e.Modules[0].Op = store.OpEnsure
	mustEdit(t, b.Store, e)
	wantPolicies(t, "came tuned", mustPolicies(t, b.Store, m), store.Policy{Module: m, Settings: "nonsense", Version: 3, Hosts: []store.HostPolicy{
		{Host: store.Host{IP: 2, Port: 2}, Weight: 7},
	}})
}
