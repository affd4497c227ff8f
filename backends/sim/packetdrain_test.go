package sim_test

import (
	"context"
	"testing"
	"time"

	"lars/backends/sim"
	"lars/reactor"
)

// TestShutdownDrainsDatagrams: a slow link takes 100 datagrams one by one. A
// shutdown waits until it has, or drops the rest at its deadline and counts it.
func TestShutdownDrainsDatagrams(t *testing.T) {
	const datagrams, body = 100, 960 // each about a second on the link
	for _, c := range []struct {
		name     string
		deadline time.Duration // 0 is none
		late     error
	}{
		{"all", 0, nil},
		{"in time", 3 * time.Minute, nil},
		{"cut", 30 * time.Second, context.Canceled},
		{"cut at once", time.Nanosecond, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := sim.New(sim.Config{Seed: 1})
			from, to := w.Host("from"), w.Host("to")
			w.SetLink(from, to, sim.Link{BytesPerSecond: 1000, QueueMax: time.Hour})
			peer, got := openReactor(t, w, "to"), 0
			router := reactor.NewRouter()
			router.Handle(1, func(*reactor.Request) { got++ }, nil)
			p, err := peer.ListenPacket(to.AddrPort(7).String(), reactor.PacketConfig{Router: router})
			if err != nil {
				t.Fatal(err)
			}
			r := openReactor(t, w, "from")
			s, err := r.ListenPacket(from.AddrPort(7).String(), reactor.PacketConfig{SendBufferBytes: 3000})
			if err != nil {
				t.Fatal(err)
			}
			for range datagrams {
				if err := s.Send(p.LocalAddr(), 1, make([]byte, body)); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if c.deadline > 0 {
				w.At(w.Now()+c.deadline, cancel)
			}
			if err := r.Shutdown(ctx); err != c.late {
				t.Errorf("Shutdown: %v, want %v", err, c.late)
			}
			w.Run(time.Hour)
			unsent := int(r.Stats().Errors["unsent"])
			if got+unsent != datagrams || (c.late == nil) != (unsent == 0) {
				t.Errorf("%d datagrams came and %d were counted unsent, of %d", got, unsent, datagrams)
			}
			if c.deadline == 30*time.Second && (got < 25 || got > 40) {
				t.Errorf("%d datagrams in %v, want about one a second", got, c.deadline)
			}
		})
	}
}

func openReactor(t *testing.T, w *sim.World, host string) *reactor.Reactor {
	t.Helper()
	r, err := reactor.Open(w.Driver(host), reactor.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}
