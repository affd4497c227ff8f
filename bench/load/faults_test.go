package load

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"lars/reactor/frame"
)

// answers is what a test server sends back for the n-th frame of a connection,
// n from 0. nil ends the connection.
type answers func(n int, request []byte) [][]byte

func echoAnswer(_ int, request []byte) [][]byte { return [][]byte{request} }

// serveTCP runs a small server in this process until the test ends.
func serveTCP(t *testing.T, answer answers) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveConn(c, answer)
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

func serveConn(c net.Conn, answer answers) {
	defer c.Close()
	for n := 0; ; n++ {
		request := make([]byte, frame.HeadBytes, 256)
		if _, err := io.ReadFull(c, request); err != nil {
			return
		}
		request = request[:frame.HeadBytes+int(request[4])] // the echo's body is short
		if _, err := io.ReadFull(c, request[frame.HeadBytes:]); err != nil {
			return
		}
		frames := answer(n, request)
		if frames == nil {
			return
		}
		for _, f := range frames {
			if _, err := c.Write(f); err != nil {
				return
			}
		}
	}
}

func serveUDP(t *testing.T, answer answers) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 2048)
		for n := 0; ; n++ {
			size, from, err := c.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // a peer that is gone
			}
			request := append([]byte(nil), buf[:size]...)
			for _, f := range answer(n, request) {
				_, _ = c.WriteTo(f, from)
			}
		}
	}()
	return netip.MustParseAddrPort(c.LocalAddr().String())
}

func flip(b []byte, at int) []byte {
	bad := append([]byte(nil), b...)
	bad[at] ^= 0x20
	return bad
}

// misbehaviours are servers that do one thing wrong at the twentieth frame.
func misbehaviours() map[string]answers {
	at := func(do answers) answers {
		return func(n int, request []byte) [][]byte {
			if n == 20 {
				return do(n, request)
			}
			return echoAnswer(n, request)
		}
	}
	var kept []byte
	return map[string]answers{
		"honest":        echoAnswer,
		"wrong content": at(func(_ int, r []byte) [][]byte { return [][]byte{flip(r, 12)} }),
		"wrong msgid":   at(func(_ int, r []byte) [][]byte { return [][]byte{flip(r, 1)} }),
		"wrong id":      at(func(_ int, r []byte) [][]byte { return [][]byte{flip(r, len(r)-2)} }),
		"lost":          at(func(int, []byte) [][]byte { return [][]byte{} }),
		"twice":         at(func(_ int, r []byte) [][]byte { return [][]byte{r, r} }),
		"swapped": func(n int, r []byte) [][]byte {
			if n == 20 {
				kept = r
				return [][]byte{}
			}
			if n == 21 {
				return [][]byte{r, kept}
			}
			return [][]byte{r}
		},
		"bad length": at(func(_ int, r []byte) [][]byte {
			r[7] = 0x80
			return [][]byte{r}
		}),
		"hangs up": at(func(int, []byte) [][]byte { return nil }),
		"reply in pieces": func(_ int, r []byte) [][]byte {
			return [][]byte{r[:3], r[3:11], r[11:]}
		},
	}
}

func TestFaultsTCP(t *testing.T) {
	want := map[string]struct {
		verdict Verdict
		check   func(*Result) bool
	}{
		"honest":          {Valid, func(r *Result) bool { return r.Errors() == 0 }},
		"reply in pieces": {Valid, func(r *Result) bool { return r.Errors() == 0 && r.Completed > 0 }},
		"wrong content":   {Invalid, func(r *Result) bool { return r.Wrong == 1 && r.Lost == 1 }},
		"wrong msgid":     {Invalid, func(r *Result) bool { return r.Wrong == 1 }},
		"wrong id":        {Invalid, func(r *Result) bool { return r.Wrong == 1 }},
		"lost":            {Invalid, func(r *Result) bool { return r.Lost == 1 && r.TimedOut == 1 && r.Reordered == 0 }},
		"twice":           {Invalid, func(r *Result) bool { return r.Duplicated == 1 && r.Lost == 0 }},
		"swapped":         {Invalid, func(r *Result) bool { return r.Reordered == 1 && r.Lost == 0 }},
		"bad length":      {Invalid, func(r *Result) bool { return r.BadFrames == 1 && r.Disconnected == 1 }},
		"hangs up":        {Invalid, func(r *Result) bool { return r.Disconnected == 1 && r.Cut && r.Lost > 0 }},
	}
	for name, answer := range misbehaviours() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := want[name]
			r := inTime(t, func(k time.Duration) Config {
				return Config{Addr: serveTCP(t, answer), Depth: 4, Duration: k * 150 * time.Millisecond, Timeout: k * 600 * time.Millisecond}
			}, w.check)
			if !w.check(r) {
				t.Errorf("counts %+v, cut %v", r.Counts, r.Cut)
			}
			if got := Worst(r.Judge()); (got == Invalid) != (w.verdict == Invalid) {
				t.Errorf("verdict %v, want %v: %v", got, w.verdict, r.Judge())
			}
		})
	}
}

