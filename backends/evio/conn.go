package evio

import (
	"io"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/tidwall/evio"
	"golang.org/x/sys/unix"

	"lars/backends/internal/linger"
	"lars/backends/internal/serial"
	"lars/reactor/driver"
)

const (
	// smallBytes is what evio may hold of a connection's output without its
	// being counted as unsent: to learn that it is sent takes a wake-up.
	smallBytes = 64 << 10
	// pollEvery is how often a larger backlog in evio's hands is looked at.
	pollEvery = time.Millisecond
)

// conn is one TCP connection. Events come on the goroutine of its evio loop,
// which is the only one to touch private; the rest belongs to the serial loop,
// whose lock the events hold.
type conn struct {
	serial.Stream
	ec      evio.Conn
	private private
	options driver.ConnOptions
	local   netip.AddrPort
	remote  netip.AddrPort
	out     serial.Output // what evio has not been given yet
	left    int           // of what it was given: unsent when we last looked
	inEvent bool          // an event ends with step, so no wake-up is needed
	woken   bool          // a wake-up is under way
	polled  bool          // a timer will wake
	unacked int           // while it lingers: what the peer's kernel had not when we last looked
	pace    linger.Pace
	silent  bool // reading is stopped
	gone    bool // evio has closed the descriptor
	dropped bool // Release has been called
}

// opened starts the connection on its loop, in evio's event.
func (c *conn) opened(l *serial.Loop, open driver.Opener) (refused bool, a evio.Action) {
	c.out = serial.NewOutput(l, c.options.OutputBytesMax)
	l.Enter()
	defer l.Leave()
	c.inEvent = true
	c.LimitHeld(max(c.options.InputBytesMax, driver.InputBytesDefault))
	refused, _ = c.Start(l, c, c.options, open, c)
	return refused, c.step()
}

// data is evio's event for input, and, with none, for a wake-up.
func (c *conn) data(in []byte) evio.Action {
	l := c.Domain()
	l.Enter()
	defer l.Leave()
	c.inEvent = true
	if in == nil {
		c.woken = false
	} else {
		l.CountRead(len(in))
		c.Input(in)
	}
	return c.step()
}

// step ends every event: it brings evio's connection in line with ours. It
// returns Close also when an event before did, because evio keeps the last.
func (c *conn) step() evio.Action {
	l := c.Domain()
	defer func() { c.inEvent = false }()
	for again := true; again; again = c.out.Len() > 0 && !c.dropped {
		l.Settle()
		c.give()
		c.Sent()
		l.Settle()
	}
	lingers := c.Draining() && c.lingers()
	switch {
	case c.dropped:
		*c.private.out = nil
		_ = unix.Shutdown(c.private.fd, unix.SHUT_RDWR) // makes an event, which closes
		return evio.Close
	case c.Draining():
		if lingers {
			return evio.None
		}
		_ = unix.Shutdown(c.private.fd, unix.SHUT_WR) // likewise
		return evio.Close
	case (c.left > smallBytes || c.High()) && !c.polled:
		c.polled = true
		l.After(pollEvery, c.poll)
	}
	c.heed()
	return evio.None
}

// lingers reports whether evio, or the peer's kernel, has yet to take output of a
// connection that is to be closed, and has that looked at again. Only inside
// evio's event is the descriptor sure to be the connection's.
func (c *conn) lingers() bool {
	n := c.left
	if n == 0 {
		var err error
		if c.unacked, err = linger.Unacked(c.private.fd); err != nil { // evio will not see it
			c.Close(err)
			c.Domain().Settle()
			return false
		}
		n = c.unacked
	}
	if n > 0 && !c.polled {
		c.polled = true
		c.Domain().After(c.pace.Next(n), c.poll)
	}
	return n > 0
}

// give puts our output behind what evio has not sent. Returning it from the
// event instead would replace that.
func (c *conn) give() {
	if c.dropped || c.gone {
		return
	}
	if s := c.out.Scratch(); len(s) > 0 {
		c.take(s)
		_ = c.out.Discard(len(s)) // all of it: cannot fail
	}
	var space [8][]byte
	for vec := c.out.Peek(space[:0]); len(vec) > 0; vec = c.out.Peek(space[:0]) {
		for _, p := range vec {
			c.take(p)
		}
		_ = c.out.Discard(serial.Size(vec))
	}
	c.left = len(*c.private.out)
}

