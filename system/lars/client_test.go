package lars

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"lars/reactor/frame"
	"lars/system/balance"
	"lars/system/wire"
)

var one = Module{ModID: 1, CmdID: 1}

// slow is a configuration whose questions are asked once, and never time out.
func slow(a *fakeAgent) Config { return Config{Addrs: a.addrs, Timeout: patience, Tries: 1} }

func TestGetHostAsksTheOwningPort(t *testing.T) {
	a := startAgent(t, func(q question) [][]byte {
		return [][]byte{hostAnswer(q, 0, int32(q.port))}
	})
	c := newClient(t, slow(a))
	for cmdid := range int32(7) {
		m := Module{ModID: 2, CmdID: cmdid}
		got, err := c.GetHost(t.Context(), m)
		if want := hostAddr((2 + cmdid) % 3); err != nil || got != want {
			t.Errorf("%v: %v, %v; want %v", m, got, err, want)
		}
	}
}

func TestRetcodesAreErrors(t *testing.T) {
	a := startAgent(t, func(q question) [][]byte { return [][]byte{hostAnswer(q, q.host.CmdID, 1)} })
	c := newClient(t, slow(a))
	for code, want := range map[int32]error{0: nil, wire.RetOverload: ErrOverload, wire.RetNoExist: ErrNotExist, 2: ErrSystem, 77: ErrSystem} {
		_, err := c.GetHost(t.Context(), Module{ModID: 1, CmdID: code})
		if !errors.Is(err, want) {
			t.Errorf("retcode %d: %v", code, err)
		}
		if back := Retcode(err); int32(back) != code && (code < 4 || back != 2) {
			t.Errorf("retcode %d comes back as %d", code, back)
		}
	}
}

func TestInvalidArgumentsAreNotSent(t *testing.T) {
	a := startAgent(t, func(question) [][]byte { return nil })
	c := newClient(t, slow(a))
	ctx := t.Context()
	for _, m := range []Module{{ModID: -5}, {CmdID: -1}, {ModID: -1, CmdID: 1}} {
		_, err1 := c.GetHost(ctx, m)
		_, err2 := c.GetRoute(ctx, m)
		err3, err4 := c.Report(ctx, m, hostAddr(1), 0), c.Register(ctx, m)
		for _, err := range []error{err1, err2, err3, err4} {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%v: %v", m, err)
			}
		}
	}
	for _, addr := range []netip.AddrPort{{}, netip.MustParseAddrPort("10.0.0.1:0"), netip.MustParseAddrPort("[::1]:80")} {
		if err := c.Report(ctx, one, addr, 0); !errors.Is(err, ErrInvalid) {
			t.Errorf("report about %v: %v", addr, err)
		}
	}
	if n := a.count(); n != 0 {
		t.Errorf("%d datagrams sent", n)
	}
}

// UDP may lose: the first two questions are.
func TestALostQuestionIsAskedAgain(t *testing.T) {
	n := 0
	a := startAgent(t, func(q question) [][]byte {
		if n++; n <= 2 {
			return nil
		}
		return [][]byte{hostAnswer(q, 0, 1)}
	})
	c := newClient(t, Config{Addrs: a.addrs, Timeout: time.Millisecond, Tries: 1000})
	if got, err := c.GetHost(t.Context(), one); err != nil || got != hostAddr(1) {
		t.Errorf("%v, %v", got, err)
	}
	if s := c.Stats(); s.Asked != 1 || s.Again < 2 {
		t.Errorf("%+v", s)
	}
}

func TestAnAgentThatNeverAnswers(t *testing.T) {
	a := startAgent(t, func(question) [][]byte { return nil })
	c := newClient(t, Config{Addrs: a.addrs, Timeout: time.Millisecond, Tries: 4})
	if _, err := c.GetHost(t.Context(), one); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	if _, err := c.GetRoute(t.Context(), one); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	if s := c.Stats(); s.Again != 6 {
		t.Errorf("%+v", s)
	}
	for i := range c.sockets {
		if s := c.sockets[i]; s.n != 0 || len(s.hosts) != 0 || len(s.routes) != 0 {
			t.Errorf("socket %d still waits for %d", i, s.n)
		}
	}
}

