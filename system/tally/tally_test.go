package tally

import (
	"maps"
	"math"
	"slices"
	"testing"

	"lars/system/route"
)

func mod(n int) route.Module { return route.Module{ModID: 1, CmdID: int32(n)} }

func addr(n int) route.Host { return route.Host{IP: 0x0A000000 + uint32(n), Port: 80} }

func newTally(t testing.TB, cfg Config) *Tally {
	if cfg.Boot == 0 {
		cfg.Boot = 7
	}
	x, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// takeAll returns every report that is due.
func takeAll(x *Tally) (all []Report) {
	var r Report
	for x.Take(&r) {
		all = append(all, r)
		r.Results = nil
	}
	return all
}

func TestTakeGivesChangesOnce(t *testing.T) {
	x := newTally(t, Config{})
	for range 3 {
		x.Add(mod(1), addr(1), false)
	}
	x.Add(mod(1), addr(1), true)
	x.Add(mod(2), addr(9), true)
	x.Add(mod(1), addr(2), false)
	got := takeAll(x)
	want := []Report{
		{Module: mod(1), Boot: 7, Number: 1, Results: []Result{
			{Host: addr(2), Succ: 1, SuccAdd: 1},
			{Host: addr(1), Succ: 3, Err: 1, SuccAdd: 3, ErrAdd: 1},
		}},
		{Module: mod(2), Boot: 7, Number: 2, Results: []Result{{Host: addr(9), Err: 1, ErrAdd: 1}}},
	}
	equalReports(t, got, want)
	if x.Due() || takeAll(x) != nil {
		t.Error("taken changes come again")
	}

	x.Add(mod(1), addr(1), false)
	x.SetOverload(mod(2), addr(9), true)
	x.SetOverload(mod(2), addr(9), true)
	x.SetOverload(mod(1), addr(2), false) // as it was
	equalReports(t, takeAll(x), []Report{
		{Module: mod(1), Boot: 7, Number: 3, Results: []Result{{Host: addr(1), Succ: 4, Err: 1, SuccAdd: 1}}},
		{Module: mod(2), Boot: 7, Number: 4, Results: []Result{{Host: addr(9), Err: 1, Overload: true}}},
	})

	x.SetSuspect(mod(1), addr(2), Suspected)
	x.SetSuspect(mod(1), addr(3), Cleared) // never called, and yet
	equalReports(t, takeAll(x), []Report{
		{Module: mod(1), Boot: 7, Number: 5, Results: []Result{{Host: addr(3), Suspect: Cleared}, {Host: addr(2), Succ: 1, Suspect: Suspected}}},
	})
	x.Add(mod(1), addr(2), false)
	equalReports(t, takeAll(x), []Report{
		{Module: mod(1), Boot: 7, Number: 6, Results: []Result{{Host: addr(2), Succ: 2, SuccAdd: 1}}}, // told once
	})
}

func equalReports(t *testing.T, got, want []Report) {
	t.Helper()
	same := func(a, b Report) bool {
		return a.Module == b.Module && a.Caller == b.Caller && a.Boot == b.Boot && a.Number == b.Number && slices.Equal(a.Results, b.Results)
	}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("reports\n%+v\nwant\n%+v", got, want)
	}
}

func TestReportsAreBounded(t *testing.T) {
	x := newTally(t, Config{ResultsMax: 2})
	for n := range 5 {
		x.Add(mod(1), addr(n), false)
	}
	x.Add(mod(2), addr(1), false)
	var sizes, cmdids []int
	for _, r := range takeAll(x) {
		sizes, cmdids = append(sizes, len(r.Results)), append(cmdids, int(r.Module.CmdID))
	}
	if !slices.Equal(sizes, []int{2, 1, 2, 1}) || !slices.Equal(cmdids, []int{1, 2, 1, 1}) {
		t.Errorf("reports of %v results for modules %v: a long one must let others go between", sizes, cmdids)
	}
}

// The original resets its figures with each balancing window and so reports
// too little, or the same twice. Any calls, taken at any moments, add up.
func TestStatisticsAreNotResetByWindows(t *testing.T) {
	x := newTally(t, Config{})
	var succ, err uint32
	for n := range 10_000 {
		x.Add(mod(1), addr(1), n%7 == 0)
		if n%97 == 0 {
			for _, r := range takeAll(x) {
				succ, err = succ+r.Results[0].SuccAdd, err+r.Results[0].ErrAdd
			}
		}
	}
	last := takeAll(x)[0].Results[0]
	if succ+last.SuccAdd != 8571 || err+last.ErrAdd != 1429 || last.Succ != 8571 || last.Err != 1429 {
		t.Errorf("increments %d and %d, figures %+v", succ, err, last)
	}
}

func TestFiguresStopAtTheirGreatest(t *testing.T) {
	x := newTally(t, Config{})
	x.Add(mod(1), addr(1), false)
	h := x.hosts.get(1)
	h.figures.Succ, h.figures.SuccAdd = math.MaxUint32, math.MaxUint32
	x.Add(mod(1), addr(1), false)
	if r := takeAll(x)[0].Results[0]; r.Succ != math.MaxUint32 || r.SuccAdd != math.MaxUint32 {
		t.Errorf("%+v", r)
	}
}

