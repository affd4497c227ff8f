package agent

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lars/reactor"
	"lars/reactor/frame"
	"lars/system/route"
	"lars/system/wire"
)

// Each test here is named after a bug of the original's agent and fails where
// that is copied. Those of its balancing are also in package balance.

// B3: after a reconnect to dns with a pull in flight, or with a get_host
// before dns was there, the next get_host ended the agent.
func TestB3_GetHostAfterReconnectWithAPullInFlight(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := newDNS(t)
		d.reserve()
		s := start(t, open(2), Config{DNS: d.where()})
		c := newCaller(t, s.Addrs())
		early, late := mod(1, 1), mod(1, 2)
		d.set(early, addrs(1, 1))
		d.set(late, addrs(2, 2))
		c.getHost(early) // dns is not there yet
		d.silence(true)
		d.start()
		eventually(t, "early is pulled", func() bool { return d.pulls(early) == 1 })
		c.getHost(late)
		eventually(t, "late is pulled", func() bool { return d.pulls(late) == 1 })
		d.stop() // with both in flight
		for range 3 {
			if a := c.getHost(early); a.Retcode != wire.RetNoExist {
				t.Errorf("%+v", a)
			}
		}
		d.silence(false)
		d.start()
		defer d.stop()
		if c.host(early) != addr(1) || c.host(late) != addr(2) {
			t.Error("wrong hosts")
		}
	})
}

// B4: a connect that failed was never tried again, so an agent that started
// before dns and the reporter, or saw them restart, was alone for ever; and
// modules whose pull was lost were never pulled again.
func TestB4_DNSAndReporterComeLateAndRestart(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d, p := newDNS(t), newReporter(t)
		d.reserve()
		p.reserve()
		s := start(t, open(3), Config{DNS: d.where(), Reporter: p.where(), ReportEvery: time.Millisecond})
		c := newCaller(t, s.Addrs())
		modules := []route.Module{mod(1, 1), mod(1, 2), mod(1, 3)}
		for _, m := range modules {
			c.getHost(m)
		}
		for round := range 3 {
			for _, m := range modules {
				d.set(m, addrs(round+1, round+1)) // while dns is away: nobody is told
			}
			d.start()
			p.start()
			for _, m := range modules {
				eventually(t, "the new route, in round "+fmt.Sprint(round), func() bool {
					return slices.Equal(c.getRoute(m), addrs(round+1, round+1))
				})
				c.reported(s, 5, m, addr(round+1), 0)
				eventually(t, "the calls are reported", func() bool {
					succ, _ := p.total(m, addr(round+1))
					return succ == 5
				})
			}
			d.stop()
			p.stop()
		}
		for _, m := range modules {
			if c.host(m) != addr(3) {
				t.Error("the last route is not served on")
			}
		}
	})
}

// B6: a message that came in two parts was taken half read, and a negative
// length from dns ended the agent.
func TestB6_MessagesFromDNSInPartsAndWithBadLengths(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := startDNS(t)
		s := start(t, open(1), Config{DNS: d.where()})
		c := newCaller(t, s.Addrs())
		m := mod(1, 1)
		d.set(m, addrs(1, 1))
		c.host(m)
		message := frame.Append(nil, wire.IDGetRouteResponse, routeOf(m, addrs(3, 5)).AppendTo(nil))
		for i := range message { // byte by byte
			d.push(message[i : i+1])
		}
		eventually(t, "the whole route", func() bool { return slices.Equal(c.getRoute(m), addrs(3, 5)) })
		counted(t, s, BadHost, 0)

		for i, head := range [][]byte{
			{2, 0, 0, 0, 156, 0xFF, 0xFF, 0xFF}, // -100
			{2, 0, 0, 0, 0, 0, 0, 0x7F},         // 2 GB
			{2, 0, 0, 0, 0, 0, 0x41, 0},         // above 4 MiB
		} {
			was := d.connections()
			d.push(head)
			eventually(t, "a new connection", func() bool { return d.connections() == was+1 })
			counted(t, s, Resyncs, uint64(3*(i+2)))
		}
		d.push(frame.Append(nil, wire.IDGetRouteResponse, []byte{0x08, 0xFF}))
		counted(t, s, Malformed, 1)
		c.host(m)
	})
}

