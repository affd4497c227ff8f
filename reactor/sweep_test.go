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
