package sim_test

import (
	"testing"
	"time"

	"lars/backends/sim"
	"lars/reactor"
)

// TestEndFollowsOutput: the peer hears of a Close(nil) right behind the last output,
// not when that has been acknowledged.
func TestEndFollowsOutput(t *testing.T) {
	const delay = 10 * time.Millisecond
	w := sim.New(sim.Config{Link: sim.Link{Delay: delay}})
	open := func(host string) *reactor.Reactor {
		r, err := reactor.Open(w.Driver(host), reactor.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	address := w.Host("server").AddrPort(7777).String()
	var closed, heard time.Duration
	_, err := open("server").Listen(address, reactor.ServerConfig{Endpoint: reactor.Endpoint{OnOpen: func(c *reactor.Conn) {
		if err := c.Write(1, []byte("bye")); err != nil {
			t.Error(err)
		}
		c.Close(nil)
		closed = w.Now()
	}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = open("client").Dial(reactor.ClientConfig{NoReconnect: true, Endpoint: reactor.Endpoint{
		OnClose: func(*reactor.Conn, error) { heard = w.Now() },
	}}, address)
	if err != nil {
		t.Fatal(err)
	}
	w.Run(time.Second)
	if took := heard - closed; closed == 0 || took < delay || took >= 2*delay {
		t.Errorf("closed at %v, the peer heard of it at %v, with a delay of %v", closed, heard, delay)
	}
}
