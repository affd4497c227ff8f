package sim_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"lars/backends/sim"
	"lars/reactor/driver"
)

// pair is a world with an echo server and a client of it.
func pair(t *testing.T, link sim.Link) (*sim.World, *client) {
	w := sim.New(sim.Config{Seed: 9, Link: link})
	serveEcho(t, w, "server")
	c := startClient(t, w, "client", "server", 10*time.Millisecond)
	w.Run(time.Second)
	if c.c == nil || c.bytes == 0 || c.packets == 0 {
		t.Fatalf("nothing works before the fault: %v\n%s", c.ends, w.Trace())
	}
	return w, c
}

// answers runs the world for d and counts what comes back meanwhile.
func (c *client) answers(w *sim.World, d time.Duration) (messages, packets, sent int) {
	bytes, packets, sent := c.bytes, c.packets, c.sent
	w.Run(w.Now() + d)
	return (c.bytes - bytes) / messageBytes, c.packets - packets, c.sent - sent
}

func (c *client) wantEnd(t *testing.T, w *sim.World, want error) {
	t.Helper()
	if len(c.ends) == 0 || !errors.Is(c.ends[0], want) {
		t.Errorf("the connection ended with %v, want %v\n%s", c.ends, want, w.Trace())
	}
}

func TestCrashReset(t *testing.T) {
	w, c := pair(t, sim.Link{})
	server := w.Host("server")
	server.Crash(sim.Reset)
	if m, p, _ := c.answers(w, time.Second); m+p != 0 {
		t.Errorf("a process that was killed answered %d times", m+p)
	}
	c.wantEnd(t, w, syscall.ECONNRESET)
	if last := c.ends[len(c.ends)-1]; !errors.Is(last, syscall.ECONNREFUSED) || c.unreachable == 0 {
		t.Errorf("afterwards: connecting ends with %v, %d datagrams were said to be unreachable", last, c.unreachable)
	}
	serveEcho(t, w, "server")
	w.Run(w.Now() + time.Second)
	if m, p, sent := c.answers(w, time.Second); m < sent-2 || p < sent-2 {
		t.Errorf("after a new start %d and %d of %d are answered", m, p, sent)
	}
}

// TestCrashVanish: a machine that is off says nothing; once it is back it knows
// nothing of the connection, and says so.
func TestCrashVanish(t *testing.T) {
	w, c := pair(t, sim.Link{})
	server := w.Host("server")
	server.Crash(sim.Vanish)
	w.Run(w.Now() + 10*time.Second)
	if len(c.ends)+c.unreachable != 0 || c.c == nil {
		t.Errorf("a machine that is off has ended connections: %v, or %d times told of ports", c.ends, c.unreachable)
	}
	if _, err := w.Driver("server").Open(driver.Config{}); !errors.Is(err, syscall.ENETDOWN) {
		t.Errorf("Open on a host that is off: %v", err)
	}
	server.Restart()
	serveEcho(t, w, "server")
	w.Run(w.Now() + 20*time.Second) // the next repetition
	c.wantEnd(t, w, syscall.ECONNRESET)
	if m, p, sent := c.answers(w, time.Second); m < sent-2 || p < sent-2 {
		t.Errorf("after the restart %d and %d of %d are answered", m, p, sent)
	}
}

