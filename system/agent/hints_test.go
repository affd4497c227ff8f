package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lars/reactor"
	"lars/reactor/frame"
	"lars/system/balance"
	"lars/system/route"
	"lars/system/wire"
)

// wantsHints tells whether dns was last asked for hints of a module.
func (d *fakeDNS) wantsHints(m route.Module) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hints[m]
}

// pushHints says how many of so many agents suspect addr(1), addr(2) and so on.
func (d *fakeDNS) pushHints(m route.Module, agents uint32, by ...uint32) {
	h := wire.Hints{ModID: m.ModID, CmdID: m.CmdID, Agents: agents}
	for i, n := range by {
		if n > 0 {
			h.Hosts = append(h.Hosts, wire.HostHint{HostInfo: info(addr(i + 1)), Suspected: n})
		}
	}
	d.push(frame.Append(nil, wire.IDHints, h.AppendTo(nil)))
}

// said is every word on hosts that the reporter was told, as "+port" for a
// suspect and "-port" for one that is none any more.
func (p *fakeReporter) said() string {
	var words []string
	for _, r := range p.messages() {
		for _, x := range r.Results {
			if x.Suspect != 0 {
				words = append(words, fmt.Sprintf("%c%d", " +-"[x.Suspect], x.Port))
			}
			if x.Suspect != 0 && !r.Sharing {
				words = append(words, "of nobody")
			}
		}
	}
	return strings.Join(words, " ")
}

// doubtful lists the numbers of the hosts that are.
func (c *caller) doubtful(m route.Module) (list []int) {
	for _, h := range c.states(m, 0).GetHost() {
		if h.GetDoubtful() {
			list = append(list, int(h.GetPort())-7000)
		}
	}
	return list
}

// An agent tells when it begins and ceases to suspect a host, and that it is one
// of those that tell; with the original's algorithm it does neither.
func TestSuspicionsAreTold(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d, p, m, old := startDNS(t), startReporter(t), mod(1, 1), mod(2, 1)
		s := start(t, open(3), Config{DNS: d.where(), Reporter: p.where(), Balance: "algorithm=rr", ReportEvery: 10 * time.Millisecond})
		linked(t, s)
		d.set(m, addrs(1, 3))
		d.set(old, addrs(1, 3))
		d.pushPolicy(old, "algorithm=classic", 1)
		c := newCaller(t, s.Addrs())
		c.host(m)
		c.host(old)
		if !d.wantsHints(m) {
			t.Error("hints are not asked for")
		}
		eventually(t, "asked without hints", func() bool { return !d.wantsHints(old) })
		c.reported(s, 100, m, addr(2), 0)
		c.reported(s, 20, old, addr(1), balance.CodeRefused)
		c.reported(s, 1, m, addr(1), balance.CodeRefused)
		eventually(t, "told", func() bool { return p.said() == "+7001" })
		c.reported(s, 1, m, addr(1), 0)
		eventually(t, "taken back", func() bool { return p.said() == "+7001 -7001" })
		shared := map[int32]int{}
		for _, r := range p.messages() {
			if r.Sharing {
				shared[r.ModID]++
			}
		}
		if shared[1] != 3 || shared[2] != 0 { // the first report, and those two
			t.Errorf("reports that count the agent, by modid: %v", shared)
		}
		if got := s.Stats().Count(Told); got != 2 {
			t.Errorf("%d words told", got)
		}

		// Settings that turn it off take back what was said, and end the asking.
		c.reported(s, 1, m, addr(3), balance.CodeRefused)
		eventually(t, "told", func() bool { return p.said() == "+7001 -7001 +7003" })
		d.pushPolicy(m, "algorithm=rr hint_ttl=off", 2)
		eventually(t, "taken back", func() bool { return p.said() == "+7001 -7001 +7003 -7003" && !d.wantsHints(m) })
	})
}

// What goes on is told again before it is old, and what is over is remembered
// only as long as it may still be in what dns says; who suspects all says
// nothing.
func TestSuspicionsAreToldAgain(t *testing.T) {
	d, p, m := startDNS(t), startReporter(t), mod(1, 1)
	s := start(t, openReactor(t, mustOpen(t, "epoll"), 1), Config{
		DNS: d.where(), Reporter: p.where(), Balance: "algorithm=rr hint_ttl=1h consecutive=off", ReportEvery: time.Millisecond,
	})
	linked(t, s)
	d.set(m, addrs(1, 2))
	c := newCaller(t, s.Addrs())
	c.host(m)
	c.reported(s, 10, m, addr(2), 0)
	c.reported(s, 1, m, addr(1), balance.CodeRefused)
	eventually(t, "told", func() bool { return p.said() == "+7001" })
	sh := s.shards[own(m)]
	later := func(d time.Duration) (left int) {
		_ = s.on(sh.loop, func() error {
			x := sh.table.get(m)
			sh.tell(sh.loop.Now()+d, x)
			left = len(x.sharing.told)
			return nil
		})
		return left
	}
	later(0)
	later(tellEvery)
	eventually(t, "told again", func() bool { return strings.HasPrefix(p.said(), "+7001 +7001") })
	c.reported(s, 10, m, addr(2), balance.CodeRefused)
	eventually(t, "both: none is told", func() bool { return strings.HasSuffix(p.said(), "+7001 -7001") })
	if n := later(tellEvery + ownFor); n != 0 {
		t.Errorf("of what is over %d hosts are remembered", n)
	}
}

