package epoll

import (
	"io"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"lars/backends/internal/linger"
	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// flags of a conn.
const (
	flagPaused   = 1 << iota
	flagResumed  // stands in loop.resumed
	flagDraining // Close(nil), or the peer's end: output goes out, nothing comes in
	flagDead     // stands in loop.closing
	flagFinished // closed and told
	flagAbove    // Drained is due: output was above the low mark, or refused
	flagEOF      // draining because the peer ended
	flagTight    // the output limit is below what the scratch buffer holds
	flagTell     // stands in loop.drained
)

// conn is one TCP connection. What it needs when at rest is all it has: the
// buffers are absent until input is partial or the kernel refuses output. The
// fields that every event touches come first, in one cache line: with a
// thousand connections, each miss costs a hundredth of a small request.
type conn struct {
	loop    *loop
	h       driver.Handler
	backlog *buffer.Queue // output that the kernel did not take
	held    []byte        // unconsumed input, a pooled buffer
	fd      int32
	flags   uint16

	interest uint32 // events that epoll is asked for; 0 before registering
	slot     uint32
	opts     *driver.ConnOptions
	cause    error // given to Closed
	remote   netip.AddrPort
}

// adopt makes a connection of a connected socket on this loop. It reports
// whether the opener took it.
func (l *loop) adopt(fd int, remote netip.AddrPort, opts *driver.ConnOptions, open driver.Opener) bool {
	c := &conn{loop: l, opts: opts, remote: remote, fd: int32(fd)}
	if opts.OutputBytesMax < scratchBytes {
		c.flags = flagTight
	}
	c.slot = l.insert(c, nil)
	c.h = open(c)
	if c.h == nil {
		c.release()
		c.closeFD()
		return false
	}
	if c.flags&flagDead != 0 {
		return true
	}
	if err := l.register(c.slot, fd, c.wanted()); err != nil {
		c.Close(err)
		return true
	}
	c.interest = c.wanted()
	return true
}

// wanted is what epoll should tell.
func (c *conn) wanted() (events uint32) {
	if c.flags&(flagPaused|flagDraining) == 0 {
		events = unix.EPOLLIN
	}
	if c.backlog != nil {
		events |= unix.EPOLLOUT
	}
	return events | unix.EPOLLERR // never zero: zero means not registered
}

// listen tells epoll when what is wanted has changed.
func (c *conn) listen() {
	if w := c.wanted(); c.interest != 0 && w != c.interest {
		c.interest = w
		c.loop.modify(c.slot, int(c.fd), w)
	}
}

func (c *conn) ready(events uint32) {
	if events&unix.EPOLLOUT != 0 && c.backlog != nil {
		c.drain()
	}
	if c.flags&(flagDead|flagDraining|flagPaused) == 0 {
		if events&(unix.EPOLLIN|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			c.receive()
		}
		return
	}
	switch {
	case events&(unix.EPOLLERR|unix.EPOLLHUP) == 0 || c.flags&flagDead != 0:
	case c.flags&flagDraining != 0 && c.backlog == nil:
		c.unacked()
	default: // nobody reads, so nobody would see the error: both directions are gone
		c.Close(c.socketError())
	}
}

func (c *conn) socketError() error {
	if e, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR); err == nil && e != 0 {
		return os.NewSyscallError("socket", unix.Errno(e))
	}
	return io.EOF
}

// receive reads once and shows the input.
func (c *conn) receive() {
	l := c.loop
	if len(c.held) > 0 {
		c.receiveMore()
		return
	}
	n, errno := rawRead(int(c.fd), l.in)
	l.stats.Reads++
	if errno != 0 || n == 0 {
		c.readFailed(n, errno)
		return
	}
	l.stats.ReadBytes += uint64(n)
	if used := c.show(l.in[:n]); used < n {
		c.hold(l.in[used:n])
	}
}

// receiveMore reads behind held input. A small rest is moved to the scratch
// buffer, where the new input follows it; a large one is read into in place.
func (c *conn) receiveMore() {
	l := c.loop
	view, rest := l.in, len(c.held)
	if rest < len(l.in)/2 {
		copy(view, c.held)
	} else {
		if !c.grow() {
			return
		}
		view = c.held[:cap(c.held)]
	}
	n, errno := rawRead(int(c.fd), view[rest:])
	l.stats.Reads++
	if errno != 0 || n == 0 {
		c.readFailed(n, errno)
		return
	}
	l.stats.ReadBytes += uint64(n)
	view = view[:rest+n]
	c.keep(view, c.show(view))
}

// keep makes what a handler left of view the held input.
func (c *conn) keep(view []byte, used int) {
	rest := view[used:]
	if len(rest) == 0 || c.flags&flagDraining != 0 {
		c.dropHeld()
	} else if used == 0 && unsafe.SliceData(view) == unsafe.SliceData(c.held) {
		c.held = view // read in place, nothing taken: a large frame growing
		c.checkInput()
	} else if cap(c.held) >= len(rest) {
		c.held = c.held[:copy(c.held[:cap(c.held)], rest)]
		c.checkInput()
	} else {
		c.dropHeld()
		c.hold(rest)
	}
}

