package reactor_test

import (
	"fmt"
	"os"
	"testing"

	"lars/backends"
	"lars/reactor"
)

// The original's faults in its reactor, each by its number. B1 to B4 and B6 to
// B9 are tested where their like could be: in packages wire, dns, reporter, agent.

// B5: the original's table of connections has maxConn places and is indexed by
// descriptor. With other descriptors open it overflows before the limit.
func TestB5DescriptorsAboveTheLimit(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		const limit = 8
		r := open(reactor.Config{Loops: 2})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: echoRouter()}, ConnsMax: limit})
		for range 4 * limit {
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
		}
		var peers []*peer
		for range limit {
			p := dial(t, s.Addr())
			p.send(1, "first")
			p.want(1, "first")
			peers = append(peers, p)
		}
		dial(t, s.Addr()).wantEnd()
		for i, p := range peers {
			p.send(1, fmt.Sprint(i))
			p.want(1, fmt.Sprint(i))
		}
	})
}

// B10: when a body does not fit, the original takes its head back from the wrong
// end of what waits, and the peer gets a torn stream.
func TestB10RefusedMessageTearsNothing(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		taken := make(chan int, 1)
		r := open(reactor.Config{})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{
			Router: echoRouter(), Overflow: reactor.RefuseMessage, OutputBytesHigh: 64 << 10, SendBufferBytes: 32 << 10,
			OnOpen: func(c *reactor.Conn) {
				n, long := 0, make([]byte, 9000)
				for refused := 0; refused < 3; {
					copy(long, fmt.Sprintf("%08d", n))
					if c.Write(7, long) == nil {
						n++
					} else {
						refused++
					}
				}
				taken <- n
			},
		}})
		p := dial(t, s.Addr())
		n := receive(t, taken)
		for i := range n {
			id, body, err := p.read()
			if want := fmt.Sprintf("%08d", i); err != nil || id != 7 || len(body) != 9000 || body[:8] != want {
				t.Fatalf("message %d of %d: id %d, %d bytes, %.8q, %v", i, n, id, len(body), body, err)
			}
		}
		if n == 0 {
			t.Error("nothing was taken")
		}
		p.send(1, "whole")
		p.want(1, "whole")
	})
}

// B11: the original never moves on to the next worker, so the first has all
// connections.
func TestB11AllLoopsServe(t *testing.T) {
	for _, name := range backends.Names() {
		t.Run(name, func(t *testing.T) {
			d, err := backends.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			r, err := reactor.Open(d, reactor.Config{Loops: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			opened := make(chan int, 100)
			s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{OnOpen: func(c *reactor.Conn) { opened <- c.Loop().Index() }}})
			conns := [2]int{}
			for range 40 {
				dial(t, s.Addr())
				conns[receive(t, opened)]++
			}
			if conns[0] == 0 || conns[1] == 0 || d.Abilities().Spread && conns[0] != 20 {
				t.Errorf("connections of the loops: %v", conns)
			}
		})
	}
}