// B7: a host that left the route was still listed, and reports for it reached
// freed memory and the database.
func TestB7_AHostThatLeftIsNoGhost(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d, p := startDNS(t), startReporter(t)
		s := start(t, open(3), Config{DNS: d.where(), Reporter: p.where(), ReportEvery: time.Millisecond})
		c := newCaller(t, s.Addrs())
		m := mod(1, 1)
		d.set(m, addrs(1, 2))
		c.host(m)
		c.reported(s, 15, m, addr(2), 1) // it leaves overloaded
		counted(t, s, Overloads, 1)
		d.pushRoute(m, addrs(1, 1))
		eventually(t, "the host is gone", func() bool { return slices.Equal(c.getRoute(m), addrs(1, 1)) })
		for range 20 {
			c.report(m, addr(2), 1)
		}
		counted(t, s, UnknownHost, 20)
		for range 25 {
			if got := c.host(m); got != addr(1) {
				t.Fatalf("host %v", got)
			}
		}
		eventually(t, "it is no longer called overloaded", func() bool {
			x, ok := p.latest(m, addr(2))
			return ok && !x.Overload
		})
		if _, err := p.total(m, addr(2)); err != 15 {
			t.Errorf("%d errors reported of it", err)
		}
	})
}

// B8: the first report about a host closed a window that began at no time: a
// first success was lost, a first error overloaded the host.
func TestB8_TheFirstReportCounts(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		file := filepath.Join(t.TempDir(), "routes")
		d, p := startDNS(t), startReporter(t)
		r := open(1)
		for _, when := range []string{"pulled", "from disk"} {
			s := start(t, r, Config{DNS: d.where(), Reporter: p.where(), RoutesFile: file, ReportEvery: time.Millisecond, IdleTimeout: time.Minute})
			c := newCaller(t, s.Addrs())
			good, bad := mod(1, 1), mod(1, 2)
			if when == "pulled" {
				d.set(good, addrs(1, 1))
				d.set(bad, addrs(2, 2))
			}
			c.host(good)
			c.host(bad)
			c.reported(s, 1, good, addr(1), 0)
			c.reported(s, 1, bad, addr(2), 1)
			if a := c.getHost(bad); a.Retcode != wire.RetSucc {
				t.Errorf("%s: after one error: %+v", when, a)
			}
			counted(t, s, Overloads, 0)
			eventually(t, "both are reported", func() bool {
				x, okx := p.latest(good, addr(1))
				y, oky := p.latest(bad, addr(2))
				return okx && oky && x.Succ == 1 && x.Err == 0 && y.Succ == 0 && y.Err == 1
			})
			stop(t, s)
			d.stop() // the second agent has the file alone
			if when == "pulled" {
				p.mu.Lock()
				clear(p.last)
				p.mu.Unlock()
			}
		}
		d.start()
	})
}

// B9: one datagram with a negative id ended the agent.
func TestB9_NegativeIDs(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := startDNS(t)
		s := start(t, open(3), Config{DNS: d.where()})
		c := newCaller(t, s.Addrs())
		m := mod(3, 0)
		d.set(m, addrs(1, 1))
		c.host(m)
		n := uint64(0)
		for port := range 3 {
			for _, bad := range []route.Module{mod(-5, 0), mod(0, -1), mod(-1, 1), mod(-2147483648, -2147483648), mod(2147483647, -2147483647)} {
				c.send(port, wire.IDGetHostRequest, (&wire.GetHostRequest{Seq: 1, ModID: bad.ModID, CmdID: bad.CmdID}).AppendTo(nil))
				c.send(port, wire.IDAPIGetRouteRequest, (&wire.GetRouteRequest{ModID: bad.ModID, CmdID: bad.CmdID}).AppendTo(nil))
				c.reportAt(port, bad, addr(1), 0)
				n += 3
			}
			c.silent(port, m)
		}
		d.pushRoute(mod(-5, 0), addrs(1, 1)) // a dns that is broken
		counted(t, s, NegativeID, n+1)
		// The sum of two great ids is none.
		great := mod(2147483647, 2147483647)
		d.set(great, addrs(4, 4))
		if c.host(great) != addr(4) || s.Stats().Modules != 2 {
			t.Errorf("%+v", s.Stats())
		}
	})
}