// What others suspect makes a host doubtful; the agent's own word is not among
// theirs, and what makes no sense is counted.
func TestHintsAreHeard(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d, p, m := startDNS(t), startReporter(t), mod(1, 1)
		s := start(t, open(3), Config{DNS: d.where(), Reporter: p.where(), Balance: "algorithm=p2c", ReportEvery: 10 * time.Millisecond})
		linked(t, s)
		d.set(m, addrs(1, 5))
		c := newCaller(t, s.Addrs())
		c.host(m)
		is := func(want ...int) func() bool {
			return func() bool {
				c.getHost(m) // what hints mean is found out at a pick
				return slices.Equal(c.doubtful(m), want)
			}
		}
		d.pushHints(m, 4, 0, 2)
		eventually(t, "doubtful", is(2))
		if seen := c.picks(m, 40); seen[addr(2)] > 0 {
			t.Errorf("picks: %v", seen)
		}
		d.pushHints(m, 4, 0, 0, 2)
		eventually(t, "another one", is(3))
		d.pushHints(m, 0)
		eventually(t, "none", is())
		counted(t, s, BadHints, 0)

		// Its own suspicion of a host that two of three suspect, which are one of two.
		c.reported(s, 10, m, addr(2), 0)
		c.reported(s, 1, m, addr(1), balance.CodeRefused)
		eventually(t, "told", func() bool { return p.said() == "+7001" })
		d.pushHints(m, 1, 1)
		eventually(t, "heard", func() bool { return s.Stats().Count(Hints) == 4 })
		if !is()() {
			t.Error("its own suspicion came back as that of others")
		}
		d.pushHints(m, 3, 2)
		eventually(t, "that of another one", is(1))

		d.pushHints(m, 1, 0, 2)                         // more than there are
		d.pushHints(m, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9) // unknown host
		d.push(frame.Append(nil, wire.IDHints, []byte{0x18, 9, 0x22, 2, 0x08, 1}))
		d.push(frame.Append(nil, wire.IDHints, []byte{255, 255}))
		d.pushHints(mod(-1, 1), 1, 1)
		d.pushHints(mod(7, 7), 1, 1)
		eventually(t, "all heard", func() bool { return s.Stats().Count(Unasked) == 2 }) // 0,0 and 7,7
		counted(t, s, Malformed, 1)
		counted(t, s, NegativeID, 1)
		counted(t, s, BadHints, 2)
		if !is()() {
			t.Errorf("doubtful: %v", c.doubtful(m))
		}
	})
}

// A message of hints costs no more than what is heard of.
func TestTooManyHints(t *testing.T) {
	s := openedWith(t, addrs(1, 3*hintsMax))
	var hosts []wire.HostHint
	for _, h := range addrs(1, 3*hintsMax) {
		hosts = append(hosts, wire.HostHint{HostInfo: info(h), Suspected: 1})
	}
	sh := s.shards[own(mod(3, 0))]
	_ = s.on(sh.loop, func() error {
		sh.hear(mod(3, 0), 2, hosts)
		sh.hear(mod(3, 0), 2, hosts[hintsMax:])
		if n := len(sh.table.get(mod(3, 0)).sharing.hinted); n != hintsMax {
			t.Errorf("%d hosts are heard of", n)
		}
		return nil
	})
	counted(t, s, BadHints, 3*hintsMax)
}

// openedWith is an agent that knows the hosts of module 3,0.
func openedWith(t *testing.T, hosts []route.Host) *Service {
	s := start(t, openReactor(t, mustOpen(t, "epoll"), 1), Config{Balance: "algorithm=rr"})
	sh := s.shards[own(mod(3, 0))]
	list := make([]balance.Host, len(hosts))
	for i, h := range hosts {
		list[i].Host = h
	}
	_ = s.on(sh.loop, func() error {
		sh.load(mod(3, 0), news{hosts: list})
		return nil
	})
	return s
}
