package sim_test

import (
	"fmt"
	"time"

	"lars/backends/sim"
	"lars/reactor"
)

// A server that crashes and comes back, seen by its client: half a minute of
// theirs, repeatable from the seed.
func Example() {
	w := sim.New(sim.Config{Seed: 7, Link: sim.Link{Delay: time.Millisecond, Loss: 0.01}})
	server := w.Host("server")
	address := server.AddrPort(7777).String()
	start := func() {
		r, err := reactor.Open(w.Driver("server"), reactor.Config{})
		if err == nil {
			_, err = r.Listen(address, reactor.ServerConfig{})
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	start()
	w.At(10*time.Second, func() { server.Crash(sim.Reset) })
	w.At(20*time.Second, start)

	client, err := reactor.Open(w.Driver("client"), reactor.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	refused := 0
	_, err = client.Dial(reactor.ClientConfig{
		BackoffMax: time.Second,
		Endpoint:   reactor.Endpoint{OnClose: func(_ *reactor.Conn, err error) { fmt.Println(w.Now(), "closed:", err) }},
		OnState: func(s reactor.State, _ string, err error) {
			if s == reactor.Connected {
				fmt.Println(w.Now().Round(time.Second), "connected, after", refused, "times refused")
			} else if s == reactor.Waiting {
				refused++
			}
		},
	}, address)
	if err != nil {
		fmt.Println(err)
		return
	}
	w.Run(30 * time.Second)
	// Output:
	// 0s connected, after 0 times refused
	// 10.001s closed: read: connection reset by peer
	// 20s connected, after 16 times refused
}
