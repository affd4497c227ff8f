package tally

import (
	"runtime"
	"slices"
	"testing"
)

// ours is a report of an agent of ours with one call of each kind per host.
func ours(cmdid int, number uint64, hosts ...int) *Report {
	r := &Report{Module: mod(cmdid), Caller: 1, Boot: 7, Number: number}
	for _, h := range hosts {
		r.Results = append(r.Results, Result{Host: addr(h), Succ: uint32(number), Err: uint32(number), SuccAdd: 1, ErrAdd: 1})
	}
	return r
}

func theirs(cmdid int, succ uint32, hosts ...int) *Report {
	r := &Report{Module: mod(cmdid), Caller: 2}
	for _, h := range hosts {
		r.Results = append(r.Results, Result{Host: addr(h), Succ: succ})
	}
	return r
}

func TestQueuePassesReportsThroughUnderTheirMarks(t *testing.T) {
	q := NewQueue(QueueConfig{})
	for n := range uint64(5) {
		if !q.Put(ours(1, n+1, 2, 1)) {
			t.Fatal("refused")
		}
	}
	q.Put(ours(1, 6)) // says nothing
	batch := q.Take(100)
	if len(batch) != 5 {
		t.Fatalf("%d reports", len(batch))
	}
	for i, r := range batch {
		if r.Boot != 7 || r.Number != uint64(i+1) || r.Results[0].Host != addr(1) || r.Results[1].SuccAdd != 1 {
			t.Errorf("report %d: %+v", i, r)
		}
	}
	if s := q.Stats(); s.Waiting != 10 || s.Bytes != 5*(reportBytes+2*resultBytes) {
		t.Errorf("%+v", s)
	}
	q.Done(batch)
	if s := q.Stats(); s.Waiting != 0 || s.Bytes != 0 || s.Reports != 6 || q.Take(1) != nil {
		t.Errorf("%+v", s)
	}
}

// A late one is no repeat: an older connection's reports may come after those of
// the next one.
func TestQueueRefusesRepeatsOnly(t *testing.T) {
	q := NewQueue(QueueConfig{MarksMax: 16})
	for _, n := range []uint64{2, 5, 2, 3, 3, 4, 1, 5, 0, 0} {
		if !q.Put(ours(1, n, 1)) {
			t.Errorf("a repeat is no loss")
		}
	}
	other := ours(1, 2, 1)
	other.Boot = 8
	q.Put(other)
	if s := q.Stats(); s.Repeated != 4 || len(q.Take(100)) != 7 {
		t.Errorf("%+v", s)
	}
	for n := range uint64(16) { // the store has the marks that are forgotten here
		q.Put(ours(1, 100+n, 1))
	}
	if q.Put(ours(1, 2, 1)); len(q.Take(100)) != 17 {
		t.Error("more marks remembered than allowed")
	}
}

// In the original's reporter reports wait without bound. Here figures of the
// original's agents take the place of older ones, within a minute.
func TestQueueReplacesFiguresOfTheOriginalsAgents(t *testing.T) {
	q := NewQueue(QueueConfig{BytesMax: 2 * (reportBytes + 2*resultBytes)})
	for n := range uint32(1000) {
		if !q.Put(theirs(1, n, 1, 2)) || !q.Put(theirs(2, n, 2, 1)) {
			t.Fatal("refused")
		}
	}
	if q.Put(theirs(3, 1, 1)) || q.Put(theirs(1, 2000, 1, 9)) {
		t.Error("beyond the bound")
	}
	next := theirs(2, 3000, 1) // the figures go on, the increments find no room
	next.At = 60
	if q.Put(next) {
		t.Error("beyond the bound")
	}
	batch := q.Take(100)
	if len(batch) != 2 || batch[0].Results[0].Succ != 2000 || batch[0].Results[1].Succ != 999 ||
		batch[1].Results[0].Succ != 3000 || batch[1].Results[1].Succ != 999 {
		t.Errorf("%+v %+v", batch[0], batch[1])
	}
	if s := q.Stats(); s.Dropped != 3 || s.DroppedCalls != 0 || s.Waiting != 4 {
		t.Errorf("%+v", s)
	}
}

