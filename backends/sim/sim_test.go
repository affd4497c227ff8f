package sim_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"time"

	"lars/backends/sim"
	"lars/reactor"
)

// open starts a reactor on a host.
func open(t testing.TB, w *sim.World, host string) *reactor.Reactor {
	t.Helper()
	r, err := reactor.Open(w.Driver(host), reactor.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// serve starts a reactor that echoes messages over TCP and UDP.
func serve(t testing.TB, w *sim.World, host string) *reactor.Reactor {
	t.Helper()
	r := open(t, w, host)
	router := reactor.NewRouter()
	router.Handle(1, func(q *reactor.Request) { _ = q.Reply(1, q.Body) }, nil)
	addr := w.Host(host).Addr().String() + ":7777"
	if _, err := r.Listen(addr, reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: router}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ListenPacket(addr, reactor.PacketConfig{Router: router}); err != nil {
		t.Fatal(err)
	}
	return r
}

// A caller keeps a TCP connection to a server, and sends it a numbered message
// at every tick, over TCP and over UDP; it counts the answers.
type caller struct {
	client   *reactor.Client
	packet   *reactor.Packet
	sent     uint64
	tcp, udp int
	states   []string
}

func call(t testing.TB, w *sim.World, host, server string, every time.Duration) *caller {
	t.Helper()
	r, c := open(t, w, host), &caller{}
	addr := w.Host(server).Addr().String() + ":7777"
	over := func(n *int) *reactor.Router {
		router := reactor.NewRouter()
		router.Handle(1, func(q *reactor.Request) { *n++ }, nil)
		return router
	}
	var err error
	c.client, err = r.Dial(reactor.ClientConfig{
		Endpoint: reactor.Endpoint{Router: over(&c.tcp)},
		OnState: func(s reactor.State, _ string, err error) {
			c.states = append(c.states, fmt.Sprint(s, " ", err))
		},
	}, addr)
	if err != nil {
		t.Fatal(err)
	}
	if c.packet, err = r.DialPacket(addr, reactor.PacketConfig{Router: over(&c.udp)}); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 20)
	r.Loops()[0].Every(every, func() {
		c.sent++
		binary.LittleEndian.PutUint64(body, c.sent)
		_ = c.client.Send(1, body)
		_ = c.packet.Send(w.Host(server).AddrPort(echoPort), 1, body)
	})
	return c
}

// TestReactor runs a reactor's server and client for a virtual minute, on the
// test's own goroutine.
func TestReactor(t *testing.T) {
	before := runtime.NumGoroutine()
	w := sim.New(sim.Config{Seed: 1})
	server := serve(t, w, "server")
	c := call(t, w, "client", "server", 20*time.Millisecond)
	w.Run(time.Minute)
	if c.sent < 2999 || c.udp < int(c.sent)-1 || c.tcp < int(c.sent)-2 {
		t.Errorf("of %d messages %d came back over TCP, %d over UDP; %v\n%s", c.sent, c.tcp, c.udp, c.states, w.Trace())
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	if err := server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	w.Run(w.Now() + time.Second)
	if c.client.State() == reactor.Connected {
		t.Errorf("the client is still connected to a server that shut down")
	}
}
