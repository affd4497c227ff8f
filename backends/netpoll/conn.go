package netpoll

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"

	"lars/backends/internal/linger"
	"lars/backends/internal/serial"
	"lars/backends/std"
	"lars/reactor/driver"
)

// past makes the library's Flush return instead of waiting for the peer.
var past = time.Unix(1, 0)

// conn is one TCP connection. Its output goes through one of three hands:
//
//   - the library's writer, as long as the kernel takes all of it;
//   - while busy, the library's poller sends what the kernel did not take, and
//     what follows is kept in out;
//   - once own, the library has given up the connection because the peer has
//     closed; all that is unsent is in out, and the adapter sends it.
type conn struct {
	serial.Stream
	engine  *engine
	np      netpoll.Connection
	private private
	reading reading
	fd      int
	options driver.ConnOptions
	local   netip.AddrPort
	remote  netip.AddrPort

	fresh int // bytes allocated in the library's writer and not flushed
	out   serial.Output
	busy  bool
	own   bool
	quit  chan struct{} // closed to end the goroutine that waits while busy

	file     *os.File // a descriptor of our own, when the library closes its
	raw      syscall.RawConn
	sending  bool
	released atomic.Bool
}

// start opens the connection on loop l, which the caller has entered. notice
// must follow outside.
func (c *conn) start(l *serial.Loop, open driver.Opener) (refused, ok bool) {
	var err error
	if c.np, err = netpoll.NewFDConnection(c.fd); err != nil {
		c.abandon()
		l.Drop()
		return false, false
	}
	c.private = c.engine.layout.of(c.np, net.TCPAddrFromAddrPort(c.remote))
	c.reading.start(c.np, c.private, c.fd)
	c.out = serial.NewOutput(l, c.options.OutputBytesMax)
	_ = c.np.SetWriteDeadline(past) // never fails
	c.LimitHeld(max(c.options.InputBytesMax, driver.InputBytesDefault))
	c.engine.conns.Add(1)
	_ = c.np.AddCloseCallback(c.ended)
	refused, ok = c.Start(l, c, c.options, open, c)
	if ok {
		_ = c.np.SetOnRequest(c.request)
	}
	return refused, ok
}

// notice makes the library tell of an end that came before SetOnRequest, which
// it would keep to itself.
func (c *conn) notice() {
	if !c.np.IsActive() {
		_ = c.np.Close()
	}
}

// request is the library's callback for input. It has to take all of it, or
// would be called again at once.
func (c *conn) request(_ context.Context, np netpoll.Connection) error {
	r := np.Reader()
	l := c.Domain()
	l.Enter()
	n := r.Len()
	view, err := r.Next(n)
	if err == nil && n > 0 {
		l.CountInput(n)
		c.Input(view)
	}
	if c.Paused() {
		c.reading.paused.Store(true)
	} else {
		c.reading.resume()
	}
	l.Leave()
	_ = r.Release()
	return err
}

// ended is the library's callback for a closed connection, its last. The
// descriptor is closed when it returns.
func (c *conn) ended(netpoll.Connection) error {
	defer c.engine.conns.Done()
	if c.released.Load() {
		return nil // by us, perhaps on the loop
	}
	l := c.Domain()
	l.Enter()
	defer l.Leave()
	switch {
	case c.Finished():
	case wasReset(c.fd):
		c.Fail(os.NewSyscallError("read", unix.ECONNRESET))
	default:
		c.keep()
		c.Sent()
		c.Fail(io.EOF)
	}
	return nil
}

// keep saves what the peer, which has closed one half, is still to get.
func (c *conn) keep() {
	c.takeOver()
	if c.Finished() || c.out.Len() == 0 && c.Held() == 0 {
		return
	}
	fd, err := dup(c.fd, 0)
	if err != nil {
		c.Close(err)
		return
	}
	c.file = os.NewFile(uintptr(fd), "tcp")
	if c.raw, err = c.file.SyscallConn(); err != nil {
		c.Close(err)
		return
	}
	c.sendOwn()
}

// Alloc implements driver.Conn.
func (c *conn) Alloc(n int) ([]byte, error) {
	if !c.Open() {
		return nil, driver.ErrClosed
	}
	b, err := c.alloc(n)
	if err != nil {
		c.Refused()
	}
	return b, err
}

func (c *conn) alloc(n int) ([]byte, error) {
	if have := c.Unsent(); have > 0 && have+n > c.options.OutputBytesMax {
		return nil, driver.ErrOutputFull
	}
	if c.busy || c.own {
		return c.out.Alloc(n)
	}
	b, err := c.np.Writer().Malloc(n)
	if err == nil {
		c.fresh += n
	}
	return b, err
}

// Unsent implements serial.Transport.
func (c *conn) Unsent() int {
	n := c.fresh + c.out.Len()
	if c.busy {
		n += c.private.output.Len()
	}
	return n
}

