package reactor_test

import (
	"errors"
	"testing"

	"lars/reactor"
)

// sendUntil sends numbered messages of 10 kB from this goroutine until one is
// refused with an error other than that of a mailbox that is full for a moment.
func sendUntil(send func(id int32, body []byte) error) (sent int32, err error) {
	body := make([]byte, 10_000)
	for sent < 100_000 {
		switch err := send(sent, body); {
		case err == nil:
			sent++
		case !errors.Is(err, reactor.ErrBusy):
			return sent, err
		}
	}
	return sent, nil
}

// TestSendTellsThatOutputIsFull: once a message was refused, senders hear of it, and
// none overtakes it; when there is room again they can go on.
func TestSendTellsThatOutputIsFull(t *testing.T) {
	for name, sender := range map[string]func(*reactor.Reactor, *reactor.Conn, reactor.Peer) func(int32, []byte) error{
		"Conn.Send": func(_ *reactor.Reactor, c *reactor.Conn, _ reactor.Peer) func(int32, []byte) error { return c.Send },
		"Peer.Send": func(_ *reactor.Reactor, _ *reactor.Conn, p reactor.Peer) func(int32, []byte) error { return p.Send },
		"Broadcast": func(r *reactor.Reactor, c *reactor.Conn, _ reactor.Peer) func(int32, []byte) error {
			return func(id int32, body []byte) error { return r.Broadcast([]*reactor.Conn{c}, id, body) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
				r, drained := open(reactor.Config{}), make(chan struct{}, 1)
				type asker struct {
					conn *reactor.Conn
					peer reactor.Peer
				}
				asked := make(chan asker, 1)
				router := reactor.NewRouter()
				router.Handle(1, func(q *reactor.Request) { asked <- asker{q.Conn, q.Peer()} }, nil)
				s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{
					Router: router, SendBufferBytes: 32 << 10, OutputBytesHigh: 256 << 10, Overflow: reactor.RefuseMessage,
					OnDrained: func(*reactor.Conn) {
						select {
						case drained <- struct{}{}:
						default:
						}
					},
				}})
				p := dial(t, s.Addr())
				p.send(1, "")
				a := receive(t, asked)
				send := sender(r, a.conn, a.peer)
				sent, err := sendUntil(send)
				if !errors.Is(err, reactor.ErrOutputFull) {
					t.Fatalf("%d messages taken, then %v; want ErrOutputFull", sent, err)
				}
				delivered := make(chan struct{})
				a.conn.Loop().Post(func() { close(delivered) })
				receive(t, delivered)
				if n := r.Stats().Errors["output_full"]; n < 2 { // one on the loop, ours
					t.Errorf("output_full = %d", n)
				}
				go func() {
					for range drained {
						if send(int32(1<<20), nil) == nil {
							return
						}
					}
				}()
				for want := int32(0); ; want++ {
					id, _, err := p.read()
					if err != nil {
						t.Fatal(err)
					}
					if id == 1<<20 {
						return
					}
					if id != want || id >= sent {
						t.Fatalf("message %d after %d, of %d that were taken", id, want-1, sent)
					}
				}
			})
		})
	}
}
