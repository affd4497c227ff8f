package systest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"lars/system/lars"
	"lars/system/store"
)

// policy edits what is said of a module.
func (e *env) policy(t *testing.T, edit store.ModuleEdit) {
	t.Helper()
	if _, err := e.store.Edit(t.Context(), store.Edit{Actor: "systest", Modules: []store.ModuleEdit{edit}}); err != nil {
		t.Fatal(err)
	}
}

// balanced waits until the agent tells so of a module.
func (e *env) balanced(t *testing.T, what string, m store.Module, ok func(lars.Hosts) bool) {
	t.Helper()
	within(t, what, func(ctx context.Context) error {
		h, err := e.client.Hosts(ctx, lars.Module(m))
		if err == nil && !ok(h) {
			err = fmt.Errorf("has %+v", h)
		}
		return err
	})
}

// shares counts the hosts of so many calls, all of which go well.
func (e *env) shares(t *testing.T, m store.Module, n int) map[store.Host]int {
	t.Helper()
	seen := map[store.Host]int{}
	for range n {
		h, err := e.gethost(t, m)
		if err != nil {
			t.Fatal(err)
		}
		seen[h]++
		e.report(t, m, h, 0)
	}
	return seen
}

// What the store says of a module's balancing reaches an agent that serves
// calls: by the push, since nothing is read or pulled again in the test's time.
func TestPolicyIsPushedWhileCallsGoOn(t *testing.T) {
	onAll(t, func(t *testing.T, e *env) {
		m, hosts := store.Module{ModID: 71, CmdID: 1}, []store.Host{host(1), host(2), host(3)}
		e.edit(t, m, store.OpAdd, hosts...)
		e.serves(t, m, hosts...)
		stopped := make(chan error, 1)
		ctx, end := context.WithCancel(t.Context())
		go func() { // an old caller: neither key nor latency
			for ctx.Err() == nil {
				a, err := e.client.GetHost(ctx, lars.Module(m))
				if err == nil {
					err = e.client.Report(ctx, lars.Module(m), a, 0)
				}
				if err != nil && ctx.Err() == nil {
					stopped <- err
					return
				}
				time.Sleep(time.Millisecond)
			}
			stopped <- nil
		}()
		e.balanced(t, "the agent's own settings", m, func(h lars.Hosts) bool { return h.Version == 0 && len(h.Hosts) == 3 })
		e.policy(t, store.ModuleEdit{Module: m, Op: store.OpSettings, Settings: "algorithm=wrr slow_start=off"})
		e.balanced(t, "settings of the store", m, func(h lars.Hosts) bool { return h.Settings == "algorithm=wrr slow_start=off" && h.Version > 0 })
		weight, yes := uint32(4), true
		e.policy(t, store.ModuleEdit{Module: m, Op: store.OpTune, Hosts: hosts[:1], Tune: store.Tune{Weight: &weight}})
		e.balanced(t, "weight", m, func(h lars.Hosts) bool { return h.Hosts[0].Weight == 4 })
		end()
		if err := <-stopped; err != nil {
			t.Error("while it changed:", err)
		}
		if seen := e.shares(t, m, 60); seen[hosts[0]] < 38 || seen[hosts[0]] > 42 || seen[hosts[1]] < 8 || seen[hosts[2]] < 8 {
			t.Errorf("weights 4, 1, 1 share 60 calls as %v", seen)
		}
		e.policy(t, store.ModuleEdit{Module: m, Op: store.OpTune, Hosts: hosts[:1], Tune: store.Tune{Draining: &yes}})
		e.balanced(t, "drained", m, func(h lars.Hosts) bool { return h.Hosts[0].Draining })
		if seen := e.shares(t, m, 20); seen[hosts[0]] != 0 {
			t.Errorf("a host that drains got calls: %v", seen)
		}
		e.policy(t, store.ModuleEdit{Module: m, Op: store.OpSettings})
		e.balanced(t, "the agent's own settings again", m, func(h lars.Hosts) bool {
			return h.Version == 0 && h.Settings != "algorithm=wrr slow_start=off" && h.Hosts[0].Draining
		})
	})
}

// Somebody sets one number of a policy in the middle of an incident: the host
// that is out stays out.
func TestEjectedHostStaysOutThroughPolicySet(t *testing.T) {
	onAll(t, func(t *testing.T, e *env) {
		m, hosts := store.Module{ModID: 72, CmdID: 1}, []store.Host{host(1), host(2), host(3)}
		e.edit(t, m, store.OpAdd, hosts...)
		e.policy(t, store.ModuleEdit{Module: m, Op: store.OpSettings, Settings: "consecutive=3 base=1h eject_max=1h"})
		e.serves(t, m, hosts...)
		e.balanced(t, "settings of the store", m, func(h lars.Hosts) bool { return h.Version > 0 })
		for range 40 {
			e.report(t, m, hosts[1], 0) // who fails everywhere is not believed
		}
		for range 20 {
			e.report(t, m, hosts[0], -1111) // connection refused
		}
		out := func(h lars.Hosts) bool { return h.Hosts[0].State == "overloaded" && h.Hosts[0].Ejections == 1 }
		e.balanced(t, "it is out", m, out)
		e.policy(t, store.ModuleEdit{Module: m, Op: store.OpSettings, Settings: "consecutive=3 base=1h eject_max=1h probe_every=20"})
		e.balanced(t, "the number is set", m, func(h lars.Hosts) bool {
			if !out(h) {
				t.Fatalf("it came back: %+v", h)
			}
			return strings.Contains(h.Settings, "probe_every=20")
		})
		if seen := e.shares(t, m, 40); seen[hosts[0]] != 0 {
			t.Errorf("a host that is out got calls: %v", seen)
		}
	})
}
