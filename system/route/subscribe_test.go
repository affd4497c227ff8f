package route

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"
)

// B2: the original's dns walks its list of pushes while erasing from it, and
// dies at the first change. Each subscriber is told once, nobody else.
func TestB2PushGoesToSubscribersOnce(t *testing.T) {
	s := NewSubscriptions[int](SubscriptionLimits{})
	for _, e := range [][2]int{{1, 10}, {1, 11}, {2, 10}, {3, 12}, {1, 10}} {
		if err := s.Subscribe(e[0], mod(e[1])); err != nil {
			t.Fatal(err)
		}
	}
	if s.Len() != 4 {
		t.Errorf("%d subscriptions, want 4: the last one was there", s.Len())
	}
	woken := s.Mark([]Module{mod(10), mod(11), mod(10), mod(99)})
	if slices.Sort(woken); !slices.Equal(woken, []int{1, 2}) {
		t.Errorf("woken %v, want 1 and 2 once each", woken)
	}
	if again := s.Mark([]Module{mod(10)}); len(again) != 0 {
		t.Errorf("a second change before the push woke %v", again)
	}
	for c, want := range map[int][]Module{1: {mod(10), mod(11)}, 2: {mod(10)}, 3: nil, 4: nil} {
		var got []Module
		for m, ok := s.Next(c); ok; m, ok = s.Next(c) {
			got = append(got, m)
		}
		if !slices.Equal(got, want) {
			t.Errorf("connection %d is told of %v, want %v", c, got, want)
		}
	}
	if woken := s.Mark([]Module{mod(10)}); len(woken) != 2 {
		t.Errorf("after the push a change wakes %v", woken)
	}
}

