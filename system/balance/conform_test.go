package balance

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lars/system/route"
)

// What holds of every algorithm, whatever is done to it.

// checked is two balancers of equal seed, and what is known of them.
type checked struct {
	t        testing.TB
	b, twin  Balancer
	s        Settings
	now      time.Duration
	hosts    []Host // the route
	state    map[route.Host]State
	flying   []Choice
	sinceTry int
	states   []HostState
}

func newChecked(t testing.TB, s Settings, seed uint64) *checked {
	b, err := Open(s, seed)
	if err != nil {
		t.Fatal(err)
	}
	twin, _ := Open(s, seed)
	r, _ := s.resolve()
	return &checked{t: t, b: b, twin: twin, s: r, state: map[route.Host]State{}, sinceTry: 1e6}
}

func (c *checked) find(h route.Host) *Host {
	for i := range c.hosts {
		if c.hosts[i].Host == h {
			return &c.hosts[i]
		}
	}
	return nil
}

// census counts what the route has besides draining hosts.
func (c *checked) census() (hosts, out int) {
	for _, h := range c.hosts {
		if !h.Draining {
			hosts++
			if c.state[h.Host].Out() {
				out++
			}
		}
	}
	return hosts, out
}

// legal holds the changes that there may be.
var legal = map[[2]State][]Reason{
	{Gone, Idle}:           {Added},
	{Gone, Warming}:        {Added},
	{Idle, Gone}:           {Removed},
	{Warming, Gone}:        {Removed},
	{HalfOpen, Gone}:       {Removed},
	{Overloaded, Gone}:     {Removed},
	{Idle, Overloaded}:     {ErrorRate, ErrorStreak, WindowErrors, HardStreak, FailureShare, WorseThanPeers},
	{Warming, Overloaded}:  {ErrorStreak, HardStreak, FailureShare, WorseThanPeers},
	{Overloaded, Idle}:     {SuccessRate, SuccessStreak, OverloadTimeout, SwitchedOff},
	{Overloaded, HalfOpen}: {TimeUp},
	{Overloaded, Warming}:  {SuccessStreak, SwitchedOff},
	{HalfOpen, Overloaded}: {ProbeFailed},
	{HalfOpen, Warming}:    {SuccessStreak, SwitchedOff},
	{HalfOpen, Idle}:       {SuccessStreak, SwitchedOff},
	{Warming, Idle}:        {TimeUp},
}

func (c *checked) effects(e, twin Effects, updated bool) {
	c.t.Helper()
	if !slices.Equal(e.Changes, twin.Changes) || e.Unknown != twin.Unknown || e.Refused != twin.Refused {
		c.t.Fatalf("equal inputs, other effects: %+v and %+v", e, twin)
	}
	old := c.s.Algorithm == "classic" || c.s.Algorithm == "elb"
	for _, x := range e.Changes {
		was, known := c.state[x.Host]
		if !known {
			was = Gone
		}
		if x.From != was || !slices.Contains(legal[[2]State{x.From, x.To}], x.Why) {
			c.t.Fatalf("%+v of a host that was %v", x, was)
		}
		c.state[x.Host] = x.To
		if x.To == Gone {
			delete(c.state, x.Host)
		}
		if x.To != Overloaded || old {
			continue
		}
		if c.s.Outlier == Off {
			c.t.Fatalf("ejected without the layer: %+v", x)
		}
		jitter := max(c.s.Jitter, 0)
		if d := float64(x.Until - x.At); d > (1.001+jitter)*float64(c.s.EjectMax) || d < (0.999-jitter)*float64(c.s.Base) {
			c.t.Fatalf("ejected for %v", x.Until-x.At)
		}
		hosts, out := c.census()
		hard := c.s.HardCap
		if x.Why == FailureShare || x.Why == WorseThanPeers {
			hard = c.s.SoftCap
		}
		if x.From != HalfOpen && !updated && (out > max(1, int(hard*float64(hosts))) || out >= hosts) {
			c.t.Fatalf("%d of %d are out after %+v", out, hosts, x)
		}
	}
}

