package agent

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lars/reactor"
	"lars/system/route"
	"lars/system/wire"
)

func TestGetHostTurnsThroughTheRoute(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := startDNS(t)
		s := start(t, open(3), Config{DNS: d.where()})
		linked(t, s)
		c := newCaller(t, s.Addrs())
		for _, m := range []route.Module{mod(1, 1), mod(1, 2), mod(1, 3), mod(0, 0)} {
			d.set(m, addrs(1, 3))
			if a := c.getHost(m); a.Retcode != wire.RetNoExist {
				t.Fatalf("first answer for %v: %+v", m, a)
			}
			first := c.host(m)
			seen := []route.Host{first}
			for range 5 {
				seen = append(seen, c.host(m))
			}
			if seen[0] == seen[1] || seen[1] == seen[2] || !slices.Equal(seen[:3], seen[3:]) {
				t.Errorf("hosts of %v: %v", m, seen)
			}
			if got := c.getRoute(m); len(got) != 3 {
				t.Errorf("route of %v: %v", m, got)
			}
			if d.pulls(m) != 1 {
				t.Errorf("%v was pulled %d times", m, d.pulls(m))
			}
		}
		if st := s.Stats(); st.Modules != 4 || st.Unknown != 0 || st.Hosts != 12 || st.RoutesAge != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// All shards on one loop, each on its own, and two on one.
func TestRequestsThatReachAWrongPortAreAnsweredRight(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		for loops := 1; loops <= 3; loops++ {
			t.Run(fmt.Sprint(loops), func(t *testing.T) {
				d, p := startDNS(t), startReporter(t)
				s := start(t, open(loops), Config{DNS: d.where(), Reporter: p.where(), ReportEvery: time.Millisecond})
				c := newCaller(t, s.Addrs())
				m := mod(4, 1) // the owner is 2
				d.set(m, addrs(1, 1))
				c.host(m)
				for port := range 3 {
					if a := c.getHostAt(port, m); a.Retcode != wire.RetSucc || a.Host != info(addr(1)) {
						t.Errorf("port %d: %+v", port, a)
					}
					if a := c.getRouteAt(port, m); len(a.Hosts) != 1 {
						t.Errorf("port %d: %+v", port, a)
					}
					c.reportAt(port, m, addr(1), 0)
				}
				counted(t, s, Reports, 3)
				counted(t, s, Misrouted, 6)
				eventually(t, "three calls are reported", func() bool {
					succ, _ := p.total(m, addr(1))
					return succ == 3
				})
				if s.Stats().Modules != 1 {
					t.Errorf("%+v", s.Stats())
				}
			})
		}
	})
}

func TestARouteThatIsPushed(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := startDNS(t)
		s := start(t, open(2), Config{DNS: d.where()})
		c := newCaller(t, s.Addrs())
		m := mod(1, 1)
		d.set(m, addrs(1, 2))
		c.host(m)
		d.pushRoute(m, addrs(2, 4))
		eventually(t, "the new route is served", func() bool { return slices.Equal(c.getRoute(m), addrs(2, 4)) })
		// A push without hosts: the last one is gone.
		d.pushRoute(m, nil)
		c.retcode(m, wire.RetNoExist)
		if got := c.getRoute(m); got != nil {
			t.Errorf("route %v", got)
		}
		counted(t, s, Emptied, 1)
		d.pushRoute(m, addrs(7, 7))
		if got := c.host(m); got != addr(7) {
			t.Errorf("host %v", got)
		}
		// Of a module that nobody asked for.
		d.pushRoute(mod(9, 9), addrs(1, 1))
		counted(t, s, Unasked, 1)
		if st := s.Stats(); st.Modules != 1 || st.Hosts != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// On traffic only, and in the background.
func TestAnOldRouteIsPulledAgain(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := startDNS(t)
		s := start(t, open(1), Config{DNS: d.where(), UpdateTimeout: 20 * time.Millisecond})
		linked(t, s)
		c := newCaller(t, s.Addrs())
		m, quiet := mod(1, 1), mod(1, 2)
		d.set(m, addrs(1, 1))
		d.set(quiet, addrs(1, 1))
		c.host(quiet)
		c.host(m)
		d.set(m, addrs(2, 2)) // without a push
		eventually(t, "the new route is found", func() bool { return c.host(m) == addr(2) })
		if n := d.pulls(quiet); n != 1 {
			t.Errorf("a module without traffic was pulled %d times", n)
		}
	})
}

// bigRoute does not fit a datagram: 15 bytes a host.
func bigRoute() (hosts []route.Host) {
	for n := range 6000 {
		hosts = append(hosts, route.Host{IP: 0xC0A80001 + uint32(n), Port: 9999})
	}
	return hosts
}

func TestARouteTooLongForADatagramIsCut(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := startDNS(t)
		s := start(t, open(2), Config{DNS: d.where()})
		c := newCaller(t, s.Addrs())
		m := mod(1, 2)
		d.set(m, bigRoute()) // above 65,527 bytes from dns, too
		c.host(m)
		for port := range 2 { // the own one, and through the inbox
			a := c.getRouteAt(port, m)
			if !a.Truncated || len(a.Hosts) < 3000 || len(a.Hosts) >= 6000 {
				t.Errorf("port %d: %d hosts, truncated %v", port, len(a.Hosts), a.Truncated)
			}
		}
		counted(t, s, RoutesCut, 2)
		if st := s.Stats(); st.Hosts != 6000 {
			t.Errorf("%+v", st)
		}
	})
}

