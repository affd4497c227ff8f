package reactor_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"lars/reactor"
	"lars/reactor/frame"
)

type change struct {
	state reactor.State
	addr  string
}

// free returns an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestClientReconnects(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{})
		states := make(chan change, 100)
		answers := make(chan string, 10)
		router := reactor.NewRouter()
		router.Handle(1, func(q *reactor.Request) { answers <- string(q.Body) }, nil)
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: echoRouter()}})
		c, err := r.Dial(reactor.ClientConfig{
			Endpoint:   reactor.Endpoint{Router: router},
			OnState:    func(s reactor.State, addr string, _ error) { states <- change{s, addr} },
			BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond,
		}, s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		wantStates(t, states, reactor.Connecting, reactor.Connected)
		say := func(text string) {
			t.Helper()
			if err := c.Send(1, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, answers); got != text {
				t.Fatalf("answer %q, want %q", got, text)
			}
		}
		say("one")
		c.Conn().Shut(io.ErrUnexpectedEOF)
		wantStates(t, states, reactor.Waiting, reactor.Connecting, reactor.Connected)
		say("two")
		c.Close()
		wantStates(t, states, reactor.Stopped)
		eventually(t, "no connection", func() bool { return c.Conn() == nil })
		if err := c.Send(1, nil); err != reactor.ErrNotConnected {
			t.Errorf("Send on a closed client: %v", err)
		}
	})
}

// TestClientClosedWhileDialling: what its dial brings once it has stopped is never
// opened. On some backends the dial may end before the loop gets to stopping it.
func TestClientClosedWhileDialling(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		closed := make(chan struct{})
		var c *reactor.Client
		c, err = r.Dial(reactor.ClientConfig{
			Endpoint: reactor.Endpoint{OnOpen: func(*reactor.Conn) {
				if c.State() == reactor.Stopped {
					t.Error("opened")
				}
			}},
			OnState: func(s reactor.State, _ string, _ error) {
				if s == reactor.Connecting {
					<-closed
				}
			},
		}, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		close(closed)
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		if _, err := io.ReadAll(peer); err != nil {
			t.Log(err) // a reset, on some backends
		}
		eventually(t, "nothing is left of it", func() bool {
			s := r.Stats()
			return s.Opened == s.Closed && s.Conns == 0 && c.State() == reactor.Stopped
		})
	})
}

func wantStates(t *testing.T, states <-chan change, want ...reactor.State) {
	t.Helper()
	for _, w := range want {
		if got := receive(t, states); got.state != w {
			t.Fatalf("state %v at %s, want %v", got.state, got.addr, w)
		}
	}
}

func TestClientFailsOver(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: echoRouter()}})
		states := make(chan change, 100)
		dead, alive := free(t), s.Addr().String()
		_, err := r.Dial(reactor.ClientConfig{
			OnState:    func(s reactor.State, addr string, _ error) { states <- change{s, addr} },
			BackoffMin: time.Millisecond,
		}, dead, alive)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []change{
			{reactor.Connecting, dead},
			{reactor.Waiting, dead},
			{reactor.Connecting, alive},
			{reactor.Connected, alive},
		} {
			if got := receive(t, states); got != want {
				t.Fatalf("state %v at %s, want %v at %s", got.state, got.addr, want.state, want.addr)
			}
		}
	})
}

func TestClientResolvesNames(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{})
		s := listen(t, r, reactor.ServerConfig{})
		states := make(chan change, 100)
		_, err := r.Dial(reactor.ClientConfig{
			OnState: func(s reactor.State, addr string, _ error) { states <- change{s, addr} },
		}, fmt.Sprintf("localhost:%d", s.Addr().Port()))
		if err != nil {
			t.Fatal(err)
		}
		wantStates(t, states, reactor.Connecting, reactor.Connected)
	})
}

func TestClientGivesUp(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{})
		states := make(chan change, 10)
		_, err := r.Dial(reactor.ClientConfig{
			OnState:     func(s reactor.State, addr string, _ error) { states <- change{s, addr} },
			NoReconnect: true,
		}, free(t))
		if err != nil {
			t.Fatal(err)
		}
		wantStates(t, states, reactor.Connecting, reactor.Stopped)
		for _, bad := range []string{"", "127.0.0.1", "127.0.0.1:"} {
			if _, err := r.Dial(reactor.ClientConfig{}, bad); err == nil {
				t.Errorf("Dial(%q) was accepted", bad)
			}
		}
	})
}

func TestPackets(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{Loops: 2})
		router := echoRouter()
		later := make(chan reactor.Peer, 1)
		router.Handle(2, func(q *reactor.Request) { later <- q.Peer() }, nil)
		s, err := r.ListenPacket("127.0.0.1:0", reactor.PacketConfig{Router: router})
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 10)
		clients := reactor.NewRouter()
		clients.HandleRest(func(q *reactor.Request) { got <- fmt.Sprint(q.ID, " ", string(q.Body), " ", q.RemoteAddr()) }, nil)
		c, err := r.DialPacket(s.LocalAddr().String(), reactor.PacketConfig{Router: clients})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"hello", ""} {
			if err := c.Send(s.LocalAddr(), 1, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if g, want := receive(t, got), fmt.Sprint(1, " ", text, " ", s.LocalAddr()); g != want {
				t.Errorf("got %q, want %q", g, want)
			}
		}
		_ = c.Send(s.LocalAddr(), 2, nil)
		if err := receive(t, later).Send(3, []byte("later")); err != nil {
			t.Fatal(err)
		}
		if g, want := receive(t, got), fmt.Sprint(3, " later ", s.LocalAddr()); g != want {
			t.Errorf("got %q, want %q", g, want)
		}
		badDatagrams(t, r, s)
	})
}

