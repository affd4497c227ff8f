package agent

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"lars/reactor"
	"lars/system/balance"
	"lars/system/larspb"
	"lars/system/route"
	"lars/system/wire"
)

// states asks for the states of a module's hosts, from one on.
func (c *caller) states(m route.Module, first uint32) *larspb.HostsResponse {
	c.t.Helper()
	return c.statesAt(own(m), m, first)
}

func (c *caller) statesAt(port int, m route.Module, first uint32) *larspb.HostsResponse {
	c.t.Helper()
	body, err := proto.Marshal(&larspb.HostsRequest{Seq: 5, Modid: m.ModID, Cmdid: m.CmdID, First: first})
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(port, wire.IDHostsRequest, body)
	a := &larspb.HostsResponse{}
	if err := proto.Unmarshal(c.read(port, wire.IDHostsResponse), a); err != nil {
		c.t.Fatal(err)
	}
	if a.GetSeq() != 5 || a.GetModid() != m.ModID || a.GetCmdid() != m.CmdID || a.GetFirst() != first {
		c.t.Fatalf("answer to another question: %v", a)
	}
	return a
}

// picks counts the hosts of so many picks, each reported as a success.
func (c *caller) picks(m route.Module, n int) map[route.Host]int {
	c.t.Helper()
	seen := map[route.Host]int{}
	for range n {
		h := c.host(m)
		seen[h]++
		c.report(m, h, 0)
	}
	return seen
}

func TestSettingsOfDNSAreUsed(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d, m := startDNS(t), mod(1, 1)
		s := start(t, open(3), Config{DNS: d.where(), Balance: "algorithm=random"})
		linked(t, s)
		d.set(m, addrs(1, 3))
		c := newCaller(t, s.Addrs())
		c.host(m)
		if a := c.states(m, 0); a.GetSettings() != "algorithm=random" || a.GetVersion() != 0 || a.GetTotal() != 3 {
			t.Errorf("at first: %v", a)
		}
		inForce := func(settings string) func() bool {
			return func() bool { return c.states(m, 0).GetSettings() == settings }
		}
		d.pushPolicy(m, "algorithm=rr outlier=off", 7)
		eventually(t, "settings in force", inForce("algorithm=rr outlier=off"))
		if a := c.states(m, 0); a.GetVersion() != 7 {
			t.Errorf("version %d", a.GetVersion())
		}
		if seen := c.picks(m, 30); seen[addr(1)] != 10 || seen[addr(2)] != 10 || seen[addr(3)] != 10 {
			t.Errorf("by turns: %v", seen)
		}

		// What has no meaning here changes nothing, and is counted once.
		for _, bad := range []string{"algorithm=of-tomorrow", "v=99", strings.Repeat("x", 1<<20)} {
			before := s.Stats().Count(BadSettings)
			d.pushPolicy(m, bad, 8)
			d.pushPolicy(m, bad, 8)
			eventually(t, "counted", func() bool { return s.Stats().Count(BadSettings) > before })
			if a := c.states(m, 0); a.GetSettings() != "algorithm=rr outlier=off" {
				t.Errorf("in force: %v", a.GetSettings())
			}
		}
		d.pushPolicy(m, "", 0)
		eventually(t, "the agent's own again", inForce("algorithm=random"))
		counted(t, s, BadSettings, 3)
		if got := s.Stats().Count(SettingsChanged); got != 2 {
			t.Errorf("%d changes", got)
		}
		if st := s.Stats(); st.Hosts != 3 || st.Modules != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestWeightsAndDrain(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d, m := startDNS(t), mod(1, 1)
		s := start(t, open(1), Config{DNS: d.where()})
		linked(t, s)
		d.set(m, addrs(1, 3))
		d.pushPolicy(m, "algorithm=wrr slow_start=off", 1, wire.HostPolicy{HostInfo: info(addr(2)), Weight: 3})
		c := newCaller(t, s.Addrs())
		c.host(m)
		if seen := c.picks(m, 50); seen[addr(1)] != 10 || seen[addr(2)] != 30 || seen[addr(3)] != 10 {
			t.Errorf("weight 3 of 5: %v", seen)
		}
		before := c.states(m, 0)
		d.pushPolicy(m, "algorithm=wrr slow_start=off", 1, wire.HostPolicy{HostInfo: info(addr(2)), Weight: 3, Zone: 4, Draining: true},
			wire.HostPolicy{HostInfo: info(addr(9)), Weight: 7})
		eventually(t, "drained", func() bool { return c.states(m, 0).GetHost()[1].GetDraining() })
		if seen := c.picks(m, 50); seen[addr(2)] != 0 || seen[addr(1)] != 25 {
			t.Errorf("while it drains: %v", seen)
		}
		a := c.states(m, 0)
		if h := a.GetHost()[1]; h.GetWeight() != 3 || h.GetZone() != 4 || h.GetSucc() < before.GetHost()[1].GetSucc() {
			t.Errorf("a host that stays keeps its state: %v, was %v", h, before.GetHost()[1])
		}
	})
}

