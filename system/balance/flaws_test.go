package balance

import (
	"math"
	"testing"
	"time"

	"lars/system/route"
)

// The flaws of the original, F1 to F12, each as it shows with classic (or elb)
// and not with the default policy; and what the default policy promises
// besides. Hosts here are functions of the time, calls end at once or after a
// given latency; queues and many agents are for the simulator.

// world is a balancer and the hosts that it balances.
type world struct {
	t       *testing.T
	b       Balancer
	now     time.Duration
	gap     time.Duration // between calls
	hosts   []Host
	serve   func(h int, caller uint32) Result // of host addr(h); Host is filled in
	rnd     rng
	pending []Result
	at      []time.Duration

	calls, failed, refused int
	got                    map[route.Host]int
	changes                []Change
}

func newWorld(t *testing.T, text string, hosts int) *world {
	t.Helper()
	s, err := ParseSettings(text)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(s, 7)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, b: b, gap: 10 * time.Millisecond, hosts: addrs(1, hosts), rnd: 99, got: map[route.Host]int{}}
	w.serve = func(int, uint32) Result { return well }
	w.took(b.Update(0, w.hosts))
	return w
}

var (
	well    = Result{Latency: 20 * time.Millisecond}
	refused = Result{Outcome: Hard, Latency: time.Millisecond}
	failure = Result{Outcome: Soft, Latency: 20 * time.Millisecond}
)

func (w *world) took(e Effects) { w.changes = append(w.changes, e.Changes...) }

// forget starts counting anew.
func (w *world) forget() {
	w.calls, w.failed, w.refused, w.changes = 0, 0, 0, nil
	w.got = map[route.Host]int{}
}

// run makes a call each gap for so long; callers take turns.
func (w *world) run(d time.Duration, callers ...uint32) {
	if len(callers) == 0 {
		callers = []uint32{0}
	}
	for end := w.now + d; w.now < end; {
		for len(w.at) > 0 && w.at[0] <= w.now {
			w.took(w.b.Report(w.at[0], w.pending[0]))
			w.at, w.pending = w.at[1:], w.pending[1:]
		}
		w.call(callers[w.calls%len(callers)])
		w.now += w.gap
		if w.now%time.Second < w.gap {
			w.took(w.b.Tick(w.now))
		}
	}
}

func (w *world) call(caller uint32) {
	w.calls++
	c := w.b.Pick(w.now, Ask{Key: w.rnd.next() | 1, Caller: caller})
	if c.Verdict != Picked {
		w.refused++
		return
	}
	w.got[c.Host]++
	r := w.serve(int(c.Host.IP&0xffff), caller)
	r.Host, r.Caller = c.Host, caller
	if r.Outcome != OK {
		w.failed++
	}
	end, n := w.now+r.Latency, len(w.at)
	for n > 0 && w.at[n-1] > end {
		n--
	}
	w.at = append(w.at[:n], append([]time.Duration{end}, w.at[n:]...)...)
	w.pending = append(w.pending[:n], append([]Result{r}, w.pending[n:]...)...)
}

// badly is the share of calls that failed or were not served.
func (w *world) badly() float64 { return float64(w.failed+w.refused) / float64(w.calls) }

// share is a host's part of the calls.
func (w *world) share(h int) float64 { return float64(w.got[addr(h)]) / float64(w.calls) }

func (w *world) ejections() (n int) {
	for _, c := range w.changes {
		if c.To == Overloaded {
			n++
		}
	}
	return n
}

func (w *world) state(h int) HostState {
	for _, s := range w.b.AppendStates(nil) {
		if s.Host.Host == addr(h) {
			return s
		}
	}
	w.t.Fatalf("host %d is gone", h)
	return HostState{}
}

// dead makes the hosts up to n refuse.
func dead(n int) func(int, uint32) Result {
	return func(h int, _ uint32) Result {
		if h <= n {
			return refused
		}
		return well
	}
}