// Unacked implements serial.Transport. The library closes the descriptor only of a
// connection that is our own, because of the peer's end, or released.
func (c *conn) Unacked() (int, error) {
	if c.own {
		return 0, nil
	}
	return linger.Unacked(c.fd)
}

// Send implements serial.Transport.
func (c *conn) Send() {
	switch {
	case c.own:
		c.sendOwn()
	case !c.busy && c.fresh > 0:
		if c.flush(); c.busy {
			quit := make(chan struct{})
			c.quit = quit
			c.Domain().Go(func() { c.wait(quit) })
		}
	}
}

// flush hands what is in the library's writer to the kernel.
func (c *conn) flush() {
	err := c.reading.flush()
	switch {
	case err == nil:
		c.Domain().CountWrite(c.fresh)
		c.fresh = 0
	case errors.Is(err, netpoll.ErrWriteTimeout):
		c.Domain().CountWrite(c.fresh - c.private.output.Len())
		c.fresh, c.busy = 0, true
	case c.closedBelow(err):
		c.takeOver()
	default:
		c.Close(err)
	}
}

// closedBelow tells that the library has let go of the connection, because
// of the peer, from errors of the connection itself. The library's poller does
// not touch its buffers any more.
func (c *conn) closedBelow(err error) bool {
	return errors.Is(err, netpoll.ErrConnClosed) || errors.Is(err, netpoll.ErrConcurrentAccess) ||
		errors.Is(err, unix.ENOENT) // of epoll_ctl: detached
}

// takeOver makes the adapter the sender of all that is unsent. The library's
// descriptor stays open until ended has returned.
func (c *conn) takeOver() {
	if c.own {
		return
	}
	c.own = true
	if c.fresh > 0 || c.busy {
		c.fresh, c.busy = 0, false
		if err := c.collect(); err != nil {
			c.Close(err)
			return
		}
	}
	c.sendOwn()
}

// collect puts the bytes in the library's buffer before those in out.
func (c *conn) collect() error {
	_ = c.private.output.Flush() // never fails
	later := c.out
	c.out = serial.NewOutput(c.Domain(), c.options.OutputBytesMax)
	defer later.Reset()
	if err := later.Spill(); err != nil {
		return err
	}
	if err := c.out.Append(c.private.output.Bytes()); err != nil {
		return err
	}
	return move(&later, c.out.Append)
}

// move gives all pooled output to f, which copies it.
func move(from *serial.Output, f func(p []byte) error) error {
	var vec [][]byte
	for {
		vec = from.Peek(vec[:0])
		if len(vec) == 0 {
			return nil
		}
		for _, p := range vec {
			if err := f(p); err != nil {
				return err
			}
		}
		if err := from.Discard(serial.Size(vec)); err != nil {
			return err
		}
	}
}

// sendOwn sends without the library.
func (c *conn) sendOwn() {
	switch {
	case c.sending || c.out.Len() == 0:
	case c.raw != nil:
		c.sending = c.Domain().Go(func() { std.Drain(&c.Stream, &c.out, c.raw, &c.sending) })
	default:
		if err := c.out.WriteTo(c.fd); err != nil {
			c.Close(os.NewSyscallError("write", err))
		}
	}
}

// wait lives while the connection is busy: it waits until the library's poller
// has sent all, and hands on what has come meanwhile.
func (c *conn) wait(quit chan struct{}) {
	l := c.Domain()
	for again := true; again; {
		var err error
		select {
		case <-quit:
			return
		case err = <-c.private.trigger:
		}
		l.Enter()
		switch {
		case c.Finished() || c.own:
			again = false
		case err != nil || !c.np.IsActive():
			c.takeOver()
			c.Sent()
			again = false
		case c.private.output.Len() == 0:
			c.busy = false
			c.refill()
			if again = c.busy; !again {
				c.quit = nil
			}
			c.Sent()
		}
		l.Leave()
	}
}

// refill hands what has waited to the library.
func (c *conn) refill() {
	err := c.out.Spill()
	if err == nil {
		err = move(&c.out, func(p []byte) error {
			b, err := c.np.Writer().Malloc(len(p))
			c.fresh += copy(b, p)
			return err
		})
	}
	if err != nil {
		c.Close(err)
	} else if c.fresh > 0 {
		c.flush()
	}
}

// Resumed implements serial.Transport. The library has let go of a connection
// that is our own.
func (c *conn) Resumed() {
	c.reading.paused.Store(false)
	if !c.own {
		c.reading.resume()
	}
}

// Release implements serial.Transport. Inside the library's callback, Close
// only marks the connection, and it is closed when the callback returns.
func (c *conn) Release() {
	c.released.Store(true)
	if c.quit != nil {
		close(c.quit)
		c.quit = nil
	}
	if c.file != nil {
		_ = c.file.Close()
	}
	c.out.Reset()
	_ = c.np.Close()
}

// LocalAddr implements driver.Conn.
func (c *conn) LocalAddr() netip.AddrPort { return c.local }

// RemoteAddr implements driver.Conn.
func (c *conn) RemoteAddr() netip.AddrPort { return c.remote }
