package timer

import (
	"slices"
	"testing"
	"time"
)

func TestOrderAndCancel(t *testing.T) {
	var q Queue
	var ran []string
	add := func(at time.Duration, name string) *Timer {
		return q.Add(at, func() { ran = append(ran, name) })
	}
	add(5, "e")
	add(1, "a1")
	b := add(2, "b")
	add(1, "a2")
	add(3, "c")
	q.Cancel(b)
	q.Cancel(b)
	if at, ok := q.Next(); !ok || at != 1 {
		t.Fatalf("Next = %v, %v", at, ok)
	}
	for f := q.PopDue(3); f != nil; f = q.PopDue(3) {
		f()
	}
	if want := []string{"a1", "a2", "c"}; !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	if q.Len() != 1 {
		t.Errorf("%d left, want 1", q.Len())
	}
	if at, ok := q.Next(); !ok || at != 5 {
		t.Errorf("Next = %v, %v; want 5", at, ok)
	}
}

func TestCancelAfterRun(t *testing.T) {
	var q Queue
	a := q.Add(1, func() {})
	q.Add(2, func() {})
	q.PopDue(1)()
	q.Cancel(a)
	if q.Len() != 1 {
		t.Errorf("cancelling a timer that ran removed another")
	}
}

func BenchmarkAddPop(b *testing.B) {
	var q Queue
	f := func() {}
	for i := range 1000 {
		q.Add(time.Duration(i), f)
	}
	b.ReportAllocs()
	var now time.Duration = 1000
	for b.Loop() {
		now++
		q.Add(now, f)
		q.PopDue(now)
	}
}
