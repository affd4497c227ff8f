package reactor_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lars/reactor"
)

// TestLargeAnswersAreNotRefused: with reading paused above the high mark, an
// answer of the largest size fits whenever its request was taken, however
// small the marks are.
func TestLargeAnswersAreNotRefused(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		const requests, size = 4, 512 << 10
		r := open(reactor.Config{})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{
			Router: echoRouter(), BodyBytesMax: size, SendBufferBytes: 32 << 10,
			OutputBytesHigh: 128 << 10, OutputBytesLow: 64 << 10,
		}})
		p := dial(t, s.Addr())
		filler := strings.Repeat("x", size-8)
		go func() {
			for i := range requests {
				p.send(1, fmt.Sprintf("%08d", i)+filler)
			}
		}()
		eventually(t, "reading paused", func() bool { return r.Stats().Errors["paused"] > 0 })
		for i := range requests {
			_, body, err := p.read()
			if want := fmt.Sprintf("%08d", i); err != nil || len(body) != size || body[:8] != want {
				t.Fatalf("answer %d: %d bytes, %.8q, %v (%v)", i, len(body), body, err, r.Stats().Errors)
			}
		}
	})
}

// TestDrainedHook: whoever found the output full is told when there is room.
func TestDrainedHook(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{})
		told := make(chan int, 100) // bytes that still wait
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{
			Overflow: reactor.RefuseMessage, OutputBytesHigh: 128 << 10, OutputBytesLow: 32 << 10, SendBufferBytes: 32 << 10,
			OnOpen: func(c *reactor.Conn) { fillOutput(c) },
			OnDrained: func(c *reactor.Conn) {
				told <- c.Buffered()
				_ = c.Write(8, []byte("go on"))
			},
		}})
		p := dial(t, s.Addr())
		eventually(t, "output limit", func() bool { return r.Stats().Errors["output_full"] > 0 })
		for id := int32(0); id != 8; {
			var err error
			if id, _, err = p.read(); err != nil {
				t.Fatal(err)
			}
		}
		if n := receive(t, told); n > 32<<10 {
			t.Errorf("OnDrained with %d bytes waiting", n)
		}
	})
}

// fillOutput writes until a message is refused and returns how many were not.
func fillOutput(c *reactor.Conn) (n int) {
	body := make([]byte, 16<<10)
	for ; c.Write(7, body) == nil; n++ {
		c.Flush()
	}
	return n
}

// TestWriteTimeout: a peer that takes nothing holds its connection and what
// waits for it no longer than that, even when the connection is closing.
func TestWriteTimeout(t *testing.T) {
	for _, closing := range []bool{false, true} {
		t.Run(fmt.Sprintf("closing=%v", closing), func(t *testing.T) {
			eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
				r := open(reactor.Config{})
				closed := make(chan error, 1)
				var written atomic.Int64
				s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{
					Overflow: reactor.RefuseMessage, OutputBytesHigh: 128 << 10, SendBufferBytes: 32 << 10,
					WriteTimeout: 500 * time.Millisecond,
					OnOpen: func(c *reactor.Conn) {
						full := 0 // ticks in a row: the kernel takes no more either
						c.Loop().Every(time.Millisecond, func() {
							n := fillOutput(c)
							written.Add(int64(n))
							if full++; n > 0 {
								full = 0
							} else if closing && full == 200 {
								c.Close(nil)
							}
						})
					},
					OnClose: func(_ *reactor.Conn, err error) { closed <- err },
				}})
				p := dial(t, s.Addr())
				switch err := receive(t, closed); {
				case err == reactor.ErrStalled:
					if n := r.Stats().Errors["write_timeout"]; n != 1 {
						t.Errorf("write_timeout = %d, want 1", n)
					}
				case err != nil || !closing:
					t.Errorf("closed with %v, want ErrStalled", err)
				default: // the kernel has found room for it after all
					for range written.Load() {
						p.want(7, string(make([]byte, 16<<10)))
					}
				}
				eventually(t, "buffers given back", func() bool { return r.Stats().Buffers.InUse == 0 })
			})
		})
	}
}

// TestMailboxLimitCountsTargets: a message to many connections costs memory
// for each of them while their loop does not take it, however short it is.
func TestMailboxLimitCountsTargets(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		opened := make(chan *reactor.Conn, 1)
		r := open(reactor.Config{MailboxBytesMax: 64 << 10})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{OnOpen: func(c *reactor.Conn) { opened <- c }}})
		p := dial(t, s.Addr())
		c := receive(t, opened)
		held, release := make(chan struct{}), make(chan struct{})
		c.Loop().Post(func() { close(held); <-release })
		receive(t, held)
		many := make([]*reactor.Conn, 100)
		for i := range many {
			many[i] = c
		}
		accepted := 0
		for accepted < 1000 && r.Broadcast(many, 2, nil) == nil {
			accepted++
		}
		close(release)
		if accepted == 0 || accepted == 1000 {
			t.Errorf("%d broadcasts of 100 messages accepted by a mailbox of 64 KiB", accepted)
		}
		for range 100 * accepted {
			p.want(2, "")
		}
		if n := r.Stats().Errors["mailbox_full"]; n != 1 {
			t.Errorf("mailbox_full = %d, want 1", n)
		}
	})
}

// TestBufferLimit: when all connections together may buffer no more, those
// that ask for more are ended and counted, and the others work on.
func TestBufferLimit(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		const size = 512 << 10
		r := open(reactor.Config{BufferBytesMax: 256 << 10})
		s := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: echoRouter(), BodyBytesMax: size}})
		good := dial(t, s.Addr())
		good.send(1, "before")
		good.want(1, "before")
		greedy := dial(t, s.Addr())
		go func() { _, _ = greedy.Write(partialFrame(size)) }()
		greedy.wantEnd()
		eventually(t, "counter", func() bool { return r.Stats().Errors["buffers_exhausted"] == 1 })
		good.send(1, "after")
		good.want(1, "after")
		eventually(t, "buffers given back", func() bool { return r.Stats().Buffers.InUse == 0 })
	})
}

// partialFrame is a frame but for its last byte.
func partialFrame(size int) []byte {
	b := make([]byte, 8+size-1)
	b[0], b[4], b[5], b[6] = 1, byte(size), byte(size>>8), byte(size>>16)
	return b
}

// TestFinerTimeoutJoins: a short time-out is kept even where connections with
// long ones were there before.
func TestFinerTimeoutJoins(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{})
		coarse := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: echoRouter(), IdleTimeout: time.Hour, PartialTimeout: -1}})
		p := dial(t, coarse.Addr())
		p.send(1, "there")
		p.want(1, "there")
		fine := listen(t, r, reactor.ServerConfig{Endpoint: reactor.Endpoint{IdleTimeout: 40 * time.Millisecond}})
		dial(t, fine.Addr()).wantEnd()
	})
}