// TestSilentPeer: what is sent to a host that is off is repeated as often as
// Linux does, and keepalive finds out where nothing is sent.
func TestSilentPeer(t *testing.T) {
	w, c := pair(t, sim.Link{})
	idle := engine(t, w, "idle")
	var ended error
	var at time.Duration
	err := idle.Dial(idle.Loops()[0], w.Host("server").AddrPort(echoPort), driver.DialOptions{},
		func(driver.Conn) driver.Handler {
			return handler{closed: func(err error) { ended, at = err, w.Now() }}
		}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	w.Run(2 * time.Second)
	w.Host("server").Crash(sim.Vanish)
	w.Run(20 * time.Minute)
	if !errors.Is(ended, syscall.ETIMEDOUT) || at < 100*time.Second || at > 200*time.Second {
		t.Errorf("keepalive: closed with %v at %v, want ETIMEDOUT after ten times 15 s", ended, at)
	}
	c.wantEnd(t, w, syscall.ETIMEDOUT)
	if last := c.ends[len(c.ends)-1]; last != driver.ErrDialTimeout {
		t.Errorf("connecting to a host that is off ends with %v", last)
	}
}

// handler is made of functions; a nil one does nothing.
type handler struct {
	received func([]byte) int
	drained  func()
	closed   func(error)
}

func (h handler) Received(view []byte) int {
	if h.received == nil {
		return len(view)
	}
	return h.received(view)
}

func (h handler) Drained() {
	if h.drained != nil {
		h.drained()
	}
}

func (h handler) Closed(err error) {
	if h.closed != nil {
		h.closed(err)
	}
}

// TestPause: a stopped process answers nothing and loses nothing; what came
// meanwhile is answered when it goes on.
func TestPause(t *testing.T) {
	w, c := pair(t, sim.Link{})
	server := w.Host("server")
	w.Run(w.Now() + 5*time.Millisecond) // nothing is under way
	server.Pause()
	fired := time.Duration(0)
	server.After(time.Second, func() { fired = w.Now() })
	m, p, sent := c.answers(w, 2*time.Second)
	if m+p != 0 || fired != 0 {
		t.Errorf("a paused host answered %d times, and ran a timer at %v", m+p, fired)
	}
	server.Continue()
	resumed := w.Now()
	if m, p, more := c.answers(w, 5*time.Millisecond); m < sent || p < sent || more > 1 {
		t.Errorf("after the pause %d and %d of %d messages were answered at once", m, p, sent)
	}
	if fired != resumed {
		t.Errorf("the host's timer ran at %v, want %v", fired, resumed)
	}
	if len(c.ends) != 0 {
		t.Errorf("a pause ended connections: %v", c.ends)
	}
}

// TestTurnDelay: a slow process answers all, each so much later at most.
func TestTurnDelay(t *testing.T) {
	w, c := pair(t, sim.Link{})
	w.Run(w.Now() + 5*time.Millisecond) // nothing is under way
	w.Host("server").SetTurnDelay(300 * time.Millisecond)
	if m, p, _ := c.answers(w, 290*time.Millisecond); m+p != 0 {
		t.Errorf("a slow process answered %d times before its time", m+p)
	}
	w.Host("client").Pause() // nothing more is sent
	sent := c.sent
	w.Run(w.Now() + time.Second)
	w.Host("client").Continue()
	if m, p, more := c.answers(w, 5*time.Millisecond); m < 28 || p < 28 || more > 1 {
		t.Errorf("%d and %d of %d messages were answered late", m, p, sent)
	}
	w.Host("server").SetTurnDelay(0)
	w.Run(w.Now() + 300*time.Millisecond)
	if m, p, sent := c.answers(w, time.Second); m < sent-2 || p < sent-2 {
		t.Errorf("afterwards %d and %d of %d are answered", m, p, sent)
	}
}

// TestCutOneWay: questions arrive, answers do not; after Heal TCP has lost
// nothing.
func TestCutOneWay(t *testing.T) {
	w, c := pair(t, sim.Link{Delay: time.Millisecond})
	server, host := w.Host("server"), w.Host("client")
	w.SetLink(server, host, sim.Link{Cut: true})
	m, p, lost := c.answers(w, 3*time.Second)
	if m > 1 || p > 1 {
		t.Errorf("through a cut link came %d and %d answers", m, p)
	}
	w.SetLink(server, host, sim.Link{Delay: time.Millisecond})
	m, p, sent := c.answers(w, 10*time.Second)
	if m < sent+lost-2 || p > sent+1 || len(c.ends) != 0 {
		t.Errorf("after it %d answers over TCP for %d + %d questions, %d over UDP; ends %v", m, lost, sent, p, c.ends)
	}
}

func TestCutGroups(t *testing.T) {
	w, c := pair(t, sim.Link{})
	a, b := []*sim.Host{w.Host("client")}, []*sim.Host{w.Host("server")}
	w.Cut(a, b)
	if m, p, _ := c.answers(w, time.Second); m+p > 0 {
		t.Errorf("%d answers while cut", m+p)
	}
	w.Heal(a, b)
	w.Run(w.Now() + 5*time.Second)
	if m, p, sent := c.answers(w, time.Second); m < sent-1 || p < sent-1 {
		t.Errorf("after Heal %d and %d of %d", m, p, sent)
	}
}

// TestPacketFaults: each fault has its probability.
func TestPacketFaults(t *testing.T) {
	for _, test := range []struct {
		name     string
		link     sim.Link
		min, max float64 // answers for each datagram
	}{
		{"calm", sim.Link{}, 1, 1},
		{"loss", sim.Link{Loss: 0.1}, 0.77, 0.85},           // both ways: 0.9²
		{"duplicate", sim.Link{Duplicate: 0.1}, 1.17, 1.25}, // 1.1²
		{"everything", sim.Link{Loss: 1}, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := sim.New(sim.Config{Seed: 4, Link: sim.Link{Delay: time.Millisecond}})
			serveEcho(t, w, "server")
			c := startClient(t, w, "client", "server", time.Millisecond)
			w.Join(w.Host("server"), w.Host("client"), test.link)
			w.Run(5 * time.Second)
			if got := float64(c.packets) / float64(c.sent); got < test.min-0.001 || got > test.max {
				t.Errorf("%d answers to %d datagrams, want %v to %v times as many", c.packets, c.sent, test.min, test.max)
			}
		})
	}
}