// Why and for how long a host is out, whichever port is asked.
func TestStatesTellEjections(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d, m := startDNS(t), mod(1, 1)
		s := start(t, open(3), Config{DNS: d.where(), Balance: "consecutive=3 base=1h eject_max=1h jitter=off"})
		linked(t, s)
		c := newCaller(t, s.Addrs())
		c.retcode(mod(8, 8), wire.RetNoExist)
		if a := c.states(mod(8, 8), 0); a.GetRetcode() != wire.RetNoExist || a.GetTotal() != 0 {
			t.Errorf("unknown module: %v", a)
		}
		d.set(m, addrs(1, 450))
		c.host(m)
		c.reported(s, 40, m, addr(1), 0)
		c.reported(s, 20, m, addr(300), balance.CodeRefused)
		q := wire.ReportRequest{ModID: 1, CmdID: 1, Host: info(addr(2)), HasHost: true, LatencyUS: 1500}
		c.send(own(m), wire.IDReportRequest, q.AppendTo(nil))
		counted(t, s, Overloads, 1)
		var all []*larspb.HostStatus
		for len(all) < 450 {
			a := c.statesAt(len(all)%3, m, uint32(len(all)))
			if a.GetTotal() != 450 || len(a.GetHost()) == 0 {
				t.Fatalf("from %d on: %d of %d hosts", len(all), len(a.GetHost()), a.GetTotal())
			}
			all = append(all, a.GetHost()...)
		}
		if len(c.states(m, 450).GetHost())+len(c.states(m, 1<<31).GetHost()) != 0 {
			t.Error("hosts beyond the last")
		}
		sorted := slices.IsSortedFunc(all, func(x, y *larspb.HostStatus) int { return int(x.GetIp()) - int(y.GetIp()) })
		if !sorted {
			t.Error("not in order")
		}
		out := all[299]
		if out.GetState() != balance.Overloaded.String() || out.GetReason() != balance.HardStreak.String() || out.GetEjections() != 1 ||
			out.GetEjectedReason() != out.GetReason() || out.GetUntilUs() < (50*time.Minute).Microseconds() || out.GetErr() != 20 {
			t.Errorf("ejected: %v", out)
		}
		if h := all[0]; h.GetSucc() != 40 || h.GetEjections() != 0 || h.GetWeight() != 1 {
			t.Errorf("good: %v", h)
		}
		if h := all[1]; h.GetLatencyUs() < 1000 || h.GetLatencyUs() > 2000 {
			t.Errorf("latency of one report of 1.5 ms: %v", h)
		}
	})
}

// A host that is out stays out when somebody sets a number, and statistics call
// it overloaded for as long as it is.
func TestEjectionsOutliveOtherSettings(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d, p, m := startDNS(t), startReporter(t), mod(1, 1)
		s := start(t, open(1), Config{DNS: d.where(), Reporter: p.where(), ReportEvery: time.Millisecond, Balance: "consecutive=3 base=1h eject_max=1h jitter=off"})
		linked(t, s)
		d.set(m, addrs(1, 3))
		c := newCaller(t, s.Addrs())
		c.host(m)
		c.reported(s, 40, m, addr(2), 0)
		c.reported(s, 20, m, addr(1), balance.CodeRefused)
		counted(t, s, Overloads, 1)
		before := c.states(m, 0).GetHost()[0]
		set := func(settings string, version int64) *larspb.HostStatus {
			t.Helper()
			d.pushPolicy(m, settings, version)
			eventually(t, "settings are in force", func() bool { return c.states(m, 0).GetVersion() == version })
			return c.states(m, 0).GetHost()[0]
		}
		overloaded := func(want bool) func() bool {
			return func() bool {
				x, ok := p.latest(m, addr(1))
				return ok && x.Overload == want
			}
		}
		for i, settings := range []string{"base=10m eject_max=1h probe_every=20", "algorithm=rr eject_max=24h"} {
			h := set(settings, int64(i+1))
			if h.GetState() != before.GetState() || h.GetReason() != before.GetReason() || h.GetEjections() != 1 || h.GetErr() != 20 ||
				h.GetUntilUs() > before.GetUntilUs() || h.GetUntilUs() < (50*time.Minute).Microseconds() {
				t.Errorf("%s: %v, was %v", settings, h, before)
			}
			if seen := c.picks(m, 30); seen[addr(1)] != 0 {
				t.Errorf("%s: a host that is out got calls: %v", settings, seen)
			}
			eventually(t, "it is told to be overloaded", overloaded(true))
		}
		if h := set("outlier=off slow_start=off", 9); h.GetState() != balance.Idle.String() || h.GetReason() != balance.SwitchedOff.String() || h.GetErr() != 20 {
			t.Errorf("without ejection: %v", h)
		}
		c.reported(s, 1, m, addr(1), 0)
		eventually(t, "it is told to be well", overloaded(false))
		counted(t, s, SettingsChanged, 3)
	})
}