// An outage does not move calls from one minute to another.
func TestQueueKeepsMinutesApart(t *testing.T) {
	q := NewQueue(QueueConfig{})
	for _, at := range []int64{100, 119, 120, 121, 130} {
		r := theirs(1, uint32(at), 1)
		r.At, r.TS, r.Results[0].SuccAdd = at, uint32(at)+7, 1
		q.Put(r)
	}
	batch := q.Take(100)
	if len(batch) != 2 || batch[0].At != 100 || batch[0].Results[0].SuccAdd != 2 || batch[0].TS != 126 ||
		batch[1].At != 120 || batch[1].Results[0].SuccAdd != 3 || batch[1].Results[0].Succ != 130 {
		t.Errorf("%+v", batch)
	}
}

// Without room a newer report's figures are taken, an older one's are not, and
// neither is taken for had.
func TestFullQueueTakesFigures(t *testing.T) {
	q := NewQueue(QueueConfig{BytesMax: reportBytes + 2*resultBytes})
	q.Put(ours(1, 5, 1, 2))
	if q.Put(ours(1, 6, 2, 3)) || q.Put(ours(1, 4, 1)) || q.Put(ours(2, 7, 1)) {
		t.Error("beyond the bound")
	}
	batch := q.Take(100)
	want := []Result{
		{Host: addr(1), Succ: 5, Err: 5, SuccAdd: 1, ErrAdd: 1},
		{Host: addr(2), Succ: 6, Err: 6, SuccAdd: 1, ErrAdd: 1},
	}
	if len(batch) != 1 || batch[0].Number != 5 || !slices.Equal(batch[0].Results, want) {
		t.Errorf("%+v", batch[0])
	}
	if s := q.Stats(); s.Dropped != 4 || s.DroppedCalls != 8 {
		t.Errorf("%+v", s)
	}
	q.Done(batch)
	if !q.Put(ours(1, 6, 2, 3)) || q.Stats().Repeated != 0 {
		t.Error("what was dropped and comes again was refused")
	}
}

func TestQueueBytesMaxHolds(t *testing.T) {
	const bytesMax = 32 << 20
	for _, hosts := range []int{1, 10, 300} {
		before := heapBytes()
		q := NewQueue(QueueConfig{BytesMax: bytesMax, MarksMax: 1})
		r := ours(1, 0)
		for h := range hosts {
			r.Results = append(r.Results, Result{Host: addr(h), SuccAdd: 1})
		}
		for ; q.Put(r); r.Number++ {
			r.Module.CmdID = int32(r.Number) // each key new: the dearest
		}
		real := int(heapBytes() - before)
		t.Logf("%d reports of %d hosts take %d bytes, reckoned %d", r.Number, hosts, real, q.Stats().Bytes)
		if real > bytesMax {
			t.Errorf("%d bytes are taken of %d", real, bytesMax)
		}
		runtime.KeepAlive(q)
	}
}

func heapBytes() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What goes in comes out or is counted as dropped.
func TestQueueLosesNothingUncounted(t *testing.T) {
	const bytesMax = 3000
	q := NewQueue(QueueConfig{BytesMax: bytesMax})
	in, out := uint64(0), uint64(0)
	count := func(batch []*Report) {
		for _, u := range batch {
			for _, r := range u.Results {
				out += uint64(r.SuccAdd) + uint64(r.ErrAdd)
			}
		}
		q.Done(batch)
	}
	for n := uint64(1); n <= 500; n++ {
		r := ours(int(n%5), n, int(n%3), int(n%4), int(n%7))
		if n%2 == 0 {
			r.Boot, r.Number = 0, 0
		}
		q.Put(r)
		in += 6
		if n%20 == 0 {
			count(q.Take(15))
		}
		if q.Stats().Bytes > bytesMax {
			t.Fatalf("%+v", q.Stats())
		}
	}
	for batch := q.Take(7); batch != nil; batch = q.Take(7) {
		count(batch)
	}
	s := q.Stats()
	if in != out+s.DroppedCalls || s.DroppedCalls == 0 || s.Merged == 0 || s.Waiting != 0 || s.Bytes != 0 {
		t.Errorf("in %d, out %d, %+v", in, out, s)
	}
}

