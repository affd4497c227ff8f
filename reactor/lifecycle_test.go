package reactor_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"lars/backends"
	"lars/reactor"
	"lars/reactor/frame"
)

var errTest = errors.New("a cause")

// useAll calls every method of a connection that has ended.
func useAll(t *testing.T, c *reactor.Conn) {
	t.Helper()
	if err := c.Write(9, []byte("x")); err != reactor.ErrClosed {
		t.Errorf("Write: %v, want ErrClosed", err)
	}
	if err := c.Send(9, []byte("x")); err != reactor.ErrClosed {
		t.Errorf("Send: %v, want ErrClosed", err)
	}
	c.Flush()
	c.Close(nil)
	c.Close(errTest)
	c.Shut(nil)
	_, _, _ = c.Buffered(), c.LocalAddr(), c.RemoteAddr()
}

// TestUseAfterClose: a reference may outlive its connection; whatever is done
// with it, in the close hook or later, reaches nobody.
func TestUseAfterClose(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		ended := make(chan *reactor.Conn, 10)
		r := open(reactor.Config{})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{
			Router:  echoRouter(),
			OnClose: func(c *reactor.Conn, _ error) { useAll(t, c); ended <- c },
		}})
		dial(t, s.Addr()).Close()
		c := receive(t, ended)
		p := dial(t, s.Addr())
		p.send(1, "one")
		p.want(1, "one")
		done := make(chan struct{})
		c.Loop().Post(func() { useAll(t, c); close(done) })
		receive(t, done)
		p.send(1, "two")
		p.want(1, "two")
		if n := s.Conns(); n != 1 || len(ended) > 0 {
			t.Errorf("%d connections live, %d more closed; want 1 and 0", n, len(ended))
		}
	})
}

// TestCloseInEveryHook: a connection may be closed, either way, wherever user
// code runs, and its close hook runs once.
func TestCloseInEveryHook(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		for _, cause := range []error{nil, errTest} {
			for _, where := range []string{"open", "handler", "task", "timer", "state"} {
				closeIn(t, open(reactor.Config{}), where, cause)
			}
		}
	})
}

func closeIn(t *testing.T, r *reactor.Reactor, where string, cause error) {
	t.Helper()
	closed := make(chan error, 10)
	router := reactor.NewRouter()
	router.Handle(1, func(q *reactor.Request) {
		c := q.Conn
		end := func() { _ = c.Write(2, []byte("bye")); c.Close(cause) }
		switch where {
		case "handler":
			end()
		case "task":
			q.Loop().Post(end)
		case "timer":
			q.Loop().After(0, end)
		}
	}, nil)
	s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{
		Router: router,
		OnOpen: func(c *reactor.Conn) {
			if where == "open" {
				_ = c.Write(2, []byte("bye"))
				c.Close(cause)
			}
		},
		OnClose: func(c *reactor.Conn, err error) { closed <- err },
	}})
	if where == "state" {
		closeInState(t, r, s, cause)
		return
	}
	p := dial(t, s.Addr())
	p.send(1, "")
	if cause == nil {
		p.want(2, "bye")
	}
	p.wantEnd()
	if err := receive(t, closed); err != cause {
		t.Errorf("%s: closed with %v, want %v", where, err, cause)
	}
	r.Close()
	if len(closed) > 0 {
		t.Errorf("%s: close hook ran again", where)
	}
}

// closeInState closes a client's connection in its own state hook.
func closeInState(t *testing.T, r *reactor.Reactor, s *reactor.Server, cause error) {
	t.Helper()
	var client atomic.Pointer[reactor.Client]
	ready := make(chan struct{})
	closed := make(chan error, 10)
	c, err := r.Dial(reactor.ClientConfig{
		Endpoint:    reactor.Endpoint{OnClose: func(_ *reactor.Conn, err error) { closed <- err }},
		NoReconnect: true,
		OnState: func(s reactor.State, _ string, _ error) {
			if <-ready; s == reactor.Connected {
				client.Load().Conn().Close(cause)
			}
		},
	}, s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client.Store(c)
	close(ready)
	if err := receive(t, closed); err != cause {
		t.Errorf("state: closed with %v, want %v", err, cause)
	}
	eventually(t, "client stopped", func() bool { return c.State() == reactor.Stopped })
}

// TestAfterShutdown: what comes too late says so, and nothing runs any more.
func TestAfterShutdown(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{Loops: 2})
		l := r.Loops()[1]
		udp, err := r.ListenPacket("127.0.0.1:0", reactor.PacketConfig{})
		if err != nil {
			t.Fatal(err)
		}
		never := func() { t.Error("ran after Shutdown") }
		ticks := make(chan struct{}, 1000)
		every := l.Every(time.Millisecond, func() { ticks <- struct{}{} })
		late := l.After(time.Hour, never)
		receive(t, ticks)
		if err := r.Shutdown(context.Background()); err != nil {
			t.Fatalf("Shutdown: %v", err)
		}
		seen := len(ticks)
		every.Stop()
		late.Stop()
		l.After(0, never).Stop()
		l.Every(time.Millisecond, never)
		if l.Post(never) {
			t.Error("Post was accepted")
		}
		r.PostAll(func(*reactor.Loop) { never() })
		if err := l.Offload(never, never); err != reactor.ErrReactorClosed {
			t.Errorf("Offload: %v", err)
		}
		if _, err := r.Dial(reactor.ClientConfig{}, "127.0.0.1:1"); err != reactor.ErrReactorClosed {
			t.Errorf("Dial: %v", err)
		}
		if _, err := r.ListenPacket("127.0.0.1:0", reactor.PacketConfig{}); err != reactor.ErrReactorClosed {
			t.Errorf("ListenPacket: %v", err)
		}
		if err := udp.Send(netip.MustParseAddrPort("127.0.0.1:1"), 1, nil); err != reactor.ErrClosed {
			t.Errorf("Packet.Send: %v", err)
		}
		udp.Close()
		if err := r.Shutdown(context.Background()); err != nil {
			t.Errorf("second Shutdown: %v", err)
		}
		if st := r.Stats(); st.Conns != 0 || st.Errors["workers_busy"] != 0 {
			t.Errorf("stats %+v", st)
		}
		if len(ticks) != seen {
			t.Error("a timer ran after Shutdown")
		}
	})
}