// A transfer sends a stream of bytes one way and checks it at the other end.
type transfer struct {
	t        *testing.T
	want     []byte
	sent     int
	got      int
	over     []error // Closed of both ends
	buffered int     // most output that waited
	c        driver.Conn
}

func newTransfer(t *testing.T, w *sim.World, bytes int, o driver.ConnOptions) *transfer {
	x := &transfer{t: t, want: make([]byte, bytes)}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range x.want {
		x.want[i] = byte(random.Uint32())
	}
	from, to := engine(t, w, "from"), engine(t, w, "to")
	_, err := to.Listen(w.Host("to").AddrPort(1), driver.ListenOptions{Conn: o}, func(c driver.Conn) driver.Handler {
		return handler{received: x.check, closed: func(err error) { x.over = append(x.over, err) }}
	})
	if err != nil {
		t.Fatal(err)
	}
	err = from.Dial(from.Loops()[0], w.Host("to").AddrPort(1), driver.DialOptions{Conn: o, Timeout: time.Minute},
		func(c driver.Conn) driver.Handler {
			x.c = c
			x.fill()
			return handler{drained: x.fill, closed: func(err error) { x.over = append(x.over, err) }}
		}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *transfer) fill() {
	for x.sent < len(x.want) {
		b, err := x.c.Alloc(min(3000, len(x.want)-x.sent))
		if err != nil {
			break
		}
		x.sent += copy(b, x.want[x.sent:])
		x.c.Flush()
	}
	x.buffered = max(x.buffered, x.c.Buffered())
	if x.sent == len(x.want) {
		x.c.Close(nil)
	}
}

func (x *transfer) check(view []byte) int {
	for _, b := range view {
		if x.got >= len(x.want) || b != x.want[x.got] {
			x.t.Fatalf("byte %d differs", x.got)
		}
		x.got++
	}
	return len(view)
}

// TestStreamUnderFaults: TCP delivers every byte once and in order, and the end
// after them, whatever the link does.
func TestStreamUnderFaults(t *testing.T) {
	const bytes = 200_000
	random := rand.New(rand.NewPCG(5, 6))
	for seed := range uint64(20) {
		link := sim.Link{
			Delay: time.Duration(random.IntN(20)) * time.Millisecond, Jitter: time.Duration(random.IntN(10)) * time.Millisecond,
			Loss: random.Float64() * 0.2, Duplicate: random.Float64() * 0.2, Reorder: random.Float64() * 0.3,
		}
		o := driver.ConnOptions{OutputBytesMax: 50_000, SendBufferBytes: 4000 + random.IntN(60_000), RecvBufferBytes: 4000 + random.IntN(60_000)}
		w := sim.New(sim.Config{Seed: seed, Link: link})
		x := newTransfer(t, w, bytes, o)
		cut := time.Duration(random.IntN(1000)) * time.Millisecond
		a, b := []*sim.Host{w.Host("from")}, []*sim.Host{w.Host("to")}
		w.At(cut, func() { w.Cut(a, b) })
		w.At(cut+time.Second, func() { w.Heal(a, b) })
		w.RunUntil(time.Hour, func() bool { return len(x.over) == 2 })
		if x.got != bytes || len(x.over) != 2 {
			t.Fatalf("seed %d, %+v: %d of %d bytes arrived, ends %v\n%s", seed, link, x.got, bytes, x.over, w.Trace())
		}
		for _, err := range x.over {
			if err != nil && err != io.EOF {
				t.Errorf("seed %d: closed with %v", seed, err)
			}
		}
		if x.buffered > 53_000 {
			t.Errorf("seed %d: %d bytes were buffered, the limit is 50000", seed, x.buffered)
		}
		w.Run(w.Now() + 10*time.Minute)
		if n := w.Connections(); n != 0 {
			t.Errorf("seed %d: %d connections are left in kernels\n%s", seed, n, w.Trace())
		}
	}
}

// TestBandwidth: a link takes its time.
func TestBandwidth(t *testing.T) {
	w := sim.New(sim.Config{Link: sim.Link{Delay: time.Millisecond, BytesPerSecond: 100_000, QueueMax: time.Second}})
	x := newTransfer(t, w, 1_000_000, driver.ConnOptions{})
	w.RunUntil(time.Hour, func() bool { return x.got == 1_000_000 })
	if at := w.Now(); at < 10*time.Second || at > 11*time.Second {
		t.Errorf("a megabyte at 100 kB/s took %v", at)
	}
}

// TestBackPressure: output stays at the sender while the receiver does not run.
func TestBackPressure(t *testing.T) {
	w := sim.New(sim.Config{})
	x := newTransfer(t, w, 1_000_000, driver.ConnOptions{OutputBytesMax: 100_000, SendBufferBytes: 20_000, RecvBufferBytes: 30_000})
	w.RunUntil(time.Second, func() bool { return x.got > 0 })
	w.Host("to").Pause()
	before := x.got
	w.Run(time.Hour) // a window that is closed breaks nothing
	if x.got != before || x.sent-x.got > 200_000 || x.c.Buffered() == 0 {
		t.Errorf("to a paused host %d bytes were sent, %d received", x.sent, x.got)
	}
	w.Host("to").Continue()
	w.Run(w.Now() + 3*time.Minute)
	if x.got != 1_000_000 || x.over[0] != nil && x.over[0] != io.EOF {
		t.Errorf("after the pause %d bytes arrived, ends %v\n%s", x.got, x.over, w.Trace())
	}
}

func TestFilesMax(t *testing.T) {
	w := sim.New(sim.Config{})
	e := serveEcho(t, w, "server")
	w.Host("server").SetFilesMax(4) // two are the server's own
	var clients []*client
	for i := range 3 {
		clients = append(clients, startClient(t, w, string(rune('a'+i)), "server", 10*time.Millisecond))
	}
	w.Run(time.Second)
	if m, _, _ := clients[2].answers(w, time.Second); m != 0 {
		t.Errorf("a third connection was served with descriptors for two")
	}
	_, err := e.Listen(netip.AddrPortFrom(w.Host("server").Addr(), 0), driver.ListenOptions{}, nil)
	if !errors.Is(err, syscall.EMFILE) {
		t.Errorf("Listen without descriptors: %v", err)
	}
	w.Host("server").SetFilesMax(5)
	w.Run(w.Now() + 2*time.Second)
	if m, _, sent := clients[2].answers(w, time.Second); m < sent-1 {
		t.Errorf("with descriptors %d of %d are answered", m, sent)
	}
}

func TestSkew(t *testing.T) {
	epoch := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := sim.New(sim.Config{Epoch: epoch})
	h := w.Host("a")
	h.SetSkew(-time.Hour)
	w.Run(time.Minute)
	if got, want := h.Now(), epoch.Add(time.Minute-time.Hour); !got.Equal(want) {
		t.Errorf("Now is %v, want %v", got, want)
	}
	if got, want := w.Host("b").Now(), epoch.Add(time.Minute); !got.Equal(want) {
		t.Errorf("Now of the other host is %v, want %v", got, want)
	}
}

// TestEngineClose in virtual time: all is over when it returns, except inside.
func TestEngineClose(t *testing.T) {
	w, c := pair(t, sim.Link{})
	inside := errors.New("not called")
	c.l.Post(func() { inside = c.e.Close(t.Context()) })
	w.Run(w.Now() + time.Millisecond)
	if inside == nil {
		t.Error("Close inside a callback of the engine returned nil")
	}
	if err := c.e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	c.wantEnd(t, w, driver.ErrEngineClosed)
	if c.l.Post(func() {}) {
		t.Error("Post on a closed engine reported true")
	}
	sent := c.sent
	w.Run(w.Now() + time.Minute)
	if c.sent != sent {
		t.Error("a timer ran after Close")
	}
	if n := w.Connections(); n != 0 {
		t.Errorf("%d connections are left\n%s", n, w.Trace())
	}
}

// TestOrphans: a connection that its process has closed ends in the kernel too,
// after a minute when the peer does not close, and at once, with a reset, when
// the peer goes on sending.
func TestOrphans(t *testing.T) {
	for _, test := range []struct {
		name    string
		sends   bool
		within  time.Duration
		atLeast time.Duration
		want    error
	}{
		{"the peer sends", true, time.Second, 0, syscall.ECONNRESET},
		{"the peer is stopped", false, 70 * time.Second, 59 * time.Second, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := sim.New(sim.Config{})
			server, peer := engine(t, w, "server"), engine(t, w, "peer")
			at := w.Host("server").AddrPort(1)
			_, err := server.Listen(at, driver.ListenOptions{}, func(c driver.Conn) driver.Handler {
				c.Loop().After(time.Millisecond, func() { c.Close(nil) })
				return handler{}
			})
			if err != nil {
				t.Fatal(err)
			}
			var ended error
			l := peer.Loops()[0]
			err = peer.Dial(l, at, driver.DialOptions{Conn: driver.ConnOptions{KeepAlive: -1}}, func(c driver.Conn) driver.Handler {
				c.Pause() // so that it does not see the end
				var send func()
				send = func() {
					if b, err := c.Alloc(1); err == nil {
						b[0] = 1
						c.Flush()
					}
					l.After(5*time.Millisecond, send)
				}
				if test.sends {
					send()
				}
				return handler{closed: func(err error) { ended = err }}
			}, func(err error) { t.Error(err) })
			if err != nil {
				t.Fatal(err)
			}
			w.Run(10 * time.Millisecond)
			serversEnd := func() bool { return w.Connections() < 2 }
			if !w.RunUntil(test.within, serversEnd) || w.Now() < test.atLeast {
				t.Errorf("%d connections at %v\n%s", w.Connections(), w.Now(), w.Trace())
			}
			w.Run(w.Now() + time.Second)
			if !errors.Is(ended, test.want) {
				t.Errorf("the peer's ended with %v, want %v", ended, test.want)
			}
		})
	}
}

