package sim

import (
	"io"
	"net/netip"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// phase of a conn, in order.
type phase uint8

const (
	open     phase = iota
	draining       // closed with its output to be sent first
	aborted        // to be finished when the current callback has returned
	finished
)

// A conn is one TCP connection of an engine: a socket of the host's kernel and
// the order of the callbacks. Only on its loop.
type conn struct {
	membership
	l             *loop
	s             *sock
	h             driver.Handler
	in            input
	out           output
	inMax, low    int
	local, remote netip.AddrPort
	cause         error

	phase   phase
	paused  bool
	queued  bool // waits in loop.settling
	above   bool // unsent output was above low, or refused
	drained bool // Drained is due
	show    bool // unconsumed input is to be shown without waiting for more
}

// adopt makes a connection of an established socket and asks the Opener for
// its handler. It reports whether the connection was taken.
func (l *loop) adopt(from socket, s *sock, o driver.ConnOptions, opener driver.Opener) bool {
	c := &conn{l: l, s: s, inMax: o.InputBytesMax, low: o.OutputBytesLow, local: s.local, remote: s.remote}
	c.in.pool = l.en.pool
	c.out = output{l: l, max: o.OutputBytesMax, queue: buffer.Queue{Pool: l.en.pool}}
	w := l.w
	w.mu.Lock()
	place := from.member().place
	l.members[place-1] = c
	c.place, from.member().place = place, 0
	s.owner = (*connOwner)(c)
	if o.KeepAlive > 0 {
		s.keep(o.KeepAlive)
	}
	if s.readable() {
		l.stir(c)
	}
	w.mu.Unlock()
	if c.h = opener(c); c.h == nil {
		c.release()
		return false
	}
	c.send()
	return true
}

// connOwner is what the socket sees of a conn.
type connOwner conn

func (c *connOwner) stir() { c.l.stir((*conn)(c)) }

// serve handles what the socket has: room, input, its end.
func (c *conn) serve() {
	if c.phase >= aborted {
		return
	}
	if c.out.len() > 0 {
		c.send()
	}
	if c.phase == open && c.paused {
		// Nobody reads, so nobody would see the error.
		if err := c.broken(); err != nil {
			c.Close(err)
		}
		return
	}
	if c.phase < aborted {
		c.receive()
	}
	if c.phase == draining {
		c.await()
	}
}

func (c *conn) broken() error {
	c.l.w.mu.Lock()
	defer c.l.w.mu.Unlock()
	return c.s.err
}

// receive reads once and shows it. What comes while closing is dropped.
func (c *conn) receive() {
	w := c.l.w
	w.mu.Lock()
	data, err := c.s.read()
	if data != nil {
		c.l.stats.Reads++
		c.l.stats.ReadBytes += uint64(len(data))
		if c.s.readable() {
			c.l.stir(c) // its end
		}
	}
	w.mu.Unlock()
	if len(data) > 0 && c.phase == open {
		c.input(data)
	}
	if data != nil {
		w.mu.Lock()
		w.keep(data)
		w.mu.Unlock()
	}
	switch {
	case err == nil:
	case err != io.EOF:
		c.Close(err)
	case c.phase == open:
		c.phase, c.cause = draining, io.EOF
		c.send()
		c.await()
	}
}

// input shows what there is and data to the handler.
func (c *conn) input(data []byte) {
	view, err := c.in.join(data)
	if err == nil {
		n := c.h.Received(view)
		if c.phase >= aborted {
			return
		}
		err = c.in.consume(view, n)
	}
	c.send()
	if err == nil && !c.paused && c.phase == open && c.in.size() >= c.inMax {
		err = driver.ErrInputFull
	}
	if err != nil {
		c.Close(err)
	}
}

// send hands output to the kernel and keeps the marks.
func (c *conn) send() {
	if c.phase >= aborted {
		return
	}
	if c.out.len() > 0 {
		if err := c.out.flush(c.s); err != nil {
			c.Close(err)
			return
		}
	}
	unsent := c.out.len()
	if unsent > c.low {
		c.above = true
	} else if c.above {
		c.above, c.drained = false, true
		c.await()
	}
	if c.phase == draining && unsent == 0 {
		c.await()
	}
}

// Alloc implements driver.Conn.
func (c *conn) Alloc(n int) ([]byte, error) {
	if c.phase != open {
		return nil, driver.ErrClosed
	}
	b, err := c.out.alloc(n)
	if err == driver.ErrOutputFull {
		c.above = true
	}
	return b, err
}

// Flush implements driver.Conn.
func (c *conn) Flush() { c.send() }

// Buffered implements driver.Conn.
func (c *conn) Buffered() int {
	n := c.out.len()
	if n == 0 && c.phase == draining {
		c.l.w.mu.Lock()
		defer c.l.w.mu.Unlock()
		n = c.s.out.len()
	}
	return n
}

// Pause implements driver.Conn.
func (c *conn) Pause() { c.paused = true }

// Resume implements driver.Conn.
func (c *conn) Resume() {
	if !c.paused {
		return
	}
	c.paused = false
	if c.phase != open {
		return
	}
	c.show = true // also what a Received that is under way will leave
	c.await()
	c.stirRead()
}

// stirRead has the socket served if there is something to read.
func (c *conn) stirRead() {
	c.l.w.mu.Lock()
	defer c.l.w.mu.Unlock()
	if c.s.readable() {
		c.l.stir(c)
	}
}

// Close implements driver.Conn.
func (c *conn) Close(cause error) {
	switch {
	case c.phase >= aborted:
		return
	case cause != nil:
		c.phase, c.cause = aborted, cause
	case c.phase == open:
		c.phase = draining
		c.send()
		if c.paused {
			c.stirRead() // input is read and dropped from now on
		}
	}
	c.await()
}

// abort implements socket.
func (c *conn) abort(cause error) { c.Close(cause) }

// await has settle called when the current callback has returned.
func (c *conn) await() {
	if !c.queued {
		c.queued = true
		c.l.settling = append(c.l.settling, c)
	}
}

// settle makes the callbacks that could not be made inside another one.
func (c *conn) settle() {
	c.queued = false
	if c.drained && c.phase == open {
		c.drained = false
		c.h.Drained()
		c.send()
	}
	if c.show && !c.paused && c.phase == open {
		c.show = false
		if c.in.size() > 0 {
			c.input(nil)
		}
	}
	if c.phase == aborted || c.phase == draining && c.out.len() == 0 && !c.lingers() {
		c.release()
		c.h.Closed(c.cause)
	}
}

// lingers reports whether closing could still lose output: with input that comes,
// the kernel resets a connection that nobody has. It tells when the peer has
// everything. After the peer's own end no input comes.
func (c *conn) lingers() bool {
	c.l.w.mu.Lock()
	defer c.l.w.mu.Unlock()
	c.s.wantSent = c.cause != io.EOF && c.s.out.len() > 0
	if c.s.wantSent {
		c.s.finishOutput() // the peer may wait for the end
	}
	return c.s.wantSent
}

// release gives up the socket and all buffers.
func (c *conn) release() {
	c.phase = finished
	c.out.reset()
	c.in.reset()
	w := c.l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.l.en.dead {
		return
	}
	c.s.close()
	c.l.drop(c)
	c.l.stats.Conns--
}

// LocalAddr implements driver.Conn.
func (c *conn) LocalAddr() netip.AddrPort { return c.local }

// RemoteAddr implements driver.Conn.
func (c *conn) RemoteAddr() netip.AddrPort { return c.remote }

// Loop implements driver.Conn.
func (c *conn) Loop() driver.Loop { return c.l }
