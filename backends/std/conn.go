package std

import (
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"lars/backends/internal/linger"
	"lars/backends/internal/serial"
	"lars/reactor/driver"
)

// conn is one TCP connection. Its reader owns what the last read left in
// buf, n and err; the rest belongs to the loop.
type conn struct {
	serial.Stream
	tcp     *net.TCPConn
	raw     syscall.RawConn
	options driver.ConnOptions
	out     serial.Output
	once    func(fd uintptr) bool // sendOnce, bound

	sending bool          // a sender goroutine lives
	parked  chan struct{} // closed to end a pause of the reader; nil while it runs
	sendErr error

	buf *[serial.ScratchBytes]byte
	n   int
	err error
}

func newConn(tcp *net.TCPConn, o driver.ConnOptions) *conn {
	c := &conn{tcp: tcp, options: o}
	c.raw, _ = tcp.SyscallConn() // fails only for a nil connection
	return c
}

// start opens the connection on loop l, which the caller has entered.
func (c *conn) start(l *serial.Loop, open driver.Opener) (refused, ok bool) {
	c.once = c.sendOnce
	c.out = serial.NewOutput(l, c.options.OutputBytesMax)
	return c.Start(l, c, c.options, open, c)
}

// read is the connection's goroutine.
func (c *conn) read(l *serial.Loop) {
	try := c.tryRead
	for {
		failed := c.raw.Read(try)
		l.Enter()
		switch {
		case failed != nil: // closed by Release
		case c.n > 0:
			l.CountRead(c.n)
			c.Input(c.buf[:c.n])
		default:
			l.CountRead(0)
			c.Fail(c.err)
		}
		l.Settle()
		end := failed != nil || c.n <= 0 || c.Finished()
		var parked chan struct{}
		if !end && c.Paused() {
			parked = make(chan struct{})
			c.parked = parked
		}
		l.Leave()
		if c.buf != nil {
			l.PutReadBuffer(c.buf)
			c.buf = nil
		}
		if end {
			return
		}
		if parked != nil {
			<-parked
		}
	}
}

// tryRead reads once, and reports false when it has to wait. The buffer is
// held only when there is something in it.
func (c *conn) tryRead(fd uintptr) bool {
	l := c.Domain()
	c.buf = l.ReadBuffer()
	for {
		n, err := unix.Read(int(fd), c.buf[:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			l.PutReadBuffer(c.buf)
			c.buf = nil
			return false
		case err != nil:
			c.n, c.err = 0, os.NewSyscallError("read", err)
			return true
		default:
			c.n, c.err = n, io.EOF
			return true
		}
	}
}

// Alloc implements driver.Conn.
func (c *conn) Alloc(n int) ([]byte, error) {
	if !c.Open() {
		return nil, driver.ErrClosed
	}
	b, err := c.out.Alloc(n)
	if err != nil {
		c.Refused()
	}
	return b, err
}

// Unsent implements serial.Transport.
func (c *conn) Unsent() int { return c.out.Len() }

// Unacked implements serial.Transport.
func (c *conn) Unacked() (n int, err error) {
	_ = c.raw.Control(func(fd uintptr) { n, err = linger.Unacked(int(fd)) }) // fails when it is closed
	return n, err
}

// Send implements serial.Transport: one write that does not wait, and a sender
// goroutine for what is left.
func (c *conn) Send() {
	if c.sending || c.out.Len() == 0 {
		return
	}
	err := c.raw.Write(c.once)
	if err == nil {
		err = c.sendErr
	}
	if err != nil {
		c.Close(err)
		return
	}
	if c.out.Len() > 0 {
		c.sending = c.Domain().Go(func() { Drain(&c.Stream, &c.out, c.raw, &c.sending) })
	}
}

func (c *conn) sendOnce(fd uintptr) bool {
	c.sendErr = c.out.WriteTo(int(fd))
	return true
}

// Drain is a sender: it writes out to raw until nothing is left or the stream
// has ended, and then makes *sending false. It does not hold the loop's lock
// while it writes, nor while it waits. While it runs nothing else may take
// from out, except the stream's Release, which has to close raw first and so
// ends the sender's system call.
func Drain(s *serial.Stream, out *serial.Output, raw syscall.RawConn, sending *bool) {
	l := s.Domain()
	var vec [][]byte
	for {
		l.Enter()
		if err := out.Spill(); err != nil {
			s.Close(err)
		}
		vec = out.Peek(vec[:0])
		if s.Finished() || len(vec) == 0 {
			*sending = false
			l.Leave()
			return
		}
		l.Leave()
		n, err := writeWhenReady(raw, vec)
		l.Enter()
		if !s.Finished() {
			l.CountWrite(n)
			if err == nil {
				err = out.Discard(n)
			}
			if err != nil {
				s.Close(err)
			} else {
				s.Sent()
			}
		}
		l.Leave()
	}
}

// writeWhenReady waits until the kernel takes some of vec.
func writeWhenReady(raw syscall.RawConn, vec [][]byte) (n int, err error) {
	failed := raw.Write(func(fd uintptr) bool {
		n, err = serial.IgnoreEINTR(func() (int, error) { return unix.Writev(int(fd), vec) })
		return err != unix.EAGAIN
	})
	switch {
	case failed != nil:
		return 0, failed
	case err != nil:
		return 0, os.NewSyscallError("writev", err)
	}
	return n, nil
}

// Resumed implements serial.Transport.
func (c *conn) Resumed() {
	if c.parked != nil {
		close(c.parked)
		c.parked = nil
	}
}

// Release implements serial.Transport. Closing waits for system calls of the
// reader and the sender that are under way, none of which waits for anything.
func (c *conn) Release() {
	_ = c.tcp.Close()
	c.out.Reset()
	c.Resumed()
}

// LocalAddr implements driver.Conn.
func (c *conn) LocalAddr() netip.AddrPort { return addrPort(c.tcp.LocalAddr()) }

// RemoteAddr implements driver.Conn.
func (c *conn) RemoteAddr() netip.AddrPort { return addrPort(c.tcp.RemoteAddr()) }
