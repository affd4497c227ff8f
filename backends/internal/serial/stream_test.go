package serial

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// wire is a Transport in memory: the kernel takes room bytes.
type wire struct {
	Stream
	out  Output
	sent []byte
	room int

	unacked int
}

func (w *wire) Unsent() int           { return w.out.Len() }
func (w *wire) Unacked() (int, error) { return w.unacked, nil }
func (w *wire) Resumed()              {}
func (w *wire) Release()              { w.out.Reset() }

func (w *wire) Send() {
	for w.out.Len() > 0 && w.room > 0 {
		p := w.out.Scratch()
		if len(p) == 0 {
			p = w.out.Peek(nil)[0]
		}
		n := min(len(p), w.room)
		w.sent = append(w.sent, p[:n]...)
		w.room -= n
		if err := w.out.Discard(n); err != nil {
			w.Close(err)
		}
	}
}

// drain gives the kernel room, as an event does.
func (w *wire) drain(n int) {
	l := w.Domain()
	l.Enter()
	w.room += n
	w.Send()
	w.Sent()
	l.Leave()
}

func (w *wire) event(f func()) {
	l := w.Domain()
	l.Enter()
	f()
	l.Leave()
}

// script is a Handler that keeps a history.
type script struct {
	history  []string
	received func(view []byte) int
	closed   error
}

func (s *script) Received(view []byte) int {
	s.history = append(s.history, string(view))
	return s.received(view)
}
func (s *script) Drained()         { s.history = append(s.history, "drained") }
func (s *script) Closed(err error) { s.history, s.closed = append(s.history, "closed"), err }

// connect joins a wire and a script, with a limit of 100 bytes each way.
func connect(t *testing.T) (*wire, *script) {
	t.Helper()
	_, l := open1(t)
	w, s := &wire{room: 1 << 30}, &script{}
	s.received = func(view []byte) int { return len(view) }
	l.Enter()
	defer l.Leave()
	w.out = NewOutput(l, 100)
	l.Take()
	if _, ok := w.Start(l, w, driver.ConnOptions{InputBytesMax: 100}, func(driver.Conn) driver.Handler { return s }, nil); !ok {
		t.Fatal("not started")
	}
	return w, s
}

func TestStreamInput(t *testing.T) {
	tests := []struct {
		name string
		f    func(w *wire, s *script)
		want []string
		err  error
	}{
		{"the rest is shown again", func(w *wire, s *script) {
			s.received = func(view []byte) int { return len(view) / 2 }
			w.Input([]byte("abcd"))
			w.Input([]byte("ef"))
		}, []string{"abcd", "cdef"}, nil},
		{"a pause keeps, a resume shows", func(w *wire, s *script) {
			w.Pause()
			w.Input([]byte("ab"))
			w.Input([]byte("cd"))
			w.Resume()
		}, []string{"abcd"}, nil},
		{"an end during a pause waits", func(w *wire, s *script) {
			w.Pause()
			w.Input([]byte("ab"))
			w.Fail(io.EOF)
			w.Domain().Settle()
			s.history = append(s.history, "resumed")
			w.Resume()
		}, []string{"resumed", "ab", "closed"}, io.EOF},
		{"too much left", func(w *wire, s *script) {
			s.received = func([]byte) int { return 0 }
			w.Input(make([]byte, 100))
		}, []string{string(make([]byte, 100)), "closed"}, driver.ErrInputFull},
		{"too much held", func(w *wire, s *script) {
			w.LimitHeld(3)
			w.Pause()
			w.Input([]byte("abc"))
			w.Input([]byte("d"))
		}, []string{"closed"}, driver.ErrInputFull},
		{"nothing after Close", func(w *wire, s *script) {
			w.Close(nil)
			w.Input([]byte("ab"))
			w.Domain().Settle()
			w.Close(io.ErrUnexpectedEOF)
			w.Fail(io.EOF)
		}, []string{"closed"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, s := connect(t)
			w.event(func() { tt.f(w, s) })
			if !slices.Equal(s.history, tt.want) || s.closed != tt.err {
				t.Errorf("history %q, %v; want %q, %v", s.history, s.closed, tt.want, tt.err)
			}
		})
	}
}