// both runs a case with the original and with the default policy, and holds
// its figure against what each is to stay below, or reach.
func both(t *testing.T, classic string, f func(w *world) float64, hosts int, original, ours func(float64) bool) {
	t.Helper()
	for _, c := range []struct {
		settings string
		ok       func(float64) bool
	}{{classic, original}, {"", ours}} {
		if got := f(newWorld(t, c.settings, hosts)); !c.ok(got) {
			t.Errorf("%q: %.4f", c.settings, got)
		}
	}
}

func below(x float64) func(float64) bool   { return func(got float64) bool { return got < x } }
func atLeast(x float64) func(float64) bool { return func(got float64) bool { return got >= x } }

// F1: one call of eleven goes to a dead host as long as it is dead.
func TestF1ProbesAreFew(t *testing.T) {
	leak := func(w *world) float64 {
		w.serve = dead(1)
		w.run(50 * time.Second)
		return w.badly()
	}
	both(t, "algorithm=classic", leak, 10, atLeast(0.08), below(0.003))
	both(t, "algorithm=classic", leak, 50, atLeast(0.05), below(0.003))
}

// F2: when every host fails alike, taking hosts out helps nobody.
func TestF2BrownOutIsNotAmplified(t *testing.T) {
	for name, bad := range map[string]Result{"soft": failure, "hard": refused} {
		amplification := func(w *world) float64 {
			w.serve = func(int, uint32) Result {
				if w.rnd.float() < 0.3 {
					return bad
				}
				return well
			}
			w.run(60 * time.Second)
			return (1 - w.badly()) / 0.7
		}
		t.Run(name, func(t *testing.T) {
			both(t, "algorithm=classic", amplification, 10, below(0.95), atLeast(0.99))
			both(t, "algorithm=elb", amplification, 10, below(0.9), atLeast(0.99))
		})
	}
}

// F2 again: hosts that are out leave the others too few for the load.
func TestF2MostHostsStayInUse(t *testing.T) {
	w := newWorld(t, "", 10)
	w.gap = time.Millisecond
	w.serve = func(int, uint32) Result {
		if w.rnd.float() < 0.3 {
			return refused
		}
		return well
	}
	least := 10
	for range 120 {
		w.run(500 * time.Millisecond)
		n := 0
		for _, s := range w.b.AppendStates(nil) {
			if !s.State.Out() {
				n++
			}
		}
		least = min(least, n)
	}
	if least < 8 {
		t.Errorf("at times %d of 10 equal hosts were in use", least)
	}
}

// F3: a host that is slow and fails never is not seen.
func TestF3SlowHostIsAvoided(t *testing.T) {
	slow := func(w *world) float64 {
		w.gap = 5 * time.Millisecond
		w.serve = func(h int, _ uint32) Result {
			if h == 1 {
				return Result{Latency: 400 * time.Millisecond}
			}
			return well
		}
		w.run(60 * time.Second)
		return w.share(1)
	}
	both(t, "algorithm=classic", slow, 11, atLeast(0.08), below(0.01))
}

// F4: hosts are not equal. Weights say so, latencies and calls in flight show
// it.
func TestF4CapacityCounts(t *testing.T) {
	unequal := func(w *world) float64 {
		for i := range w.hosts {
			w.hosts[i].Weight = uint32(1 + i/4*2) // four of 1, four of 3
		}
		w.took(w.b.Update(0, w.hosts))
		w.run(60 * time.Second)
		return w.share(8) / w.share(1)
	}
	both(t, "algorithm=classic", unequal, 8, below(1.1), atLeast(2))
	slower := func(w *world) float64 {
		w.gap = 2 * time.Millisecond
		w.serve = func(h int, _ uint32) Result { return Result{Latency: time.Duration(20*(1+h%2)) * time.Millisecond} }
		w.run(30 * time.Second)
		return w.share(2) / w.share(1)
	}
	both(t, "algorithm=classic", slower, 6, below(1.1), atLeast(1.5))
}