// badDatagrams: each is dropped and counted, and the server answers on.
func badDatagrams(t *testing.T, r *reactor.Reactor, s *reactor.Packet) {
	t.Helper()
	raw, err := net.Dial("udp", s.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(patience))
	whole := frame.Append(nil, 1, []byte("good"))
	for _, bad := range [][]byte{{}, whole[:5], whole[:11], append(whole[:12:12], 0), {1, 0, 0, 0, 255, 255, 255, 255}} {
		_, _ = raw.Write(bad)
	}
	_, _ = raw.Write(whole)
	b := make([]byte, 100)
	if n, err := raw.Read(b); err != nil || string(b[:n]) != string(whole) {
		t.Errorf("answer %q, %v", b[:n], err)
	}
	if n := r.Stats().Errors["bad_datagram"]; n != 5 {
		t.Errorf("bad_datagram = %d, want 5", n)
	}
}

func TestPacketUnreachable(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		gone, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := gone.LocalAddr().String()
		gone.Close()
		r := open(reactor.Config{})
		failed := make(chan error, 100)
		c, err := r.DialPacket(addr, reactor.PacketConfig{OnError: func(err error) { failed <- err }})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(c.LocalAddr(), 1, nil); err != nil {
			t.Fatal(err)
		}
		receive(t, failed)
	})
}

// TestClientHooks: a client's connections have the same hooks as a server's,
// and Stopped is told once.
func TestClientHooks(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		for _, noReconnect := range []bool{false, true} {
			r := open(reactor.Config{})
			s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: echoRouter()}})
			events := make(chan string, 100)
			router := reactor.NewRouter()
			router.Handle(1, func(q *reactor.Request) { events <- "got " + string(q.Body) }, nil)
			c, err := r.Dial(reactor.ClientConfig{
				Endpoint: reactor.Endpoint{
					Router:  router,
					OnOpen:  func(c *reactor.Conn) { events <- "open"; _ = c.Write(1, []byte("hello")) },
					OnClose: func(_ *reactor.Conn, err error) { events <- fmt.Sprint("close ", err) },
				},
				NoReconnect: noReconnect,
				OnState:     func(s reactor.State, _ string, _ error) { events <- s.String() },
			}, s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"connecting", "connected", "open", "got hello"} {
				if got := receive(t, events); got != want {
					t.Fatalf("%q, want %q", got, want)
				}
			}
			c.Close()
			c.Close()
			for _, want := range []string{"stopped", "close <nil>"} {
				if got := receive(t, events); got != want {
					t.Fatalf("%q, want %q", got, want)
				}
			}
			r.Close()
			if len(events) > 0 {
				t.Errorf("and then %q", <-events)
			}
		}
	})
}

// TestBackoffGrowsWhileConnectionsDie: a server that accepts and closes at
// once, for it is full, is not besieged.
func TestBackoffGrowsWhileConnectionsDie(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{OnOpen: func(c *reactor.Conn) { c.Close(io.ErrUnexpectedEOF) }}})
		const pauses = 5
		waits := make(chan time.Time, 100)
		dials := make(chan time.Time, 100)
		_, err := r.Dial(reactor.ClientConfig{
			BackoffMin: 8 * time.Millisecond, BackoffMax: time.Hour,
			OnState: func(s reactor.State, _ string, _ error) {
				switch s {
				case reactor.Connecting:
					dials <- time.Now()
				case reactor.Waiting:
					waits <- time.Now()
				}
			},
		}, s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		receive(t, dials)
		var paused time.Duration
		for range pauses {
			from := receive(t, waits)
			paused = receive(t, dials).Sub(from)
		}
		// A timer is never early, so the least of the fifth pause is certain.
		if least := 8 * time.Millisecond << (pauses - 1) / 2; paused < least {
			t.Errorf("pause number %d took %v, want at least %v", pauses, paused, least)
		}
	})
}

// TestStopWhileResolving: Shutdown does not wait for a slow name server.
func TestStopWhileResolving(t *testing.T) {
	asked, ended := make(chan struct{}, 100), make(chan error, 100)
	old := net.DefaultResolver
	defer func() { net.DefaultResolver = old }()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		asked <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}}
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{})
		if _, err := r.Dial(reactor.ClientConfig{}, "name.invalid:1"); err != nil {
			t.Fatal(err)
		}
		receive(t, asked)
		r.Close()
		if err := receive(t, ended); err != context.Canceled {
			t.Errorf("the query ended with %v; Close must not wait for its time limit", err)
		}
	})
}