func TestGarbageIsDroppedAndCounted(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := startDNS(t)
		s := start(t, open(3), Config{DNS: d.where()})
		c := newCaller(t, s.Addrs())
		m := mod(3, 3)
		d.set(m, addrs(1, 1))
		c.host(m)
		for _, b := range [][]byte{
			{},
			{4},
			[]byte("garbage garbage garbage"),
			{4, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF}, // negative length
			{4, 0, 0, 0, 9, 0, 0, 0, 8, 1},       // longer than the datagram
			{4, 0, 0, 0, 1, 0, 0, 0, 8, 1, 0x10}, // shorter
			{1, 0, 0, 0, 0, 0, 0, 0},             // a message for dns
			{99, 0, 0, 0, 0, 0, 0, 0},            // of nobody
			{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0}, // of nobody, too long
		} {
			c.write(0, b)
		}
		for _, id := range []int32{wire.IDGetHostRequest, wire.IDReportRequest, wire.IDAPIGetRouteRequest} {
			c.send(0, id, []byte{0x08, 0xFF}) // half a varint
		}
		c.silent(0, m)
		counted(t, s, Malformed, 3)

		for _, h := range []route.Host{{IP: addr(1).IP}, {Port: 80}, addr(2)} {
			c.report(m, h, 0)
		}
		noHost := wire.ReportRequest{ModID: 3, CmdID: 3}
		c.send(0, wire.IDReportRequest, noHost.AppendTo(nil))
		far := wire.ReportRequest{ModID: 3, CmdID: 3, HasHost: true, Host: wire.HostInfo{IP: 1, Port: 70000}}
		c.send(0, wire.IDReportRequest, far.AppendTo(nil))
		c.report(mod(6, 6), addr(1), 0)
		c.silent(0, m)
		counted(t, s, BadHost, 4)
		counted(t, s, UnknownHost, 1)
		counted(t, s, UnknownModule, 1)
		if n := s.Stats().Count(Reports); n != 0 {
			t.Errorf("%d reports taken in", n)
		}
	})
}

// dns may be the original's, and its table hold anything.
func TestBadHostsOfARouteAreLeftOut(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d := startDNS(t)
		s := start(t, open(1), Config{DNS: d.where(), HostsMax: 3})
		linked(t, s)
		c := newCaller(t, s.Addrs())
		m := mod(1, 1)
		d.set(m, []route.Host{addr(1), {IP: 0, Port: 80}, addr(2), {IP: 5, Port: 0}, addr(2), addr(1)})
		c.host(m)
		if got := c.getRoute(m); !slices.Equal(got, addrs(1, 2)) && !slices.Equal(got, []route.Host{addr(2), addr(1)}) {
			t.Errorf("route %v", got)
		}
		counted(t, s, BadHost, 2)
		d.pushRoute(m, []route.Host{{IP: 0, Port: 80}}) // says nothing: the route stays
		d.pushRoute(m, addrs(1, 8))                     // more than HostsMax
		eventually(t, "three hosts", func() bool { return len(c.getRoute(m)) == 3 })
		counted(t, s, BadHost, 3)
		counted(t, s, HostsRefused, 5)
		counted(t, s, Emptied, 0)
	})
}

func TestAgentAnswersFromDiskWhileDNSIsAway(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		file := filepath.Join(t.TempDir(), "routes")
		d := startDNS(t)
		r := open(3)
		s := start(t, r, Config{DNS: d.where(), RoutesFile: file})
		c := newCaller(t, s.Addrs())
		for n := range int32(30) {
			d.set(mod(1, n), addrs(1, int(n%4)+1))
			c.host(mod(1, n))
		}
		d.pushRoute(mod(1, 7), nil)
		c.retcode(mod(1, 7), wire.RetNoExist)
		eventually(t, "the file is written", func() bool { return !s.Stats().Saved.IsZero() })
		d.pushRoute(mod(1, 8), addrs(5, 5))
		eventually(t, "the push is served", func() bool { return slices.Equal(c.getRoute(mod(1, 8)), addrs(5, 5)) })
		stop(t, s) // saves what is not saved
		d.stop()

		s = start(t, r, Config{DNS: d.where(), RoutesFile: file})
		c = newCaller(t, s.Addrs())
		for n := range int32(30) {
			switch a := c.getHost(mod(1, n)); {
			case n == 7 && a.Retcode != wire.RetNoExist, n != 7 && a.Retcode != wire.RetSucc:
				t.Fatalf("module 1,%d: %+v", n, a)
			}
		}
		if got := c.getRoute(mod(1, 8)); !slices.Equal(got, addrs(5, 5)) {
			t.Errorf("route %v", got)
		}
		if st := s.Stats(); st.FromDisk != 29 || st.RoutesAge <= 0 {
			t.Errorf("%+v", st)
		}

		d.set(mod(1, 3), addrs(9, 9))
		d.start()
		eventually(t, "all routes are confirmed", func() bool { return s.Stats().FromDisk == 0 })
		if got := c.getRoute(mod(1, 3)); !slices.Equal(got, addrs(9, 9)) || s.Stats().RoutesAge != 0 {
			t.Errorf("route %v, age %v", got, s.Stats().RoutesAge)
		}
	})
}

func TestStartRefuses(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		r := open(1)
		for _, c := range []Config{
			{IP: "localhost"},
			{Port: -1},
			{Port: 65534},
			{DNS: Peer{Addrs: "nowhere"}},
			{ErrRate: 2},
			{ModulesMax: -1},
			{UpdateTimeout: -1},
			{ContinErrLimit: -3},
		} {
			if s, err := Start(r, c); err == nil {
				stop(t, s)
				t.Errorf("%+v was accepted", c)
			}
		}
	})
}