// F5: a host that fails one call in five is never found.
func TestF5GrayHostIsFound(t *testing.T) {
	gray := func(w *world) float64 {
		w.serve = func(h int, _ uint32) Result {
			if h == 1 && w.rnd.float() < 0.2 {
				return failure
			}
			return well
		}
		w.run(4 * time.Minute)
		return float64(w.ejections())
	}
	both(t, "algorithm=classic", gray, 20, below(1), atLeast(1))
}

// F6: with few calls, a single error is a bad window.
func TestF6OneErrorIsNotEnough(t *testing.T) {
	once := func(w *world) float64 {
		w.gap = 4 * time.Second // 16 s for each host
		w.run(2 * time.Minute)
		hit := false
		w.serve = func(h int, _ uint32) Result {
			if h == 1 && !hit {
				hit = true
				return failure
			}
			return well
		}
		w.run(3 * time.Minute)
		return float64(w.ejections())
	}
	both(t, "algorithm=classic", once, 4, atLeast(1), below(1))
}

// F7: elb takes one slow failure for fifteen.
func TestF7OneTimeoutIsOne(t *testing.T) {
	once := func(w *world) float64 {
		w.run(5 * time.Second)
		w.took(w.b.Report(w.now, Result{Host: addr(1), Outcome: Hard, Latency: 1500 * time.Millisecond}))
		w.run(time.Second)
		return float64(w.ejections())
	}
	both(t, "algorithm=elb", once, 4, atLeast(1), below(1))
}

// F8: a dead host is taken back at full share every 15 s, to fail 15 calls; a
// recovered one gets its full share at once.
func TestF8ComesBackSlowly(t *testing.T) {
	failures := func(w *world) float64 {
		w.serve = dead(1)
		w.run(5 * time.Second)
		w.forget()
		w.run(2 * time.Minute)
		return float64(w.failed)
	}
	both(t, "algorithm=classic", failures, 10, atLeast(100), below(20))

	share := func(w *world) float64 {
		w.serve = dead(1)
		for !w.state(1).State.Out() {
			w.run(100 * time.Millisecond)
		}
		w.serve = dead(0)
		for w.state(1).State.Out() {
			w.run(100 * time.Millisecond)
		}
		w.forget()
		w.run(2 * time.Second)
		return w.share(1)
	}
	both(t, "algorithm=classic", share, 10, atLeast(0.09), below(0.05))
}

// F9: every agent begins at the head of the same list.
func TestF9AgentsBeginApart(t *testing.T) {
	most := func(settings Settings) int {
		first := map[route.Host]int{}
		for seed := range uint64(400) {
			b, _ := Open(settings, seed)
			b.Update(0, addrs(1, 20))
			first[b.Pick(0, Ask{}).Host]++
		}
		n := 0
		for _, k := range first {
			n = max(n, k)
		}
		return n
	}
	if n := most(Settings{Algorithm: "classic"}); n != 400 {
		t.Errorf("classic: %d of 400 begin alike", n)
	}
	each(func(name string, s Settings) {
		if n := most(s); s.Outlier != Default && n > 42 { // 20, and five deviations
			t.Errorf("%s: %d of 400 agents begin at one of 20 hosts", name, n)
		}
	})
}

// F10: a clock that steps. Time is monotonic by contract; should it step all
// the same, nothing is ejected or freed before it has caught up, and a step
// ahead frees no host without a call that goes well.
func TestF10ClockSteps(t *testing.T) {
	w := newWorld(t, "algorithm=p2c", 10)
	w.serve = dead(1)
	w.run(2 * time.Second)
	if !w.state(1).State.Out() {
		t.Fatal("not ejected")
	}
	w.at, w.pending = nil, nil
	w.now -= time.Second
	w.forget()
	w.run(2 * time.Second)
	if w.failed > 0 || !w.state(1).State.Out() {
		t.Errorf("a step back: %d calls failed, the host is %v", w.failed, w.state(1).State)
	}
	w.now += time.Hour
	w.forget()
	w.run(2 * time.Second)
	if w.failed > 2 || !w.state(1).State.Out() {
		t.Errorf("a step ahead: %d calls failed, the host is %v", w.failed, w.state(1).State)
	}
}

