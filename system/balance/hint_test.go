package balance

import (
	"testing"
	"time"
)

// hinted is a balancer of five hosts, with a minute of good calls behind it.
func hinted(t *testing.T, text string) *world {
	w := newWorld(t, text, 5)
	w.gap = 50 * time.Millisecond
	w.run(time.Minute)
	w.forget()
	return w
}

// suspected gives a hint of each host, then a tick.
func (w *world) suspected(of uint32, by ...uint32) {
	for i, n := range by {
		w.b.Hint(w.now, addr(i+1), n, of)
	}
	w.took(w.b.Tick(w.now))
}

// Two other agents and one failure of one's own are three.
func TestHintCountsLikeFailures(t *testing.T) {
	for _, c := range []struct {
		by, of uint32
		out    bool
	}{{0, 19, false}, {1, 19, false}, {2, 19, true}, {19, 19, true}, {1, 2, true}} {
		w := hinted(t, "algorithm=rr")
		w.b.Pick(w.now, Ask{})
		w.took(w.b.Report(w.now, Result{Host: addr(1), Outcome: Hard, Latency: time.Millisecond}))
		if s := w.state(1); !s.Suspect || s.State.Out() {
			t.Fatalf("after one failure: %+v", s)
		}
		w.suspected(c.of, c.by)
		if out := w.state(1).State.Out(); out != c.out {
			t.Errorf("%d of %d: out %v", c.by, c.of, out)
		}
	}
}

// Who suspects everything says nothing, and a hint alone is no order.
func TestHintsAreNoOrders(t *testing.T) {
	w := hinted(t, "")
	w.serve = func(int, uint32) Result {
		if w.rnd.float() < 0.01 {
			return refused
		}
		return well
	}
	for range 60 {
		w.suspected(9, 6, 6, 6, 6, 6)
		w.run(time.Second)
	}
	for h := 1; h <= 5; h++ {
		if s := w.state(h); s.Ejections > 0 || w.share(h) < 0.15 {
			t.Errorf("all suspected alike: host %d has %.3f of the calls, %d ejections", h, w.share(h), s.Ejections)
		}
	}
	w = hinted(t, "")
	for range 60 {
		w.suspected(9, 9)
		w.run(time.Second)
	}
	if s := w.state(1); s.Ejections > 0 {
		t.Errorf("a hint alone ejected a host: %+v", s)
	}
}

// A doubtful host gets calls when the others are full, and again when nobody
// suspects it, or has not said so for long.
func TestDoubtIsSmallAndAges(t *testing.T) {
	for _, algorithm := range []string{"ewma", "p2c", "leastreq", "prequal"} {
		w := hinted(t, "algorithm="+algorithm)
		w.suspected(9, 9)
		w.run(5 * time.Second)
		if s := w.share(1); s > 0.02 {
			t.Errorf("%s: %.3f of the calls go to a doubtful host", algorithm, s)
		}
		w.forget()
		w.gap = 100 * time.Microsecond // 40 calls in flight for each host
		w.run(time.Second)
		if s := w.share(1); s < 0.05 || s > 0.19 {
			t.Errorf("%s, busy: %.3f", algorithm, s)
		}
		w.gap = 50 * time.Millisecond
		w.suspected(9, 0)
		w.forget()
		w.run(30 * time.Second)
		if s := w.share(1); s < 0.15 {
			t.Errorf("%s, nobody suspects it any more: %.3f", algorithm, s)
		}
		w.suspected(9, 9)
		w.run(20 * time.Second) // the hint is old after 15
		w.forget()
		w.run(30 * time.Second)
		if s := w.share(1); s < 0.15 {
			t.Errorf("%s, an old hint: %.3f", algorithm, s)
		}
	}
}

// A suspicion that nothing renews ends.
func TestSuspicionAges(t *testing.T) {
	w := hinted(t, "")
	w.took(w.b.Report(w.now, Result{Host: addr(1), Outcome: Hard, Latency: time.Millisecond}))
	w.b.Tick(w.now + 10*time.Second)
	if !w.state(1).Suspect {
		t.Error("ended within ten seconds")
	}
	w.b.Tick(w.now + 20*time.Second)
	if w.state(1).Suspect {
		t.Error("still there after twenty")
	}
}

// Settings say who heeds hints, and who does gives some.
func TestWhoHeedsHints(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "algorithm=chash": true, "hint_ttl=off": false, "outlier=off": false, "algorithm=classic": false, "algorithm=elb": false,
	} {
		s, err := ParseSettings(text)
		w := newWorld(t, text, 2)
		w.b.Report(w.now, Result{Host: addr(1), Outcome: Hard, Latency: time.Millisecond})
		took, gave := w.b.Hint(w.now, addr(2), 1, 1), w.state(1).Suspect
		w.took(w.b.Tick(w.now))
		if err != nil || s.Hints() != want || took != want || gave != want || w.state(2).Doubtful != want {
			t.Errorf("%q: %v, takes %v, gives %v, doubtful %v", text, s.Hints(), took, gave, w.state(2).Doubtful)
		}
	}
}