// TestFaultsUDP: what networks do is counted and no fault; a wrong reply is, and
// on loopback a doubled one.
func TestFaultsUDP(t *testing.T) {
	want := map[string]func(*Result) bool{
		"honest":          func(r *Result) bool { return r.Wrong+r.Lost+r.Duplicated+r.Reordered == 0 },
		"wrong content":   func(r *Result) bool { return r.Wrong == 1 && r.Lost == 1 },
		"wrong msgid":     func(r *Result) bool { return r.Wrong == 1 },
		"wrong id":        func(r *Result) bool { return r.Wrong == 1 },
		"lost":            func(r *Result) bool { return r.Lost == 1 && r.TimedOut == 1 && r.Wrong == 0 },
		"twice":           func(r *Result) bool { return r.Duplicated == 1 && r.Wrong == 0 },
		"swapped":         func(r *Result) bool { return r.Reordered == 1 && r.Wrong == 0 },
		"bad length":      func(r *Result) bool { return r.Wrong == 1 && r.Lost == 1 },
		"hangs up":        func(r *Result) bool { return r.Lost == 1 && r.Disconnected == 0 },
		"reply in pieces": func(r *Result) bool { return r.Wrong > 0 && r.Completed == 0 },
	}
	for name, answer := range misbehaviours() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := inTime(t, func(k time.Duration) Config {
				return Config{Network: "udp", Addr: serveUDP(t, answer), Depth: 4, Duration: k * 150 * time.Millisecond, Timeout: k * 600 * time.Millisecond}
			}, want[name])
			if !want[name](r) {
				t.Errorf("counts %+v", r.Counts)
			}
			if got := Worst(r.Judge()); (got == Invalid) != (r.Wrong+r.Duplicated > 0) || r.Lost > 0 && got == Valid {
				t.Errorf("verdict %v of %+v: %v", got, r.Counts, r.Judge())
			}
		})
	}
}

// TestLateUDP: a reply after its timeout is late and not lost, and the request
// is censored at the timeout in the histograms.
func TestLateUDP(t *testing.T) {
	r := inTime(t, func(k time.Duration) Config {
		held := make(chan []byte, 1)
		addr := serveUDP(t, func(n int, r []byte) [][]byte {
			if n == 20 {
				held <- r
				return nil
			}
			// The timeout has passed when the depth of 1 brings another request.
			select {
			case late := <-held:
				return [][]byte{late, r}
			default:
				return [][]byte{r}
			}
		})
		return Config{Network: "udp", Addr: addr, Duration: k * 1200 * time.Millisecond, Timeout: k * 500 * time.Millisecond}
	}, func(r *Result) bool { return r.Late == 1 && r.TimedOut == 1 })
	if r.Late != 1 || r.TimedOut != 1 || r.Lost != 0 || r.Duplicated != 0 {
		t.Errorf("counts %+v", r.Counts)
	}
	if r.Response.Censored() != 1 || r.Service.Censored() != 1 {
		t.Errorf("censored %d and %d, want 1", r.Response.Censored(), r.Service.Censored())
	}
}

// TestNobodyUDP: an unreachable peer is counted, and the run ends in time.
func TestNobodyUDP(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(c.LocalAddr().String())
	c.Close()
	r := runLoad(t, Config{Network: "udp", Addr: addr, Conns: 3, Rate: 200, Duration: 200 * time.Millisecond, Timeout: 100 * time.Millisecond})
	if r.Refused == 0 || r.Completed != 0 || r.Lost == 0 || Worst(r.Judge()) != Invalid {
		t.Errorf("counts %+v, %v", r.Counts, r.Judge())
	}
}

// TestServerDoesNotRead: sockets fill up, the requests stay queued with their
// times, the queue keeps its limit, and all of it is said.
func TestServerDoesNotRead(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // accepted by the kernel, never read
	const limit = 300
	r := runLoad(t, Config{
		Addr: netip.MustParseAddrPort(l.Addr().String()), Conns: 2, Rate: 2000, QueueRequestsMax: limit,
		Workload: mustEcho(t, 1<<20), Duration: 400 * time.Millisecond, Timeout: 100 * time.Millisecond,
	})
	if r.Blocked == 0 || r.Dropped == 0 || r.Completed != 0 || r.Sent > limit {
		t.Errorf("counts %+v", r.Counts)
	}
	if r.Response.Censored() == 0 || Worst(r.Judge()) != Invalid {
		t.Errorf("censored %d, %v", r.Response.Censored(), r.Judge())
	}
}

