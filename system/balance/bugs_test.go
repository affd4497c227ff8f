package balance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lars/system/route"
)

// Each test here is named after a bug of the original that must not come back;
// the letters are those of its catalogue in ARCHITECTURE.md.

func addr(n int) route.Host {
	return route.Host{IP: 0x0A000000 + uint32(n), Port: 80}
}

func addrs(from, to int) []Host {
	var list []Host
	for n := from; n <= to; n++ {
		list = append(list, Host{Host: addr(n)})
	}
	return list
}

func newLars(t testing.TB, cfg Config, list []Host) *classic {
	t.Helper()
	b := newClassic(cfg)
	b.Update(0, list)
	return b
}

func outcome(failed bool) Outcome {
	if failed {
		return Soft
	}
	return OK
}

// fail reports n errors of host h in a row.
func fail(b Balancer, now time.Duration, h route.Host, n int) (last Effects) {
	for range n {
		last = b.Report(now, Result{Host: h, Outcome: Soft})
	}
	return last
}

// B3: the original asserts that a module without hosts is being pulled, and
// dies when it is not. Here a module without hosts is an answer like others.
func TestB3EmptyModuleIsAnAnswer(t *testing.T) {
	b := newLars(t, Config{}, nil)
	for range 20 {
		if c := b.Pick(0, Ask{}); c != (Choice{}) {
			t.Fatalf("picked %+v from nothing", c)
		}
	}
	b.Update(0, addrs(1, 1))
	fail(b, 0, addr(1), 15)
	b.Update(0, nil)
	if c := b.Pick(0, Ask{}); c.Verdict != NoHost || b.Len() != 0 {
		t.Errorf("%+v from an emptied module of %d hosts", c, b.Len())
	}
}

// B7: the original frees a host that left the route but keeps its address, so
// reports for it write into freed memory and bring it back into a list.
func TestB7RemovedHostIsGone(t *testing.T) {
	b := newLars(t, Config{}, addrs(1, 3))
	fail(b, 0, addr(3), 15) // one of the two goes from each list
	b.Update(0, addrs(1, 1))
	for _, gone := range addrs(2, 3) {
		for range 40 {
			if e := b.Report(0, Result{Host: gone.Host, Outcome: Soft}); !e.Unknown || len(e.Changes) != 0 {
				t.Fatalf("a report for %v, which is gone: %+v", gone, e)
			}
		}
	}
	for range 30 {
		if c := b.Pick(0, Ask{}); c.Host != addr(1) || c.Probe {
			t.Fatalf("picked %+v, want the one host left", c)
		}
	}
	if s := b.AppendStates(nil); len(s) != 1 || b.Len() != 1 {
		t.Errorf("states %+v", s)
	}
	if e := b.Update(5, addrs(1, 2)); len(e.Changes) != 1 || e.Changes[0].Host != addr(2) {
		t.Errorf("its return: %+v", e)
	}
	if s := b.AppendStates(nil); s[1].RateErr != 0 || s[1].Since != 5 {
		t.Errorf("it came back with its past: %+v", s[1])
	}
}

// B8: the original does not set a new host's window, so its first report ends
// one that began in 1970: a first success is lost, a first error overloads.
func TestB8FirstReportEndsNoWindow(t *testing.T) {
	start := 400 * 24 * time.Hour // as far from the clock's origin as you like
	b := newClassic(Config{})
	b.Update(start, addrs(1, 3))
	for _, h := range addrs(1, 3) {
		if e := b.Report(start, Result{Host: h.Host, Outcome: Soft}); len(e.Changes) != 0 {
			t.Errorf("a first error moved %v: %+v", h, e)
		}
	}
	b.Report(start, Result{Host: addr(1)})
	if s := b.AppendStates(nil)[0]; s.Succ != 1 || s.Err != 1 || s.Window != start {
		t.Errorf("counts are lost: %+v", s)
	}
}

// B8 again: the original does not set the count of picks between probes, so
// the first probe comes at a random time.
func TestB8ProbeCountBeginsAtZero(t *testing.T) {
	b := newLars(t, Config{}, addrs(1, 2))
	fail(b, 0, addr(2), 15)
	for n := 1; n <= 11; n++ {
		if c := b.Pick(0, Ask{}); c.Probe != (n == 11) {
			t.Errorf("pick %d: %+v", n, c)
		}
	}
}

// The published chapter of the tutorial picks twice when a host is overloaded:
// every other idle host is passed over, and the probe's result is thrown away.
func TestSeedPickIsNotDoubled(t *testing.T) {
	b := newLars(t, Config{}, addrs(1, 5))
	fail(b, 0, addr(5), 15)
	want := []int{1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 5, 3, 4}
	for n, h := range want {
		if c := b.Pick(0, Ask{}); c.Host != addr(h) || c.Probe != (h == 5) {
			t.Errorf("pick %d: %+v, want %v", n+1, c, addr(h))
		}
	}
}

// F10: the original's clock may jump. Ours is monotonic by contract; should a
// caller break it, a step back closes no window and frees no host.
func TestF10ClockStepsBack(t *testing.T) {
	b := newLars(t, Config{}, nil)
	b.Update(time.Hour, addrs(1, 2))
	fail(b, time.Hour, addr(2), 15)
	if e := b.Report(0, Result{Host: addr(2), Outcome: Soft}); len(e.Changes) != 0 {
		t.Errorf("a step back moved the host: %+v", e)
	}
	if e := b.Report(0, Result{Host: addr(1), Outcome: Soft}); len(e.Changes) != 0 {
		t.Errorf("a step back ended the window: %+v", e)
	}
	if e := b.Report(time.Hour+15*time.Second, Result{Host: addr(2), Outcome: Soft}); len(e.Changes) != 1 {
		t.Errorf("the timeout is lost: %+v", e)
	}
}

// The original commits figures that its windows reset. Here a balancer's
// counters are readable, but nothing reads them away: they are its own.
func TestReadingStatesChangesNothing(t *testing.T) {
	b := newLars(t, Config{}, addrs(1, 2))
	fail(b, 0, addr(1), 3)
	first := fmt.Sprint(b.AppendStates(nil))
	if again := fmt.Sprint(b.AppendStates(nil)); again != first {
		t.Errorf("%s became %s", first, again)
	}
}

func TestConfigRefuses(t *testing.T) {
	nan := float32(0)
	nan /= nan
	for name, c := range map[string]Config{
		"probe_num":         {ProbeNum: -1},
		"init_succ_cnt":     {InitSuccCnt: 1 << 31},
		"init_err_cnt":      {InitErrCnt: -5},
		"contin_err_limit":  {ContinErrLimit: -1},
		"contin_succ_limit": {ContinSuccLimit: -1},
		"hosts_max":         {HostsMax: -1},
		"err_rate":          {ErrRate: 1.5},
		"succ_rate":         {SuccRate: -0.1},
		"window_err_rate":   {WindowErrRate: nan},
		"idle_timeout":      {IdleTimeout: 2 * time.Hour},
		"overload_timeout":  {OverloadTimeout: -1},
	} {
		if _, err := Open(Settings{Classic: c}, 1); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %+v: %v", name, c, err)
		}
	}
}