func TestStreamOutput(t *testing.T) {
	w, s := connect(t)
	w.room = 0
	w.event(func() {
		if _, err := w.out.Alloc(150); err != nil { // one above the limit is taken when nothing waits
			t.Fatal(err)
		}
		if _, err := w.out.Alloc(1); err != driver.ErrOutputFull {
			t.Errorf("Alloc above the limit: %v", err)
		}
		w.Flush()
	})
	w.drain(149)
	if len(s.history) != 0 {
		t.Errorf("history %q before all is sent", s.history)
	}
	w.drain(1)
	w.event(func() { w.Close(nil) })
	if want := []string{"drained", "closed"}; !slices.Equal(s.history, want) || s.closed != nil {
		t.Errorf("history %q, %v; want %q", s.history, s.closed, want)
	}
}

func TestCloseSendsFirst(t *testing.T) {
	w, s := connect(t)
	w.room = 0
	w.event(func() {
		b, _ := w.out.Alloc(5)
		copy(b, "hello")
		w.Close(nil)
	})
	w.drain(4)
	if s.history != nil {
		t.Errorf("history %q before all is sent", s.history)
	}
	w.drain(1)
	if string(w.sent) != "hello" || !slices.Equal(s.history, []string{"closed"}) {
		t.Errorf("sent %q, history %q", w.sent, s.history)
	}
}

// TestOutputOrder allocates and takes at random, across the scratch buffer and
// pooled chunks, and compares with a plain slice.
func TestOutputOrder(t *testing.T) {
	const seed = 1
	rnd := rand.New(rand.NewPCG(seed, 0))
	w, _ := connect(t)
	w.out.max = 1 << 30
	w.room = 0
	var want []byte
	w.event(func() {
		for range 300 {
			b, err := w.out.Alloc(rnd.IntN(40_000))
			if err != nil {
				t.Fatal(err)
			}
			for i := range b {
				b[i] = byte(rnd.Uint32())
			}
			want = append(want, b...)
			w.room = rnd.IntN(45_000)
			w.Send()
		}
		w.room = 1 << 30
		w.Send()
	})
	if !bytes.Equal(w.sent, want) {
		t.Errorf("seed %d: %d bytes sent differ from %d allocated", seed, len(w.sent), len(want))
	}
	if s := w.Domain().Pool().Stats(); s.InUse != 0 || w.Domain().scratch == nil {
		t.Errorf("an empty output holds %d bytes", s.InUse)
	}
}

func TestPoolLimitClosesNotLoses(t *testing.T) {
	w, s := connect(t)
	w.in.pool = buffer.New(buffer.Config{BytesMax: 1})
	s.received = func([]byte) int { return 0 }
	w.event(func() { w.Input([]byte("partial")) })
	if !errors.Is(s.closed, buffer.ErrPool) {
		t.Errorf("closed with %v", s.closed)
	}
}

// TestStreamLingers: however often it is closed, one timer looks at what the peer's
// kernel has yet to take, and the peer's end makes it look at once.
func TestStreamLingers(t *testing.T) {
	w, s := connect(t)
	w.unacked = 7
	w.event(func() { w.Close(nil) })
	w.event(func() { w.Close(nil) })
	w.event(func() {
		w.Close(nil)
		if n := w.Domain().timers.Len(); n != 1 || w.Buffered() != 7 {
			t.Errorf("%d timers, %d bytes buffered; want 1 and 7", n, w.Buffered())
		}
	})
	w.event(func() {
		w.unacked = 0
		w.Fail(io.EOF)
	})
	if s.closed != nil || !slices.Equal(s.history, []string{"closed"}) {
		t.Errorf("closed with %v, history %q", s.closed, s.history)
	}
}