// oneWay is an echo whose replies nobody waits for, and which may have none.
type oneWay struct{ Echo }

func (oneWay) OneWay() bool { return true }

func (o oneWay) FrameBytesMax() (request, reply int) {
	request, _ = o.Echo.FrameBytesMax()
	return request, 0
}

func TestOneWay(t *testing.T) {
	silent := func(int, []byte) [][]byte { return [][]byte{} }
	for network, addr := range map[string]netip.AddrPort{"tcp": serveTCP(t, silent), "udp": serveUDP(t, silent)} {
		c := Config{Network: network, Addr: addr, Conns: 2, Rate: 1000, Workload: oneWay{}, Duration: 300 * time.Millisecond}
		r := runLoad(t, c)
		if r.Completed == 0 || r.Completed != r.Sent || r.Lost+r.Wrong != 0 || r.Service.Count()+r.Response.Count() != 0 || r.SendLag.Count() == 0 || r.OneWay != r.Sent {
			t.Errorf("%s: counts %+v", network, r.Counts)
		}
		c.Rate = 0
		if err := c.Validate(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: a closed loop without replies: %v", network, err)
		}
	}
}

// TestOneWayIsRead: the load ends when the server has read all that was sent.
func TestOneWayIsRead(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var read, ended atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				slow := make([]byte, 100) // many reads behind
				for {
					n, err := c.Read(slow)
					read.Add(int64(n))
					if err != nil {
						ended.Add(1)
						c.Close()
						return
					}
				}
			}()
		}
	}()
	r := runLoad(t, Config{Addr: netip.MustParseAddrPort(l.Addr().String()), Conns: 3, Rate: 20_000, Workload: oneWay{}, Duration: 100 * time.Millisecond})
	all := r.BytesOut + r.WarmupCounts.BytesOut
	if got := uint64(read.Load()); ended.Load() != 3 || got < all || got == 0 || r.Errors() != 0 {
		t.Errorf("the server had read %d bytes of at least %d on %d connections: %+v", got, all, ended.Load(), r.Counts)
	}
}

// TestOneWayAnswered: a reply that may not be is wrong.
func TestOneWayAnswered(t *testing.T) {
	addr := serveUDP(t, echoAnswer)
	r := runLoad(t, Config{Network: "udp", Addr: addr, Rate: 1000, Workload: oneWay{}, Duration: 300 * time.Millisecond})
	if r.Wrong == 0 || Worst(r.Judge()) != Invalid {
		t.Errorf("counts %+v", r.Counts)
	}
}

// pushed takes every second frame for a message that answers nothing.
type pushed struct{ Echo }

func (p pushed) CheckReply(reply []byte, conn int, oldest uint64) (uint64, Content) {
	if reply[0] == EchoID+1 {
		return 0, Push
	}
	return p.Echo.CheckReply(reply, conn, oldest)
}

func TestPush(t *testing.T) {
	addr := serveTCP(t, func(_ int, r []byte) [][]byte {
		push := append([]byte(nil), r...)
		push[0] = EchoID + 1
		return [][]byte{push, r, push}
	})
	r := inTime(t, func(k time.Duration) Config {
		return Config{Addr: addr, Depth: 3, Workload: pushed{}, Duration: k * 100 * time.Millisecond}
	}, func(r *Result) bool { return r.Completed > 0 })
	if r.Pushed < r.Completed || r.Completed == 0 || r.Errors()+r.Lost != 0 {
		t.Errorf("counts %+v", r.Counts)
	}
}

// FuzzReplies: whatever a server sends, the books of the connection balance.
func FuzzReplies(f *testing.F) {
	right := (Echo{}).MakeRequest(nil, 0, 1)
	f.Add(append(right, right...))
	f.Add(right[:9])
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, stream []byte) {
		w := &worker{workload: Echo{}, group: newGroup(1), replyMax: len(right), inFlight: 5}
		c := &conn{ring: *sentRing(5)}
		settled, consumed := w.judgeAll(c, stream, 100)
		if consumed > len(stream) || settled > 5 || w.inFlight != int64(5-settled) || w.group.arms[0].Completed != uint64(settled) {
			t.Fatalf("settled %d, consumed %d of %d, %d in flight, %+v", settled, consumed, len(stream), w.inFlight, w.group.arms[0].Counts)
		}
		if consumed >= 0 {
			c.in = append(c.in, stream[consumed:]...)
			if c.reserve(w.replyMax); cap(c.in) > 2*(len(stream)+4096) {
				t.Fatalf("%d bytes reserved for %d", cap(c.in), len(stream))
			}
		}
	})
}
