package epoll

import (
	"os"

	"golang.org/x/sys/unix"

	"lars/backends/internal/linger"
	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// iovecsMax chunks of a backlog go into one write.
const iovecsMax = 64

// Alloc implements driver.Conn. Without a backlog the output gathers in the
// loop's scratch buffer, if no other connection's stands there.
func (c *conn) Alloc(n int) ([]byte, error) {
	l := c.loop
	if c.flags&(flagDraining|flagTight) == 0 && c.backlog == nil && (l.outConn == c || l.outConn == nil) {
		if start, end := len(l.out), len(l.out)+n; end <= scratchBytes {
			l.outConn = c
			l.out = l.out[:end]
			return l.out[start:end:end], nil
		}
	}
	return c.allocSlow(n)
}

// allocSlow serves what the scratch buffer cannot.
func (c *conn) allocSlow(n int) ([]byte, error) {
	if c.flags&flagDraining != 0 {
		return nil, driver.ErrClosed
	}
	if have := c.Buffered(); have > 0 && have+n > c.opts.OutputBytesMax {
		c.flags |= flagAbove // whoever was refused is told when there is room
		return nil, driver.ErrOutputFull
	}
	if c.loop.outConn == c { // the scratch buffer is full: let it go
		if c.Flush(); c.flags&flagDead != 0 {
			return nil, driver.ErrClosed
		}
		if n <= scratchBytes && c.backlog == nil && c.flags&flagTight == 0 {
			return c.Alloc(n)
		}
	}
	b, err := c.queue().Alloc(n)
	if err != nil && c.backlog.Len() == 0 {
		c.backlog = nil
	}
	return b, err
}

func (c *conn) queue() *buffer.Queue {
	if c.backlog == nil {
		c.backlog = &buffer.Queue{Pool: c.loop.eng.pool}
	}
	return c.backlog
}

// Buffered implements driver.Conn.
func (c *conn) Buffered() (n int) {
	if c.backlog != nil {
		n = c.backlog.Len()
	}
	if c.loop.outConn == c {
		n += len(c.loop.out)
	}
	if n == 0 && c.flags&(flagDraining|flagDead) == flagDraining {
		n = linger.Left(int(c.fd))
	}
	return n
}

// Flush implements driver.Conn.
func (c *conn) Flush() {
	l := c.loop
	if l.outConn == c {
		out := l.out
		l.outConn, l.out = nil, l.out[:0]
		c.write(out)
		return
	}
	if c.backlog == nil || c.flags&flagDead != 0 {
		return
	}
	if c.interest&unix.EPOLLOUT != 0 || c.flags&flagDraining != 0 {
		// The kernel is full: it will tell when it is not, and drain then also
		// goes on with a close, which may wait since before registering.
		c.blocked()
	} else {
		c.writeBacklog()
	}
}

// write hands out to the kernel and queues the rest.
func (c *conn) write(out []byte) {
	if c.flags&flagDead != 0 {
		return
	}
	n, errno := rawWrite(int(c.fd), out)
	c.loop.stats.Writes++
	if errno == 0 && n == len(out) {
		c.loop.stats.WriteBytes += uint64(n)
		c.sent()
		return
	}
	if errno != 0 {
		if n = 0; errno != unix.EAGAIN {
			c.Close(os.NewSyscallError("write", errno))
			return
		}
	}
	c.loop.stats.WriteBytes += uint64(n)
	if err := c.queue().Append(out[n:]); err != nil {
		c.Close(err)
		return
	}
	c.blocked()
}

// blocked notes that the kernel has not taken everything.
func (c *conn) blocked() {
	if c.backlog.Len() > c.opts.OutputBytesLow {
		c.flags |= flagAbove
	}
	c.listen()
}

// writeBacklog writes as much of the backlog as the kernel takes.
func (c *conn) writeBacklog() {
	for c.backlog.Len() > 0 {
		n, errno := c.writeChunks()
		c.loop.stats.Writes++
		if errno == unix.EAGAIN {
			c.blocked()
			return
		}
		if errno != 0 {
			c.Close(os.NewSyscallError("write", errno))
			return
		}
		c.loop.stats.WriteBytes += uint64(n)
		c.backlog.Discard(n)
	}
	c.backlog = nil
	c.listen()
	c.sent()
}

// sent notes that the kernel has taken everything. Drained, when it is due,
// follows once no callback is running.
func (c *conn) sent() {
	if c.flags&flagAbove != 0 {
		c.tell()
	}
}

// tell makes Drained the loop's next call for this connection.
func (c *conn) tell() {
	c.flags &^= flagAbove
	if c.flags&flagTell == 0 {
		c.flags |= flagTell
		c.loop.drained = append(c.loop.drained, c)
	}
}

// tellDrained is called by the loop outside of any callback.
func (c *conn) tellDrained() {
	c.flags &^= flagTell
	if c.flags&flagDraining == 0 {
		c.h.Drained()
		c.Flush()
	}
}

func (c *conn) writeChunks() (int, unix.Errno) {
	var (
		chunks [iovecsMax][]byte
		iov    [iovecsMax]unix.Iovec
	)
	vec := c.backlog.Peek(chunks[:0], iovecsMax)
	if len(vec) == 1 {
		return rawWrite(int(c.fd), vec[0])
	}
	for i, b := range vec {
		iov[i].Base = &b[0]
		iov[i].SetLen(len(b))
	}
	return rawWritev(int(c.fd), iov[:len(vec)])
}

// drain goes on writing when the kernel takes output again.
func (c *conn) drain() {
	c.writeBacklog()
	if c.flags&flagDead != 0 {
		return
	}
	if c.flags&flagDraining != 0 {
		if c.backlog == nil {
			c.drained()
		}
		return
	}
	if c.flags&flagAbove != 0 && c.Buffered() <= c.opts.OutputBytesLow {
		c.tell()
	}
}
