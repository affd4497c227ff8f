package drivertest

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

func errIs(err, target error) bool { return errors.Is(err, target) }

type refConn struct {
	loop          *refLoop
	tcp           *net.TCPConn
	opts          driver.ConnOptions
	h             driver.Handler
	gone          chan struct{} // closed with the connection
	local, remote netip.AddrPort

	in      []byte // unconsumed
	ended   error  // what the reader ended with, once it has
	ack     func() // lets the reader go on
	paused  bool
	reshow  bool // Resume was called
	out     buffer.Queue
	writing bool
	above   bool // the output was above OutputBytesLow
	closing bool
	cause   error // of Close, with closing
	closed  bool
}

func newRefConn(l *refLoop, tcp *net.TCPConn, o driver.ConnOptions) *refConn {
	tcp.SetNoDelay(!o.Delay && l.en.bug != bugDelay)
	o = o.WithDefaults()
	tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: o.KeepAlive > 0, Idle: o.KeepAlive})
	if o.SendBufferBytes > 0 {
		tcp.SetWriteBuffer(o.SendBufferBytes)
	}
	if o.RecvBufferBytes > 0 {
		tcp.SetReadBuffer(o.RecvBufferBytes)
	}
	c := &refConn{loop: l, tcp: tcp, opts: o, gone: make(chan struct{})}
	c.out.Pool = l.en.cfg.Pool
	c.local, c.remote = tcpAddr(tcp.LocalAddr()), tcpAddr(tcp.RemoteAddr())
	switch l.en.bug {
	case bugWrongRemote:
		c.remote = c.local
	case bugLowInputLimit:
		c.opts.InputBytesMax = min(c.opts.InputBytesMax, 1<<20)
	}
	return c
}

// start calls the Opener, and reports false when it refuses.
func (c *refConn) start(open driver.Opener) bool {
	l := c.loop
	if l.shut {
		c.tcp.Close()
		l.conns.Add(-1)
		return true
	}
	l.open[c] = true
	l.newest = c
	if c.h = open(c); c.h == nil {
		if l.en.bug == bugRefusedStays {
			return false
		}
		c.finish(nil)
		return false
	}
	if l.en.bug == bugEvicts && len(l.open) > 50 {
		for other := range l.open {
			if other != c {
				other.finish(driver.ErrClosed)
				break
			}
		}
	}
	l.en.wg.Go(c.read)
	return true
}

// read blocks in package net and hands what it gets to the loop, which lets it
// go on.
func (c *refConn) read() {
	b := make([]byte, 64<<10)
	if c.loop.en.bug == bugLosesFirst {
		c.tcp.Read(b)
	}
	for {
		n, err := c.tcp.Read(b)
		next, view := make(chan struct{}), b[:n]
		ok := c.loop.push(func() {
			c.ack = func() { close(next); c.ack = nil }
			c.in = append(c.in, view...)
			c.ended = err
			c.show(n > 0)
		})
		if !ok || err != nil {
			return
		}
		if c.loop.en.bug == bugReadsAhead {
			b = make([]byte, len(b))
			continue
		}
		select {
		case <-next:
		case <-c.gone:
			return
		}
	}
}

// show shows input while there is some that is new, or Resume asked for it.
func (c *refConn) show(fresh bool) {
	bug := c.loop.en.bug
	deaf := func() bool { return c.paused && bug != bugIgnoresPause }
	for (fresh || c.reshow) && len(c.in) > 0 && !deaf() && !c.closing && !c.closed {
		if bug == bugLimitsArrived && len(c.in) > c.opts.InputBytesMax {
			c.finish(driver.ErrInputFull)
			return
		}
		c.reshow = false
		view := c.in[:min(len(c.in), c.opts.InputBytesMax)]
		fresh = len(view) < len(c.in)
		n := c.h.Received(view)
		if bug == bugShowsTwice && n < len(view) && len(view) < 100 {
			c.h.Received(view[n:])
		}
		if bug == bugDropsPartial {
			n = len(view)
		}
		c.in = append(c.in[:0], c.in[n:]...)
		c.Flush()
		if len(c.in) >= c.opts.InputBytesMax && n == 0 && !c.paused && (!c.closing || bug == bugLimitsLeft) && bug != bugNoInputLimit {
			c.finish(driver.ErrInputFull)
		}
	}
	if c.closing && !c.closed && c.ended == nil && c.ack != nil {
		c.in = c.in[:0]
		c.ack() // what comes is dropped
		return
	}
	if c.closing && c.cause == nil && c.ended != nil && c.ended != io.EOF {
		if bug == bugResetIsEnd {
			c.ended = nil
		}
		c.finish(c.ended)
	}
	if deaf() || c.closing || c.closed {
		return
	}
	if c.ended != nil {
		c.end(c.ended)
	} else if c.ack != nil {
		c.ack()
	}
}

// end closes after what is unsent: the peer may have closed only its half.
func (c *refConn) end(err error) {
	if c.loop.en.bug == bugEOFAsNil {
		err = nil
	}
	c.closing, c.cause = true, err
	if c.out.Len() == 0 {
		c.finish(err)
	}
}

