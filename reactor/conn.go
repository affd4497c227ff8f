package reactor

import (
	"net/netip"
	"sync/atomic"
	"time"

	"lars/reactor/buffer"
	"lars/reactor/driver"
	"lars/reactor/frame"
)

// A Conn is one TCP connection of a server or client. The value is never used
// again for another connection, so a reference that outlives its connection
// is harmless: what is sent to it returns ErrClosed, or is counted as stale
// when the end is only noticed later on the loop.
type Conn struct {
	// What every message touches comes first, in one cache line.
	d      driver.Conn
	loop   *Loop
	end    *endpoint
	active time.Duration // of the last input
	since  time.Duration // a partial frame waits for its rest; 0 when none
	mark   atomic.Uint32
	paused bool   // reading is, by back pressure
	dirty  bool   // stands in the mailbox's list of connections to flush
	output uint64 // bytes, of all messages

	props      []property
	id         uint64
	next, prev *Conn // in loop.conns
	// taken of the output by the kernel, when the sweeper last saw that change,
	// or none wait. (With these a Conn has 128 bytes, so that the first line is
	// one in memory too.)
	taken   uint64
	takenAt time.Duration
}

// marks of a Conn, for senders on other goroutines.
const (
	markClosed = 1 << iota // it has ended, or is closing
	markFull               // a message was refused, and Drained has not come since
)

// has reports whether a mark is set. From any goroutine.
func (c *Conn) has(mark uint32) bool { return c.mark.Load()&mark != 0 }

// handler is what the driver sees of a Conn.
type handler Conn

// openConn makes a Conn for the endpoint, or nil when it is one too many
// or the reactor is closing.
func (e *endpoint) openConn(l *Loop, d driver.Conn) *Conn {
	if l.r.closing.Load() {
		return nil
	}
	if n := e.live.Add(1); n > int64(e.ConnsMax) {
		e.live.Add(-1)
		l.counters.add(KindOverLimit)
		return nil
	}
	c := &Conn{d: d, loop: l, end: e, id: l.r.ids.Add(1), active: l.d.Now()}
	c.takenAt = c.active
	l.addConn(c)
	l.counters.opened.Add(1)
	return c
}

// ID is unique among the connections of the reactor, for logs.
func (c *Conn) ID() uint64 { return c.id }

// Loop is the connection's loop.
func (c *Conn) Loop() *Loop { return c.loop }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.d.RemoteAddr() }

// LocalAddr is our own address on the connection. Only on the loop.
func (c *Conn) LocalAddr() netip.AddrPort { return c.d.LocalAddr() }

// Closed reports whether the connection has ended.
func (c *Conn) Closed() bool { return c.has(markClosed) }

// Buffered is the output that the kernel has not taken yet, in bytes. Only on
// the loop.
func (c *Conn) Buffered() int { return c.d.Buffered() }

// Received takes whole frames from the view and leaves a partial one.
func (h *handler) Received(view []byte) int {
	c := (*Conn)(h)
	l, e := c.loop, c.end
	c.active = l.d.Now()
	if c.pressed() {
		c.since = 0
		return 0
	}
	l.req.Conn = c
	used, bodyMax := 0, e.BodyBytesMax
	var in uint64
	for {
		id, size, err := frame.Next(view[used:], bodyMax)
		if size == 0 {
			if err != nil {
				l.counters.add(KindBadFrame)
				c.Close(err)
			}
			break
		}
		body := view[used+frame.HeadBytes : used+size]
		used += size
		in++
		l.serve(e.Router, id, body)
		if c.paused || c.has(markClosed) {
			break
		}
		if l.outLen > e.OutputBytesHigh {
			l.outLen = 0
			if c.pressed() {
				break
			}
		}
	}
	c.notePartial(used, len(view)-used)
	l.countMessages(in)
	return used
}

// serve passes one message of a connection to its handler.
func (l *Loop) serve(r *Router, id int32, body []byte) {
	rt := r.find(id)
	if rt == &r.rest {
		l.counters.add(KindUnknownID)
		if rt.handle == nil {
			return
		}
	}
	q := &l.req
	q.ID, q.Body, q.Data = id, body, rt.data
	rt.handle(q)
}

// countMessages publishes what a callback received and sent.
func (l *Loop) countMessages(in uint64) {
	if in > 0 {
		l.counters.in.Add(in)
	}
	if l.out > 0 {
		l.counters.out.Add(l.out)
		l.out, l.outLen = 0, 0
	}
}