// Callers of equal keys meet equal hosts, and those of the agent's own zone
// stay in it.
func TestKeysAndZones(t *testing.T) {
	d, keyed, zoned := startDNS(t), mod(1, 1), mod(2, 2)
	r := openReactor(t, mustOpen(t, "epoll"), 1)
	s := start(t, r, Config{DNS: d.where(), Zone: 7})
	linked(t, s)
	d.set(keyed, addrs(1, 20))
	d.set(zoned, addrs(1, 4))
	d.pushPolicy(keyed, "algorithm=chash", 1)
	d.pushPolicy(zoned, "algorithm=rr", 1, wire.HostPolicy{HostInfo: info(addr(1)), Zone: 7}, wire.HostPolicy{HostInfo: info(addr(2)), Zone: 7},
		wire.HostPolicy{HostInfo: info(addr(3)), Zone: 8}, wire.HostPolicy{HostInfo: info(addr(4)), Zone: 8})
	c := newCaller(t, s.Addrs())
	c.host(keyed)
	c.host(zoned)
	ask := func(m route.Module, key uint64, zone uint32) wire.HostInfo {
		q := wire.GetHostRequest{ModID: m.ModID, CmdID: m.CmdID, Key: key, Zone: zone}
		c.send(own(m), wire.IDGetHostRequest, q.AppendTo(nil))
		var a wire.GetHostResponse
		if err := a.Decode(c.read(own(m), wire.IDGetHostResponse)); err != nil || !a.HasHost {
			t.Fatalf("%+v, %v", a, err)
		}
		c.report(m, route.Host{IP: uint32(a.Host.IP), Port: uint16(a.Host.Port)}, 0)
		return a.Host
	}
	hosts := map[wire.HostInfo]bool{}
	for key := range uint64(40) {
		first := ask(keyed, key+1, 0)
		hosts[first] = true
		for range 5 {
			if again := ask(keyed, key+1, 0); again != first {
				t.Errorf("key %d: %v, then %v", key+1, first, again)
			}
		}
	}
	if len(hosts) < 8 {
		t.Errorf("40 keys meet %d of 20 hosts", len(hosts))
	}
	for range 20 {
		if h := ask(zoned, 0, 0); h != info(addr(1)) && h != info(addr(2)) {
			t.Errorf("the agent's zone: %v", h)
		}
		if h := ask(zoned, 0, 8); h != info(addr(3)) && h != info(addr(4)) {
			t.Errorf("a caller of zone 8: %v", h)
		}
	}
}

func TestBalanceOfTheConfigurationIsChecked(t *testing.T) {
	r := openReactor(t, mustOpen(t, "epoll"), 1)
	for text, c := range map[string]Config{
		"fastest": {Balance: "algorithm=fastest"},
		"colour":  {Balance: "colour=red"},
		"zone":    {Zone: 70000},
	} {
		if s, err := Start(r, c); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, %v", c, s, err)
		}
	}
	c := Config{ProbeNum: 3, ErrRate: 0.25, HostsMax: 50, Balance: "algorithm=classic"}
	for text, want := range map[string]string{
		"":                                    "algorithm=classic err_rate=0.25 hosts_max=50 probe_num=3",
		"algorithm=classic probe_num=5":       "algorithm=classic err_rate=0.25 hosts_max=50 probe_num=5",
		"algorithm=classic hosts_max=1000000": "algorithm=classic err_rate=0.25 hosts_max=50 probe_num=3",
		"algorithm=p2c hosts_max=10":          "algorithm=p2c err_rate=0.25 hosts_max=10 probe_num=3",
	} {
		got, err := c.settings(text)
		words := strings.Fields(got.String())
		slices.Sort(words)
		if err != nil || strings.Join(words, " ") != want {
			t.Errorf("%q: %v, %v; want %s", text, words, err, want)
		}
	}
}