// TestHole: what follows a lost segment waits for it.
func TestHole(t *testing.T) {
	w := sim.New(sim.Config{Link: sim.Link{Delay: time.Millisecond}})
	e, at := engine(t, w, "other"), w.Host("to").AddrPort(2)
	to := engine(t, w, "to")
	got := ""
	if _, err := to.Listen(at, driver.ListenOptions{}, func(driver.Conn) driver.Handler {
		return handler{received: func(view []byte) int { got += string(view); return len(view) }}
	}); err != nil {
		t.Fatal(err)
	}
	var c driver.Conn
	if err := e.Dial(e.Loops()[0], at, driver.DialOptions{}, func(conn driver.Conn) driver.Handler {
		c = conn
		return handler{}
	}, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	w.RunUntil(time.Second, func() bool { return c != nil })
	send := func(s string) {
		c.Loop().Post(func() {
			if b, err := c.Alloc(len(s)); err == nil {
				copy(b, s)
			}
			c.Flush()
		})
		w.Run(w.Now() + 10*time.Millisecond)
	}
	send("one ")
	w.SetLink(w.Host("other"), w.Host("to"), sim.Link{Cut: true})
	send("two ")
	w.SetLink(w.Host("other"), w.Host("to"), sim.Link{Delay: time.Millisecond})
	send("three")
	if got != "one " {
		t.Errorf("%q arrived although a segment before is lost", got)
	}
	w.Run(w.Now() + time.Second)
	if got != "one two three" {
		t.Errorf("%q arrived in the end", got)
	}
}

// TestCrashOfOneself: a process may end in each of its callbacks, and none runs
// afterwards.
func TestCrashOfOneself(t *testing.T) {
	for _, where := range []string{"opened", "received", "task", "timer", "closed"} {
		w := sim.New(sim.Config{})
		e, h := engine(t, w, "server"), w.Host("server")
		over := false
		crash := func(here string) {
			if over {
				t.Errorf("%s after the crash in %s", here, where)
			}
			if here == where {
				over = true
				h.Crash(sim.Reset)
			}
		}
		l := e.Loops()[0]
		_, err := e.Listen(h.AddrPort(echoPort), driver.ListenOptions{}, func(c driver.Conn) driver.Handler {
			crash("opened")
			l.Post(func() { crash("task") })
			l.After(0, func() { crash("timer") })
			return handler{
				received: func(view []byte) int {
					crash("received")
					if where == "closed" {
						c.Close(nil)
					}
					return len(view)
				},
				closed: func(error) { crash("closed") },
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		c := startClient(t, w, "client", "server", 10*time.Millisecond)
		w.Run(time.Second)
		if !over || l.Post(func() {}) {
			t.Errorf("no crash in %s", where)
		}
		serveEcho(t, w, "server")
		if m, _, sent := c.answers(w, time.Second); m < sent-20 {
			t.Errorf("after the crash in %s: %d of %d answers, %v", where, m, sent, c.ends)
		}
	}
}

// TestMemoryStays: a world that runs long holds no more than one that has just
// begun, and of its events only timers allocate.
func TestMemoryStays(t *testing.T) {
	w := sim.New(sim.Config{Link: sim.Link{Delay: time.Millisecond, Loss: 0.01, Duplicate: 0.01, Reorder: 0.01}})
	serveEcho(t, w, "server")
	c := startClient(t, w, "client", "server", time.Millisecond)
	w.Run(5 * time.Second)
	before, events, was := heap(), w.Events(), mallocs()
	w.Run(15 * time.Second)
	allocations, events := mallocs()-was, w.Events()-events
	if ticks := uint64(10_000); allocations > 3*ticks+1000 { // a timer, its cancel, the client's method
		t.Errorf("%d allocations in %d events", allocations, events)
	}
	if after := heap(); after > before+256<<10 {
		t.Errorf("the heap grew from %d to %d bytes in %d events", before, after, events)
	}
	if c.packets == 0 {
		t.Error("nothing happened")
	}
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