// notePartial remembers since when a frame has been incomplete, of a connection
// that takes input.
func (c *Conn) notePartial(used, rest int) {
	if rest == 0 || c.paused || c.has(markClosed) {
		c.since = 0
	} else if used > 0 || c.since == 0 {
		c.since = max(c.active, 1)
	}
}

// pressed reports whether the connection's input must wait because its output
// is above the high mark even after a flush, where the endpoint wants that.
func (c *Conn) pressed() bool {
	e := c.end
	if c.d.Buffered() <= e.OutputBytesHigh || e.Overflow != PauseReading {
		return false // the other choices are Alloc's to make
	}
	if c.d.Flush(); c.d.Buffered() <= e.OutputBytesHigh {
		return false
	}
	c.paused = true
	c.loop.counters.add(KindPaused)
	c.d.Pause()
	return true
}

// Drained ends back pressure, and tells who waits for it.
func (h *handler) Drained() {
	c := (*Conn)(h)
	c.mark.And(^uint32(markFull))
	if c.paused {
		c.paused = false
		c.active = c.loop.d.Now()
		c.d.Resume()
	}
	if c.end.OnDrained != nil && !c.has(markClosed) {
		c.end.OnDrained(c)
		c.loop.countMessages(0)
	}
}

// Closed is the driver's last word.
func (h *handler) Closed(err error) {
	c := (*Conn)(h)
	c.mark.Or(markClosed)
	l := c.loop
	l.counters.countClose(err)
	l.counters.closed.Add(1)
	c.end.live.Add(-1)
	if c.end.OnClose != nil {
		c.end.OnClose(c, err)
	}
	if c.end.closed != nil {
		c.end.closed(c, err)
	}
	l.countMessages(0)
	l.removeConn(c)
}

// Alloc reserves a message with a body of n bytes in the output and returns
// the body, to be filled before anything else is sent. Inside a handler of
// this connection it leaves when the handler's batch is done; elsewhere call
// Flush. It returns frame.ErrTooLarge above SendBytesMax, or, counted,
// ErrOutputFull (see Overflow), ErrClosed or buffer.ErrPool. Only on the loop.
func (c *Conn) Alloc(id int32, n int) ([]byte, error) {
	if uint(n) > uint(c.end.SendBytesMax) {
		return nil, checkBody(n, c.end.SendBytesMax)
	}
	b, err := c.d.Alloc(frame.HeadBytes + n)
	if err != nil {
		if b, err = c.allocAgain(frame.HeadBytes+n, err); err != nil {
			return nil, err
		}
	}
	frame.PutHead(b, id, n)
	c.output += uint64(len(b))
	c.loop.out++
	c.loop.outLen += len(b)
	return b[frame.HeadBytes:], nil
}

// allocAgain makes room by a flush where the output is full: only what the
// kernel does not take counts against a peer. What is refused is counted.
func (c *Conn) allocAgain(n int, err error) (b []byte, _ error) {
	if err == driver.ErrOutputFull {
		c.d.Flush()
		b, err = c.d.Alloc(n)
	}
	if err != nil {
		return nil, c.refused(err)
	}
	return b, nil
}

// refused counts a message that the output did not take.
func (c *Conn) refused(err error) error {
	count, drop := &c.loop.counters, c.end.Overflow == DropConn
	switch {
	case err == driver.ErrClosed:
		count.add(KindStale)
	case err == buffer.ErrPool && drop:
		c.Close(err) // and counted then
	case err == buffer.ErrPool:
		count.add(KindBuffers)
	case drop:
		count.add(KindOutputFull)
		count.add(KindSlowPeer)
		c.Close(ErrSlowPeer)
	default:
		count.add(KindOutputFull)
		c.mark.Or(markFull)
	}
	return err
}

// Write sends a message. Like Alloc it leaves by itself inside a handler of
// this connection; elsewhere call Flush. Only on the loop.
func (c *Conn) Write(id int32, body []byte) error {
	b, err := c.Alloc(id, len(body))
	if err == nil {
		copy(b, body)
	}
	return err
}

// Flush hands what was written to the kernel. Only on the loop.
func (c *Conn) Flush() {
	c.d.Flush()
	c.loop.countMessages(0)
}

// Close ends the connection: with nil once all output is sent, otherwise at
// once. The close hook gets the cause. Only on the loop; see Shut.
func (c *Conn) Close(cause error) {
	c.mark.Or(markClosed)
	c.since = 0
	c.d.Close(cause)
}

// Shut is Close from any goroutine.
func (c *Conn) Shut(cause error) { c.loop.Post(func() { c.Close(cause) }) }
