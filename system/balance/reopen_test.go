package balance

import (
	"slices"
	"testing"
	"time"
)

// In an incident somebody sets one number: hosts that are out stay so.
func TestReopenKeepsWhatIsKnown(t *testing.T) {
	for _, x := range []struct {
		before, after string
		want          State         // of the host that is out
		max           time.Duration // of what is left of its time
		anew          bool
	}{
		{"base=100s", "base=100s probe_every=20", Overloaded, 110 * time.Second, false},
		{"base=100s", "base=1s", Overloaded, 110 * time.Second, false},
		{"base=100s", "", Overloaded, 110 * time.Second, false},
		{"base=100s", "eject_max=7s", Overloaded, 7 * time.Second, false},
		{"algorithm=rr base=100s", "algorithm=chash base=100s", Overloaded, 110 * time.Second, false},
		{"algorithm=chash base=100s", "algorithm=chash bound=2", Overloaded, 110 * time.Second, false},
		{"algorithm=chash base=100s", "algorithm=prequal", Overloaded, 110 * time.Second, false},
		{"algorithm=prequal base=100s", "algorithm=wrandom consecutive=9", Overloaded, 110 * time.Second, false},
		{"base=100s", "outlier=off", Warming, 0, false},
		{"base=100s", "outlier=off slow_start=off", Idle, 0, false},
		{"base=100s", "hosts_max=9", Idle, 0, true},
		{"base=100s", "algorithm=classic", Idle, 0, true},
		{"algorithm=elb", "base=100s", Idle, 0, true},
		{"algorithm=classic", "algorithm=classic probe_num=9", Idle, 0, true},
	} {
		w := newWorld(t, x.before, 10)
		w.serve = func(h int, _ uint32) Result {
			if h == 3 {
				return refused
			}
			return well
		}
		w.run(20 * time.Second)
		was := w.state(3)
		if !was.State.Out() || was.Ejections == 0 {
			t.Fatalf("%q: host is not out: %+v", x.before, was)
		}
		s, err := ParseSettings(x.after)
		if err != nil {
			t.Fatal(err)
		}
		good := w.state(4)
		if w.b, err = Reopen(w.now, w.b, s, 8); err != nil {
			t.Fatal(err)
		}
		w.took(w.b.Update(w.now, w.hosts))
		is := w.state(3)
		if is.State != x.want || (is.Ejections == 0) != x.anew || (is.Succ+is.Err == 0) != x.anew {
			t.Errorf("%q, then %q: %+v, was %+v", x.before, x.after, is, was)
		}
		if is.State == Overloaded && (is.Until > w.now+x.max || is.Until <= w.now || is.Ejections != was.Ejections ||
			is.EjectedAt != was.EjectedAt || is.EjectedWhy != was.EjectedWhy || is.Since != was.Since) {
			t.Errorf("%q, then %q at %v: %+v, was %+v", x.before, x.after, w.now, is, was)
		}
		if now := w.state(4); !x.anew && now != good {
			t.Errorf("%q, then %q: a host in use: %+v, was %+v", x.before, x.after, now, good)
		}
		w.forget()
		w.run(4 * time.Second)
		if got := w.got[addr(3)]; x.want == Overloaded && got > 0 || x.want != Overloaded && got == 0 || w.got[addr(4)] == 0 {
			t.Errorf("%q, then %q: of %d calls, %d to the host that fails, %d to another", x.before, x.after, w.calls, got, w.got[addr(4)])
		}
	}
}

// A host is half-open as it was; settings that cannot be change nothing.
func TestReopenOfHalfOpenAndOfNothing(t *testing.T) {
	w := newWorld(t, "base=1s jitter=off", 5)
	w.serve = func(h int, _ uint32) Result {
		if h == 3 {
			return refused
		}
		return well
	}
	for w.state(3).State != HalfOpen {
		w.run(100 * time.Millisecond)
	}
	if _, err := Reopen(w.now, w.b, Settings{Algorithm: "fastest"}, 8); err == nil {
		t.Error("settings without meaning are taken")
	}
	if got := w.state(3); got.State != HalfOpen {
		t.Errorf("after them: %+v", got)
	}
	var err error
	if w.b, err = Reopen(w.now, w.b, Settings{Successes: 1, Algorithm: "rr"}, 8); err != nil {
		t.Fatal(err)
	}
	if got := w.state(3); got.State != HalfOpen {
		t.Errorf("with other settings: %+v", got)
	}
	for i := range w.pending {
		w.pending[i].Outcome = OK // the call that is to find out
	}
	w.serve = func(int, uint32) Result { return well }
	w.forget()
	w.run(5 * time.Second)
	back := slices.IndexFunc(w.changes, func(x Change) bool { return x.Host == addr(3) && x.To == Warming && x.Why == SuccessStreak })
	if back < 0 {
		t.Errorf("one success is enough now: %+v", w.changes)
	}
	if b, err := Reopen(0, nil, Settings{}, 8); err != nil || b.Len() != 0 {
		t.Errorf("of nothing: %v, %v", b, err)
	}
}

// What is set is in force at once: another algorithm, weights, no slow start.
func TestReopenTakesEffect(t *testing.T) {
	hosts := addrs(1, 4)
	hosts[0].Weight = 5
	b := open(t, Settings{Algorithm: "rr"}, hosts)
	hosts = append(hosts, addrs(5, 5)...)
	b.Update(time.Second, hosts)
	now := 2 * time.Second
	reopen := func(text string) {
		t.Helper()
		s, err := ParseSettings(text)
		if err != nil {
			t.Fatal(err)
		}
		if b, err = Reopen(now, b, s, 1); err != nil {
			t.Fatal(err)
		}
		b.Update(now, hosts)
	}
	state := func(n int) State { return (&world{t: t, b: b}).state(n).State }
	picks := func(key uint64, n int) map[int]int {
		got := map[int]int{}
		for range n {
			now += time.Millisecond
			c := b.Pick(now, Ask{Key: key})
			b.Report(now, Result{Host: c.Host})
			got[int(c.Host.IP&0xff)]++
		}
		return got
	}
	if state(5) != Warming {
		t.Fatalf("a host that came is %v", state(5))
	}
	reopen("algorithm=wrr slow_start=off")
	b.Tick(now)
	if state(5) != Idle {
		t.Errorf("without slow start it is %v", state(5))
	}
	if got := picks(0, 90); got[1] != 50 || got[5] != 10 {
		t.Errorf("weights of 5 and 1 in 9: %v", got)
	}
	reopen("algorithm=chash bound=off")
	for key := range uint64(5) {
		if got := picks(key+1, 20); len(got) != 1 {
			t.Errorf("key %d meets hosts %v", key+1, got)
		}
	}
	reopen("algorithm=rr")
	if got := picks(7, 50); got[1] != 10 || got[4] != 10 {
		t.Errorf("in turn: %v", got)
	}
}