func TestAContextThatEnds(t *testing.T) {
	asked := make(chan struct{}, 10)
	a := startAgent(t, func(question) [][]byte { asked <- struct{}{}; return nil })
	c := newClient(t, slow(a))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := c.GetHost(ctx, one); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, err := range []error{c.Register(ctx, one), c.Report(ctx, one, hostAddr(1), 0), c.Call(ctx, one, nil)} {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if a.count() != 1 {
		t.Errorf("%d datagrams: nothing is sent for a context that has ended", a.count())
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.GetRoute(short, one); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// The original's client takes a stale answer of another kind for its own, or
// fails on it; and waits for ever for one that is lost.
func TestLateAndForeignAnswersAreDiscarded(t *testing.T) {
	a := startAgent(t, func(q question) [][]byte {
		if q.id != wire.IDGetHostRequest {
			return nil
		}
		old, other := q, q
		old.host.Seq--
		other.host.CmdID++
		stale := question{route: wire.GetRouteRequest{ModID: 1, CmdID: 1}}
		return [][]byte{
			hostAnswer(old, 0, 9), hostAnswer(other, 0, 9), routeAnswer(stale, 9),
			{},
			[]byte("garbage!!"),
			{5, 0, 0, 0, 2, 0, 0, 0, 8, 0xFF},
			{8, 0, 0, 0, 2, 0, 0, 0, 8, 0xFF},
			{6, 0, 0, 0, 0, 0, 0, 0},
			hostAnswer(q, 0, 1), hostAnswer(q, 0, 9),
		}
	})
	c := newClient(t, slow(a))
	for range 3 {
		if got, err := c.GetHost(t.Context(), one); err != nil || got != hostAddr(1) {
			t.Fatalf("%v, %v", got, err)
		}
	}
	// The last answer of all comes after the third call has returned.
	for end := time.Now().Add(patience); c.Stats().Late < 12 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if s := c.Stats(); s.Late != 12 || s.Garbage != 15 {
		t.Errorf("%+v", s)
	}
}

// Answers in any order, of any number of goroutines.
func TestManyGoroutines(t *testing.T) {
	var held []question
	a := startAgent(t, func(q question) (out [][]byte) {
		if held = append(held, q); len(held) < 4 {
			return nil
		}
		for _, h := range slices.Backward(held) { // to whoever asked, but all come from one client
			if h.id == wire.IDGetHostRequest {
				out = append(out, hostAnswer(h, 0, h.host.CmdID%200))
			} else {
				out = append(out, routeAnswer(h, h.route.CmdID%200))
			}
		}
		held = nil
		return out
	})
	// Tries make up for the last three, which wait for a fourth.
	c := newClient(t, Config{Addrs: a.addrs, Timeout: 20 * time.Millisecond, Tries: 1000})
	var all sync.WaitGroup
	for g := range int32(32) {
		all.Go(func() {
			for n := range int32(50) {
				m := Module{ModID: 3, CmdID: 3 * (g*50 + n)} // all on one port
				got, err := c.GetHost(t.Context(), m)
				if err != nil || got != hostAddr(m.CmdID%200) {
					t.Errorf("%v: %v, %v", m, got, err)
				}
				r, err := c.GetRoute(t.Context(), m)
				if err != nil || len(r.Hosts) != 1 || r.Hosts[0] != hostAddr(m.CmdID%200) {
					t.Errorf("%v: %v, %v", m, r, err)
				}
			}
		})
	}
	all.Wait()
}

// Those who ask for one route at once all get it.
func TestOneRouteForAllWhoAsk(t *testing.T) {
	n := 0
	a := startAgent(t, func(q question) [][]byte {
		if n++; n < 5 {
			return nil
		}
		return [][]byte{routeAnswer(q, 1, 2, 3)}
	})
	c := newClient(t, slow(a))
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if r, err := c.GetRoute(t.Context(), one); err != nil || len(r.Hosts) != 3 || r.Cut {
				t.Errorf("%v, %v", r, err)
			}
		})
	}
	all.Wait()
}

