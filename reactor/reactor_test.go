package reactor_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"lars/backends"
	"lars/reactor"
	"lars/reactor/frame"
)

// patience bounds every wait of these tests; it is no timing of anything.
const patience = 30 * time.Second

// eachBackend runs a test on every backend.
func eachBackend(t *testing.T, f func(t *testing.T, open func(reactor.Config) *reactor.Reactor)) {
	for _, name := range backends.Names() {
		t.Run(name, func(t *testing.T) {
			d, err := backends.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			f(t, func(c reactor.Config) *reactor.Reactor {
				r, err := reactor.Open(d, c)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(r.Close)
				return r
			})
		})
	}
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("did not happen: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing arrived")
		panic("unreachable")
	}
}

// peer is a plain socket on the other side.
type peer struct {
	t *testing.T
	net.Conn
}

func dial(t *testing.T, addr fmt.Stringer) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &peer{t, c}
}

func (p *peer) send(id int32, body string) {
	p.t.Helper()
	if _, err := p.Write(frame.Append(nil, id, []byte(body))); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) read() (int32, string, error) {
	var head [frame.HeadBytes]byte
	if _, err := io.ReadFull(p, head[:]); err != nil {
		return 0, "", err
	}
	body := make([]byte, binary.LittleEndian.Uint32(head[4:]))
	_, err := io.ReadFull(p, body)
	return int32(binary.LittleEndian.Uint32(head[:])), string(body), err
}

func (p *peer) want(id int32, body string) {
	p.t.Helper()
	gotID, got, err := p.read()
	if err != nil || gotID != id || got != body {
		p.t.Fatalf("got id %d %q, %v; want %d %q", gotID, got, err, id, body)
	}
}

// wantEnd reads until the other side closes.
func (p *peer) wantEnd() {
	p.t.Helper()
	if n, err := io.Copy(io.Discard, p); errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatalf("connection still open after %d bytes", n)
	}
}

func listen(t *testing.T, r *reactor.Reactor, c reactor.ServerConfig) *reactor.Server {
	t.Helper()
	s, err := r.Listen("127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func echoRouter() *reactor.Router {
	router := reactor.NewRouter()
	router.Handle(1, func(q *reactor.Request) { _ = q.Reply(q.ID, q.Body) }, nil)
	return router
}

func TestRouting(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		router := echoRouter()
		router.Handle(1000, func(q *reactor.Request) { _ = q.Reply(q.ID, []byte(q.Data.(string))) }, "user data")
		router.Handle(-5, func(q *reactor.Request) { _ = q.Reply(q.ID, nil) }, nil)
		router.HandleRest(func(q *reactor.Request) { _ = q.Reply(99, []byte(q.RemoteAddr().String())) }, nil)
		r := open(reactor.Config{Loops: 2})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: router}})
		p := dial(t, s.Addr())
		p.send(1, "hello")
		p.want(1, "hello")
		p.send(1, "")
		p.want(1, "")
		p.send(1000, "x")
		p.want(1000, "user data")
		p.send(-5, "x")
		p.want(-5, "")
		p.send(7, "unknown")
		p.want(99, p.LocalAddr().String())
		eventually(t, "statistics", func() bool {
			st := r.Stats()
			return st.MessagesIn == 5 && st.MessagesOut == 5 && st.Errors["unknown_id"] == 1 &&
				st.Conns == 1 && st.BytesIn > 0 && st.BytesOut > 0
		})
	})
}

func TestUnknownIDIsIgnored(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		s := listen(t, open(reactor.Config{}), reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: echoRouter()}})
		p := dial(t, s.Addr())
		p.send(99, "abc")
		p.send(1, "still here")
		p.want(1, "still here")
	})
}

