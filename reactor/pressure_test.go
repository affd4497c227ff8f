package reactor_test

import (
	"fmt"
	"strings"
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