// F11: nothing is shared. A hint makes one failure enough; it is not an order.
func TestF11HintsCount(t *testing.T) {
	run := func(hint bool) *world {
		w := newWorld(t, "algorithm=rr", 5)
		w.gap = 200 * time.Millisecond
		w.run(time.Minute)
		w.forget()
		w.serve = dead(1)
		for w.ejections() == 0 {
			if hint {
				w.b.Hint(w.now, addr(1), 9, 10)
				w.b.Hint(w.now, addr(2), 10, 10) // of a host that is well
			}
			w.run(200 * time.Millisecond)
		}
		return w
	}
	with, without := run(true), run(false)
	if with.failed != 1 || without.failed < 3 {
		t.Errorf("ejected after %d failures with hints, %d without", with.failed, without.failed)
	}
	if s := with.state(2); s.Ejections != 0 {
		t.Errorf("a hint alone ejected a host: %+v", s)
	}
	if with.b.Hint(with.now, addr(99), 1, 1) || with.b.Hint(with.now, addr(3), 1, 0) || !with.b.Hint(with.now, addr(3), 1, 1) {
		t.Error("a hint of no host, or of nobody, was taken; or a good one was not")
	}
}

// F12: a host that is well again waits behind all that are dead.
func TestF12RecoveredHostIsFoundSoon(t *testing.T) {
	picks := func(w *world) float64 {
		w.serve = dead(6)
		w.run(20 * time.Second)
		w.serve = func(h int, _ uint32) Result {
			if h < 6 {
				return refused
			}
			return well
		}
		w.run(2 * time.Second) // of calls from before
		until := w.state(6).Until
		if until > w.now {
			w.run(until - w.now)
		}
		w.forget()
		for w.got[addr(6)] == 0 {
			w.run(w.gap)
		}
		return float64(w.calls)
	}
	if got := picks(newWorld(t, "", 10)); got > 60 {
		t.Errorf("%v picks until a recovered host of ten is tried", got)
	}
}

// Lesson a: a host that fails its probe is ejected again, caps or not. With
// six of ten dead the cap is reached and 90 % of calls failed.
func TestFailedProbeEjectsAgain(t *testing.T) {
	w := newWorld(t, "", 10)
	w.run(5 * time.Second)
	w.forget()
	w.serve = dead(6)
	w.run(60 * time.Second)
	if w.badly() > 0.03 {
		t.Errorf("%.3f of calls failed with six of ten dead", w.badly())
	}
	w = newWorld(t, "hard_cap=0.1 probe_every=1 jitter=off slow_start=off", 10)
	w.run(5 * time.Second)
	w.serve = dead(1)
	w.run(60 * time.Second)
	var again []Change
	for _, c := range w.changes {
		if c.Why == ProbeFailed {
			again = append(again, c)
		}
	}
	if len(again) < 3 {
		t.Fatalf("ejected again %d times at a cap of one host", len(again))
	}
	for i, c := range again {
		if d := c.Until - c.At; d != time.Duration(i+2)*5*time.Second {
			t.Errorf("ejection %d in succession took %v", i+2, d)
		}
	}
}

// The cap of hosts that answer with failures is half of them, of those that do
// not answer nine tenths, and one is always left.
func TestCaps(t *testing.T) {
	for hosts, want := range map[int][2]int{1: {0, 0}, 2: {1, 1}, 3: {1, 2}, 5: {2, 4}, 10: {5, 9}, 20: {10, 18}} {
		p := newWorld(t, "", hosts).b.(*pool)
		for kind, hard := range []bool{false, true} {
			n := 0
			for p.out = 0; p.room(&p.slots[0], hard); p.out++ {
				n++
			}
			if n != want[kind] {
				t.Errorf("%d of %d hosts may go out, hard %v; want %d", n, hosts, hard, want[kind])
			}
		}
	}
}

