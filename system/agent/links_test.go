package agent

import (
	"fmt"
	"testing"
	"time"

	"lars/reactor"
	"lars/system/route"
	"lars/system/wire"
)

func TestDNSFailsOverToItsOtherInstance(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		one, two := startDNS(t), startDNS(t)
		s := start(t, open(3), Config{DNS: Peer{Addrs: one.at + ", " + two.at}})
		c := newCaller(t, s.Addrs())
		var modules []route.Module
		for n := range int32(200) { // more than are pulled at once
			m := mod(2, n)
			modules = append(modules, m)
			one.set(m, addrs(1, 1))
			two.set(m, addrs(2, 2))
			c.host(m)
		}
		one.stop()
		for _, m := range modules {
			eventually(t, "the other's route", func() bool { return c.host(m) == addr(2) })
		}
		for _, m := range modules {
			if n := two.pulls(m); n != 1 {
				t.Errorf("%v was pulled %d times", m, n)
			}
		}
		one.start()
	})
}

// A dns that takes pulls and says nothing may be gone without a word.
func TestADNSThatIsSilentIsLeft(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		one, two := startDNS(t), startDNS(t)
		one.silence(true)
		s := start(t, open(2), Config{DNS: Peer{Addrs: one.at + "," + two.at}, SilenceMax: 50 * time.Millisecond})
		c := newCaller(t, s.Addrs())
		m := mod(1, 1)
		two.set(m, addrs(2, 2))
		if c.host(m) != addr(2) {
			t.Error("wrong host")
		}
		counted(t, s, Silences, 1)
	})
}

// What callers reported is what arrives, each call once, whatever happens to
// the reporter in between.
func TestStatisticsSurviveRestartsOfTheReporter(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d, p := startDNS(t), newReporter(t)
		p.reserve()
		s := start(t, open(3), Config{DNS: d.where(), Reporter: p.where(), ReportEvery: time.Millisecond, Caller: "10.1.2.3"})
		c := newCaller(t, s.Addrs())
		modules := []route.Module{mod(1, 1), mod(1, 2), mod(1, 3)}
		for _, m := range modules {
			d.set(m, addrs(1, 4))
			c.host(m)
		}
		for round := range 6 {
			if round%2 == 1 {
				p.start()
			}
			for _, m := range modules {
				for n := 1; n <= 4; n++ {
					c.reported(s, 9, m, addr(n), 0)
					c.reported(s, 1, m, addr(n), 1)
				}
			}
			if round%2 == 1 {
				p.stop() // at any moment
			}
		}
		p.start()
		defer p.stop()
		for _, m := range modules {
			for n := 1; n <= 4; n++ {
				eventually(t, fmt.Sprint("60 calls of host ", n), func() bool {
					succ, err := p.total(m, addr(n))
					if succ > 54 || err > 6 {
						t.Fatalf("%d and %d calls: too many", succ, err)
					}
					return succ == 54 && err == 6
				})
				if x, _ := p.latest(m, addr(n)); x.Succ != 54 || x.Err != 6 {
					t.Errorf("%+v", x)
				}
			}
		}
		checkMarks(t, p)
	})
}

// checkMarks checks that numbers ascend within each boot, and the caller.
func checkMarks(t *testing.T, p *fakeReporter) {
	t.Helper()
	last := map[uint64]uint64{}
	for _, r := range p.messages() {
		if r.Boot == 0 || r.Number <= last[r.Boot] || r.Caller != 0x0A010203 || r.TS == 0 {
			t.Fatalf("report %+v after number %d", r, last[r.Boot])
		}
		last[r.Boot] = r.Number
	}
	if len(last) == 0 || len(last) > 3 {
		t.Errorf("%d boot ids", len(last))
	}
}

// The original reports at every call; ours once in a while, and merged.
func TestCadenceOfStatistics(t *testing.T) {
	for _, c := range []struct {
		every time.Duration
		least int
		most  int
	}{{-1, 300, 300}, {time.Hour, 1, 1}} {
		t.Run(c.every.String(), func(t *testing.T) {
			eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
				d, p := startDNS(t), startReporter(t)
				s := start(t, open(2), Config{DNS: d.where(), Reporter: p.where(), ReportEvery: c.every})
				caller := newCaller(t, s.Addrs())
				m := mod(1, 1)
				d.set(m, addrs(1, 2))
				caller.host(m)
				eventually(t, "the reporter is connected", func() bool { return p.connections() == 1 })
				for n := range 300 {
					caller.reported(s, 1, m, addr(n%2+1), int32(n%3/2))
				}
				stop(t, s) // hands over what is left
				eventually(t, "all calls have arrived", func() bool {
					a, b := p.total(m, addr(1))
					c, d := p.total(m, addr(2))
					return a+b+c+d == 300
				})
				if n := len(p.messages()); n < c.least || n > c.most {
					t.Errorf("%d messages", n)
				}
			})
		})
	}
}

// The state of hosts is reported, and the trace is that of the original: ten
// refusals, then a probe; six successes bring a host back.
func TestOverloadProbeAndRecovery(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d, p := startDNS(t), startReporter(t)
		s := start(t, open(3), Config{DNS: d.where(), Reporter: p.where(), ReportEvery: time.Millisecond})
		c := newCaller(t, s.Addrs())
		m := mod(1, 1)
		d.set(m, addrs(1, 2))
		c.host(m)
		c.reported(s, 15, m, addr(1), 1) // contin_err_limit
		eventually(t, "reported as overloaded", func() bool { x, _ := p.latest(m, addr(1)); return x.Overload })
		for range 3 { // ten picks of the idle host, then a probe
			for n := range 11 {
				want := addr(2)
				if n == 10 {
					want = addr(1)
				}
				if got := c.host(m); got != want {
					t.Fatalf("pick %d: %v, want %v", n, got, want)
				}
			}
		}
		c.reported(s, 15, m, addr(2), 1)
		for range 2 {
			for n := range 11 {
				want := wire.RetOverload
				if n == 10 {
					want = wire.RetSucc
				}
				if a := c.getHost(m); a.Retcode != want {
					t.Fatalf("pick %d: %+v", n, a)
				}
			}
		}
		c.reported(s, 5, m, addr(2), 0)
		counted(t, s, Recoveries, 0)
		c.reported(s, 1, m, addr(2), 0) // 6 of 11 is above succ_rate
		counted(t, s, Recoveries, 1)
		if got := c.host(m); got != addr(2) {
			t.Errorf("host %v", got)
		}
		eventually(t, "reported as idle", func() bool {
			x, _ := p.latest(m, addr(2))
			return !x.Overload && x.Err == 15 && x.Succ == 6
		})
		if got := c.getRoute(m); len(got) != 2 || got[0] != addr(2) {
			t.Errorf("route %v: idle hosts come first", got)
		}
	})
}