func TestHooksAndProperties(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		name := reactor.NewKey[string]()
		count := reactor.NewKey[int]()
		closed := make(chan error, 1)
		router := reactor.NewRouter()
		router.Handle(1, func(q *reactor.Request) {
			n, _ := count.Get(q.Conn)
			count.Set(q.Conn, n+1)
			s, _ := name.Get(q.Conn)
			_ = q.Reply(1, fmt.Appendf(nil, "%s %d", s, n))
		}, nil)
		s := listen(t, open(reactor.Config{}), reactor.ServerConfig{Endpoint: reactor.Endpoint{
			Router: router,
			OnOpen: func(c *reactor.Conn) {
				name.Set(c, "alice")
				_ = c.Write(5, []byte("welcome"))
			},
			OnClose: func(c *reactor.Conn, err error) {
				if n, _ := count.Get(c); n != 2 || !c.Closed() {
					err = fmt.Errorf("property %d, closed %v", n, c.Closed())
				}
				closed <- err
			},
		}})
		p := dial(t, s.Addr())
		p.want(5, "welcome")
		p.send(1, "")
		p.want(1, "alice 0")
		p.send(1, "")
		p.want(1, "alice 1")
		p.Close()
		if err := receive(t, closed); err != io.EOF {
			t.Errorf("OnClose got %v, want EOF", err)
		}
	})
}

func TestConnectionLimit(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{Loops: 2})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: echoRouter()}, ConnsMax: 2})
		a, b := dial(t, s.Addr()), dial(t, s.Addr())
		a.send(1, "a")
		a.want(1, "a")
		b.send(1, "b")
		b.want(1, "b")
		dial(t, s.Addr()).wantEnd()
		if n := r.Stats().Errors["over_limit"]; n != 1 {
			t.Errorf("over_limit = %d, want 1", n)
		}
		a.Close()
		eventually(t, "a place is free", func() bool { return s.Conns() == 1 })
		c := dial(t, s.Addr())
		c.send(1, "c")
		c.want(1, "c")
		b.send(1, "b")
		b.want(1, "b")
	})
}

func TestHostileFrames(t *testing.T) {
	for name, head := range map[string][]byte{
		"negative": {1, 0, 0, 0, 255, 255, 255, 255},
		"huge":     {1, 0, 0, 0, 255, 255, 255, 127},
		"one over": {1, 0, 0, 0, 0xf8, 0xff, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
				r := open(reactor.Config{})
				s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: echoRouter()}})
				good := dial(t, s.Addr())
				p := dial(t, s.Addr())
				_, _ = p.Write(head)
				p.wantEnd()
				good.send(1, "undisturbed")
				good.want(1, "undisturbed")
				if n := r.Stats().Errors["bad_frame"]; n != 1 {
					t.Errorf("bad_frame = %d, want 1", n)
				}
			})
		})
	}
}

func TestLargeFrames(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		s := listen(t, open(reactor.Config{}), reactor.ServerConfig{Endpoint: reactor.Endpoint{
			Router: echoRouter(), BodyBytesMax: frame.BodyBytesMax,
		}})
		p := dial(t, s.Addr())
		body := strings.Repeat("0123456789abcdef", frame.BodyBytesMax/16)
		go func() { _, _ = p.Write(frame.Append(nil, 1, []byte(body))) }()
		if id, got, err := p.read(); err != nil || id != 1 || got != body {
			t.Fatalf("id %d, %d bytes, %v", id, len(got), err)
		}
	})
}

func TestTimeouts(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		reasons := make(chan error, 2)
		end := reactor.Endpoint{Router: echoRouter(), OnClose: func(_ *reactor.Conn, err error) { reasons <- err }}
		r := open(reactor.Config{})
		partial := end
		partial.PartialTimeout = 40 * time.Millisecond
		s := listen(t, r, reactor.ServerConfig{Endpoint: partial})
		p := dial(t, s.Addr())
		p.send(1, "whole")
		p.want(1, "whole")
		_, _ = p.Write([]byte{1, 0, 0})
		p.wantEnd()
		if err := receive(t, reasons); err != reactor.ErrPartial {
			t.Errorf("closed with %v, want ErrPartial", err)
		}
		idle := end
		idle.IdleTimeout = 40 * time.Millisecond
		s = listen(t, r, reactor.ServerConfig{Endpoint: idle})
		dial(t, s.Addr()).wantEnd()
		if err := receive(t, reasons); err != reactor.ErrIdle {
			t.Errorf("closed with %v, want ErrIdle", err)
		}
		eventually(t, "counters", func() bool {
			e := r.Stats().Errors
			return e["partial_timeout"] == 1 && e["idle_timeout"] == 1
		})
	})
}