func TestRoomIsMadeBySilentModulesOnly(t *testing.T) {
	x := newTally(t, Config{BytesMax: 3 * (hostBytes + moduleBytes)})
	for n := 1; n <= 3; n++ {
		if !x.Add(mod(n), addr(1), false) {
			t.Fatalf("module %d refused", n)
		}
	}
	if x.Add(mod(4), addr(1), false) || x.SetOverload(mod(4), addr(1), true) || x.Stats().Dropped != 1 {
		t.Errorf("unsent counts made room: %+v", x.Stats())
	}
	takeAll(x)
	x.Add(mod(1), addr(1), false) // in use again: module 2 is now the most silent
	if !x.Add(mod(4), addr(1), false) {
		t.Error("no room where silent modules are")
	}
	if s := x.Stats(); s.Evicted != 1 || s.Modules != 3 || s.Hosts != 3 || s.Calls != 5 || s.Bytes > 3*(hostBytes+moduleBytes) {
		t.Errorf("%+v", s)
	}
	if _, ok := x.byName[mod(2)]; ok {
		t.Error("the module silent for longest is still there")
	}
	// A single module that gathers hosts without end makes room of itself.
	y := newTally(t, Config{BytesMax: moduleBytes + 2*hostBytes})
	for n := range 100 {
		if !y.Add(mod(1), addr(n), false) {
			t.Fatalf("host %d refused: %+v", n, y.Stats())
		}
		takeAll(y)
	}
	if y.Stats().Dropped != 0 || y.Stats().Hosts > 2 {
		t.Errorf("%+v", y.Stats())
	}
}

func TestNewRefuses(t *testing.T) {
	for _, cfg := range []Config{{}, {Boot: 1, BytesMax: -1}, {Boot: 1, ResultsMax: -1}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

// Any calls and takes: what was counted is what comes out, host by host.
func FuzzTally(f *testing.F) {
	f.Add([]byte("\x00\x11\x22\x33\xff\x01\x01\x81\xff"))
	seed := make([]byte, 500)
	for i := range seed {
		seed[i] = byte(i * i * 13)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, ops []byte) {
		x := newTally(t, Config{BytesMax: 4*moduleBytes + 9*hostBytes, ResultsMax: 2})
		want, got := map[hostKey]Result{}, map[hostKey]Result{}
		take := func(r Report) {
			for _, res := range r.Results {
				k := hostKey{r.Module, res.Host}
				g := got[k]
				got[k] = Result{SuccAdd: g.SuccAdd + res.SuccAdd, ErrAdd: g.ErrAdd + res.ErrAdd}
			}
		}
		number := uint64(0)
		for _, op := range ops {
			if op >= 0xF0 {
				var r Report
				if x.Take(&r) {
					if number++; r.Number != number || len(r.Results) == 0 || len(r.Results) > 2 {
						t.Fatalf("report %d: %+v", number, r)
					}
					take(r)
				}
				continue
			}
			m, h, failed := mod(int(op&7)), addr(int(op>>3&3)), op>>5&1 == 1
			if x.Add(m, h, failed) {
				w := want[hostKey{m, h}]
				if failed {
					w.ErrAdd++
				} else {
					w.SuccAdd++
				}
				want[hostKey{m, h}] = w
			}
			if s := x.Stats(); s.Bytes > 4*moduleBytes+9*hostBytes {
				t.Fatalf("%+v", s)
			}
		}
		for _, r := range takeAll(x) {
			take(r)
		}
		if !maps.Equal(got, want) {
			t.Fatalf("out came %v, in went %v", got, want)
		}
		if s := x.Stats(); x.Due() || s.Hosts != len(x.byHost) {
			t.Fatalf("%+v", s)
		}
	})
}

func TestBytesMaxHolds(t *testing.T) {
	before := heapBytes()
	x := newTally(t, Config{BytesMax: 16 << 20})
	for n := 0; x.Add(mod(n/3), addr(n), false); n++ {
	}
	real := int(heapBytes() - before)
	t.Logf("%d hosts in %d modules take %d bytes, reckoned %d", x.Stats().Hosts, x.Stats().Modules, real, x.Stats().Bytes)
	if real > 16<<20 {
		t.Errorf("%d bytes are taken of 16 MiB", real)
	}
}

func TestAddAllocatesNothing(t *testing.T) {
	x := newTally(t, Config{})
	var r Report
	n := 0
	step := func() {
		n++
		x.Add(mod(n%50), addr(n%100), n%9 == 0)
		if n%1000 == 0 {
			for x.Take(&r) {
			}
		}
	}
	for range 5000 {
		step()
	}
	if got := testing.AllocsPerRun(5000, step); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkAdd(b *testing.B) {
	x := newTally(b, Config{})
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		x.Add(mod(n%50), addr(n%500), false)
	}
}