func (c *checked) update(list []Host) {
	c.hosts = nil
	for _, h := range list {
		if c.find(h.Host) == nil {
			c.hosts = append(c.hosts, h)
		}
	}
	c.effects(c.b.Update(c.now, list), c.twin.Update(c.now, list), true)
	if c.b.Len() != len(c.hosts) || len(c.state) != len(c.hosts) {
		c.t.Fatalf("%d hosts, %d states, want %d", c.b.Len(), len(c.state), len(c.hosts))
	}
	c.flying = slices.DeleteFunc(c.flying, func(f Choice) bool { return c.find(f.Host) == nil })
}

// reopen takes other settings.
func (c *checked) reopen(s Settings) {
	c.t.Helper()
	c.effects(c.b.Tick(c.now), c.twin.Tick(c.now), false) // by those before
	before := c.b
	var err error
	if c.b, err = Reopen(c.now, before, s, 1); err != nil {
		c.t.Fatal(err)
	}
	c.twin, _ = Reopen(c.now, c.twin, s, 1)
	c.s, _ = s.resolve()
	if c.b != before { // all begins anew
		clear(c.state)
		c.flying, c.sinceTry = nil, 1e6
	}
	c.update(c.hosts)
	for _, h := range c.b.AppendStates(nil) {
		switch {
		case h.State.Out() && c.s.Outlier == Off:
			c.t.Fatalf("out, and ejection is off: %+v", h)
		case h.State == Overloaded && h.Until-c.now > c.s.EjectMax && h.EjectedAt < c.now:
			c.t.Fatalf("out for %v: %+v", h.Until-c.now, h)
		}
	}
	c.consistent()
}

func (c *checked) pick(a Ask) Choice {
	c.t.Helper()
	// What time has brought is to be seen before the pick.
	c.effects(c.b.Tick(c.now), c.twin.Tick(c.now), false)
	needed := map[route.Host]bool{}
	if p, ok := c.b.(*pool); ok {
		for _, i := range p.all.list {
			needed[p.slots[i].addr] = true
		}
	}
	x, twin := c.b.Pick(c.now, a), c.twin.Pick(c.now, a)
	if x != twin {
		c.t.Fatalf("equal inputs, other picks: %+v and %+v", x, twin)
	}
	c.effects(c.b.Tick(c.now), c.twin.Tick(c.now), false)
	c.sinceTry++
	hosts, out := c.census()
	switch {
	case (x.Verdict == NoHost) != (len(c.hosts) == 0):
		c.t.Fatalf("%+v of %d hosts", x, len(c.hosts))
	case x.Verdict != Picked:
		if x.Host != (route.Host{}) || x.Probe || x.Verdict == Overload && len(needed) > 0 {
			c.t.Fatalf("%+v", x)
		}
		return x
	}
	h := c.find(x.Host)
	if h == nil {
		c.t.Fatalf("%v is not in the route", x.Host)
	}
	if h.Draining && hosts > out {
		c.t.Fatalf("%v drains, and others are in use", x.Host)
	}
	if x.Probe != c.state[x.Host].Out() {
		c.t.Fatalf("%+v of a host that is %v", x, c.state[x.Host])
	}
	if len(needed) > 0 && !needed[x.Host] {
		if c.state[x.Host] != HalfOpen || c.sinceTry < c.s.ProbeEvery {
			c.t.Fatalf("%+v of a host that is %v, %d picks after the last", x, c.state[x.Host], c.sinceTry)
		}
		c.sinceTry = 0
		for _, f := range c.flying {
			if f.Host == x.Host && len(c.flying) < 1000 {
				c.inFlightOne(x.Host)
			}
		}
	}
	c.flying = append(c.flying, x)
	return x
}

// inFlightOne: a call that was lost may have flown before, one that counts may
// not.
func (c *checked) inFlightOne(h route.Host) {
	for _, s := range c.b.AppendStates(nil) {
		if s.Host.Host == h && s.InFlight != 1 {
			c.t.Fatalf("half-open, and %d in flight", s.InFlight)
		}
	}
}

func (c *checked) report(r Result) {
	c.t.Helper()
	if r.Outcome == OK && c.state[r.Host].Out() {
		c.sinceTry = 1e6 // another may follow
	}
	e := c.b.Report(c.now, r)
	if e.Unknown != (c.find(r.Host) == nil) {
		c.t.Fatalf("%+v of %v", e, r.Host)
	}
	c.effects(e, c.twin.Report(c.now, r), false)
}

