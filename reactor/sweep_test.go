package reactor

import (
	"testing"
	"time"

	"lars/reactor/buffer"
	"lars/reactor/driver"
	"lars/reactor/frame"
)

// slow is a driver's connection whose peer takes nothing.
type slow struct {
	driver.Conn
	buffered int
	cause    error
	full     error // of Alloc
}

func (s *slow) Flush()            {}
func (s *slow) Buffered() int     { return s.buffered }
func (s *slow) Pause()            {}
func (s *slow) Resume()           {}
func (s *slow) Close(cause error) { s.cause = cause }

func (s *slow) Alloc(n int) ([]byte, error) { return nil, s.full }

// moving is a driver's loop with a clock that the test moves.
type moving struct {
	driver.Loop
	now time.Duration
}

func (m *moving) Now() time.Duration { return m.now }

func slowConn(t *testing.T, e Endpoint) (*Conn, *slow, *moving) {
	t.Helper()
	end, err := newEndpoint(e, 0)
	if err != nil {
		t.Fatal(err)
	}
	s, m := &slow{}, &moving{now: time.Second}
	return end.openConn(newLoop(&Reactor{}, m, 0), s), s, m
}

// TestTimeoutsWhilePaused: while we do not read, a peer can complete no frame,
// and once we read again it has its time again.
func TestTimeoutsWhilePaused(t *testing.T) {
	c, s, m := slowConn(t, Endpoint{PartialTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second, OutputBytesHigh: 100})
	h := (*handler)(c)
	message := frame.Append(nil, 1, make([]byte, 20))
	if used := h.Received(message[:5]); used != 0 {
		t.Fatalf("consumed %d bytes of a partial frame", used)
	}
	s.buffered = 101
	m.now += 9 * time.Second
	if used := h.Received(message); used != 0 || !c.paused {
		t.Fatalf("consumed %d bytes, paused %v, with output above the mark", used, c.paused)
	}
	m.now += 20 * time.Second
	if err := c.overdue(m.now); err != nil {
		t.Errorf("while paused: %v", err)
	}
	m.now += 9 * time.Second
	s.buffered = 0
	h.Drained()
	m.now += 2 * time.Second
	if err := c.overdue(m.now); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	h.Received(message[:5])
	m.now += 11 * time.Second
	if err := c.overdue(m.now); err != ErrPartial {
		t.Errorf("with a partial frame: %v, want ErrPartial", err)
	}
	h.Received(message)
	m.now += 31 * time.Second
	if err := c.overdue(m.now); err != ErrIdle {
		t.Errorf("idle: %v, want ErrIdle", err)
	}
}

// TestBuffersRefusedIsNoSlowPeer: where all connections together hold too
// much, the one that is refused is not to blame for it.
func TestBuffersRefusedIsNoSlowPeer(t *testing.T) {
	c, s, _ := slowConn(t, Endpoint{Overflow: DropConn})
	s.full = buffer.ErrPool
	if err := c.Write(1, nil); err != buffer.ErrPool {
		t.Errorf("Write: %v, want ErrPool", err)
	}
	k := &c.loop.counters.kind
	if s.cause != buffer.ErrPool || k[KindSlowPeer].Load() != 0 {
		t.Errorf("closed with %v, slow_peer %d; want ErrPool, 0", s.cause, k[KindSlowPeer].Load())
	}
	s.full = driver.ErrOutputFull
	if err := c.Write(1, nil); err != ErrOutputFull || s.cause != ErrSlowPeer {
		t.Errorf("Write: %v, closed with %v; want ErrOutputFull and ErrSlowPeer", err, s.cause)
	}
}

// TestStalled: output that waits for long is no stall while the peer takes some
// of it, though as much comes after it.
func TestStalled(t *testing.T) {
	c, s, m := slowConn(t, Endpoint{WriteTimeout: 10 * time.Second, PartialTimeout: -1})
	step := func(written uint64, buffered int, want error) {
		t.Helper()
		m.now += 6 * time.Second
		c.output += written
		s.buffered = buffered
		if err := c.overdue(m.now); err != want {
			t.Errorf("at %v, with %d bytes waiting: %v, want %v", m.now, buffered, err, want)
		}
	}
	step(0, 0, nil)
	step(100, 0, nil)         // all taken
	step(100, 100, nil)       // none of it
	step(50, 100, nil)        // 50 of it, and as much is new
	step(50, 150, nil)        // none for 6 s
	step(10, 159, nil)        // one byte
	step(0, 159, nil)         // none for 6 s
	step(20, 179, ErrStalled) // none for 12 s: what is new does not count
}

// TestStalledSinceItsOpening: a connection that never took anything has its
// time, however long the loop has been there.
func TestStalledSinceItsOpening(t *testing.T) {
	c, s, m := slowConn(t, Endpoint{WriteTimeout: 500 * time.Millisecond, PartialTimeout: -1})
	c.output, s.buffered = 100, 100
	if err := c.overdue(m.now); err != nil {
		t.Error(err)
	}
	if m.now += time.Second; c.overdue(m.now) != ErrStalled {
		t.Error("not stalled after twice the time")
	}
}
