package systest

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"lars/backends"
	"lars/reactor"
	"lars/system/agent"
	codes "lars/system/balance"
	"lars/system/lars"
	"lars/system/store"
	"lars/system/up"
)

// another starts one more agent of the system, in this process, and returns a
// client of it.
func (e *env) another(t *testing.T) *lars.Client {
	t.Helper()
	d, err := backends.Open(e.kind.backend)
	if err != nil {
		t.Fatal(err)
	}
	r, err := reactor.Open(d, reactor.Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	peer := func(service string) agent.Peer { return agent.Peer{Addrs: e.sys.Addrs(service)[0]} }
	a, err := agent.Start(r, agent.Config{DNS: peer(up.DNS), Reporter: peer(up.Reporter), Caller: "10.9.8.6"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := a.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	var addrs []string
	for _, at := range a.Addrs() {
		addrs = append(addrs, at.String())
	}
	c, err := lars.New(lars.Config{Addrs: addrs, Timeout: answerWithin, Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// One agent loses calls to a host; another, which has lost none, avoids it, until
// the first is content again.
func TestAgentsHearOfEachOther(t *testing.T) {
	onAll(t, func(t *testing.T, e *env) {
		m, hosts := store.Module{ModID: 72, CmdID: 1}, []store.Host{host(1), host(2), host(3)}
		e.edit(t, m, store.OpAdd, hosts...)
		e.policy(t, store.ModuleEdit{Module: m, Op: store.OpSettings, Settings: "algorithm=p2c hint_ttl=1h"})
		e.serves(t, m, hosts...)
		other := e.another(t)
		calls := func(c *lars.Client, n int) (dead int, err error) {
			for range n {
				a, err := c.GetHost(t.Context(), lars.Module(m))
				if err != nil {
					return dead, err
				}
				if hostOf(a) == hosts[0] {
					dead++
				}
				if err := c.Report(t.Context(), lars.Module(m), a, 0); err != nil {
					return dead, err
				}
			}
			return dead, nil
		}
		doubts := func(what string, want bool) {
			within(t, what, func(ctx context.Context) error {
				if _, err := calls(other, 1); err != nil { // it has calls, all of them well
					return err
				}
				h, err := other.Hosts(ctx, lars.Module(m))
				if err == nil && (len(h.Hosts) != 3 || h.Hosts[0].Doubtful != want || h.Hosts[1].Doubtful || h.Hosts[0].Ejections > 0) {
					err = fmt.Errorf("has %+v", h)
				}
				return err
			})
		}
		doubts("nothing is suspected", false)
		e.balanced(t, "the first agent's settings", m, func(h lars.Hosts) bool { return h.Version > 0 })
		report := func(a netip.AddrPort, code int32) {
			if err := e.client.Report(t.Context(), lars.Module(m), a, code); err != nil {
				t.Fatal(err)
			}
		}
		for range 40 {
			report(addr(hosts[1]), 0)
		}
		report(addr(hosts[0]), codes.CodeRefused)
		doubts("what the first agent suspects", true)
		if dead, err := calls(other, 50); err != nil || dead > 2 {
			t.Errorf("%d of 50 calls to a host that is suspected elsewhere, %v", dead, err)
		}
		report(addr(hosts[0]), 0)
		doubts("nothing any more", false)
	})
}