func (c *refConn) finish(err error) {
	if c.closed {
		return
	}
	c.closed = true
	close(c.gone)
	c.tcp.Close()
	if !c.writing && c.loop.en.bug != bugKeepsBuffers {
		c.out.Reset()
	}
	delete(c.loop.open, c)
	if c.loop.en.bug != bugConnsCount {
		c.loop.conns.Add(-1)
	}
	if c.h != nil {
		c.tell(err)
	}
}

// tell makes the last call of the handler, and what a bug makes beside it.
func (c *refConn) tell(err error) {
	switch c.loop.en.bug {
	case bugLeaksGoroutine:
		go func() { select {} }()
	case bugLeaksDescriptor:
		unix.Dup(0)
	case bugWrongCause:
		err = nil
	case bugNeverClosed:
		return
	case bugAddressesGo:
		c.local = netip.AddrPort{}
	}
	c.h.Closed(err)
	switch c.loop.en.bug {
	case bugClosedTwice:
		c.h.Closed(err)
	case bugReceivedAfterClosed:
		c.h.Received([]byte{1})
	}
}

func (c *refConn) Alloc(n int) ([]byte, error) {
	if c.closed && c.loop.en.bug == bugStaleReaches {
		c = c.loop.newest
	}
	if c.loop.en.bug == bugNested {
		if f := c.loop.due.PopDue(time.Hour); f != nil {
			f()
		}
	}
	if c.loop.en.bug == bugAllocAfterClose && c.closing {
		return make([]byte, n), nil
	}
	if c.closing || c.closed {
		return nil, driver.ErrClosed
	}
	if b := c.out.Len(); b > 0 && b+n > c.opts.OutputBytesMax && c.loop.en.bug != bugNoOutputLimit {
		return nil, driver.ErrOutputFull
	}
	b, err := c.out.Alloc(n)
	if err != nil && c.loop.en.bug == bugPoolCloses {
		c.Close(err)
	}
	c.above = c.above || c.out.Len() > c.opts.OutputBytesLow
	return b, err
}

// Flush gives the first chunk to a goroutine that may block in package net.
func (c *refConn) Flush() {
	if c.writing || c.closed || c.out.Len() == 0 {
		return
	}
	c.writing = true
	p := c.out.Peek(nil, 1)[0]
	switch bug := c.loop.en.bug; {
	case bug == bugLosesByte && len(p) < c.out.Len():
		p = p[1:]
		c.out.Discard(1)
	case bug == bugReorders && len(p) > 1:
		p = append(slices.Clone(p[len(p)/2:]), p[:len(p)/2]...)
	}
	c.loop.en.wg.Go(func() {
		n, err := c.tcp.Write(p)
		c.loop.push(func() { c.wrote(n, err) })
	})
}

func (c *refConn) wrote(n int, err error) {
	c.writing = false
	if c.closed {
		if c.loop.en.bug != bugKeepsBuffers {
			c.out.Reset()
		}
		return
	}
	c.out.Discard(n)
	if err != nil {
		c.finish(err)
		return
	}
	if c.above && c.out.Len() <= c.opts.OutputBytesLow && !c.closing && c.loop.en.bug != bugNoDrained {
		c.above = false
		c.h.Drained()
	}
	c.Flush()
	if c.closing && c.out.Len() == 0 {
		c.linger()
	}
}

// linger finishes when the peer's kernel has all output, or the peer has ended: it
// may have reset since, and would never acknowledge.
func (c *refConn) linger() {
	if c.closed {
		return
	}
	unacked := 0
	if raw, err := c.tcp.SyscallConn(); err == nil && c.cause == nil && c.ended == nil && c.loop.en.bug != bugCloseResets {
		_ = raw.Control(func(fd uintptr) { unacked, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	}
	if unacked == 0 {
		c.finish(c.cause)
		return
	}
	c.loop.After(time.Millisecond, c.linger)
}

func (c *refConn) Buffered() int { return c.out.Len() }

func (c *refConn) Pause() { c.paused = true }

func (c *refConn) Resume() {
	c.paused, c.reshow = false, c.loop.en.bug != bugForgetsResume
	c.loop.push(func() { c.show(false) })
}

func (c *refConn) Close(cause error) {
	bug := c.loop.en.bug
	if c.closed && bug == bugStaleReaches {
		c = c.loop.newest
	}
	if bug == bugClosedInside {
		c.finish(cause)
		return
	}
	if c.closed || c.closing && (c.cause != nil || cause == nil) {
		return
	}
	c.closing, c.cause = true, cause
	c.Flush()
	drop := cause != nil && bug != bugAbortWaits || bug == bugCloseDrops
	switch {
	case drop:
		c.loop.push(func() { c.finish(cause) })
	case c.out.Len() == 0:
		c.loop.push(func() { c.show(false); c.linger() })
	}
}

func (c *refConn) LocalAddr() netip.AddrPort  { return c.local }
func (c *refConn) RemoteAddr() netip.AddrPort { return c.remote }
func (c *refConn) Loop() driver.Loop          { return c.loop }
