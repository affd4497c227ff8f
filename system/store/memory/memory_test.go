package memory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"lars/system/store"
	"lars/system/store/memory"
	"lars/system/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(testing.TB) *storetest.Backend {
		db := memory.New(memory.Config{})
		return &storetest.Backend{Store: db.Open(), Again: func() store.Store { return db.Open() }}
	})
}

var errAway = fmt.Errorf("%w: away", store.ErrUnavailable)

func edit(st store.Store, key string, last uint32) (store.Edited, error) {
	return st.Edit(context.Background(), store.Edit{Actor: "test", Key: key, Modules: []store.ModuleEdit{{
		Module: store.Module{ModID: 1, CmdID: 1}, Op: store.OpAdd, Hosts: []store.Host{{IP: last, Port: 80}},
	}}})
}

// Every call meets its fault, before it or after.
func TestFaults(t *testing.T) {
	db := memory.New(memory.Config{})
	st := db.Open()
	db.SetFault(func(string) memory.Fault { return memory.Fault{Before: errAway} })
	for what, err := range storetest.CallAll(t, st) {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	db.SetFault(nil)
	if v, err := st.Version(t.Context()); v != 0 || err != nil {
		t.Errorf("what failed has happened: version %d, %v", v, err)
	}
	db.SetFault(func(op string) memory.Fault {
		if op == "Edit" {
			return memory.Fault{After: errAway}
		}
		return memory.Fault{}
	})
	if e, err := edit(st, "a key", 1); !errors.Is(err, errAway) || e != (store.Edited{}) {
		t.Errorf("a lost answer: %+v, %v", e, err)
	}
	db.SetFault(nil)
	if e, err := edit(st, "a key", 1); err != nil || !e.Repeated || e.Version != 1 {
		t.Errorf("the same edit again: %+v, %v", e, err)
	}
}

// A fail-over to a replica that is behind sets the version back; the next edit
// there takes a number that was used before.
func TestBecomeAnOlderOne(t *testing.T) {
	db := memory.New(memory.Config{})
	st := db.Open()
	mustEdit := func(last uint32, version int64) {
		t.Helper()
		if e, err := edit(st, "", last); e.Version != version || err != nil {
			t.Errorf("edit %+v, %v; want version %d", e, err, version)
		}
	}
	mustEdit(1, 1)
	replica := db.Copy()
	mustEdit(2, 2)
	mustEdit(3, 3)
	db.Become(replica)
	if c, err := st.Changes(t.Context(), 3); c.Complete || c.Version != 1 || err != nil {
		t.Errorf("%+v, %v", c, err)
	}
	mustEdit(9, 2)
	if hosts, _ := st.Hosts(t.Context(), store.Module{ModID: 1, CmdID: 1}); len(hosts) != 2 {
		t.Errorf("%v", hosts)
	}
	if v, err := replica.Open().Version(t.Context()); v != 1 || err != nil {
		t.Errorf("the replica changed with it: version %d, %v", v, err)
	}
}
