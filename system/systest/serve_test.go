package systest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"lars/system/lars"
	"lars/system/store"
	"lars/system/up"
)

// TestSystem has the bodies that do no harm to a system, one after the other on
// one system of each kind.
func TestSystem(t *testing.T) {
	onAll(t, func(t *testing.T, e *env) {
		for _, body := range []struct {
			name string
			run  func(*testing.T, *env)
		}{
			{"golden", golden}, // first: it wants modules that nobody has asked for
			{"pushed", pushed},
			{"balance", balance},
			{"statistics", statistics},
			{"garbage", garbage},
			{"counters", counters},
			{"unharmed", unharmed},
			{"last calls", lastCalls}, // closes the system
		} {
			if !t.Run(body.name, func(t *testing.T) { body.run(t, e) }) {
				return
			}
		}
	})
}

// pushed: an edit in the store reaches callers, for modules of all three ports,
// and a module that nobody asked for is not known.
func pushed(t *testing.T, e *env) {
	for cmdid := range int32(3) {
		m := store.Module{ModID: 30, CmdID: cmdid}
		if _, err := e.gethost(t, m); !errors.Is(err, lars.ErrNotExist) {
			t.Errorf("%v before it exists: %v", m, err)
		}
		e.edit(t, m, store.OpAdd, host(1))
		e.serves(t, m, host(1))
		e.edit(t, m, store.OpAdd, host(2), host(3))
		e.serves(t, m, host(1), host(2), host(3))
		e.edit(t, m, store.OpRemove, host(1), host(3))
		e.serves(t, m, host(2))
		for range 5 {
			if h, err := e.gethost(t, m); err != nil || h != host(2) {
				t.Errorf("%v: host %v, %v", m, h, err)
			}
		}
		e.edit(t, m, store.OpReplace)
		e.serves(t, m)
		if _, err := e.gethost(t, m); !errors.Is(err, lars.ErrNotExist) {
			t.Errorf("%v after it is gone: %v", m, err)
		}
	}
}

// balance follows the original's traces, with its shipped numbers: 15 errors in
// a row overload a host, then one pick in 11 probes it, 6 successes free it
// (6 / (5 + 6) > 0.5), and a module without idle hosts answers OVERLOAD ten
// times and then probes.
func balance(t *testing.T, e *env) {
	m := store.Module{ModID: 31, CmdID: 1}
	a, b := host(1), host(2)
	e.edit(t, m, store.OpAdd, a, b)
	e.serves(t, m, a, b)
	e.alternates(t, m)
	for range 15 {
		e.report(t, m, a, 1)
	}
	e.picks(t, m, repeat(10, b), []store.Host{a}, repeat(10, b), []store.Host{a})
	for range 15 {
		e.report(t, m, b, 1)
	}
	for range 2 {
		e.picks(t, m, repeat(10, store.Host{})) // OVERLOAD
		if h, err := e.gethost(t, m); err != nil || h != a && h != b {
			t.Errorf("the probe: %v, %v", h, err)
		}
	}
	for range 6 {
		e.report(t, m, a, 0)
	}
	e.picks(t, m, repeat(10, a), []store.Host{b}, repeat(10, a))
	for range 6 {
		e.report(t, m, b, 0)
	}
	e.alternates(t, m)
}

// alternates: both hosts are idle and take turns.
func (e *env) alternates(t *testing.T, m store.Module) {
	t.Helper()
	before := store.Host{}
	for i := range 12 {
		h, err := e.gethost(t, m)
		if err != nil || h == before {
			t.Errorf("pick %d: %v after %v, %v", i, h, before, err)
		}
		before = h
	}
}

func repeat(n int, h store.Host) (all []store.Host) {
	for range n {
		all = append(all, h)
	}
	return all
}

// picks wants these hosts in this order, the zero host for OVERLOAD.
func (e *env) picks(t *testing.T, m store.Module, groups ...[]store.Host) {
	t.Helper()
	n := 0
	for _, hosts := range groups {
		for _, want := range hosts {
			h, err := e.gethost(t, m)
			if h != want || (err != nil) != (want == store.Host{}) || err != nil && !errors.Is(err, lars.ErrOverload) {
				t.Errorf("pick %d: %v, %v, want %v", n, h, err, want)
			}
			n++
		}
	}
}

// unharmed: after all that, every service is the one that was started.
func unharmed(t *testing.T, e *env) {
	for _, v := range e.sys.Status().Services {
		if !v.Running || (v.PID != 0) != e.kind.processes {
			t.Errorf("%+v", v)
		}
	}
	m := store.Module{ModID: 39, CmdID: 1}
	e.edit(t, m, store.OpAdd, host(1))
	e.serves(t, m, host(1))
}

// TestStartAgain: a second start keeps routes and statistics, adds no samples,
// and in any order the services find each other.
func TestStartAgain(t *testing.T) {
	t.Parallel()
	e := newEnv(t, kind{"epoll", true}, nil)
	m := store.Module{ModID: 1, CmdID: 1}
	if p := e.sys.Prepared(); p.Samples != len(store.SampleRoutes()) || p.Away != nil {
		t.Errorf("first start: %+v", p)
	}
	sample, err := e.store.Hosts(t.Context(), m)
	if err != nil || len(sample) != 1 {
		t.Fatal(sample, err)
	}
	e.serves(t, m, sample...)
	for _, name := range up.Services() {
		if _, err := e.sys.Stop(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{up.Agent, up.Reporter, up.DNS} {
		if err := e.sys.Revive(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	e.serves(t, m, sample...)
	e.edit(t, m, store.OpReplace)
	e.serves(t, m)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := e.sys.Close(ctx); err != nil {
		t.Fatal(err)
	}
	again := newEnv(t, kind{"std", false}, func(c *up.Config) { c.Store = e.store })
	if p := again.sys.Prepared(); p.Samples != 0 || p.Version < 2 {
		t.Errorf("second start: %+v", p)
	}
	again.serves(t, m)
	again.serves(t, store.Module{ModID: 2, CmdID: 2}, mustHost(t, "192.168.1.180:7779"))
}

func mustHost(t *testing.T, text string) store.Host {
	t.Helper()
	h, err := store.ParseHost(text)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", text, err))
	}
	return h
}
