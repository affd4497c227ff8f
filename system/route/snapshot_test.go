package route

import (
	"errors"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func host(n int) Host { return Host{IP: 0x0A000000 + uint32(n), Port: uint16(1 + n%60000)} }

func mod(n int) Module { return Module{ModID: int32(1 + n%1000), CmdID: int32(1 + n/1000)} }

// plain is a table of routes without any art.
type plain map[Module][]Host

func (p plain) set(m Module, hosts []Host) {
	hosts = slices.Clone(hosts)
	slices.SortFunc(hosts, Host.Compare)
	if hosts = slices.Compact(hosts); len(hosts) == 0 {
		delete(p, m)
	} else {
		p[m] = hosts
	}
}

func (p plain) build(t testing.TB, version int64) *Snapshot {
	var b Builder
	for m, hosts := range p {
		for _, h := range hosts {
			if err := b.Add(m, h); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b.Build(version)
}

// check compares every method of s with p.
func (p plain) check(t *testing.T, s *Snapshot) {
	t.Helper()
	routes := 0
	for m, hosts := range p {
		routes += len(hosts)
		if got := s.Lookup(m); !slices.Equal(got, hosts) {
			t.Fatalf("%v: %v, want %v", m, got, hosts)
		}
	}
	seen := plain{}
	for m, hosts := range s.All() {
		if _, twice := seen[m]; twice || len(hosts) == 0 {
			t.Fatalf("All yields %v %v", m, hosts)
		}
		seen[m] = hosts
	}
	if s.Modules() != len(p) || s.Routes() != routes || len(seen) != len(p) {
		t.Fatalf("%d modules with %d routes, All yields %d; want %d and %d", s.Modules(), s.Routes(), len(seen), len(p), routes)
	}
}

func TestEmptySnapshots(t *testing.T) {
	var none *Snapshot
	for name, s := range map[string]*Snapshot{"nil": none, "zero": {}, "built": new(Builder).Build(0)} {
		if s.Lookup(mod(1)) != nil || s.Modules()+s.Routes() != 0 || s.Version() != 0 {
			t.Errorf("%s is not empty", name)
		}
		for m := range s.All() {
			t.Errorf("%s has %v", name, m)
		}
		next := s.Apply(7, []Route{{mod(1), []Host{host(1)}}})
		if got := next.Lookup(mod(1)); len(got) != 1 || next.Version() != 7 || next.Routes() != 1 {
			t.Errorf("%s applied: %v", name, got)
		}
		if d := Diff(s, next); !slices.Equal(d, []Module{mod(1)}) {
			t.Errorf("%s: diff %v", name, d)
		}
	}
	if d := Diff(none, none); d != nil {
		t.Errorf("diff of nothing: %v", d)
	}
}

func TestBuildSortsAndDropsDuplicates(t *testing.T) {
	var b Builder
	for _, n := range []int{5, 3, 5, 9, 3} {
		if err := b.Add(mod(1), host(n)); err != nil {
			t.Fatal(err)
		}
	}
	s := b.Build(3)
	if got := s.Lookup(mod(1)); !slices.Equal(got, []Host{host(3), host(5), host(9)}) {
		t.Errorf("got %v", got)
	}
	if again := b.Build(4); again.Routes() != 0 {
		t.Errorf("the builder kept %d routes", again.Routes())
	}
	if got := append(s.Lookup(mod(1)), host(1)); len(got) != 4 || s.Routes() != 3 {
		t.Error("a reader's append reached the table")
	}
}

func TestBuilderIsBounded(t *testing.T) {
	b := Builder{RoutesMax: 2}
	for n, want := range []error{nil, nil, ErrTooMany} {
		if err := b.Add(mod(1), host(n)); !errors.Is(err, want) {
			t.Errorf("row %d: %v, want %v", n, err, want)
		}
	}
}

// Random edits from an empty table to thousands of modules: after each step
// the incremental snapshot equals a plain table, the one before is untouched,
// and Diff names what changed.
func TestApplyAgainstPlain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	p, s := plain{}, (*Snapshot)(nil)
	for step := range 120 {
		before, old := maps.Clone(p), s
		var edits []Route
		for range 1 + r.IntN(60) {
			hosts := make([]Host, r.IntN(5))
			for i := range hosts {
				hosts[i] = host(r.IntN(8))
			}
			e := Route{mod(r.IntN(3000)), hosts}
			edits = append(edits, e)
			p.set(e.Module, e.Hosts)
		}
		s = s.Apply(int64(step), edits)
		p.check(t, s)
		before.check(t, old)

		var want []Module
		for _, e := range edits {
			if !slices.Equal(before[e.Module], p[e.Module]) {
				want = append(want, e.Module)
			}
		}
		got := Diff(old, s)
		slices.SortFunc(got, Module.Compare)
		slices.SortFunc(want, Module.Compare)
		if want = slices.Compact(want); !slices.Equal(got, want) {
			t.Fatalf("step %d: diff %v, want %v", step, got, want)
		}
		if full := p.build(t, 0); len(Diff(full, s)) != 0 || len(Diff(s, full)) != 0 {
			t.Fatalf("step %d: a full load differs: %v", step, Diff(full, s))
		}
	}
}

func TestApplySharesTheRest(t *testing.T) {
	s := large(t, 10_000, 3)
	next := s.Apply(2, []Route{{mod(5), []Host{host(1)}}, {mod(6), s.Lookup(mod(6))}})
	differ := 0
	for i := range s.shards {
		if s.shards[i] != next.shards[i] {
			differ++
		}
	}
	if differ != 1 {
		t.Errorf("%d shards of %d differ after one module changed and one was set to what it was", differ, len(s.shards))
	}
}

func TestShardsAreEven(t *testing.T) {
	for name, of := range map[string]func(n int) Module{
		"grid":    mod,
		"modid":   func(n int) Module { return Module{int32(n), 1} },
		"cmdid":   func(n int) Module { return Module{1, int32(n)} },
		"equal":   func(n int) Module { return Module{int32(n), int32(n)} },
		"strides": func(n int) Module { return Module{int32(n * 1024), int32(n * 4096 % (1 << 30))} },
	} {
		var b Builder
		for n := range 100_000 {
			if err := b.Add(of(n), host(1)); err != nil {
				t.Fatal(err)
			}
		}
		s, most := b.Build(1), 0
		for _, sh := range s.shards {
			most = max(most, sh.size())
		}
		if mean := s.modules / len(s.shards); most > 8*mean {
			t.Errorf("%s: %d modules in a shard, %d on average", name, most, mean)
		}
	}
}

func large(t testing.TB, modules, hosts int) *Snapshot {
	var b Builder
	for m := range modules {
		for h := range hosts {
			if err := b.Add(mod(m), host(m+h)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b.Build(1)
}

// 1,000,000 routes in 100,000 modules: 8 bytes a route and 12 a module are
// data; the rest may not be much.
func TestBytesPerRoute(t *testing.T) {
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	s := large(t, 100_000, 10)
	per := float64(used()-before) / float64(s.Routes())
	t.Logf("%.2f bytes per route, %d shards", per, len(s.shards))
	if per > 11 {
		t.Errorf("%.2f bytes per route", per)
	}
	runtime.KeepAlive(s)
}

func TestLookupAllocatesNothing(t *testing.T) {
	s := large(t, 1000, 3)
	if n := testing.AllocsPerRun(100, func() {
		if len(s.Lookup(mod(77))) != 3 || s.Lookup(Module{9999, 9999}) != nil {
			t.Fatal("wrong route")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Readers look up while snapshots are swapped under them: each sees one whole
// version.
func TestLookupsDuringSwaps(t *testing.T) {
	var current atomic.Pointer[Snapshot]
	current.Store(large(t, 500, 1))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				s := current.Load()
				x, y := s.Lookup(mod(1)), s.Lookup(mod(400))
				if s.Version() > 1 && (len(x) != 1 || len(y) != 1 || x[0] != y[0] || x[0].Port != uint16(s.Version())) {
					t.Errorf("version %d: %v and %v", s.Version(), x, y)
					return
				}
			}
		})
	}
	for v := 2; v < 2000; v++ {
		h := []Host{{IP: 1, Port: uint16(v)}}
		current.Store(current.Load().Apply(int64(v), []Route{{mod(1), h}, {mod(400), h}}))
	}
	close(done)
	readers.Wait()
}

func TestGuard(t *testing.T) {
	size := func(version int64, modules int) *Snapshot {
		s := large(t, modules, 1)
		s.version = version
		return s
	}
	full := size(5, 90)
	for _, c := range []struct {
		name string
		next []*Snapshot // judged in turn; an accepted one is in force
		want []Verdict
	}{
		{"first load", nil, nil},
		{"growth", []*Snapshot{size(6, 200)}, []Verdict{{Accept: true}}},
		{"a third gone", []*Snapshot{size(6, 60)}, []Verdict{{Accept: true}}},
		{"more than a third, confirmed", []*Snapshot{size(6, 59), size(6, 59)}, []Verdict{{Alarm: Shrunk}, {true, Shrunk}}},
		{"all gone, confirmed", []*Snapshot{size(6, 0), size(6, 0)}, []Verdict{{Alarm: Shrunk}, {true, Shrunk}}},
		{"a bad read", []*Snapshot{size(6, 0), size(6, 90), size(6, 0)}, []Verdict{{Alarm: Shrunk}, {Accept: true}, {Alarm: Shrunk}}},
		{"shrinking still", []*Snapshot{size(6, 50), size(6, 10), size(6, 10)}, []Verdict{{Alarm: Shrunk}, {Alarm: Shrunk}, {true, Shrunk}}},
		{"confirmed with a few edits between", []*Snapshot{size(6, 50), size(7, 48)}, []Verdict{{Alarm: Shrunk}, {true, Shrunk}}},
		{"version back", []*Snapshot{size(4, 90), size(4, 90)}, []Verdict{{Alarm: Regressed}, {true, Regressed}}},
		{"version back and forth", []*Snapshot{size(4, 90), size(5, 90)}, []Verdict{{Alarm: Regressed}, {Accept: true}}},
		{"both", []*Snapshot{size(3, 9), size(3, 9)}, []Verdict{{Alarm: Regressed | Shrunk}, {true, Regressed | Shrunk}}},
	} {
		var g Guard
		current := (*Snapshot)(nil)
		if v := g.Judge(current, full); v != (Verdict{Accept: true}) {
			t.Fatalf("%s: the first load: %+v", c.name, v)
		}
		current = full
		for i, next := range c.next {
			v := g.Judge(current, next)
			if v != c.want[i] {
				t.Errorf("%s, read %d: %+v (%v), want %+v", c.name, i+1, v, v.Alarm, c.want[i])
			}
			if v.Accept {
				current = next
			}
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	s := large(b, 100_000, 10)
	mods := make([]Module, 1<<14)
	for i := range mods {
		mods[i] = mod(rand.IntN(100_000))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if len(s.Lookup(mods[n&(len(mods)-1)])) != 10 {
			b.Fatal("wrong route")
		}
	}
}

func BenchmarkBuild1M(b *testing.B) {
	for _, order := range []string{"sorted", "shuffled"} {
		b.Run(order, func(b *testing.B) {
			rows := make([]row, 0, 1_000_000)
			for m, hosts := range large(b, 100_000, 10).All() {
				for _, h := range hosts {
					rows = append(rows, row{m.key(), h})
				}
			}
			slices.SortFunc(rows, compareRows)
			if order == "shuffled" {
				rand.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			}
			b.ReportAllocs()
			var build Builder
			for b.Loop() {
				for _, r := range rows {
					if err := build.Add(moduleOf(r.key), r.host); err != nil {
						b.Fatal(err)
					}
				}
				if s := build.Build(1); s.Routes() != len(rows) {
					b.Fatal("routes lost")
				}
			}
		})
	}
}

func BenchmarkApplyOneOf100k(b *testing.B) {
	s := large(b, 100_000, 10)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		s = s.Apply(int64(n), []Route{{mod(n % 100_000), []Host{host(n), host(n + 1)}}})
	}
}

func BenchmarkDiffFullLoad1M(b *testing.B) {
	x, y := large(b, 100_000, 10), large(b, 100_000, 10)
	b.ReportAllocs()
	for b.Loop() {
		if Diff(x, y) != nil {
			b.Fatal("they do not differ")
		}
	}
}