func TestNoAgentAndOneThatComesBack(t *testing.T) {
	a := startAgent(t, func(q question) [][]byte { return [][]byte{hostAnswer(q, 0, 1)} })
	c := newClient(t, Config{Addrs: a.addrs, Timeout: 5 * time.Millisecond, Tries: 2})
	if _, err := c.GetHost(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	a.stop()
	_, err := c.GetHost(t.Context(), one)
	if !errors.Is(err, ErrSystem) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	a.start(t)
	if got, err := c.GetHost(t.Context(), one); err != nil || got != hostAddr(1) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestRegisterAsksThreeTimes(t *testing.T) {
	for _, c := range []struct {
		comes int // the answer that has hosts
		asked int
		want  error
	}{{1, 1, nil}, {2, 2, nil}, {3, 3, nil}, {4, 3, ErrNotExist}} {
		n := 0
		a := startAgent(t, func(q question) [][]byte {
			if n++; n == c.comes {
				return [][]byte{routeAnswer(q, 1)}
			}
			return [][]byte{routeAnswer(q)}
		})
		cl := newClient(t, slow(a))
		if err := cl.Register(t.Context(), one); err != c.want || a.count() != c.asked {
			t.Errorf("hosts in answer %d: %v after %d", c.comes, err, a.count())
		}
	}
}

func TestReportIsWhatTheOriginalSends(t *testing.T) {
	a := startAgent(t, func(question) [][]byte { return nil })
	c := newClient(t, slow(a))
	if err := c.Report(t.Context(), Module{ModID: 1, CmdID: 2}, netip.MustParseAddrPort("192.168.1.177:7777"), 1); err != nil {
		t.Fatal(err)
	}
	got := <-a.reports
	want := wire.ReportRequest{ModID: 1, CmdID: 2, HasHost: true, Host: wire.HostInfo{IP: -1062731343, Port: 7777}, Retcode: 1}
	if got.port != 0 || got.rep != want {
		t.Errorf("%+v", got)
	}
}

func TestCallReports(t *testing.T) {
	a := startAgent(t, func(q question) [][]byte {
		if q.id == wire.IDGetHostRequest {
			return [][]byte{hostAnswer(q, 0, 4)}
		}
		return nil
	})
	c := newClient(t, slow(a))
	ours := errors.New("ours")
	ctx, cancel := context.WithCancel(t.Context())
	late, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	for _, x := range []struct {
		name    string
		ctx     context.Context
		f       func(context.Context) error
		want    error
		retcode int32 // -1: no report
	}{
		{"success", t.Context(), func(context.Context) error { return nil }, nil, 0},
		{"failure", t.Context(), func(context.Context) error { return ours }, ours, 1},
		{"deadline", late, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, context.DeadlineExceeded, balance.CodeTimedOut},
		{"refused", t.Context(), func(context.Context) error { return syscall.ECONNREFUSED }, syscall.ECONNREFUSED, balance.CodeRefused},
		{"cancelled", ctx, func(ctx context.Context) error { cancel(); return ctx.Err() }, context.Canceled, -1},
	} {
		err := c.Call(x.ctx, one, func(ctx context.Context, addr netip.AddrPort) error {
			if addr != hostAddr(4) {
				t.Errorf("%s: called %v", x.name, addr)
			}
			return x.f(ctx)
		})
		if !errors.Is(err, x.want) {
			t.Errorf("%s: %v", x.name, err)
		}
		if x.retcode >= 0 {
			if r := <-a.reports; r.rep.Retcode != x.retcode || r.rep.LatencyUS > 1e8 || (x.name == "deadline" && r.rep.LatencyUS == 0) || r.rep.Host != hostInfo(4) {
				t.Errorf("%s: reported %+v", x.name, r.rep)
			}
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = c.Call(t.Context(), one, func(context.Context, netip.AddrPort) error { panic("ours") })
	}()
	if r := <-a.reports; r.rep.Retcode == 0 {
		t.Errorf("after a panic: %+v", r.rep)
	}
	if n := c.Stats().Reports; n != 5 {
		t.Errorf("%d reports", n)
	}
}

func TestCloseEndsCallsThatWait(t *testing.T) {
	asked := make(chan struct{}, 10)
	a := startAgent(t, func(question) [][]byte { asked <- struct{}{}; return nil })
	c := newClient(t, slow(a))
	results := make(chan error, 2)
	go func() { _, err := c.GetHost(context.Background(), one); results <- err }()
	go func() { _, err := c.GetRoute(context.Background(), one); results <- err }()
	<-asked
	<-asked
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-results; err != ErrClosed {
			t.Error(err)
		}
	}
	if _, err := c.GetHost(t.Context(), one); err != ErrClosed {
		t.Error(err)
	}
	if err := c.Report(t.Context(), one, hostAddr(1), 0); err != ErrClosed {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	three := []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
	for _, c := range []Config{
		{Addrs: three[:2]},
		{Addrs: []string{"a", "b", "c"}},
		{Addrs: []string{three[0], three[1], "127.0.0.1:0"}},
		{Addrs: three, Timeout: -1},
		{Addrs: three, Tries: -1},
	} {
		if cl, err := New(c); err == nil {
			cl.Close()
			t.Errorf("%+v was accepted", c)
		}
	}
}

func TestCallsThatWaitAreBounded(t *testing.T) {
	a := startAgent(t, func(question) [][]byte { return nil })
	c := newClient(t, slow(a))
	s := c.sockets[0]
	for n := range callsMax {
		if err := s.await(wire.IDGetHostRequest, &call{seq: uint32(n), done: make(chan struct{}, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.GetHost(t.Context(), Module{ModID: 3}); err != ErrBusy {
		t.Error(err)
	}
}

// quickAgent answers get_host and allocates nothing itself.
func quickAgent(t testing.TB) *fakeAgent {
	var a wire.GetHostResponse
	buf, out := make([]byte, 0, 100), make([][]byte, 1)
	return startAgent(t, func(q question) [][]byte {
		if q.id != wire.IDGetHostRequest {
			return nil
		}
		a = wire.GetHostResponse{Seq: q.host.Seq, ModID: q.host.ModID, CmdID: q.host.CmdID, HasHost: true, Host: hostInfo(1)}
		buf = buf[:frame.HeadBytes]
		frame.PutHead(buf, wire.IDGetHostResponse, a.Size())
		out[0] = a.AppendTo(buf)
		return out
	})
}

// One, at most: the race detector makes pools forget.
func TestFewAllocations(t *testing.T) {
	a := quickAgent(t)
	c := newClient(t, slow(a))
	ctx := context.Background()
	if got := testing.AllocsPerRun(1000, func() {
		if _, err := c.GetHost(ctx, one); err != nil {
			t.Fatal(err)
		}
	}); got > 2 {
		t.Errorf("get_host: %v allocations", got)
	}
	if got := testing.AllocsPerRun(100, func() {
		if err := c.Report(ctx, one, hostAddr(1), 0); err != nil {
			t.Fatal(err)
		}
	}); got > 1 {
		t.Errorf("report: %v allocations", got)
	}
}

// What a call says beside its module reaches the agent, and nothing when there
// is nothing to say: the bytes are the original's.
func TestAskAndLatencyAreSent(t *testing.T) {
	a := startAgent(t, func(q question) [][]byte {
		if q.id != wire.IDGetHostRequest {
			return nil
		}
		return [][]byte{hostAnswer(q, int32(q.host.Key), int32(q.host.Zone)+1)}
	})
	c := newClient(t, slow(a))
	if at, err := c.GetHostFor(t.Context(), one, Ask{Zone: 6}); err != nil || at != hostAddr(7) {
		t.Errorf("zone: %v, %v", at, err)
	}
	if _, err := c.GetHostFor(t.Context(), one, Ask{Key: 1}); !errors.Is(err, ErrOverload) {
		t.Errorf("key: %v", err)
	}
	for latency, want := range map[time.Duration]uint32{
		1500 * time.Microsecond: 1500, 0: 0, -time.Second: 0, 1000 * time.Hour: 1<<32 - 1,
	} {
		if err := c.ReportCall(t.Context(), one, hostAddr(1), 0, latency); err != nil {
			t.Error(err)
		}
		if r := <-a.reports; r.rep.LatencyUS != want {
			t.Errorf("%v: %d us", latency, r.rep.LatencyUS)
		}
	}
}

func TestCodes(t *testing.T) {
	for want, err := range map[int32]error{
		0: nil, 1: errors.New("status 500"),
		balance.CodeTimedOut: os.ErrDeadlineExceeded, balance.CodeReset: fmt.Errorf("read: %w", syscall.ECONNRESET),
		balance.CodeNoRoute: syscall.EHOSTUNREACH, balance.CodeUnreachable: syscall.ENETUNREACH,
	} {
		if got := Code(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

// An agent without the message leaves the question unanswered.
func TestHostsOfAnOldAgent(t *testing.T) {
	a := startAgent(t, func(q question) [][]byte {
		if q.id == wire.IDAPIGetRouteRequest {
			return [][]byte{routeAnswer(q, 1)}
		}
		return nil
	})
	c := newClient(t, Config{Addrs: a.addrs, Timeout: 10 * time.Millisecond, Tries: 100})
	if _, err := c.Hosts(t.Context(), one); !errors.Is(err, ErrOldAgent) || !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	if _, err := c.Hosts(t.Context(), Module{ModID: -1}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// BenchmarkGetHost has an answer from a plain goroutine.
func BenchmarkGetHost(b *testing.B) {
	for _, parallel := range []int{1, 16} {
		b.Run(fmt.Sprint(parallel), func(b *testing.B) {
			c := newClient(b, Config{Addrs: quickAgent(b).addrs})
			b.ReportAllocs()
			b.SetParallelism(parallel)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := c.GetHost(context.Background(), one); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