// All hosts dead: every call gets a host, and when one is well again the calls
// find it.
func TestFailOpen(t *testing.T) {
	w := newWorld(t, "", 5)
	w.run(5 * time.Second)
	w.serve = dead(5)
	w.run(30 * time.Second)
	w.forget()
	w.run(30 * time.Second)
	if w.refused > 0 {
		t.Errorf("%d calls got no host", w.refused)
	}
	for h := 1; h <= 5; h++ {
		if w.share(h) < 0.02 {
			t.Errorf("host %d got %.3f of the calls while all were dead", h, w.share(h))
		}
	}
	w.serve = dead(4)
	w.run(20 * time.Second)
	w.forget()
	w.run(20 * time.Second)
	if w.badly() > 0.05 {
		t.Errorf("%.3f of calls fail with one host well", w.badly())
	}
	w.serve = dead(0)
	w.run(6 * time.Minute)
	w.forget()
	w.run(time.Minute)
	for h := 1; h <= 5; h++ {
		if s := w.share(h); s < 0.15 || s > 0.25 {
			t.Errorf("long after, host %d gets %.3f", h, s)
		}
	}
}

// S17: one caller whose calls fail everywhere ejects nobody's hosts, in the
// company of others or alone.
func TestPoisonCaller(t *testing.T) {
	for name, callers := range map[string][]uint32{
		"mostly": {1, 1, 1, 1, 1, 1, 1, 1, 1, 2}, "half": {1, 2}, "one of five": {1, 2, 3, 4, 5}, "alone": {1},
	} {
		for _, algorithm := range []string{"ewma", "rr", "p2c"} {
			for kind, bad := range map[string]Result{"soft": failure, "hard": refused} {
				w := newWorld(t, "algorithm="+algorithm, 10)
				w.serve = func(_ int, caller uint32) Result {
					if caller == 1 {
						return bad
					}
					return well
				}
				w.run(2*time.Minute, callers...)
				if n := w.ejections(); n > 0 {
					t.Errorf("%s, %s, %s: %d ejections, first %+v", name, algorithm, kind, n, w.changes[len(w.hosts)])
				}
			}
		}
	}
}

// A caller that cannot reach one host alone does not take it from the others
// that can; when nobody else calls, its word is enough.
func TestTwoCallersAgree(t *testing.T) {
	run := func(callers ...uint32) int {
		w := newWorld(t, "algorithm=rr", 10)
		w.serve = func(h int, caller uint32) Result {
			if h == 1 && caller == 1 {
				return refused
			}
			return well
		}
		w.run(2*time.Minute, callers...)
		return w.ejections()
	}
	if n := run(1, 1, 1, 1, 1, 1, 1, 2, 2); n != 0 {
		t.Errorf("one caller ejected a host %d times that serves the other", n)
	}
	if run(1) == 0 {
		t.Error("the only caller ejected nothing")
	}
}

// With all callers told apart, a dead host is found as fast.
func TestManyCallersAgreeAtOnce(t *testing.T) {
	w := newWorld(t, "algorithm=rr", 10)
	callers := make([]uint32, 13)
	for i := range callers {
		callers[i] = uint32(i)
	}
	w.run(5*time.Second, callers...)
	w.forget()
	w.serve = dead(1)
	w.run(4*time.Second, callers...)
	if w.failed > 8 {
		t.Errorf("%d failures until a dead host is out", w.failed)
	}
}

// Draining takes effect with the next pick, and ends with it.
func TestDrainIsImmediate(t *testing.T) {
	each(func(name string, s Settings) {
		hosts := addrs(1, 3)
		b := open(t, s, hosts)
		for n := range 100 {
			b.Pick(0, Ask{Key: uint64(n)})
		}
		hosts[0].Draining = true
		b.Update(0, hosts)
		for n := range 100 {
			if c := b.Pick(0, Ask{Key: uint64(n)}); c.Host == addr(1) {
				t.Fatalf("%s: picked a host that drains", name)
			}
		}
		hosts[0].Draining = false
		b.Update(0, hosts)
		seen := false
		for n := range 100 {
			seen = seen || b.Pick(0, Ask{Key: uint64(n)}).Host == addr(1)
		}
		if !seen {
			t.Errorf("%s: a host that drains no more gets nothing", name)
		}
	})
}