// consistent looks at the whole state.
func (c *checked) consistent() {
	c.t.Helper()
	c.states = c.b.AppendStates(c.states[:0])
	if len(c.states) != len(c.hosts) {
		c.t.Fatalf("%d states of %d hosts", len(c.states), len(c.hosts))
	}
	for _, s := range c.states {
		if h := c.find(s.Host.Host); h == nil || *h != s.Host || s.State != c.state[s.Host.Host] || s.Since > c.now {
			c.t.Fatalf("%+v of %+v, which is %v", s, h, c.state[s.Host.Host])
		}
		if s.Ejections == 0 && s.State.Out() || s.State == Overloaded && s.EjectedWhy != s.Why {
			c.t.Fatalf("%+v", s)
		}
	}
	p, ok := c.b.(*pool)
	if !ok {
		return
	}
	if len(p.all.list) == 0 && len(c.hosts) > 0 {
		c.t.Fatal("no candidates")
	}
	flying, warming := uint32(0), 0
	for i := range p.slots {
		s := &p.slots[i]
		flying += s.inFlight
		if s.state == Warming {
			warming++
		}
		if s.older > s.inFlight || s.picked && !(s.share > 0 && s.share <= 1 && s.inverse > 0 && s.cost > 0) {
			c.t.Fatalf("%+v", s)
		}
	}
	if flying != p.inFlight || warming != p.warming || flying > 1<<20 {
		c.t.Fatalf("%d in flight, counted %d; %d warm up, counted %d", flying, p.inFlight, warming, p.warming)
	}
}

// steps turns bytes into steps.
func (c *checked) steps(steps []byte) {
	next := func() (x byte) {
		if len(steps) > 0 {
			x, steps = steps[0], steps[1:]
		}
		return x
	}
	bad := byte(0) // hosts that fail
	for n := 0; len(steps) > 0; n++ {
		switch op := next(); op & 15 {
		case 0:
			var list []Host
			in, x, y := next(), next(), next()
			for i := range 8 {
				if in>>i&1 == 1 {
					list = append(list, Host{addr(i), uint32(x>>(i&3)&7) * uint32(i), uint16(y >> (i & 3) & 3), op>>4&1 == 1 && x>>i&1 == 1})
				}
			}
			c.update(append(list, list[:len(list)/2]...))
		case 1:
			bad = next()
		case 2:
			c.now += time.Duration(op>>4) * time.Second
		case 3:
			h, n := addr(int(op>>4&7)), uint32(next())
			c.b.Hint(c.now, h, n&15, n>>4)
			c.twin.Hint(c.now, h, n&15, n>>4)
		case 4:
			c.report(Result{Host: addr(int(op >> 4 & 7)), Outcome: Outcome(next() % 3), Latency: time.Duration(next()) * time.Millisecond})
		case 5:
			if op>>4 == 15 {
				all := settings()
				c.reopen(all[int(next())%len(all)])
			}
			c.effects(c.b.Tick(c.now), c.twin.Tick(c.now), false)
		case 6, 7, 8, 9:
			c.now += time.Duration(op) * time.Millisecond
			c.pick(Ask{Key: uint64(op >> 4), Caller: uint32(op >> 6), Zone: uint16(op >> 5)})
		default:
			c.now += time.Millisecond
			if len(c.flying) == 0 {
				break
			}
			i := int(op>>4) % len(c.flying)
			h := c.flying[i].Host
			c.flying = slices.Delete(c.flying, i, i+1)
			o := OK
			if bad>>(h.IP&7)&1 == 1 {
				o = Outcome(1 + op>>4&1)
			}
			c.report(Result{Host: h, Outcome: o, Latency: time.Duration(op>>2) * time.Millisecond, Caller: uint32(op >> 6)})
		}
		if n%16 == 0 {
			c.consistent()
		}
	}
	c.consistent()
}

// Any steps: every pick, change and state is legal.
func FuzzConformance(f *testing.F) {
	f.Add(uint8(0), []byte{0, 255, 0, 0, 6, 7, 8, 9, 26, 27, 1, 3, 6, 7, 10, 11, 12})
	f.Fuzz(func(t *testing.T, which uint8, steps []byte) {
		all := settings()
		newChecked(t, all[int(which)%len(all)], uint64(which)).steps(steps)
	})
}