// TestPauseReading: a peer that sends requests and reads no answers is held
// up, bounded, and gets every answer in order once it reads.
func TestPauseReading(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		const answers, size = 1000, 32 << 10
		router := reactor.NewRouter()
		router.Handle(1, func(q *reactor.Request) {
			b, err := q.ReplyAlloc(2, size)
			if err == nil {
				copy(b, q.Body)
			}
		}, nil)
		r := open(reactor.Config{})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{
			Router: router, OutputBytesHigh: 256 << 10, OutputBytesLow: 64 << 10,
		}})
		p := dial(t, s.Addr())
		for i := range answers {
			p.send(1, fmt.Sprintf("%08d", i))
		}
		eventually(t, "reading paused", func() bool { return r.Stats().Errors["paused"] > 0 })
		for i := range answers {
			_, body, err := p.read()
			if want := fmt.Sprintf("%08d", i); err != nil || body[:8] != want {
				t.Fatalf("answer %d: %.8q, %v", i, body, err)
			}
		}
		st := r.Stats()
		if st.Errors["output_full"] > 0 || st.Buffers.Peak > 2*4*256<<10 { // the hard limit, in buffers of powers of two
			t.Errorf("errors %v, buffers %+v", st.Errors, st.Buffers)
		}
	})
}

func TestOverflowChoices(t *testing.T) {
	for _, choice := range []reactor.Overflow{reactor.DropConn, reactor.RefuseMessage} {
		t.Run(fmt.Sprint(choice), func(t *testing.T) {
			eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
				conns := make(chan *reactor.Conn, 1)
				closed := make(chan error, 1)
				r := open(reactor.Config{})
				s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{
					Router: echoRouter(), Overflow: choice, OutputBytesHigh: 128 << 10, SendBufferBytes: 32 << 10,
					OnOpen:  func(c *reactor.Conn) { conns <- c },
					OnClose: func(_ *reactor.Conn, err error) { closed <- err },
				}})
				p := dial(t, s.Addr())
				c := receive(t, conns)
				flood(t, r, c)
				if choice == reactor.DropConn {
					if err := receive(t, closed); err != reactor.ErrSlowPeer {
						t.Errorf("closed with %v, want ErrSlowPeer", err)
					}
					return
				}
				// The connection stays, and what was accepted arrives whole.
				done := make(chan struct{})
				c.Loop().Post(func() { close(done) })
				receive(t, done)
				go func() { _, _ = p.Write(frame.Append(nil, 1, []byte("last"))) }()
				for {
					id, body, err := p.read()
					if err != nil {
						t.Fatal(err)
					}
					if id == 1 && body == "last" {
						return
					}
				}
			})
		})
	}
}

// flood pushes to a connection that does not read until a message is refused.
func flood(t *testing.T, r *reactor.Reactor, c *reactor.Conn) {
	t.Helper()
	body := make([]byte, 16<<10)
	eventually(t, "output limit", func() bool {
		_ = c.Send(7, body)
		return r.Stats().Errors["output_full"] > 0
	})
}

func TestSendAndBroadcast(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		const peers, senders, each = 10, 4, 50
		opened := make(chan *reactor.Conn, peers)
		r := open(reactor.Config{Loops: 2})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{OnOpen: func(c *reactor.Conn) { opened <- c }}})
		var ps []*peer
		var conns []*reactor.Conn
		for range peers {
			ps = append(ps, dial(t, s.Addr()))
			conns = append(conns, receive(t, opened))
		}
		for g := range senders {
			go func() {
				for i := range each {
					if err := r.Broadcast(conns, int32(g), fmt.Appendf(nil, "%d", i)); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		for _, p := range ps {
			var next [senders]int
			for range senders * each {
				id, body, err := p.read()
				if err != nil || body != fmt.Sprint(next[id]) {
					t.Fatalf("sender %d: got %q, want %d (%v)", id, body, next[id], err)
				}
				next[id]++
			}
		}
	})
}

func TestStaleReference(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		opened := make(chan *reactor.Conn, 2)
		r := open(reactor.Config{})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{OnOpen: func(c *reactor.Conn) { opened <- c }}})
		dial(t, s.Addr()).Close()
		old := receive(t, opened)
		eventually(t, "close", old.Closed)
		p := dial(t, s.Addr()) // very likely the same descriptor
		fresh := receive(t, opened)
		if err := old.Send(6, []byte("not for you")); err != reactor.ErrClosed {
			t.Errorf("Send to a closed connection: %v", err)
		}
		if err := fresh.Send(5, []byte("for you")); err != nil {
			t.Fatal(err)
		}
		p.want(5, "for you")
		if r.Stats().Errors["stale"] == 0 {
			t.Error("a stale reference was not counted")
		}
	})
}