// Calls stay in their zone while it has enough hosts, go over in part when it
// has not, and all of them when it has none.
func TestZones(t *testing.T) {
	for _, algorithm := range []string{"rr", "wrr", "random", "p2c", "leastreq", "ewma", "prequal"} {
		for _, c := range []struct {
			dead     int // of the six hosts of zone 1
			from, to float64
		}{{0, 1, 1}, {1, 1, 1}, {3, 0.67, 0.8}, {6, 0, 0}} {
			hosts := addrs(1, 18)
			for i := range hosts {
				hosts[i].Zone = uint16(1 + i/6)
				hosts[i].Draining = false
			}
			s, _ := ParseSettings("algorithm=" + algorithm + " slow_start=off")
			b := open(t, s, hosts)
			for i := range c.dead {
				for b.(*pool).slots[i].state != Overloaded {
					b.Report(0, Result{Host: hosts[i].Host, Outcome: Hard})
					for _, h := range hosts[6:] {
						b.Report(0, Result{Host: h.Host})
					}
				}
			}
			local, n := 0, 4000
			for k := range n {
				x := b.Pick(0, Ask{Zone: 1})
				if x.Host.IP&0xffff <= 6 {
					local++
				}
				b.Report(0, Result{Host: x.Host, Latency: time.Duration(10+k%3) * time.Millisecond})
			}
			if share := float64(local) / float64(n); share < c.from || share > c.to {
				t.Errorf("%s: %.3f of the calls stay with %d of 6 hosts dead", algorithm, share, c.dead)
			}
			if x := b.Pick(0, Ask{Zone: 9}); x.Verdict != Picked {
				t.Errorf("%s: no host for a zone without hosts", algorithm)
			}
		}
	}
}

// Consistent hashing: a key keeps its host; when a host leaves, only its keys
// move, when one comes, about its share does.
func TestKeysStay(t *testing.T) {
	const keys = 20000
	s := Settings{Algorithm: "chash", SlowStart: -1}
	where := func(b Balancer) []route.Host {
		at := make([]route.Host, keys+1)
		for k := 1; k <= keys; k++ {
			at[k] = b.Pick(0, Ask{Key: uint64(k)}).Host
			b.Report(0, Result{Host: at[k]})
		}
		return at
	}
	b := open(t, s, addrs(1, 20))
	before := where(b)
	if again := where(b); !equal(before, again) {
		t.Error("keys do not stay where they are")
	}
	b.Update(0, addrs(1, 19))
	moved := 0
	for k, h := range where(b) {
		if h != before[k] {
			if moved++; before[k] != addr(20) {
				t.Fatalf("key %d left %v, which stays", k, before[k])
			}
		}
	}
	if share := float64(moved) * 20 / keys; share < 0.6 || share > 1.5 {
		t.Errorf("%.2f of a host's share of keys moved", share)
	}
	b.Update(0, addrs(1, 20))
	if back := where(b); !equal(before, back) {
		t.Error("keys did not come back with their host")
	}
	// Another balancer agrees, whatever its seed and the order of the hosts.
	hosts := addrs(1, 20)
	hosts[0], hosts[13] = hosts[13], hosts[0]
	other, _ := Open(s, 4711)
	other.Update(0, hosts)
	if !equal(before, where(other)) {
		t.Error("two balancers disagree about keys")
	}
}

func equal(a, b []route.Host) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// One hot key does not load its host above the bound.
func TestBoundedLoads(t *testing.T) {
	b := open(t, Settings{Algorithm: "chash", SlowStart: -1}, addrs(1, 10))
	got := map[route.Host]int{}
	for n := 1; n <= 1000; n++ {
		c := b.Pick(0, Ask{Key: 5})
		got[c.Host]++
		if limit := int(math.Ceil(1.25 * float64(n) / 10)); got[c.Host] > limit {
			t.Fatalf("call %d: %d on one host, the bound is %d", n, got[c.Host], limit)
		}
	}
}

