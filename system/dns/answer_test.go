package dns

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"lars/system/route"
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