func TestTimersAndOffload(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{Loops: 2, Workers: 1, WorkersQueueMax: 1})
		l := r.Loops()[1]
		order := make(chan string, 10)
		l.After(20*time.Millisecond, func() { order <- "late" })
		l.After(time.Millisecond, func() { order <- "early" })
		if a, b := receive(t, order), receive(t, order); a != "early" || b != "late" {
			t.Errorf("ran %s, %s", a, b)
		}
		ticks := make(chan struct{}, 100)
		every := l.Every(time.Millisecond, func() { ticks <- struct{}{} })
		receive(t, ticks)
		receive(t, ticks)
		every.Stop()
		stopped := l.After(time.Millisecond, func() { t.Error("a stopped timer ran") })
		stopped.Stop()

		release := make(chan struct{})
		done := make(chan string, 3)
		if err := l.Offload(func() { <-release }, func() { done <- "first" }); err != nil {
			t.Fatal(err)
		}
		if err := l.Offload(func() {}, func() { done <- "second" }); err != nil {
			t.Fatal(err)
		}
		if err := l.Offload(func() {}, nil); err != reactor.ErrBusy {
			t.Errorf("Offload above the limit: %v, want ErrBusy", err)
		}
		close(release)
		if a, b := receive(t, done), receive(t, done); a != "first" || b != "second" {
			t.Errorf("done: %s, %s", a, b)
		}
		all := make(chan int, 2)
		r.PostAll(func(l *reactor.Loop) { all <- l.Index() })
		if receive(t, all)+receive(t, all) != 1 {
			t.Error("PostAll did not reach both loops")
		}
	})
}

func TestShutdownDrains(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		goroutines := runtime.NumGoroutine()
		const size = 4 << 20
		closed := make(chan error, 1)
		router := reactor.NewRouter()
		router.Handle(1, func(q *reactor.Request) { _, _ = q.ReplyAlloc(2, size) }, nil)
		r := open(reactor.Config{Loops: 2})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{
			Router: router, BodyBytesMax: size, OutputBytesHigh: size,
			OnClose: func(_ *reactor.Conn, err error) { closed <- err },
		}})
		p := dial(t, s.Addr())
		p.send(1, "")
		eventually(t, "request served", func() bool { return r.Stats().MessagesIn == 1 })
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		finished := make(chan error, 1)
		go func() { finished <- r.Shutdown(ctx) }()
		if _, body, err := p.read(); err != nil || len(body) != size {
			t.Errorf("drained %d of %d bytes: %v", len(body), size, err)
		}
		p.wantEnd()
		if err := receive(t, finished); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := receive(t, closed); err != nil {
			t.Errorf("close hook got %v, want nil", err)
		}
		if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
			t.Error("still accepting after Shutdown")
		}
		if _, err := r.Listen("127.0.0.1:0", reactor.ServerConfig{}); err != reactor.ErrReactorClosed {
			t.Errorf("Listen after Shutdown: %v", err)
		}
		eventually(t, "goroutines gone", func() bool { return runtime.NumGoroutine() <= goroutines })
	})
}

func TestShutdownDeadline(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		closed := make(chan error, 1)
		router := reactor.NewRouter()
		router.Handle(1, func(q *reactor.Request) { _, _ = q.ReplyAlloc(2, 8<<20) }, nil)
		r := open(reactor.Config{})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{
			Router: router, BodyBytesMax: 8 << 20, OutputBytesHigh: 8 << 20, SendBufferBytes: 32 << 10,
			OnClose: func(_ *reactor.Conn, err error) { closed <- err },
		}})
		p := dial(t, s.Addr())
		p.send(1, "") // and never reads
		eventually(t, "request served", func() bool { return r.Stats().MessagesIn == 1 })
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v, want the deadline", err)
		}
		if err := receive(t, closed); err == nil {
			t.Error("the close hook did not hear that output was dropped")
		}
	})
}