func (c *conn) take(p []byte) {
	*c.private.out = append(*c.private.out, p...)
	c.Domain().CountWrite(len(p))
}

// heed stops and starts reading. While evio has output it does not read, and
// sets the events itself.
func (c *conn) heed() {
	if c.left > 0 || c.silent == c.Paused() {
		return
	}
	events := uint32(unix.EPOLLIN)
	if c.Paused() {
		events = 0
	}
	if err := c.private.watch(events); err != nil {
		c.Close(os.NewSyscallError("epoll_ctl", err))
		return
	}
	c.silent = c.Paused()
}

func (c *conn) poll() {
	c.polled = false
	c.wake()
}

// wake asks evio for an event.
func (c *conn) wake() {
	if !c.inEvent && !c.woken && !c.gone {
		c.woken = true
		c.ec.Wake()
	}
}

// closed is evio's last event; the descriptor is closed already.
func (c *conn) closed(err error, ending error) {
	l := c.Domain()
	l.Enter()
	defer l.Leave()
	c.gone, c.left = true, 0
	c.out.Reset()
	switch {
	case c.Finished():
	case err != nil:
		c.Fail(os.NewSyscallError("evio", err))
	case c.Draining():
		c.Sent()
	case ending != nil:
		c.Close(ending)
	default:
		c.Fail(io.EOF)
	}
}

// Alloc implements driver.Conn.
func (c *conn) Alloc(n int) ([]byte, error) {
	if !c.Open() || c.gone {
		return nil, driver.ErrClosed
	}
	b, err := c.alloc(n)
	if err != nil {
		c.Refused()
		c.wake() // to learn what evio has sent
	}
	return b, err
}

func (c *conn) alloc(n int) ([]byte, error) {
	if have := c.Buffered(); have > 0 && have+n > c.options.OutputBytesMax {
		return nil, driver.ErrOutputFull
	}
	return c.out.Alloc(n)
}

// Buffered implements driver.Conn.
func (c *conn) Buffered() int {
	n := c.out.Len()
	if c.left > smallBytes || c.High() || c.Draining() {
		n += c.left + c.unacked
	}
	return n
}

// Unsent implements serial.Transport: what Drained and Close are to wait for.
// A connection that is closed after its output has some until evio has closed
// it.
func (c *conn) Unsent() int {
	switch n := c.Buffered(); {
	case c.gone:
		return 0
	case c.Draining():
		return max(n, 1)
	case n > smallBytes || c.High():
		return n
	}
	return 0
}

// Unacked implements serial.Transport: lingers has seen to it before the
// connection was gone.
func (c *conn) Unacked() (int, error) { return 0, nil }

// Send implements serial.Transport.
func (c *conn) Send() {
	switch {
	case c.inEvent:
		c.give()
	case c.out.Len() > 0 || c.Draining():
		c.wake()
	}
}

// Resumed implements serial.Transport.
func (c *conn) Resumed() { c.wake() }

// Pause implements driver.Conn.
func (c *conn) Pause() {
	c.Stream.Pause()
	c.wake()
}

// Release implements serial.Transport.
func (c *conn) Release() {
	c.dropped = true
	c.out.Reset()
	c.wake()
}

// LocalAddr implements driver.Conn.
func (c *conn) LocalAddr() netip.AddrPort { return c.local }

// RemoteAddr implements driver.Conn.
func (c *conn) RemoteAddr() netip.AddrPort { return c.remote }

// serverEnds reports whether evio closes a connection because its server ends:
// the event does not tell, so the callers are looked at. It is called in the
// event, and takes about a microsecond.
func serverEnds() bool {
	var pcs [4]uintptr
	n := runtime.Callers(3, pcs[:]) // without Callers, serverEnds and the event
	for frames := runtime.CallersFrames(pcs[:n]); ; {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "github.com/tidwall/evio.serve.") {
			return true
		}
		if !more {
			return false
		}
	}
}