// TestShutdownWithoutWorkIsNeverLate: an expired deadline is no error where
// nothing had to be dropped.
func TestShutdownWithoutWorkIsNeverLate(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for range 20 {
			if err := open(reactor.Config{}).Shutdown(ctx); err != nil {
				t.Fatalf("Shutdown: %v", err)
			}
		}
	})
}

// TestShutdownSendsDatagrams: what a UDP socket has not even flushed is sent, and
// what another goroutine has just sent.
func TestShutdownSendsDatagrams(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		peer, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		to := peer.LocalAddr().(*net.UDPAddr).AddrPort()
		closed := make(chan error, 10)
		r := open(reactor.Config{})
		p, err := r.ListenPacket("127.0.0.1:0", reactor.PacketConfig{OnClose: func(err error) { closed <- err }})
		if err != nil {
			t.Fatal(err)
		}
		p.Loop().Post(func() {
			for range 50 {
				_, _ = p.Alloc(to, 1, 10)
			}
		})
		for range 50 {
			if err := p.Send(to, 1, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := receive(t, closed); err != nil {
			t.Errorf("closed with %v, want nil", err)
		}
		_ = peer.SetReadDeadline(time.Now().Add(patience))
		for i := range 100 {
			if n, _, err := peer.ReadFromUDP(make([]byte, 100)); n != frame.HeadBytes+10 || err != nil {
				t.Fatalf("datagram %d: %d bytes, %v", i, n, err)
			}
		}
		if st := r.Stats(); len(st.Errors) > 0 || st.MessagesOut != 100 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestSecondStopIsAtOnce: Close ends a Shutdown that waits for a slow peer.
func TestSecondStopIsAtOnce(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		const size = 8 << 20
		router := reactor.NewRouter()
		router.Handle(1, func(q *reactor.Request) { _, _ = q.ReplyAlloc(2, size) }, nil)
		closed := make(chan error, 1)
		r := open(reactor.Config{})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{
			Router: router, BodyBytesMax: size, OutputBytesHigh: size, SendBufferBytes: 32 << 10,
			OnClose: func(_ *reactor.Conn, err error) { closed <- err },
		}})
		p := dial(t, s.Addr())
		p.send(1, "") // and never reads
		eventually(t, "request served", func() bool { return r.Stats().MessagesIn == 1 })
		first := make(chan error, 1)
		go func() { first <- r.Shutdown(context.Background()) }()
		eventually(t, "stopping", func() bool {
			_, err := r.Dial(reactor.ClientConfig{}, "127.0.0.1:1")
			return err == reactor.ErrReactorClosed
		})
		r.Close()
		receive(t, first)
		if err := receive(t, closed); err == nil || err == io.EOF {
			t.Errorf("close hook got %v, want the reason of the abort", err)
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{})
		for _, c := range []reactor.ClientConfig{
			{BackoffMin: -1},
			{BackoffMax: -1},
			{BackoffMin: time.Minute, BackoffMax: time.Second},
			{DialTimeout: -1},
			{Loop: 2},
		} {
			if _, err := r.Dial(c, "127.0.0.1:1"); err == nil {
				t.Errorf("Dial accepted %+v", c)
			}
		}
		for _, c := range []reactor.ServerConfig{
			{ConnsMax: -1},
			{Endpoint: reactor.Endpoint{BodyBytesMax: -1}},
			{Endpoint: reactor.Endpoint{BodyBytesMax: 16<<20 + 1}},
			{Endpoint: reactor.Endpoint{OutputBytesHigh: 10, OutputBytesLow: 11}},
			{Endpoint: reactor.Endpoint{OutputBytesHigh: -1}},
			{Endpoint: reactor.Endpoint{Overflow: 3}},
		} {
			if _, err := r.Listen("127.0.0.1:0", c); err == nil {
				t.Errorf("Listen accepted %+v", c)
			}
		}
	})
}

func TestOpenChecksLimits(t *testing.T) {
	d, err := backends.Open("std")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []reactor.Config{
		{Loops: -1}, {Loops: 1025}, {BufferBytesMax: -1}, {MailboxBytesMax: -1}, {Workers: -1}, {WorkersQueueMax: -1},
	} {
		if r, err := reactor.Open(d, c); err == nil {
			r.Close()
			t.Errorf("Open accepted %+v", c)
		}
	}
}
