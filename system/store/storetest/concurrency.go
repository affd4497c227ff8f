package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"lars/system/store"
)

func concurrencyCases() []Case {
	return []Case{
		{Name: "TwoWritersLoseNoEdit", Check: twoWriters},
		{Name: "WritersOfOneModuleLoseNoEdit", Check: oneModule},
		{Name: "LateCommitIsSeenInOrder", Check: lateCommit, SQL: true},
		{Name: "FollowersEndUpWithEverything", Check: followers},
		{Name: "SameMarkAtOnceCountsOnce", Check: sameMarkAtOnce},
		{Name: "ManyProcessesMigrate", Check: manyMigrate, SQL: true},
	}
}

// parallel runs do n times at once and returns the first error.
func parallel(n int, do func(i int) error) error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = do(i) })
	}
	group.Wait()
	return errors.Join(errs...)
}

func twoWriters(t T, b *Backend) {
	const writers, edits = 4, 25
	stores := []store.Store{b.Store, b.Again()}
	var mu sync.Mutex
	versions := map[int64]bool{}
	err := parallel(writers, func(w int) error {
		for i := range edits {
			edited, err := stores[w%2].Edit(t.Context(), one(store.OpAdd, module(int32(w), int32(i)), hosts(byte(w))...))
			if err != nil {
				return err
			}
			mu.Lock()
			versions[edited.Version] = true
			mu.Unlock()
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Edit: %v", err)
	}
	wantEqual(t, "distinct versions", len(versions), writers*edits)
	wantEqual(t, "version", mustVersion(t, b.Store), int64(writers*edits))
	routes, _ := mustLoad(t, b.Store)
	wantEqual(t, "routes", len(routes), writers*edits)
}

// Each writer adds what it read and one more, and tries again when it lost: the
// edits of a module with Expect are a chain that nobody breaks.
func oneModule(t T, b *Backend) {
	const writers, edits = 3, 8
	stores := []store.Store{b.Store, b.Again()}
	m := module(1, 1)
	err := parallel(writers, func(w int) error {
		for i := range edits {
			if err := appendHost(t.Context(), stores[w%2], m, host(byte(w*edits+i), 80)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Edit: %v", err)
	}
	wantEqual(t, "hosts", len(mustHosts(t, b.Store, m)), writers*edits)
}

func appendHost(ctx context.Context, st store.Store, m store.Module, h store.Host) error {
	for {
		had, err := st.Hosts(ctx, m)
		if err != nil {
			return err
		}
		e := one(store.OpReplace, m, append(had[:len(had):len(had)], h)...)
		e.Modules[0].Expect = append([]store.Host{}, had...)
		if _, err := st.Edit(ctx, e); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// A slow writer holds the version while another edits. Whoever polls must see
// both, and never the later one alone.
func lateCommit(t T, b *Backend) {
	start := mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(1)...)).Version
	slow, err := b.Raw.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer func() { _ = slow.Rollback() }()
	for _, statement := range []string{
		"UPDATE RouteVersion SET version = version + 1 WHERE id = 1",
		"INSERT INTO RouteData (modid, cmdid, serverip, serverport) VALUES (1, 2, 3232235777, 80)",
		fmt.Sprintf("INSERT INTO RouteChange (modid, cmdid, version, prev) VALUES (1, 2, %d, %d)", start+1, start),
	} {
		if _, err := slow.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	fast := make(chan error, 1)
	var edited store.Edited
	go func() {
		var err error
		edited, err = b.Again().Edit(t.Context(), one(store.OpAdd, module(1, 3), hosts(3)...))
		fast <- err
	}()
	for range 20 { // readers do not wait, and see neither
		wantEqual(t, "changes meanwhile", mustChanges(t, b.Store, start), store.Changes{Version: start, Complete: true})
	}
	select {
	case err := <-fast:
		t.Fatalf("an edit went past one that holds the version: %v", err)
	default:
	}
	if err := slow.Commit(); err != nil {
		t.Fatalf("%v", err)
	}
	if err := <-fast; err != nil {
		t.Fatalf("Edit: %v", err)
	}
	wantEqual(t, "version", edited.Version, start+2)
	wantEqual(t, "changes", mustChanges(t, b.Store, start), store.Changes{
		Version: start + 2, Complete: true,
		Modules: []store.ModuleHosts{
			{Module: module(1, 2), Hosts: hosts(1)}, {Module: module(1, 3), Hosts: hosts(3)},
		},
	})
}

// Two readers poll while two writers edit; each applies only what Changes tells.
func followers(t T, b *Backend) {
	const edits = 40
	stores := []store.Store{b.Store, b.Again()}
	done := make(chan struct{})
	var writeErr error
	go func() {
		defer close(done)
		writeErr = parallel(2, func(w int) error {
			for i := range edits {
				m := module(int32(i%5), 1)
				if _, err := stores[w].Edit(t.Context(), one(store.OpAdd, m, host(byte(i), uint16(w+1)))); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	views := make([]map[store.Module][]store.Host, 2)
	err := parallel(2, func(r int) error {
		var err error
		views[r], err = follow(t.Context(), stores[r], 2*edits, done)
		return err
	})
	<-done
	if err := errors.Join(err, writeErr); err != nil {
		t.Fatalf("%v", err)
	}
	want := map[store.Module][]store.Host{}
	routes, _ := mustLoad(t, b.Store)
	for _, route := range routes {
		want[route.Module] = append(want[route.Module], route.Host)
	}
	for r, view := range views {
		if !reflect.DeepEqual(view, want) {
			t.Errorf("follower %d has %v, want %v", r, view, want)
		}
	}
}

// follow applies changes until version last, or until one round after the
// writers are done.
func follow(ctx context.Context, st store.Store, last int64, done <-chan struct{}) (map[store.Module][]store.Host, error) {
	view := map[store.Module][]store.Host{}
	finished := false
	for seen := int64(0); seen < last && !finished; {
		select {
		case <-done:
			finished = true
		default:
		}
		changes, err := st.Changes(ctx, seen)
		if err != nil {
			return nil, err
		}
		if !changes.Complete || changes.Version < seen {
			return nil, fmt.Errorf("after %d: %+v", seen, changes)
		}
		for _, m := range changes.Modules {
			view[m.Module] = m.Hosts
		}
		seen = changes.Version
	}
	return view, nil
}

func sameMarkAtOnce(t T, b *Backend) {
	const rounds = 10
	stores := []store.Store{b.Store, b.Again()}
	repeated := make([]int, 4)
	err := parallel(len(repeated), func(w int) error {
		for i := range rounds {
			r := report(store.Mark{Boot: 7, Number: uint64(i)}, 1, 1)
			saved, err := stores[w%2].SaveReports(t.Context(), []store.Report{r})
			if err != nil {
				return err
			}
			repeated[w] += saved.Repeated
		}
		return nil
	})
	if err != nil {
		t.Fatalf("SaveReports: %v", err)
	}
	sum := 0
	for _, n := range repeated {
		sum += n
	}
	wantEqual(t, "repeated", sum, (len(repeated)-1)*rounds)
	minutes := mustMinutes(t, b.Store, store.MinuteQuery{Module: module(1, 1)})
	if len(minutes) != 1 || minutes[0].Succ != rounds {
		t.Errorf("minutes %+v, want %d successes", minutes, rounds)
	}
}

func manyMigrate(t T, b *Backend) {
	stores := []store.Store{b.Store, b.Again(), b.Again(), b.Again()}
	mustEdit(t, b.Store, one(store.OpAdd, module(1, 1), hosts(1)...))
	mustExec(t, b, "DELETE FROM SchemaMigration WHERE number = 1")
	if err := parallel(len(stores), func(i int) error { return stores[i].Migrate(t.Context()) }); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	wantHosts(t, b.Store, module(1, 1), hosts(1)...)
	var rows int
	if err := b.Raw.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM SchemaMigration WHERE number = 1").Scan(&rows); err != nil || rows != 1 {
		t.Errorf("migration 1 is recorded %d times, %v", rows, err)
	}
}
