package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lars/bench/pace"
)

func runLoad(t *testing.T, c Config) *Result {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// inTime makes a run until it is as it should be: a busy machine may give a
// short one no time, or its replies none within their timeout. Each try has
// three times as much of both, in k; what is wrong with the last is the
// caller's to tell.
func inTime(t *testing.T, config func(k time.Duration) Config, right func(*Result) bool) (r *Result) {
	t.Helper()
	const triesMax = 4
	k := time.Duration(1)
	for range triesMax {
		if r = runLoad(t, config(k)); right(r) {
			break
		}
		k *= 3
	}
	return r
}

func mustEcho(t *testing.T, n int) Echo {
	t.Helper()
	e, err := NewEcho(n)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestAgainstFloor runs every mode against the C server: nothing may be wrong,
// and the books must balance.
func TestAgainstFloor(t *testing.T) {
	tcp := startFloor(t, nil, "-m", "16777216")
	udp := startFloor(t, nil, "-u")
	const ms = time.Millisecond
	tests := []struct {
		name string
		c    Config
	}{
		{"closed, one", Config{}},
		{"closed, 50 by 16", Config{Conns: 50, Depth: 16}},
		{"closed, deeper than a write", Config{Conns: 2, Depth: 5000}},
		{"closed, 64 KiB", Config{Conns: 5, Depth: 4, Workload: mustEcho(t, 64<<10)}},
		{"closed, 16 MiB", Config{Conns: 2, Workload: mustEcho(t, EchoContentBytesMax), Duration: 500 * ms}},
		{"closed, two workers", Config{Conns: 11, Depth: 2, Workers: 2}},
		{"closed, no warm-up", Config{Conns: 3, Warmup: -1}},
		{"open, poisson", Config{Conns: 10, Rate: 3000, Seed: 7}},
		{"open, constant", Config{Conns: 10, Rate: 3000, Arrivals: pace.Constant}},
		{"open, fewer arrivals than connections", Config{Conns: 100, Rate: 500}},
		{"open, two workers", Config{Conns: 7, Rate: 2000, Workers: 2}},
		{"open, one in flight", Config{Conns: 4, Rate: 1000, Depth: 1}},
		{"udp closed", Config{Network: "udp", Conns: 4, Depth: 8}},
		{"udp open", Config{Network: "udp", Conns: 4, Rate: 1000}}, // a stalled server's socket holds all of it
		{"udp, 60,000 bytes", Config{Network: "udp", Conns: 2, Depth: 2, Workload: mustEcho(t, 60_000)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, s := tt.c, tcp
			if c.Network == "udp" {
				s = udp
			}
			c.Addr, c.PIDs, c.Every = s.addr, []int{s.pid}, 40*ms
			if c.Duration == 0 {
				c.Duration = 150 * ms
			}
			if c.Warmup == 0 {
				c.Warmup = 50 * ms
			}
			c.Warmup = max(c.Warmup, 0)
			c.Timeout = time.Minute // what no machine's pause makes late
			checkBooks(t, c)
		})
	}
}

// checkBooks runs c and compares the intervals, the result and the histograms.
// A run in which the machine had no time for a request is made again, longer.
func checkBooks(t *testing.T, c Config) *Result {
	t.Helper()
	const durationMax = 10 * time.Second
	for {
		r, check := books(t, c)
		if r.Completed > 0 || c.Duration >= durationMax {
			check()
			return r
		}
		c.Duration *= 3
	}
}

// books runs c and returns how to check it.
func books(t *testing.T, c Config) (*Result, func()) {
	t.Helper()
	var sums Counts
	var intervals, measured int64
	last, disorder := Draining, ""
	c.OnInterval = func(v *Interval) {
		if intervals == 0 {
			last = v.Phase
		}
		if v.Phase < last {
			disorder = fmt.Sprintf("phase %v after %v", v.Phase, last)
		}
		last = v.Phase
		sums.Add(&v.Counts)
		intervals++
		if v.Phase != Warmup {
			measured += v.Response.Count()
		}
	}
	var phases []Phase
	c.OnPhase = func(p Phase) { phases = append(phases, p) }
	r := runLoad(t, c)
	return r, func() {
		t.Helper()
		if disorder != "" {
			t.Error(disorder)
		}
		for _, reason := range r.Judge() {
			if reason.Verdict == Invalid && r.Config.Network != "udp" && !loadedMachine(reason.Text) {
				t.Errorf("invalid: %s", reason.Text)
			}
		}
		if wrong := r.Wrong + r.Duplicated + r.Reordered + r.BadFrames + r.Disconnected + r.Lost; wrong != 0 {
			t.Errorf("faults where there are none: %+v", r.Counts)
		}
		if sums.Arrivals != sums.Sent || sums.Sent != sums.Completed || sums.Completed == 0 {
			t.Errorf("%d arrivals, %d sent, %d completed in all", sums.Arrivals, sums.Sent, sums.Completed)
		}
		if sums.BytesIn != sums.BytesOut {
			t.Errorf("%d bytes out, %d back", sums.BytesOut, sums.BytesIn)
		}
		if measured != r.Response.Count() || r.Response.Count() != r.Service.Count() {
			t.Errorf("measured %d, response %d, service %d", measured, r.Response.Count(), r.Service.Count())
		}
		if lags := r.SendLag.Count(); c.Open() && lags != r.Response.Count() || !c.Open() && lags != 0 {
			t.Errorf("%d send lags for %d responses", lags, r.Response.Count())
		}
		if r.Response.Max() < r.Service.Max() || r.Response.Under()+r.Service.Under()+r.SendLag.Under() != 0 {
			t.Errorf("times that cannot be: response %d, service %d", r.Response.Max(), r.Service.Max())
		}
		if r.Elapsed <= 0 || r.Cut {
			t.Errorf("measured %v of %v, cut %v", r.Elapsed, c.Duration, r.Cut)
		}
		if cpu, ok := r.ServerCPUPerRequest(0); !ok || cpu <= 0 || r.Audit.CPU <= 0 {
			t.Errorf("CPU of the server %v, %v; of the generator %v", cpu, ok, r.Audit.CPU)
		}
		want := []Phase{Warmup, Measured, Draining}
		if c.Warmup == 0 {
			want = want[1:]
		}
		if fmt.Sprint(phases) != fmt.Sprint(want) {
			t.Errorf("phases %v, want %v", phases, want)
		}
	}
}

// loadedMachine recognises the reasons that are about time and not about replies.
func loadedMachine(reason string) bool {
	for _, start := range []string{"the rate was", "the generator was", "requests were sent"} {
		if len(reason) >= len(start) && reason[:len(start)] == start {
			return true
		}
	}
	return false
}

// TestNoAllocations: in its steady state the generator leaves the collector
// nothing to do.
func TestNoAllocations(t *testing.T) {
	s, rival := startFloor(t, nil), startFloor(t, nil)
	for name, c := range map[string]Config{
		"closed": {Conns: 20, Depth: 4},
		"open":   {Conns: 20, Rate: 5000},

		"closed duet": {Conns: 10, Depth: 4, Rival: rival.addr},
		"open duet":   {Conns: 20, Rate: 3000, Rival: rival.addr},
	} {
		var at [3]runtime.MemStats
		c.OnPhase = func(p Phase) { runtime.ReadMemStats(&at[p]) }
		r := inTime(t, func(k time.Duration) Config {
			c.Addr, c.Warmup, c.Duration = s.addr, 200*time.Millisecond, k*400*time.Millisecond
			return c
		}, func(r *Result) bool { return r.Completed >= 500 })
		if n := at[Draining].Mallocs - at[Measured].Mallocs; n > 100 || r.Completed < 500 {
			t.Errorf("%s: %d allocations for %d requests", name, n, r.Completed)
		}
	}
}

func TestSourceAddresses(t *testing.T) {
	loopback, other := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.1")
	if a, ok := sourceAddr(loopback, 5, connsPerAddress); ok {
		t.Errorf("few connections are bound to %v", a)
	}
	if a, ok := sourceAddr(other, 5, ConnsMax); ok {
		t.Errorf("connections to another machine are bound to %v", a)
	}
	perAddr := map[netip.Addr]int{}
	for i := range ConnsMax {
		a, ok := sourceAddr(loopback, i, ConnsMax)
		if !ok || !a.IsLoopback() {
			t.Fatalf("connection %d comes from %v, %v", i, a, ok)
		}
		if perAddr[a]++; perAddr[a] > connsPerAddress {
			t.Fatalf("more than %d connections come from %v", connsPerAddress, a)
		}
	}
}

// TestManyConnectionsSpread opens two of 60,000 connections for real.
func TestManyConnectionsSpread(t *testing.T) {
	s := startFloor(t, nil)
	poll, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer poll.close()
	d := dialer{cfg: &Config{}, addr: s.addr, poll: poll, fds: make([]int, 60_000)}
	for i, want := range map[int][4]byte{0: {127, 0, 0, 1}, 59_999: {127, 0, 0, 3}} {
		if err := d.open(i); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(d.fds[i])
		name, err := unix.Getsockname(d.fds[i])
		if from, ok := name.(*unix.SockaddrInet4); err != nil || !ok || from.Addr != want {
			t.Errorf("connection %d comes from %v, %v; want %v", i, name, err, want)
		}
	}
}

// TestScheduleIsKept: an open loop makes exactly the arrivals of its seed.
func TestScheduleIsKept(t *testing.T) {
	s := startFloor(t, nil)
	c := Config{Addr: s.addr, Conns: 3, Rate: 5000, Seed: 42, Warmup: 50 * time.Millisecond, Duration: 200 * time.Millisecond}
	sched, err := pace.New(c.Arrivals, c.Rate, c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	var all, measured int64
	for at := sched.Next(); at < int64(c.Warmup+c.Duration); at = sched.Next() {
		all++
		if at >= int64(c.Warmup) {
			measured++
		}
	}
	var arrivals uint64
	c.OnInterval = func(v *Interval) { arrivals += v.Arrivals }
	r := runLoad(t, c)
	if int64(arrivals) != all || r.Response.Count() != measured {
		t.Errorf("%d arrivals, %d measured; the schedule has %d and %d", arrivals, r.Response.Count(), all, measured)
	}
}

// TestHeldUp: a worker that had no processor for a while ends the intervals that
// it has missed one by one, each in its phase.
func TestHeldUp(t *testing.T) {
	const ms = time.Millisecond
	c := Config{Warmup: 80 * ms, Duration: time.Hour, Every: 40 * ms}.withDefaults()
	w, err := newWorker(&c, 0, new(atomic.Bool))
	if err != nil {
		t.Fatal(err)
	}
	defer w.poll.close()
	phases := make(chan map[Phase]int, 1) // the last interval that ended in it
	go func() {
		last := map[Phase]int{}
		for last[Measured] < 5 {
			g := <-w.exchange.Full()
			last[g.phase] = g.index
			g.reset()
			w.exchange.Return(g)
		}
		phases <- last
	}()
	w.started = time.Now()
	w.begin(0)
	w.started = w.started.Add(-250 * ms)
	for w.index < 6 {
		w.clock()
	}
	w.close(w.now(), Measured)
	w.exchange.MustSwap()
	if last := <-phases; last[Warmup] != 1 {
		t.Errorf("intervals of 40 ms, the first 80 ms are warm-up: they ended with %v", last)
	}
}

// TestParts: generators that share a schedule send each arrival once, with any
// number of loops.
func TestParts(t *testing.T) {
	s := startFloor(t, nil)
	c := Config{Addr: s.addr, Conns: 3, Rate: 4000, Seed: 7, Workers: 2, Duration: 100 * time.Millisecond}
	arrivals := func(c Config) (n uint64) {
		c.OnInterval = func(v *Interval) { n += v.Arrivals }
		runLoad(t, c)
		return n
	}
	whole, sum := arrivals(c), uint64(0)
	for i := range 3 {
		c.Part = Part{Index: i, Of: 3}
		part := arrivals(c)
		if sum += part; part < whole/3-1 || part > whole/3+1 {
			t.Errorf("part %d has %d of %d arrivals", i, part, whole)
		}
	}
	if sum != whole {
		t.Errorf("the parts have %d arrivals, the whole has %d", sum, whole)
	}
}

// TestOnConnected: the load waits for it, and does not begin after an error.
func TestOnConnected(t *testing.T) {
	s := startFloor(t, nil)
	var before, began time.Time
	c := Config{Addr: s.addr, Conns: 2, Duration: 20 * time.Millisecond}
	c.OnPhase = func(p Phase) { began = time.Now() }
	c.OnConnected = func(context.Context) error { before = time.Now(); return nil }
	if runLoad(t, c); before.IsZero() || began.Before(before) {
		t.Errorf("connected at %v, began at %v", before, began)
	}
	no := errors.New("no")
	c.OnConnected = func(context.Context) error { return no }
	if _, err := Run(t.Context(), c); !errors.Is(err, no) {
		t.Error(err)
	}
}

// TestCancel: whoever stops a run learns that it was cut short, and nothing of a
// server that still had time to answer.
func TestCancel(t *testing.T) {
	mute := func(n int, request []byte) [][]byte {
		if n > 0 {
			return [][]byte{}
		}
		return echoAnswer(n, request)
	}
	for name, c := range map[string]struct {
		config Config
		at     Phase // of which it is stopped
	}{
		"measuring": {Config{Addr: startFloor(t, nil).addr, Conns: 5, Duration: time.Hour, Every: 20 * time.Millisecond}, Measured},
		"draining":  {Config{Addr: serveTCP(t, mute), Duration: 20 * time.Millisecond}, Draining},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c.config.OnPhase = func(p Phase) {
				if p == Draining && c.at == Draining {
					cancel()
				}
			}
			c.config.OnInterval = func(*Interval) {
				if c.at == Measured {
					cancel()
				}
			}
			r, err := Run(ctx, c.config)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Cut || Worst(r.Judge()) != Invalid || r.Completed == 0 {
				t.Errorf("cut %v, completed %d, %v", r.Cut, r.Completed, r.Judge())
			}
			if v := r.Violations(); len(v) > 0 || r.Lost > 0 || r.Response.Censored() > 0 {
				t.Errorf("%d lost, %d given up, %v", r.Lost, r.Response.Censored(), v)
			}
		})
	}
}

func TestRefusedConfigurations(t *testing.T) {
	ok := Config{Addr: netip.MustParseAddrPort("127.0.0.1:7777"), Duration: time.Second}
	if err := ok.Validate(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(*Config){
		"network":           func(c *Config) { c.Network = "sctp" },
		"part 3 of 3":       func(c *Config) { c.Part = Part{3, 3} },
		"negative part":     func(c *Config) { c.Part = Part{-1, 3} },
		"no address":        func(c *Config) { c.Addr = netip.AddrPort{} },
		"IPv6":              func(c *Config) { c.Addr = netip.MustParseAddrPort("[::1]:1") },
		"times of a duet":   func(c *Config) { c.Workload, c.Rival = timed{}, netip.MustParseAddrPort("127.0.0.1:7778") },
		"its own rival":     func(c *Config) { c.Rival = c.Addr },
		"rival on IPv6":     func(c *Config) { c.Rival = netip.MustParseAddrPort("[::1]:1") },
		"port 0":            func(c *Config) { c.Addr = netip.MustParseAddrPort("127.0.0.1:0") },
		"connections":       func(c *Config) { c.Conns = -1 },
		"many connections":  func(c *Config) { c.Conns = ConnsMax + 1 },
		"rate":              func(c *Config) { c.Rate = -5 },
		"depth":             func(c *Config) { c.Depth = DepthMax + 1 },
		"all in flight":     func(c *Config) { c.Depth, c.Conns = 60_000, 1000 },
		"workers":           func(c *Config) { c.Workers = 2 },
		"no duration":       func(c *Config) { c.Duration = 0 },
		"warm-up":           func(c *Config) { c.Warmup = -1 },
		"timeout":           func(c *Config) { c.Timeout = 1 },
		"long duration":     func(c *Config) { c.Duration = DurationMax + 1 },
		"long warm-up":      func(c *Config) { c.Warmup = WarmupMax + 1 },
		"long timeout":      func(c *Config) { c.Timeout = TimeoutMax + 1 },
		"interval":          func(c *Config) { c.Every = 1 },
		"arrivals":          func(c *Config) { c.Arrivals = 7 },
		"datagram too long": func(c *Config) { c.Network, c.Workload = "udp", mustEcho(t, 65_507) },
		"descriptors":       func(c *Config) { c.Conns = ConnsMax },
	}
	for name, change := range tests {
		c := ok
		change(&c)
		if err := c.Validate(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// timed is an echo that wants to know times.
type timed struct{ Echo }

func (timed) Times([]byte, time.Duration, time.Duration, time.Duration) {}

func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	_, err = Run(t.Context(), Config{Addr: addr, Conns: 10, Duration: time.Second})
	if !errors.Is(err, ErrDial) {
		t.Errorf("Run = %v, want ErrDial", err)
	}
}