// Every get_host of a module that does not exist cost dns a request.
func TestBug_AStormForAModuleThatDoesNotExistCostsDNSOneRequest(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := startDNS(t)
		s := start(t, open(2), Config{DNS: d.where(), NegativeTTL: time.Hour})
		linked(t, s)
		c := newCaller(t, s.Addrs())
		m := mod(5, 5)
		for range 500 {
			if a := c.getHost(m); a.Retcode != wire.RetNoExist {
				t.Fatalf("%+v", a)
			}
		}
		eventually(t, "one pull", func() bool { return d.pulls(m) == 1 })
		counted(t, s, NoExist, 500)
		counted(t, s, Pulls, 1)
		// It is subscribed all the same.
		d.pushRoute(m, addrs(1, 1))
		c.host(m)
	})
}

// And the answer holds for its time only.
func TestAModuleThatDoesNotExistIsAskedForAgain(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := startDNS(t)
		s := start(t, open(2), Config{DNS: d.where(), NegativeTTL: 5 * time.Millisecond})
		linked(t, s)
		c := newCaller(t, s.Addrs())
		m := mod(5, 5)
		c.getHost(m)
		counted(t, s, Answers, 1)
		d.set(m, addrs(1, 1)) // without a push
		c.host(m)
	})
}

// Any sender of datagrams could make the agent create modules without bound.
func TestBug_ModulesThatASenderCreatesAreBounded(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := startDNS(t)
		// The modules stay for ten times NegativeTTL: for long, at first.
		s := start(t, open(3), Config{DNS: d.where(), UnknownMax: 30, NegativeTTL: time.Hour})
		linked(t, s)
		c := newCaller(t, s.Addrs())
		m := mod(1, 0)
		d.set(m, addrs(1, 1))
		c.host(m)
		for n := range int32(300) {
			c.getHost(mod(100, n))
		}
		if st := s.Stats(); st.Modules != 31 || st.Unknown != 30 || st.Count(Refused) != 270 {
			t.Errorf("%+v", st)
		}
		eventually(t, "31 pulls", func() bool { return d.allPulls() == 31 })
		c.host(m) // the known one is served
	})
}

func TestModulesThatNobodyAsksForAreForgotten(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := startDNS(t)
		s := start(t, open(1), Config{DNS: d.where(), UnknownMax: 30, NegativeTTL: time.Millisecond})
		c := newCaller(t, s.Addrs())
		d.set(mod(1, 0), addrs(1, 1))
		c.host(mod(1, 0))
		for n := range int32(30) {
			c.getHost(mod(100, n))
		}
		eventually(t, "only the one that exists is left", func() bool { return s.Stats().Modules == 1 })
		if st := s.Stats(); st.Unknown != 0 || st.Hosts != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// A second agent on the same ports was deaf and said that it was running.
func TestBug_PortsThatAreTaken(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		r := open(1)
		first := start(t, r, Config{})
		port := int(first.Addrs()[0].Port())
		if port > 65533 {
			t.Skip("a free port above 65533 has no two successors")
		}
		if second, err := Start(r, Config{Port: port}); err == nil {
			stop(t, second)
			t.Error("a second agent on the same ports started")
		}
		newCaller(t, first.Addrs()).getHost(mod(1, 1))
	})
}
