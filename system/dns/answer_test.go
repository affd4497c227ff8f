package dns

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lars/system/route"
	"lars/system/store"
	"lars/system/wire"
)

// table makes a snapshot in which module m,1 has hosts(m) hosts from address
// first on.
func table(t testing.TB, modules int, first uint32, hosts func(m int) int) *route.Snapshot {
	t.Helper()
	var b route.Builder
	for m := range modules {
		for h := range hosts(m) {
			if err := b.Add(route.Module{ModID: int32(m), CmdID: 1}, route.Host{IP: first + uint32(h), Port: 80}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b.Build(1)
}

// What is kept is never that of another module or of an earlier snapshot.
func TestKeptAnswersAreTheModulesOwn(t *testing.T) {
	sizes := func(m int) int { return []int{0, 1, 10, 100, 200, 1000}[m%6] } // short and long ones
	var a answers
	for snapshot := range uint32(3) {
		snap := table(t, 1000, 0xC0000000+snapshot<<16, sizes)
		a.forget()
		for range 3000 {
			m := route.Module{ModID: rand.Int32N(1001), CmdID: rand.Int32N(3)}
			want := wire.GetRouteResponse{ModID: m.ModID, CmdID: m.CmdID}
			for _, h := range snap.Lookup(m) {
				want.Hosts = append(want.Hosts, wire.HostInfo{IP: int32(h.IP), Port: int32(h.Port)})
			}
			for range 2 {
				got := a.encode(snap, m)
				if !bytes.Equal(got.body, want.AppendTo(nil)) || got.hosts != len(want.Hosts) || got.cut {
					t.Fatalf("module %v: %d hosts, want %d", m, got.hosts, len(want.Hosts))
				}
			}
		}
	}
}

// Module 0,0 has an empty body, and a zero slot looks like it.
func TestEmptyAnswer(t *testing.T) {
	var a answers
	for range 2 {
		if got := a.encode(nil, route.Module{}); len(got.body) != 0 || got.hosts != 0 {
			t.Errorf("%+v", got)
		}
	}
	a.forget()
	var b route.Builder
	if err := b.Add(route.Module{}, route.Host{IP: 1, Port: 1}); err != nil {
		t.Fatal(err)
	}
	if got := a.encode(b.Build(1), route.Module{}); got.hosts != 1 {
		t.Errorf("%+v", got)
	}
}

// A route longer than a message may be is cut and says so.
func TestCutAnswer(t *testing.T) {
	var a answers
	snap := table(t, 1, 0x80000000, func(int) int { return hostsMax + 5 })
	got := a.encode(snap, route.Module{ModID: 0, CmdID: 1})
	var msg wire.GetRouteResponse
	if err := msg.Decode(got.body); err != nil || !got.cut || !msg.Truncated || len(msg.Hosts) != hostsMax || len(got.body) > wire.RouteBodyBytesMax {
		t.Errorf("cut %v, %d hosts in %d bytes, %v", got.cut, len(msg.Hosts), len(got.body), err)
	}
	if a.encode(snap, route.Module{ModID: 7, CmdID: 7}).cut {
		t.Error("the next one is cut as well")
	}
}

func BenchmarkEncode(b *testing.B) {
	snap := table(b, 64, 0xC0000000, func(int) int { return 10 })
	for _, kept := range []bool{true, false} {
		name := map[bool]string{true: "kept", false: "anew"}[kept]
		b.Run(name, func(b *testing.B) {
			var a answers
			b.ReportAllocs()
			for n := int32(0); b.Loop(); n++ {
				if !kept {
					a.forget()
				}
				a.encode(snap, route.Module{ModID: n % 64, CmdID: 1})
			}
		})
	}
}

// A policy is sent with the hosts that it is about, and no others; without
// hosts there is none.
func TestPolicyInAnswers(t *testing.T) {
	snap := table(t, 2, 10, func(m int) int { return 3 * m }) // 1,1: addresses 10, 11, 12
	said := func(ip uint32, port uint16) route.HostPolicy {
		return route.HostPolicy{Host: route.Host{IP: ip, Port: port}, Weight: ip, Zone: 2, Draining: ip == 12}
	}
	p := &route.Policy{Settings: "algorithm=rr", Version: 7, Hosts: []route.HostPolicy{said(1, 1), said(10, 80), said(11, 79), said(12, 80), said(12, 81)}}
	snap = snap.WithPolicies(route.Policies{{ModID: 1, CmdID: 1}: p, {ModID: 0, CmdID: 1}: p})
	var a answers
	a.forget()
	var got wire.GetRouteResponse
	if err := got.Decode(a.encode(snap, route.Module{ModID: 1, CmdID: 1}).body); err != nil {
		t.Fatal(err)
	}
	want := []wire.HostPolicy{
		{HostInfo: wire.HostInfo{IP: 10, Port: 80}, Weight: 10, Zone: 2},
		{HostInfo: wire.HostInfo{IP: 12, Port: 80}, Weight: 12, Zone: 2, Draining: true},
	}
	if !got.HasPolicy || string(got.Policy.Settings) != p.Settings || got.Policy.Version != 7 || !slices.Equal(got.Policy.Hosts, want) || len(got.Hosts) != 3 {
		t.Errorf("got %+v", got)
	}
	plain := wire.GetRouteResponse{CmdID: 1}
	if body := a.encode(snap, route.Module{CmdID: 1}).body; !bytes.Equal(body, plain.AppendTo(nil)) {
		t.Errorf("module without hosts: %x", body)
	}
}

// The longest that can be said of as many hosts as are sent fits a message.
func TestTunedRouteFitsAMessage(t *testing.T) {
	var a answers
	hosts := make([]route.Host, tunedHostsMax+1)
	p := &route.Policy{Settings: strings.Repeat("x", store.SettingsBytesMax), Version: 1 << 62}
	for i := range hosts {
		hosts[i] = route.Host{IP: 0x80000000 + uint32(i), Port: 65535}
		p.Hosts = append(p.Hosts, route.HostPolicy{Host: hosts[i], Weight: store.WeightMax, Zone: 65535, Draining: true})
	}
	a.fill(route.Module{ModID: 1<<31 - 1, CmdID: 1<<31 - 1}, hosts, p)
	if size := a.msg.Size(); size > wire.RouteBodyBytesMax || !a.msg.Truncated || len(a.msg.Policy.Hosts) != tunedHostsMax {
		t.Errorf("%d bytes, %d hosts", size, len(a.msg.Policy.Hosts))
	}
}
