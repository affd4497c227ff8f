package reactor_test

import (
	"testing"

	"lars/backends"
	"lars/reactor"
	"lars/reactor/driver"
)

// TestLeastConns: connections that ended make room on their loop, which the
// next ones fill first, where the backend spreads them.
func TestLeastConns(t *testing.T) {
	for _, name := range backends.Names() {
		t.Run(name, func(t *testing.T) {
			d, err := backends.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if !d.Abilities().Spread {
				return // the backend decides; see drivertest
			}
			r, err := reactor.Open(d, reactor.Config{Loops: 2, Spread: driver.LeastConns})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			opened := make(chan int, 10)
			s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{OnOpen: func(c *reactor.Conn) { opened <- c.Loop().Index() }}})
			loops := map[int][]*peer{}
			next := func() int {
				p := dial(t, s.Addr())
				i := receive(t, opened)
				loops[i] = append(loops[i], p)
				return i
			}
			for range 6 {
				next()
			}
			if len(loops[0]) != 3 || len(loops[1]) != 3 {
				t.Fatalf("%d and %d connections, want 3 each", len(loops[0]), len(loops[1]))
			}
			for _, p := range loops[1] {
				p.Close()
			}
			eventually(t, "closed", func() bool { return s.Conns() == 3 && r.Stats().Loops[1].Conns == 0 })
			for range 3 {
				if i := next(); i != 1 {
					t.Errorf("connection to loop %d, which has more", i)
				}
			}
		})
	}
}