func TestHostNamedTwiceInAReport(t *testing.T) {
	q := NewQueue(QueueConfig{})
	r := ours(1, 1, 3, 1, 3)
	r.Results[2].Succ, r.Results[2].Overload = 50, true
	q.Put(r)
	want := []Result{
		{Host: addr(1), Succ: 1, Err: 1, SuccAdd: 1, ErrAdd: 1},
		{Host: addr(3), Succ: 50, Err: 1, SuccAdd: 2, ErrAdd: 2, Overload: true},
	}
	if got := q.Take(1)[0].Results; !slices.Equal(got, want) || len(r.Results) != 3 || r.Results[0].Host != addr(3) {
		t.Errorf("%+v; the caller's %+v", got, r.Results)
	}
}

// In the original, reports of one module go to any thread and overtake.
func TestLaneIsTheModulesOwn(t *testing.T) {
	used := map[int]int{}
	for n := range 1000 {
		lane := Lane(mod(n), 3)
		if lane != Lane(mod(n), 3) || lane < 0 || lane > 2 {
			t.Fatalf("lane %d", lane)
		}
		used[lane]++
	}
	for lane := range 3 {
		if used[lane] < 200 {
			t.Errorf("lane %d has %d of 1000 modules", lane, used[lane])
		}
	}
}

func TestIncrements(t *testing.T) {
	n := NewIncrements(0)
	for i, c := range []struct{ succ, err, succAdd, errAdd uint32 }{
		{3, 0, 3, 0},
		{5, 1, 2, 1},
		{5, 1, 0, 0},
		{6, 1, 1, 0},
		{1, 0, 1, 0}, // a new window
		{1, 4, 0, 4},
		{2, 3, 2, 3},
		{0, 0, 0, 0},
	} {
		r := &Report{Module: mod(1), Results: []Result{{Host: addr(1), Succ: c.succ, Err: c.err}}}
		n.Fill(r)
		if x := r.Results[0]; x.SuccAdd != c.succAdd || x.ErrAdd != c.errAdd {
			t.Errorf("step %d: %+v, want +%d +%d", i, x, c.succAdd, c.errAdd)
		}
	}
	r := ours(1, 1, 1)
	if n.Fill(r); r.Results[0].SuccAdd != 1 {
		t.Errorf("a marked report was touched: %+v", r)
	}
}

func TestRecentIsBounded(t *testing.T) {
	r := newRecent[int, int](10)
	for n := range 1000 {
		r.set(n, n)
		r.set(7777, n) // touched all the time
		if v, ok := r.get(7777); !ok || v != n {
			t.Fatalf("step %d: forgot what is in use", n)
		}
		if v, ok := r.get(n - 3); n > 3 && (!ok || v != n-3) {
			t.Fatalf("step %d: forgot what is recent", n)
		}
	}
	if len(r.young)+len(r.old) > 10 {
		t.Errorf("%d entries", len(r.young)+len(r.old))
	}
	if _, ok := r.get(5); ok {
		t.Error("an old one is still there")
	}
}

func BenchmarkQueue(b *testing.B) {
	q := NewQueue(QueueConfig{})
	r := ours(1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	b.ReportAllocs()
	for b.Loop() {
		r.Number++
		r.Module.CmdID = int32(r.Number % 500)
		q.Put(r)
		if r.Number%100 == 0 {
			q.Done(q.Take(2000))
		}
	}
}
