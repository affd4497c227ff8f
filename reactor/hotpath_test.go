package reactor

import (
	"encoding/json"
	"regexp"
	"testing"
	"time"
	"unsafe"

	"lars/reactor/driver"
	"lars/reactor/frame"
)

// still is a driver's connection that takes all output and loses it.
type still struct {
	driver.Conn
	out []byte
}

// clock is a driver's loop where it is always now.
type clock struct{ driver.Loop }

func (clock) Now() time.Duration { return 1 }

func (s *still) Alloc(n int) ([]byte, error) {
	if len(s.out)+n > cap(s.out) {
		s.out = s.out[:0]
	}
	s.out = s.out[:len(s.out)+n]
	return s.out[len(s.out)-n:], nil
}
func (s *still) Flush()        { s.out = s.out[:0] }
func (s *still) Buffered() int { return 0 }

// echoConn is a connection of an echo server on a still driver.
func echoConn(tb testing.TB) *handler {
	tb.Helper()
	router := NewRouter()
	router.Handle(1, func(q *Request) { _ = q.Reply(q.ID, q.Body) }, nil)
	end, err := newEndpoint(Endpoint{Router: router}, 0)
	if err != nil {
		tb.Fatal(err)
	}
	s := &still{out: make([]byte, 0, 64<<10)}
	return (*handler)(end.openConn(newLoop(&Reactor{}, clock{}, 0), s))
}

// batch is what a read of n pipelined requests brings.
func batch(n int) []byte {
	var view []byte
	for range n {
		view = frame.Append(view, 1, make([]byte, 20))
	}
	return view
}

// TestConnIsTwoLines: an idle connection is cheap, and the first cache line of a
// Conn is one in memory too.
func TestConnIsTwoLines(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n != 128 {
		t.Errorf("a Conn has %d bytes", n)
	}
}

// TestStatsKeys: the statistics have one style of names, at every depth.
func TestStatsKeys(t *testing.T) {
	b, err := json.Marshal(Stats{Loops: make([]LoopStats, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if key := regexp.MustCompile(`"[^"]*[A-Z][^"]*":`).Find(b); key != nil {
		t.Errorf("a key is %s", key)
	}
}

func TestEchoAllocatesNothing(t *testing.T) {
	h, view := echoConn(t), batch(16)
	if n := testing.AllocsPerRun(100, func() { h.Received(view) }); n != 0 {
		t.Errorf("%v allocations per batch of 16", n)
	}
	if in := h.loop.counters.in.Load(); in < 1600 {
		t.Errorf("%d messages served", in)
	}
}

// BenchmarkReceived is what the reactor adds to a backend, per batch.
func BenchmarkReceived(b *testing.B) {
	for _, depth := range []int{1, 16} {
		b.Run(map[int]string{1: "depth=1", 16: "depth=16"}[depth], func(b *testing.B) {
			h, view := echoConn(b), batch(depth)
			b.ReportAllocs()
			for b.Loop() {
				h.Received(view)
			}
		})
	}
}