// hold copies unconsumed input aside, unless the handler has closed: then it has
// left it for good.
func (c *conn) hold(rest []byte) {
	if c.flags&flagDraining != 0 {
		return
	}
	b, err := c.loop.eng.pool.Get(len(rest))
	if err != nil {
		c.Close(err)
		return
	}
	copy(b, rest)
	c.held = b
	c.checkInput()
}

func (c *conn) checkInput() {
	if len(c.held) >= c.opts.InputBytesMax && c.flags&flagPaused == 0 {
		c.Close(driver.ErrInputFull)
	}
}

// grow makes room behind held input: the buffer doubles when it is full, so a
// peer makes us hold at most twice what it really sent.
func (c *conn) grow() bool {
	if len(c.held) < cap(c.held) {
		return true
	}
	b, err := c.loop.eng.pool.Get(min(2*cap(c.held), max(c.opts.InputBytesMax, len(c.held)+1)))
	if err != nil {
		c.Close(err)
		return false
	}
	n := copy(b, c.held)
	c.dropHeld()
	c.held = b[:n]
	return true
}

func (c *conn) dropHeld() {
	c.loop.eng.pool.Put(c.held)
	c.held = nil
}

// show passes a view to the handler and flushes what it answers.
func (c *conn) show(view []byte) int {
	used := c.h.Received(view)
	if c.loop.outConn == c || c.backlog != nil {
		c.Flush()
	}
	return used
}

// showHeld shows held input again after Resume.
func (c *conn) showHeld() {
	c.flags &^= flagResumed
	if c.flags&(flagDead|flagDraining|flagPaused) != 0 || len(c.held) == 0 {
		return
	}
	view := c.held
	c.keep(view, c.show(view))
}

func (c *conn) readFailed(n int, errno unix.Errno) {
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
	case errno != 0:
		c.Close(os.NewSyscallError("read", errno))
	case c.backlog != nil: // the peer has ended, but still gets what is due
		c.flags |= flagDraining | flagEOF
		c.listen()
	default:
		c.Close(io.EOF)
	}
}

// Close implements driver.Conn.
func (c *conn) Close(cause error) {
	if c.flags&flagDead != 0 {
		return
	}
	if cause == nil {
		if c.flags&flagDraining != 0 {
			return
		}
		c.Flush()
		if c.flags&flagDead != 0 {
			return
		}
		if c.flags |= flagDraining; c.backlog != nil {
			c.listen()
			return
		}
		c.linger(&linger.Pace{})
		return
	}
	c.cause = cause
	c.end()
}

// linger ends a connection whose last output is with the kernel, once the peer's
// kernel has it too.
func (c *conn) linger(p *linger.Pace) {
	if n := c.unacked(); n > 0 {
		c.listen() // no more to input, which would wake the loop without end
		c.loop.After(p.Next(n), func() { c.linger(p) })
	}
}

// unacked is what the peer's kernel has yet to take of a connection that lingers;
// if that is nothing, or lost, it ends the connection.
func (c *conn) unacked() int {
	if c.flags&flagDead != 0 {
		return 0
	}
	n, err := linger.Unacked(int(c.fd))
	if err != nil {
		c.Close(err)
		return 0
	}
	if n == 0 {
		c.end()
	}
	return n
}

// end has the loop finish the connection when no callback is running.
func (c *conn) end() {
	c.flags |= flagDead | flagDraining
	c.loop.closing = append(c.loop.closing, c)
}

// finish releases a dead connection and tells its handler.
func (c *conn) finish() {
	if c.flags&flagFinished != 0 {
		return
	}
	c.release()
	c.h.Closed(c.cause) // which may still ask for LocalAddr
	c.closeFD()
}

func (c *conn) release() {
	l := c.loop
	c.flags |= flagFinished | flagDead | flagDraining
	if l.outConn == c {
		l.outConn, l.out = nil, l.out[:0]
	}
	if c.backlog != nil {
		c.backlog.Reset()
		c.backlog = nil
	}
	c.dropHeld()
	l.remove(c.slot)
	l.conns.Add(-1)
}

func (c *conn) closeFD() {
	_ = unix.Close(int(c.fd))
	c.fd = -1
}

// Pause implements driver.Conn.
func (c *conn) Pause() {
	c.flags |= flagPaused
	c.listen()
}

// Resume implements driver.Conn.
func (c *conn) Resume() {
	if c.flags&flagPaused == 0 {
		return
	}
	c.flags &^= flagPaused
	c.listen()
	if c.flags&flagResumed == 0 {
		c.flags |= flagResumed
		c.loop.resumed = append(c.loop.resumed, c)
	}
}

// LocalAddr implements driver.Conn.
func (c *conn) LocalAddr() netip.AddrPort { return localAddr(int(c.fd)) }

// RemoteAddr implements driver.Conn.
func (c *conn) RemoteAddr() netip.AddrPort { return c.remote }

// Loop implements driver.Conn.
func (c *conn) Loop() driver.Loop { return c.loop }

// drained goes on with ending a connection whose last output is with the kernel.
// After the peer's own end no input can reset it.
func (c *conn) drained() {
	if c.flags&flagEOF != 0 {
		c.cause = io.EOF
		c.end()
		return
	}
	c.linger(&linger.Pace{})
}
