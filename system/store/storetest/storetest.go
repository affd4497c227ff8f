// Package storetest is the law for implementations of store.Store: one suite of
// cases that every one must pass on a real database. An implementation's own test
// is a short harness:
//
//	func TestConformance(t *testing.T) { storetest.Run(t, open) }
//
// The suite is itself tested against stores that are broken on purpose.
package storetest

import (
	"context"
	"database/sql"
	"errors"
	"reflect"
	"testing"
	"time"

	"lars/system/store"
)

// Patience is the time limit that a harness gives the store's calls where time
// limits are not what is tested: the machine may be slow and busy, and a call
// that succeeds never takes it.
const Patience = 2 * time.Minute

// T is what a case needs of *testing.T.
type T interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Backend is one fresh database.
type Backend struct {
	// Store is open on it; migrated and empty.
	Store store.Store

	// Again opens the same database a second time, as another process would. It
	// is closed with the Backend.
	Again func() store.Store

	// Raw executes what programs other than ours do; nil: there are none.
	Raw *sql.DB
}

// Open makes a Backend that lives until the test ends.
type Open func(tb testing.TB) *Backend

// Case is one aspect of the contract.
type Case struct {
	Name  string
	Check func(t T, b *Backend)
	SQL   bool // it needs Backend.Raw
}

// Cases returns the whole suite.
func Cases() []Case {
	var all []Case
	for _, group := range [][]Case{routeCases(), editCases(), policyCases(), foreignCases(), concurrencyCases(), reportCases(), hintCases(), otherCases()} {
		all = append(all, group...)
	}
	return all
}

// Run checks every case on a database of its own.
func Run(t *testing.T, open Open) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			b := open(t)
			if c.SQL && b.Raw == nil {
				t.Skip("no other program reaches this store")
			}
			c.Check(t, b)
		})
	}
}

// epoch is the time of edits and reports in the cases: fixed, and long ago, so
// that a use of the real clock shows.
var epoch = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

func module(modID, cmdID int32) store.Module { return store.Module{ModID: modID, CmdID: cmdID} }

func host(last byte, port uint16) store.Host {
	return store.Host{IP: 0xC0A80100 + uint32(last), Port: port}
}

func hosts(lasts ...byte) []store.Host {
	all := []store.Host{}
	for _, last := range lasts {
		all = append(all, host(last, 80))
	}
	return all
}

func one(op store.Op, m store.Module, h ...store.Host) store.Edit {
	return store.Edit{Actor: "tester", At: epoch, Modules: []store.ModuleEdit{{Module: m, Op: op, Hosts: h}}}
}

func mustEdit(t T, st store.Store, e store.Edit) store.Edited {
	t.Helper()
	edited, err := st.Edit(t.Context(), e)
	if err != nil {
		t.Fatalf("Edit: %v", err)
	}
	return edited
}

func mustLoad(t T, st store.Store) ([]store.Route, store.Loaded) {
	t.Helper()
	var routes []store.Route
	loaded, err := st.Load(t.Context(), func(r store.Route) error {
		routes = append(routes, r)
		return nil
	})
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return routes, loaded
}

func mustVersion(t T, st store.Store) int64 {
	t.Helper()
	version, err := st.Version(t.Context())
	if err != nil {
		t.Fatalf("Version: %v", err)
	}
	return version
}

func mustChanges(t T, st store.Store, since int64) store.Changes {
	t.Helper()
	changes, err := st.Changes(t.Context(), since)
	if err != nil {
		t.Fatalf("Changes: %v", err)
	}
	return changes
}

func mustHosts(t T, st store.Store, m store.Module) []store.Host {
	t.Helper()
	found, err := st.Hosts(t.Context(), m)
	if err != nil {
		t.Fatalf("Hosts: %v", err)
	}
	return found
}

func mustExec(t T, b *Backend, text string, args ...any) {
	t.Helper()
	if _, err := b.Raw.ExecContext(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func wantEqual(t T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func wantHosts(t T, st store.Store, m store.Module, want ...store.Host) {
	t.Helper()
	got := mustHosts(t, st, m)
	if len(got)+len(want) > 0 {
		wantEqual(t, "hosts of "+m.String(), got, want)
	}
}

func wantKind(t T, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: got error %v, want kind %v", what, err, kind)
	}
}
