package agent

import (
	"net/netip"
	"testing"
	"time"

	"lars/backends"
	"lars/reactor"
	"lars/system/balance"
	"lars/system/wire"
)

// filled is an agent without dns whose first shard knows 50 modules of 10
// hosts each: (3n, 0).
func filled(r *reactor.Reactor, c Config) (*Service, error) {
	s, err := Start(r, c)
	if err != nil {
		return nil, err
	}
	sh := s.shards[0]
	return s, s.on(sh.loop, func() error {
		for n := range int32(50) {
			sh.load(mod(3*n, 0), news{hosts: balance.Plain(addrs(1, 10))})
		}
		return nil
	})
}

func hostQuestion(seq uint32, n int) []byte {
	q := wire.GetHostRequest{Seq: seq, ModID: int32(3 * (n % 50))}
	return q.AppendTo(nil)
}

// A handler, called as the reactor does, allocates nothing in steady state:
// with statistics on, on the own port and on a wrong one of the same loop.
func TestHandlersAllocateNothing(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		r, p := open(1), startReporter(t)
		s, err := filled(r, Config{Reporter: p.where(), ReportEvery: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer stop(t, s)
		report := wire.ReportRequest{ModID: 9, Host: info(addr(2)), HasHost: true}
		for _, c := range []struct {
			name  string
			shard int
			id    int32
			body  []byte
		}{
			{"get_host", 0, wire.IDGetHostRequest, hostQuestion(7, 3)},
			{"get_host on a wrong port", 1, wire.IDGetHostRequest, hostQuestion(7, 3)},
			{"get_host of no module", 0, wire.IDGetHostRequest, hostQuestion(7, 3)[:2]},
			{"report", 0, wire.IDReportRequest, report.AppendTo(nil)},
			{"report on a wrong port", 2, wire.IDReportRequest, report.AppendTo(nil)},
			{"get_route", 0, wire.IDAPIGetRouteRequest, (&wire.GetRouteRequest{ModID: 9}).AppendTo(nil)},
		} {
			if got := allocations(t, r, s.shards[c.shard], c.id, c.body); got != 0 {
				t.Errorf("%s: %v allocations", c.name, got)
			}
		}
	})
}

// allocations counts those of a shard's handler on a datagram from a socket of
// the test's own, whose router brings the handler into the counter.
func allocations(t *testing.T, r *reactor.Reactor, sh *shard, id int32, body []byte) float64 {
	t.Helper()
	handle := map[int32]reactor.HandlerFunc{
		wire.IDGetHostRequest: sh.onGetHost, wire.IDReportRequest: sh.onReport, wire.IDAPIGetRouteRequest: sh.onGetRoute,
	}[id]
	result := make(chan float64, 1)
	router := reactor.NewRouter()
	router.Handle(id, func(q *reactor.Request) { result <- testing.AllocsPerRun(2000, func() { handle(q) }) }, nil)
	socket, err := r.ListenPacket("127.0.0.1:0", reactor.PacketConfig{Router: router, Loop: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	newCaller(t, []netip.AddrPort{socket.LocalAddr()}).send(0, id, body)
	select {
	case n := <-result:
		return n
	case <-time.After(patience):
		t.Fatal("no answer")
		return 0
	}
}

// Requests from another loop's socket allocate nothing either, once the
// inbox has grown.
func TestForwardedRequestsAllocateNothing(t *testing.T) {
	d, _ := backends.Open("epoll")
	r := openReactor(t, d, 3)
	s, err := filled(r, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	var b inbox
	b.drain = func() {}
	l := letter{id: wire.IDGetHostRequest}
	if got := testing.AllocsPerRun(1000, func() {
		for range 10 {
			b.put(l, s.shards[0].loop)
		}
		b.give(b.take())
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
	for range lettersMax + 10 {
		b.put(l, s.shards[0].loop)
	}
	if n := len(b.take()); n != lettersMax {
		t.Errorf("%d letters wait", n)
	}
}

// BenchmarkHandler is decoding, deciding and encoding, without the socket.
func BenchmarkHandler(b *testing.B) {
	for _, algorithm := range []string{"classic", "ewma"} {
		b.Run(algorithm, func(b *testing.B) { benchmarkHandler(b, "algorithm="+algorithm) })
	}
}

func benchmarkHandler(b *testing.B, settings string) {
	d, _ := backends.Open("epoll")
	r := openReactor(b, d, 1)
	p := startReporter(b)
	s, err := filled(r, Config{Reporter: p.where(), ReportEvery: time.Hour, Balance: settings})
	if err != nil {
		b.Fatal(err)
	}
	defer stop(b, s)
	sh := s.shards[0]
	onLoop := func(b *testing.B, f func(n int)) {
		b.ReportAllocs()
		_ = s.on(sh.loop, func() error {
			for n := 0; b.Loop(); n++ {
				f(n)
			}
			return nil
		})
	}
	b.Run("get_host", func(b *testing.B) {
		buf := make([]byte, 0, 64)
		questions := make([][]byte, 50)
		for n := range questions {
			questions[n] = hostQuestion(uint32(n+1000), n)
		}
		onLoop(b, func(n int) {
			q := &sh.hostRequest
			if err := q.Decode(questions[n%50]); err == nil && sh.owner(q.ModID, q.CmdID, nil) == sh {
				a := sh.getHost(q, callerOf(reactor.Peer{}))
				_ = a.Size() // as before an answer in place
				buf = a.AppendTo(buf[:0])
			}
		})
	})
	b.Run("report", func(b *testing.B) {
		bodies := make([][]byte, 500)
		for n := range bodies {
			q := wire.ReportRequest{ModID: int32(3 * (n % 50)), Host: info(addr(n/50 + 1)), HasHost: true}
			bodies[n] = q.AppendTo(nil)
		}
		onLoop(b, func(n int) {
			q := &sh.report
			if err := q.Decode(bodies[n%500]); err == nil && sh.owner(q.ModID, q.CmdID, nil) == sh {
				sh.takeReport(q, callerOf(reactor.Peer{}))
			}
		})
	})
	b.Run("second/modules=20000", func(b *testing.B) {
		_ = s.on(sh.loop, func() error {
			for n := range int32(20000) {
				sh.load(mod(3*n, 3), news{hosts: balance.Plain(addrs(1, 2))})
			}
			return nil
		})
		onLoop(b, func(int) { sh.second() })
	})
}
