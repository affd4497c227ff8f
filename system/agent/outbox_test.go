package agent

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"lars/backends"
	"lars/reactor"
	"lars/system/balance"
	"lars/system/route"
	"lars/system/wire"
)

// many makes every shard know n modules of one host, and report one call each
// whenever the returned function is called.
func many(t *testing.T, s *Service, n int) (callAll func()) {
	t.Helper()
	modules := func(i int, f func(route.Module)) {
		for k := range n {
			f(mod(int32(3*k+i), 0))
		}
	}
	onAll := func(f func(sh *shard, m route.Module)) {
		for i, sh := range s.shards {
			if err := s.on(sh.loop, func() error { modules(i, func(m route.Module) { f(sh, m) }); return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	onAll(func(sh *shard, m route.Module) { sh.load(m, news{hosts: balance.Plain(addrs(1, 1))}) })
	return func() {
		onAll(func(sh *shard, m route.Module) {
			sh.takeReport(&wire.ReportRequest{ModID: m.ModID, CmdID: m.CmdID, Host: info(addr(1)), HasHost: true}, 0)
		})
	}
}

// sum adds up the calls of all modules, each mark once.
func (p *fakeReporter) sum() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// More than is handed over at once, new and repeated, goes in its order.
func TestManyReportsAcrossReconnects(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		p := startReporter(t)
		s := start(t, open(2), Config{Reporter: p.where(), ReportEvery: time.Millisecond, Caller: "10.1.2.3"})
		const modules, rounds = 6000, 4
		callAll := many(t, s, modules)
		for range rounds {
			sent := s.Stats().Count(StatusSent)
			callAll()
			eventually(t, "something of it goes out", func() bool { return s.Stats().Count(StatusSent) > sent })
			p.stop() // in the middle of it
			p.start()
		}
		eventually(t, "all calls have arrived", func() bool { return p.sum() >= 3*modules*rounds })
		if n := p.sum(); n != 3*modules*rounds {
			t.Errorf("%d calls", n)
		}
		checkMarks(t, p)
		if s.Stats().Count(StatusAgain) == 0 {
			t.Error("nothing was sent again: the test did not test")
		}
	})
}

// A reporter that is connected and reads nothing makes the shards wait and
// merge; then it is left for the other, which gets everything.
func TestAReporterThatTakesNothingIsLeft(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		stuck := &peer{t: t}
		over := make(chan struct{})
		stuck.serve = func(c net.Conn) {
			_ = c.(*net.TCPConn).SetReadBuffer(4096)
			<-over
		}
		stuck.start()
		defer stuck.stop()
		defer close(over)
		p := startReporter(t)
		s := start(t, open(3), Config{
			// A busy machine must not make the other one stuck, too.
			Reporter: Peer{Addrs: stuck.at + "," + p.at}, ReportEvery: time.Millisecond, SilenceMax: 3 * time.Second, Caller: "10.1.2.3",
		})
		const modules, rounds = 8000, 12 // far more than sockets hold
		callAll := many(t, s, modules)
		for range rounds {
			callAll()
		}
		const calls = 3 * modules * rounds
		eventually(t, "the one that takes nothing is left", func() bool { return s.Stats().Count(Silences) > 0 })
		eventually(t, "all calls have arrived at the other", func() bool { return p.sum() >= calls })
		if n := p.sum(); n != calls {
			t.Errorf("%d calls of %d", n, calls)
		}
		checkMarks(t, p)
		counted(t, s, StatusEarly, 0)
	})
}

// Whatever its peers and its reactor are doing, an agent ends, and leaves
// nothing behind.
func TestCloseLeavesNothing(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		d, p := startDNS(t), startReporter(t)
		away := newDNS(t)
		away.reserve()
		r := open(2)
		var goroutines, descriptors int
		for round := range 5 {
			c := Config{DNS: d.where(), Reporter: p.where()}
			if round%2 == 1 {
				c = Config{DNS: away.where(), Reporter: away.where()}
			}
			s := start(t, r, c)
			newCaller(t, s.Addrs()).getHost(mod(1, 1))
			stop(t, s)
			stop(t, s) // a second time
			if round == 1 {
				goroutines, descriptors = runtime.NumGoroutine(), openFiles(t)
			}
		}
		// Each round leaves the caller's three sockets to the test's end.
		eventually(t, "goroutines and descriptors are back", func() bool {
			return runtime.NumGoroutine() <= goroutines && openFiles(t) <= descriptors+3*3
		})
	})
}

func openFiles(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestCloseOnAReactorThatIsClosed(t *testing.T) {
	for _, name := range backends.Names() {
		d, err := backends.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r := openReactor(t, d, 2)
		dns, rep := startDNS(t), startReporter(t)
		s, err := Start(r, Config{DNS: dns.where(), Reporter: rep.where()})
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err := s.Close(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		if _, err := Start(r, Config{}); err == nil {
			t.Errorf("%s: an agent on a closed reactor", name)
		}
	}
}

// Statistics that cannot be sent do not keep Close longer than its context.
func TestCloseEndsWithItsContext(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		s, err := Start(open(1), Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Close(ctx); err != nil && err != context.Canceled {
			t.Error(err)
		}
	})
}

// What stands unread in a socket when the agent is told to end is counted. Only
// a loop that asks the kernel itself reads for certain before its timers.
func TestCloseReadsWhatHasCome(t *testing.T) {
	d, err := backends.Open("epoll")
	if err != nil {
		t.Fatal(err)
	}
	r := openReactor(t, d, 1)
	p := startReporter(t)
	s := start(t, r, Config{Reporter: p.where(), ReportEvery: time.Hour, Caller: "10.1.2.3"})
	many(t, s, 1)
	eventually(t, "connected to the reporter", func() bool { return s.Stats().Reporter == "connected "+p.at })

	blocked, release := make(chan struct{}), make(chan struct{})
	r.Loops()[0].Post(func() { close(blocked); <-release })
	<-blocked
	c := newCaller(t, s.Addrs())
	const sent = 2000 // more than a loop reads in some turns
	for range sent {
		c.report(mod(0, 0), addr(1), wire.RetSucc)
	}
	came := sent - unreceived(t, s.Addrs()[0].Port())
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		ended <- s.Close(ctx)
	}()
	close(release)
	if err := <-ended; err != nil {
		t.Error("Close:", err)
	}
	eventually(t, "the calls arrive", func() bool { return p.sum() > 0 })
	if n := p.sum(); n != came {
		t.Errorf("%d calls reported, of %d that had reached the socket", n, came)
	}
}

// unreceived is how many datagrams a UDP socket had no room for.
func unreceived(t *testing.T, port uint16) (n int) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			if n, err = strconv.Atoi(f[len(f)-1]); err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("port %d is not in /proc/net/udp", port)
	return 0
}
