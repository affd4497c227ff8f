package hist

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// values of every size, with each edge of the geometry.
func values(n int) []int64 {
	rng := rand.New(rand.NewPCG(1, 2))
	out := []int64{0, 1, 2, ValueMax - 1, ValueMax}
	for e := range 36 {
		for d := int64(-1); d <= 1; d++ {
			out = append(out, max(0, 1<<e+d))
		}
	}
	for range n {
		out = append(out, int64(math.Exp(rng.Float64()*math.Log(float64(ValueMax)))))
	}
	return out
}

// TestSameAsHdrHistogram: the counters are those of the reference, one by one,
// whatever is recorded, and so is every percentile.
func TestSameAsHdrHistogram(t *testing.T) {
	r, want := New(), hdrhistogram.New(1, ValueMax, Digits)
	for _, v := range values(200_000) {
		r.Record(v)
		if err := want.RecordValue(v); err != nil {
			t.Fatal(v, err)
		}
	}
	got := r.Histogram()
	if !got.Equals(want) {
		t.Fatal("the exported histogram is not equal to the reference")
	}
	if g, w := got.TotalCount(), want.TotalCount(); g != w || r.Count() != w {
		t.Errorf("count %d, exported %d, want %d", r.Count(), g, w)
	}
	for _, p := range []float64{0.001, 1, 25, 50, 75, 90, 99, 99.9, 99.99, 99.999, 100} {
		w := min(want.ValueAtPercentile(p), r.Max())
		if g := r.Percentile(p, 0.95).Value; g != w {
			t.Errorf("p%v = %d, want %d", p, g, w)
		}
	}
}

// TestEachValueLandsInItsCounter compares value by value, so that two errors
// cannot cancel out.
func TestEachValueLandsInItsCounter(t *testing.T) {
	reference := hdrhistogram.New(1, ValueMax, Digits)
	for _, v := range values(2000) {
		low, step := valueAt(index(uint64(v)))
		if v < low || v >= low+step {
			t.Fatalf("%d lies not in its counter, %d to %d", v, low, low+step-1)
		}
		reference.Reset()
		if err := reference.RecordValue(v); err != nil {
			t.Fatal(err)
		}
		if w := reference.ValueAtPercentile(100); low+step-1 != w {
			t.Fatalf("%d: highest equivalent %d, want %d", v, low+step-1, w)
		}
	}
}

func TestExactTotals(t *testing.T) {
	r := New()
	if r.Min() != 0 || r.Max() != 0 || r.Mean() != 0 || r.HighestReportable() != 0 {
		t.Error("an empty recorder is not all zeros")
	}
	for _, v := range []int64{500_000_000, 1_234_567, -3, ValueMax + 7} {
		r.Record(v)
	}
	if r.Count() != 4 || r.Min() != 0 || r.Max() != ValueMax+7 || r.Over() != 1 || r.Under() != 1 {
		t.Errorf("count %d min %d max %d over %d under %d", r.Count(), r.Min(), r.Max(), r.Over(), r.Under())
	}
	if want := int64(500_000_000 + 1_234_567 + ValueMax + 7); r.Sum() != want {
		t.Errorf("sum %d, want %d", r.Sum(), want)
	}
	if p := r.Percentile(100, 0.95); p.Value != ValueMax+7 {
		t.Errorf("p100 = %d", p.Value)
	}
}

func TestMergeResetClone(t *testing.T) {
	a, b, both := New(), New(), New()
	for i, v := range values(5000) {
		if i%3 == 0 {
			v += ValueMax / 2 // some above the range
		}
		both.Record(v)
		if i%2 == 0 {
			a.Record(v)
		} else {
			b.Record(v)
		}
	}
	both.Censor()
	b.Censor()
	before := b.Clone()
	a.Merge(b)
	if *a != *both {
		t.Error("merged is not the same as recorded together")
	}
	if *b != *before {
		t.Error("merging changed the source")
	}
	a.Merge(New())
	if *a != *both {
		t.Error("merging an empty one changed something")
	}
	a.Reset()
	if *a != *New() {
		t.Error("reset left something behind")
	}
}

func TestExportRoundTrip(t *testing.T) {
	r := New()
	for _, v := range values(5000) {
		r.Record(v)
	}
	back, err := FromHistogram(r.Histogram())
	if err != nil {
		t.Fatal(err)
	}
	if back.counts != r.counts || back.Count() != r.Count() {
		t.Error("the counters differ after export and import")
	}
	total := int64(0)
	for b := range r.Buckets {
		if b.Low > b.High || b.Count <= 0 {
			t.Fatalf("bucket %+v", b)
		}
		total += b.Count
	}
	if total != r.Count() {
		t.Errorf("buckets hold %d, want %d", total, r.Count())
	}
	for _, other := range []*hdrhistogram.Histogram{hdrhistogram.New(1, ValueMax, 2), hdrhistogram.New(1, 1000, 3)} {
		if _, err := FromHistogram(other); err == nil {
			t.Error("another geometry was accepted")
		}
	}
}

func TestExchange(t *testing.T) {
	x := NewExchange(New(), New())
	x.Active().Record(1)
	if !x.Swap() {
		t.Fatal("no spare at the start")
	}
	x.Active().Record(2)
	if x.Swap() {
		t.Fatal("swapped without a spare")
	}
	x.Active().Record(3) // the interval goes on in the same recorder
	full := <-x.Full()
	if full.Count() != 1 || full.Max() != 1 {
		t.Errorf("first interval: %d values up to %d", full.Count(), full.Max())
	}
	full.Reset()
	x.Return(full)
	x.MustSwap()
	if full = <-x.Full(); full.Count() != 2 || full.Max() != 3 {
		t.Errorf("second interval: %d values up to %d", full.Count(), full.Max())
	}
}

// TestExchangeConcurrent: nothing is lost between a worker and a reader, and
// the race detector agrees.
func TestExchangeConcurrent(t *testing.T) {
	const n, each = 200, 50
	x := NewExchange(New(), New(), New())
	go func() {
		for i := range n * each {
			x.Active().Record(int64(i))
			if i%each == 0 {
				x.Swap()
			}
		}
		x.MustSwap()
		close(x.full)
	}()
	total := New()
	for r := range x.Full() {
		total.Merge(r)
		r.Reset()
		x.Return(r)
	}
	if total.Count() != n*each {
		t.Errorf("%d of %d values arrived", total.Count(), n*each)
	}
}

func BenchmarkRecord(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	vs := make([]int64, 4096)
	for i := range vs {
		vs[i] = int64(50e3 * (1 + rng.ExpFloat64()))
	}
	r := New()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Record(vs[i&4095])
	}
}

func BenchmarkMergeReset(b *testing.B) {
	from, to := New(), New()
	for _, v := range values(100_000) {
		from.Record(v)
	}
	b.ReportAllocs()
	for b.Loop() {
		to.Merge(from)
		to.Reset()
	}
}
