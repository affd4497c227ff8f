package workload

import (
	"math"
	"testing"
	"time"
)

// The streams are part of every replay: these numbers never change.
func TestRandomIsForever(t *testing.T) {
	r := NewRandom(7, "golden")
	got := [4]uint64{r.Uint64(), uint64(r.Intn(1000)), uint64(r.exp(time.Second)), uint64(r.Between(0, time.Hour))}
	want := [4]uint64{0xe0debabf9d842fe2, 0x1f8, 0x604d03e0, 0x142e8987d68}
	if got != want {
		t.Errorf("%#v", got)
	}
	if NewRandom(7, "a").Uint64() == NewRandom(7, "b").Uint64() || NewRandom(1, "a").Uint64() == NewRandom(2, "a").Uint64() {
		t.Error("streams are alike")
	}
}

// calls counts those of an open loop in each second of a minute.
func calls(c Callers) (perSecond [60]int) {
	r := NewRandom(1, "calls")
	for at := c.Next(0, time.Minute, r); at < time.Minute; at = c.Next(at, time.Minute, r) {
		perSecond[at/time.Second]++
	}
	return perSecond
}

func sum(n []int) (all int) {
	for _, x := range n {
		all += x
	}
	return all
}

func TestArrivals(t *testing.T) {
	constant := calls(Callers{Arrivals: "constant", Rate: 100})
	for s, n := range constant {
		if n < 99 || n > 101 {
			t.Errorf("constant: %d calls in second %d", n, s)
		}
	}
	within := func(what string, n, want int) {
		t.Helper()
		if d := math.Abs(float64(n - want)); d > 4*math.Sqrt(float64(want))+1 { // of a Poisson process
			t.Errorf("%s: %d calls, want about %d", what, n, want)
		}
	}
	poisson := calls(Callers{Arrivals: "poisson", Rate: 100})
	within("poisson", sum(poisson[:]), 6000)
	steps := calls(Callers{Arrivals: "steps", Rate: 10, Steps: []Step{{20 * time.Second, 200}, {40 * time.Second, 0}}})
	within("first step", sum(steps[:20]), 200)
	within("second step", sum(steps[20:40]), 4000)
	within("third step", sum(steps[40:]), 0)
	wave := calls(Callers{Arrivals: "wave", Rate: 100, Low: 0.1, Period: time.Minute})
	if low, high := sum(wave[:5]), sum(wave[28:33]); low > high/3 {
		t.Errorf("wave: %d calls at the lowest, %d at the highest", low, high)
	}
}

func TestPopularity(t *testing.T) {
	r := NewRandom(1, "modules")
	m := Modules{Count: 3, Zipf: 1}
	p := m.Popularity()
	var n [3]int
	for range 11_000 {
		n[p.Pick(r)]++
	}
	for i, want := range []int{6000, 3000, 2000} {
		if d := n[i] - want; d < -300 || d > 300 {
			t.Errorf("module %d: %d picks, want about %d", i, n[i], want)
		}
	}
}

func TestHostQueues(t *testing.T) {
	spec := Hosts{Capacity: 2, Service: "constant", Mean: 10 * time.Millisecond, WaitMax: 15 * time.Millisecond}
	h, r := spec.NewHost(0), NewRandom(1, "host")
	for i, want := range []Outcome{
		{Served, 10 * time.Millisecond},
		{Served, 10 * time.Millisecond},
		{Served, 20 * time.Millisecond},
		{Served, 20 * time.Millisecond},
		{Refused, 0},
	} {
		if got := h.Call(0, r); got != want {
			t.Errorf("call %d: %+v, want %+v", i, got, want)
		}
	}
	if got := h.Call(20*time.Millisecond, r); got != (Outcome{Served, 10 * time.Millisecond}) {
		t.Errorf("after the queue: %+v", got)
	}
}

func TestHostFaults(t *testing.T) {
	spec := Hosts{Capacity: 1000, Service: "constant", Mean: time.Millisecond}
	r := NewRandom(1, "host")
	for _, c := range []struct {
		what string
		set  func(*Host)
		want Outcome
	}{
		{"none", func(*Host) {}, Outcome{Served, time.Millisecond}},
		{"down", func(h *Host) { h.Down = true }, Outcome{Result: Refused}},
		{"hung", func(h *Host) { h.Hung = true }, Outcome{Result: Silent}},
		{"slow", func(h *Host) { h.Slow = 7 }, Outcome{Served, 7 * time.Millisecond}},
		{"errors", func(h *Host) { h.Errors = 1 }, Outcome{Failed, time.Millisecond}},
		{"worn out", func(h *Host) { h.RefuseAll, h.Calls = 3, 3 }, Outcome{Result: Refused}},
	} {
		h := spec.NewHost(0)
		c.set(h)
		if got := h.Call(0, r); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
	h := spec.NewHost(0)
	h.RefuseAll, h.Calls = 3, 3
	h.Restart()
	if got := h.Call(0, r); got.Result != Served {
		t.Errorf("after a restart: %+v", got)
	}
}

// A host that is busier fails more, as its specification says.
func TestErrorsGrowWithLoad(t *testing.T) {
	spec := Hosts{Capacity: 100, Service: "constant", Mean: time.Second, ErrorsAt: 0.5, WaitMax: time.Second}
	r := NewRandom(1, "host")
	failed := [2]int{}
	for range 1000 {
		h := spec.NewHost(0)
		for i := range 100 {
			if h.Call(0, r).Result == Failed {
				failed[i/50]++
			}
		}
	}
	// Loads of 0 to 49 and of 50 to 99 %: a quarter of them on average, and three quarters, of 0.5.
	if failed[0] < 5500 || failed[0] > 7000 || failed[1] < 17500 || failed[1] > 19900 {
		t.Errorf("failed %v of 50,000 each", failed)
	}
}

func TestServiceTimesHaveTheirMean(t *testing.T) {
	for _, kind := range []string{"constant", "exponential", "lognormal"} {
		spec := Hosts{Capacity: 1, Service: kind, Mean: 10 * time.Millisecond, Sigma: 0.5}
		h, r := spec.NewHost(0), NewRandom(1, kind)
		var all time.Duration
		for range 20_000 {
			all += h.service(r)
		}
		if mean := all / 20_000; mean < 9700*time.Microsecond || mean > 10300*time.Microsecond {
			t.Errorf("%s: mean %v", kind, mean)
		}
	}
}

// What is due is what comes.
func TestDue(t *testing.T) {
	for _, c := range []Callers{
		{Count: 2, Arrivals: "constant", Rate: 20},
		{Count: 2, Arrivals: "poisson", Rate: 50},
		{Count: 2, Arrivals: "steps", Rate: 10, Steps: []Step{{10 * time.Second, 100}, {50 * time.Second, 0}}},
		{Count: 2, Arrivals: "wave", Rate: 50, Period: time.Minute, Low: 0.1},
	} {
		const from, to = 5 * time.Second, 95 * time.Second
		n, r := 0, NewRandom(1, c.Arrivals)
		for range c.Count {
			for at := c.Next(from, to, r); at < to; at = c.Next(at, to, r) {
				n++
			}
		}
		if due := c.Due(from, to); float64(n) < 0.95*due || float64(n) > 1.05*due {
			t.Errorf("%s: %d calls, %v were due", c.Arrivals, n, due)
		}
	}
	if due := (&Callers{Count: 2, Arrivals: "closed", Clients: 5, Think: time.Second, Patience: time.Second}).Due(0, 10*time.Second); due != 50 {
		t.Errorf("of a closed loop: %v", due)
	}
}
