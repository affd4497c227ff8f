package serial

import (
	"io"

	"lars/backends/internal/linger"
	"lars/reactor/driver"
)

// A Transport moves the bytes of one Stream. All its methods are called on the
// loop and must not block.
type Transport interface {
	// Send hands output to the kernel as far as it takes it, and sees to it
	// that the rest follows. It may be called with nothing to send.
	Send()
	// Unsent is the number of output bytes that the kernel has not taken.
	Unsent() int
	// Unacked is called when nothing is unsent and no input is of interest any
	// more: it is what linger.Unacked says of the descriptor.
	Unacked() (int, error)
	// Resumed is called when reading may go on after a pause.
	Resumed()
	// Release gives up the descriptor and all unsent output. It is called
	// once, and nothing else after it.
	Release()
}

// state of a Stream, in order.
type state uint8

const (
	open     state = iota
	draining       // closed with its output to be sent first
	aborted        // to be finished when the current callback has returned
	finished
)

// A Stream is what connections of all backends on serial loops have in common:
// the view, back pressure, and the order of the callbacks. Backends embed it.
// All methods are called on its loop, except Loop.
type Stream struct {
	loop     *Loop
	t        Transport
	h        driver.Handler
	in       input
	inputMax int
	heldMax  int // 0 is no limit
	low      int
	cause    error
	pace     *linger.Pace // while the connection lingers
	unacked  int          // when that was looked at

	state   state
	paused  bool
	queued  bool // waits in loop.settle
	looks   bool // a timer is to look at what is unacked
	high    bool // unsent output was above low
	drained bool // Drained is due
	show    bool // unconsumed input is to be shown without waiting for more
	ended   bool // the peer closed during a pause, with input not yet shown
}

// Start makes s the connection that t moves bytes of, and asks the Opener for
// its handler. It reports false when the connection was refused or the engine
// is closed; s is then finished and t released. The loop must have counted the
// connection by Pick or Take.
func (s *Stream) Start(l *Loop, t Transport, o driver.ConnOptions, open driver.Opener, c driver.Conn) (refused, ok bool) {
	o = o.WithDefaults()
	s.loop, s.t, s.inputMax, s.low = l, t, o.InputBytesMax, o.OutputBytesLow
	s.in.pool = l.Pool()
	if !l.Add(s) {
		s.release()
		return false, false
	}
	if s.h = open(c); s.h == nil {
		s.release()
		return true, false
	}
	s.send()
	return false, true
}

// Loop implements driver.Conn. From any goroutine.
func (s *Stream) Loop() driver.Loop { return s.loop }

// Domain is the loop as itself. From any goroutine.
func (s *Stream) Domain() *Loop { return s.loop }

// Open reports whether output is accepted and input shown.
func (s *Stream) Open() bool { return s.state == open }

// Finished reports whether the last callback has been made or is due without
// any further input or output.
func (s *Stream) Finished() bool { return s.state >= aborted }

// Paused reports whether the handler wants no input now.
func (s *Stream) Paused() bool { return s.paused && s.state == open }

// Draining reports whether the connection is to be closed once its output has
// been sent.
func (s *Stream) Draining() bool { return s.state == draining }

// High reports whether unsent output has been above the low mark, or was
// refused, so that Drained is to follow.
func (s *Stream) High() bool { return s.high }

// Held is the number of input bytes that are to be shown again.
func (s *Stream) Held() int { return s.in.size() }

// Refused notes that an allocation was refused, so that the handler hears of
// room by Drained.
func (s *Stream) Refused() { s.high = true }

// Buffered implements driver.Conn.
func (s *Stream) Buffered() int { return s.t.Unsent() + s.unacked }

// Flush implements driver.Conn.
func (s *Stream) Flush() { s.send() }

// Input shows new bytes to the handler, or keeps them during a pause. The
// bytes are not used after it returns.
func (s *Stream) Input(data []byte) {
	if s.state != open {
		return
	}
	if !s.paused {
		s.receive(data)
		return
	}
	if err := s.in.keep(data); err != nil {
		s.Close(err)
	} else if s.heldMax > 0 && s.in.size() > s.heldMax {
		s.Close(driver.ErrInputFull)
	}
}