// In the original a new connection may get the pushes of a closed one.
func TestClosedConnectionIsToldNothing(t *testing.T) {
	s := NewSubscriptions[int](SubscriptionLimits{})
	for n := range 100 {
		if err := s.Subscribe(1, mod(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Subscribe(2, mod(5)); err != nil {
		t.Fatal(err)
	}
	s.Mark([]Module{mod(5)})
	if n := s.Close(1); n != 100 || s.Len() != 1 {
		t.Errorf("closed %d, left %d", n, s.Len())
	}
	if m, ok := s.Next(1); ok {
		t.Errorf("a closed connection is told of %v", m)
	}
	if m, ok := s.Next(2); !ok || m != mod(5) {
		t.Errorf("the other lost its push: %v %v", m, ok)
	}
	if n := s.Close(1); n != 0 {
		t.Errorf("closing again found %d", n)
	}
	if !s.Unsubscribe(2, mod(5)) || s.Unsubscribe(2, mod(5)) || s.Unsubscribe(3, mod(5)) {
		t.Error("Unsubscribe")
	}
	if len(s.conns.at)+len(s.mods.at)+len(s.find) != 0 {
		t.Error("something is left of them")
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	s := NewSubscriptions[string](SubscriptionLimits{PerConnMax: 2, TotalMax: 3})
	for _, c := range []struct {
		conn string
		mod  int
		want error
	}{
		{"a", 1, nil},
		{"a", 2, nil},
		{"a", 3, ErrSubscriptions},
		{"a", 2, nil},
		{"b", 1, nil},
		{"b", 9, ErrSubscriptions},
		{"c", 8, ErrSubscriptions},
		{"b", 1, nil},
	} {
		if err := s.Subscribe(c.conn, mod(c.mod)); !errors.Is(err, c.want) {
			t.Errorf("%s to %v: %v, want %v", c.conn, mod(c.mod), err, c.want)
		}
	}
	if s.Len() != 3 || len(s.conns.at) != 2 || len(s.mods.at) != 2 {
		t.Errorf("refusals left traces: %d, %v, %v", s.Len(), s.conns.at, s.mods.at)
	}
}

func TestShed(t *testing.T) {
	s := NewSubscriptions[string](SubscriptionLimits{})
	even := func(m Module) bool { return m.ModID%2 == 1 } // of mod(n) with an even n
	if s.Shed("a", even) {
		t.Error("of nobody")
	}
	for n := range 2*shedLooks + 4 { // odd ones first, then four even ones
		n = 2*n + 1
		if n > 4*shedLooks {
			n++
		}
		if err := s.Subscribe("a", mod(n)); err != nil {
			t.Fatal(err)
		}
	}
	before := s.Len()
	sheds := 0
	for range 10 {
		if s.Shed("a", even) {
			sheds++
		}
	}
	if sheds != 4 || s.Len() != before-4 {
		t.Errorf("%d shed, %d of %d left, want the four even ones gone", sheds, s.Len(), before)
	}
	if err := s.Subscribe("b", mod(2)); err != nil {
		t.Fatal(err)
	}
	s.Mark([]Module{mod(2)})
	if s.Shed("b", even) {
		t.Error("what was marked is gone")
	}
	if _, ok := s.Next("b"); !ok || !s.Shed("b", even) || s.Len() != before-4 {
		t.Error("the last of a connection stays")
	}
}

// 1,000,000 subscriptions: 10,000 connections with 100 modules each.
func TestBytesPerSubscription(t *testing.T) {
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	s := NewSubscriptions[int](SubscriptionLimits{})
	for c := range 10_000 {
		for n := range 100 {
			if err := s.Subscribe(c, mod(c+n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	per := float64(used()-before) / float64(s.Len())
	t.Logf("%.0f bytes per subscription", per)
	if per > 120 {
		t.Errorf("%.0f bytes per subscription", per)
	}
	runtime.KeepAlive(s)
}

// Any operations give what a map of maps gives.
func FuzzSubscriptions(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x43\x80\xc0\x40\x00\x81"))
	seed := make([]byte, 200)
	for i := range seed {
		seed[i] = byte(i * i * 7)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, ops []byte) {
		s := NewSubscriptions[int](SubscriptionLimits{})
		want := map[int]map[Module]bool{} // true: marked
		for _, op := range ops {
			c, m := int(op>>3&7), mod(int(op&7))
			switch op >> 6 {
			case 0:
				if s.Subscribe(c, m) != nil {
					t.Fatal("refused")
				}
				if want[c] == nil {
					want[c] = map[Module]bool{}
				}
				if _, ok := want[c][m]; !ok {
					want[c][m] = false
				}
			case 1:
				woken := map[int]bool{}
				for c, mods := range want {
					if _, ok := mods[m]; ok {
						woken[c] = !slices.Contains(slices.Collect(maps.Values(mods)), true)
						mods[m] = true
					}
				}
				maps.DeleteFunc(woken, func(_ int, first bool) bool { return !first })
				got := s.Mark([]Module{m, m})
				if slices.Sort(got); fmt.Sprint(got) != fmt.Sprint(slices.Sorted(maps.Keys(woken))) {
					t.Fatalf("woken %v, want %v", got, woken)
				}
			case 2:
				m, ok := s.Next(c)
				if ok != slices.Contains(slices.Collect(maps.Values(want[c])), true) || (ok && !want[c][m]) {
					t.Fatalf("next of %d: %v %v of %v", c, m, ok, want[c])
				}
				if ok {
					want[c][m] = false
				}
			case 3:
				if op&1 == 0 {
					_, ok := want[c][m]
					if s.Unsubscribe(c, m) != ok {
						t.Fatal("unsubscribe")
					}
					delete(want[c], m)
				} else {
					if s.Close(c) != len(want[c]) {
						t.Fatal("close")
					}
					delete(want, c)
				}
			}
			n := 0
			for _, mods := range want {
				n += len(mods)
			}
			if s.Len() != n {
				t.Fatalf("%d subscriptions, want %d", s.Len(), n)
			}
		}
	})
}

func BenchmarkMark10kSubscribers(b *testing.B) {
	s := NewSubscriptions[int](SubscriptionLimits{})
	for c := range 10_000 {
		if err := s.Subscribe(c, mod(1)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range s.Mark([]Module{mod(1)}) {
			s.Next(c)
		}
	}
}