// settings are those that everything is tried with.
func settings() []Settings {
	var all []Settings
	each(func(_ string, s Settings) { all = append(all, s) })
	for _, text := range []string{
		"base=100ms eject_max=2s successes=1 slow_start=off grace=off window=1s",
		"hard_cap=0.01 soft_cap=1 panic=1 chance=1 consecutive=1 probe_every=1 call_timeout=50ms",
		"algorithm=rr panic=off zone_share=off consecutive=off sigmas=0.5 peers_min=1 failure_min=1 peers=1 slow_start=1h",
		"algorithm=chash bound=off soft_consecutive=1 chance=1 forgive=100ms jitter=off hint_ttl=off",
		"algorithm=prequal pool=2 hot_rif=0.01 fail_cost=off decay=10ms jitter=0.9 base=1s",
	} {
		s, err := ParseSettings(text)
		if err != nil {
			panic(err)
		}
		all = append(all, s)
	}
	return all
}

func TestConformance(t *testing.T) {
	for n, s := range settings() {
		t.Run(s.String(), func(t *testing.T) {
			for seed := range uint64(3) {
				rnd := rand.New(rand.NewPCG(seed, uint64(n)))
				steps := []byte{0, 255, 0, byte(seed), 1, byte(1) << rnd.IntN(8)}
				for range 2000 {
					op := byte(rnd.Uint32())
					if op&15 < 2 && rnd.IntN(8) > 0 { // few routes, few faults
						op |= 8
					}
					steps = append(steps, op)
				}
				newChecked(t, s, seed).steps(steps)
			}
		})
	}
}

func TestNothingAllocates(t *testing.T) {
	each(func(name string, s Settings) {
		hosts := addrs(1, 50)
		for i := range hosts {
			hosts[i].Zone, hosts[i].Weight = uint16(i%3), uint32(i%4)
		}
		b := open(t, s, hosts)
		now, n := time.Duration(0), 0
		states := make([]HostState, 0, 50)
		step := func() {
			n++
			now += time.Millisecond
			c := b.Pick(now, Ask{Key: uint64(n), Zone: uint16(n % 4)})
			r := Result{Host: c.Host, Latency: time.Millisecond, Caller: uint32(n % 3)}
			if n/2000%2 == 1 && c.Host.IP%5 == 0 { // hosts come and go
				r.Outcome = Hard
			}
			if c.Verdict == Picked {
				b.Report(now, r)
			}
			b.Tick(now)
			b.Hint(now, addr(1), 1, 2)
		}
		for range 8000 {
			step()
		}
		if got := testing.AllocsPerRun(4000, step); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
		if got := testing.AllocsPerRun(10, func() {
			b.Update(now, hosts)
			states = b.AppendStates(states[:0])
		}); got != 0 {
			t.Errorf("%s: an unchanged route, and states: %v allocations", name, got)
		}
	})
}

// Every host that works gets calls: its share, with those that heed weights.
func TestShares(t *testing.T) {
	each(func(name string, s Settings) {
		hosts := addrs(1, 10)
		heeds := s.Algorithm != "rr" && s.Algorithm != "random" && s.Algorithm != "classic" && s.Algorithm != "elb"
		total := 0.0
		for i := range hosts {
			hosts[i].Weight = uint32(1 + i%3)
			total += float64(1 + i%3)
		}
		b := open(t, s, hosts)
		got := map[route.Host]int{}
		const calls = 30000
		now := time.Duration(0)
		var row [8]Choice
		for n := range calls {
			now += time.Millisecond
			at := &row[n%8]
			if at.Verdict == Picked {
				b.Report(now, Result{Host: at.Host, Latency: time.Duration(8+n%5) * time.Millisecond})
			}
			*at = b.Pick(now, Ask{Key: uint64(n) + 1})
			got[at.Host]++
		}
		for _, h := range hosts {
			want := calls / 10.0
			if heeds {
				want = calls * float64(h.Weight) / total
			}
			if share := float64(got[h.Host]) / want; share < 0.6 || share > 1.5 {
				t.Errorf("%s: %v of weight %d got %.2f of its share", name, h.Host, h.Weight, share)
			}
		}
	})
}