// LimitHeld is for transports that cannot stop reading during a pause: more
// than n bytes that wait then close the connection with driver.ErrInputFull.
func (s *Stream) LimitHeld(n int) { s.heldMax = n }

func (s *Stream) receive(data []byte) {
	view, err := s.in.join(data)
	if err == nil {
		n := s.h.Received(view)
		if s.state != open { // what the handler left, it left for good
			s.in.reset()
			s.send()
			return
		}
		err = s.in.consume(view, n)
	}
	s.send()
	if err == nil && !s.paused && s.in.size() >= s.inputMax {
		err = driver.ErrInputFull
	}
	if err != nil {
		s.Close(err)
	}
}

// Fail ends the connection for an error of the system, or io.EOF when the
// peer has closed; output is then still sent first, as the peer may have
// closed one half only.
func (s *Stream) Fail(err error) {
	switch {
	case err != io.EOF:
		s.Close(err)
	case s.state == draining:
		s.await() // it need not linger any more
	case s.state != open:
	case s.paused && s.in.size() > 0:
		s.ended = true
	default:
		s.state, s.cause = draining, io.EOF
		s.send()
		s.await()
	}
}

// Sent is called after every attempt to send: it keeps the marks.
func (s *Stream) Sent() {
	unsent := s.t.Unsent()
	switch {
	case unsent > s.low:
		s.high = true
	case s.high:
		s.high, s.drained = false, true
		s.await()
	}
	if s.state == draining && unsent == 0 {
		s.await()
	}
}

func (s *Stream) send() {
	if s.state < aborted {
		s.t.Send()
		if s.high || s.t.Unsent() > 0 {
			s.Sent()
		}
	}
}

// Pause implements driver.Conn.
func (s *Stream) Pause() { s.paused = true }

// Resume implements driver.Conn.
func (s *Stream) Resume() {
	if !s.paused {
		return
	}
	s.paused = false
	if s.state != open {
		return
	}
	s.show = true // also what a Received that is under way will leave
	s.await()
	s.t.Resumed()
}

// Close implements driver.Conn.
func (s *Stream) Close(cause error) {
	switch {
	case s.state >= aborted:
		return
	case cause != nil:
		s.state, s.cause = aborted, cause
	case s.state == open:
		s.state = draining
		s.send()
		if s.paused {
			s.t.Resumed() // input is read and dropped from now on
		}
	}
	s.await()
}

// Abort implements Member.
func (s *Stream) Abort(cause error) { s.Close(cause) }

// await has Settle called when the current callback has returned.
func (s *Stream) await() {
	if !s.queued {
		s.queued = true
		s.loop.Await(s)
	}
}

// Settle makes the callbacks that could not be made inside another one.
func (s *Stream) Settle() {
	s.queued = false
	if s.drained && s.state == open {
		s.drained = false
		s.h.Drained()
		s.send()
	}
	if s.show && !s.paused && s.state == open {
		s.show = false
		if s.in.size() > 0 {
			s.receive(nil)
		}
		if s.ended {
			s.Fail(io.EOF)
		}
	}
	if s.state == draining && s.t.Unsent() == 0 && s.cause == nil {
		s.linger()
	}
	if s.state == aborted || s.state == draining && s.t.Unsent()+s.unacked == 0 {
		s.finish()
	}
}

// linger looks at what the peer's kernel has yet to take, and has Settle do so
// again. After the peer's own end, which is a cause, no input can reset the
// connection.
func (s *Stream) linger() {
	var err error
	if s.unacked, err = s.t.Unacked(); err != nil {
		s.state, s.cause = aborted, err
		return
	}
	if s.unacked == 0 || s.looks {
		return
	}
	if s.pace == nil {
		s.pace = &linger.Pace{}
	}
	s.looks = true
	s.loop.After(s.pace.Next(s.unacked), func() {
		s.looks = false
		if s.state == draining {
			s.await()
		}
	})
}

func (s *Stream) finish() {
	s.release()
	s.h.Closed(s.cause)
}

func (s *Stream) release() {
	s.state = finished
	s.t.Release()
	s.in.reset()
	s.loop.Remove(s)
	s.loop.Drop()
}