// Calls that are never reported are forgotten after twice the time.
func TestLostCallsAreForgotten(t *testing.T) {
	b := open(t, Settings{}, addrs(1, 2))
	for n := range 100 {
		b.Pick(time.Duration(n), Ask{})
	}
	b.Tick(11 * time.Second)
	b.Tick(17 * time.Second)
	for _, s := range b.AppendStates(nil) {
		if s.InFlight != 0 {
			t.Errorf("%d in flight", s.InFlight)
		}
	}
}

// Ejections tell why, when and for how long, and are forgiven in time.
func TestEjectionsTell(t *testing.T) {
	w := newWorld(t, "algorithm=p2c", 10)
	w.run(5 * time.Second)
	w.serve = dead(1)
	w.run(4 * time.Second)
	s := w.state(1)
	if s.State != Overloaded || s.Why != HardStreak || s.Ejections != 1 || s.EjectedAt < 5*time.Second || s.EjectedAt > 9*time.Second ||
		s.Until < s.EjectedAt+4500*time.Millisecond || s.Until > s.EjectedAt+5500*time.Millisecond || s.ErrStreak != 3 {
		t.Errorf("%+v", s)
	}
	w.serve = dead(0)
	w.run(30 * time.Second)
	if s := w.state(1); s.State != Idle || s.Ejections != 1 || s.EjectedWhy != HardStreak {
		t.Errorf("%+v", s)
	}
	if p := w.b.(*pool); p.slots[0].level != 1 {
		t.Errorf("succession of %d at once", p.slots[0].level)
	}
	w.run(40 * time.Second)
	if p := w.b.(*pool); p.slots[0].level != 0 {
		t.Errorf("succession of %d after 40 s in use", p.slots[0].level)
	}
}

func TestOutcomes(t *testing.T) {
	for code, want := range map[int32]Outcome{
		0: OK, 1: Soft, -1: Soft, 111: Soft, CodeRefused: Hard, CodeTimedOut: Hard, CodeReset: Hard, CodeNoRoute: Hard, CodeUnreachable: Hard, -1000: Soft,
	} {
		if got := OutcomeOf(code); got != want {
			t.Errorf("%d: %v, want %v", code, got, want)
		}
	}
}

func TestSurprise(t *testing.T) {
	for p := 1.0; p > 1e-9; p *= 0.83 {
		if got, want := float64(surprise(float32(p))), -math.Log2(p); math.Abs(got-want) > 0.09 {
			t.Errorf("%v: %v bits, want %v", p, got, want)
		}
	}
}

// Half-open hosts come back in a brown-out: what fails there fails everywhere.
func TestBrownOutKeepsNobodyOut(t *testing.T) {
	w := newWorld(t, "", 10)
	w.run(20 * time.Second)
	w.serve = dead(4)
	w.run(10 * time.Second)
	w.serve = func(int, uint32) Result {
		if w.rnd.float() < 0.5 {
			return refused
		}
		return well
	}
	w.run(2 * time.Minute)
	out := 0
	for _, s := range w.b.AppendStates(nil) {
		if s.State.Out() {
			out++
		}
	}
	if out > 2 {
		t.Errorf("%d of 10 equal hosts are out", out)
	}
}

// S7: a fault of all hosts alike is no reason to eject some of them, not even
// when it begins and what is known of the callers lags behind.
func TestNobodyIsWorseWhenAllFail(t *testing.T) {
	for _, share := range []float32{0.02, 0.15, 0.3} {
		n := 0
		for seed := range rng(5) {
			w := newWorld(t, "", 10)
			w.rnd += seed
			w.run(20 * time.Second)
			w.serve = func(int, uint32) Result {
				if w.rnd.float() < share {
					return failure
				}
				return well
			}
			w.run(time.Minute)
			n += w.ejections()
		}
		if n > 1 {
			t.Errorf("%d ejections in 50 host minutes with a share of failures of %v", n, share)
		}
	}
}
