package sim

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"lars/reactor/drivertest"
)

// memory is the suite's network in a world: blocking sockets in the kernel of
// the driver's own host.
type memory struct{ h *Host }

func (memory) Descriptors() bool { return false }

func (m memory) Exhaust() (func(), bool) {
	m.h.w.mu.Lock()
	n := m.h.files
	m.h.w.mu.Unlock()
	m.h.SetFilesMax(n)
	return func() { m.h.SetFilesMax(0) }, true
}

// Silent is an address that no host has.
func (memory) Silent() (netip.AddrPort, io.Closer, error) {
	return netip.MustParseAddrPort("10.255.255.1:9"), io.NopCloser(nil), nil
}

// waiter blocks goroutines until the kernel stirs. It is the owner of a socket.
type waiter struct {
	w        *World
	changed  sync.Cond
	deadline time.Time
	alarm    *time.Timer
	closed   bool
}

func newWaiter(w *World) *waiter {
	o := &waiter{w: w}
	o.changed.L = &w.mu
	return o
}

func (o *waiter) stir() { o.changed.Broadcast() }

// wait returns nil after a change. The world is locked.
func (o *waiter) wait() error {
	switch {
	case o.closed:
		return net.ErrClosed
	case !o.deadline.IsZero() && !time.Now().Before(o.deadline):
		return os.ErrDeadlineExceeded
	}
	o.changed.Wait()
	return nil
}

func (o *waiter) SetDeadline(t time.Time) error {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	o.deadline = t
	if o.alarm != nil {
		o.alarm.Stop()
	}
	o.alarm = time.AfterFunc(time.Until(t), func() {
		o.w.mu.Lock()
		defer o.w.mu.Unlock()
		o.stir()
	})
	return nil
}

// end closes; the world is locked.
func (o *waiter) end() bool {
	if o.closed {
		return false
	}
	o.closed = true
	if o.alarm != nil {
		o.alarm.Stop()
	}
	o.stir()
	return true
}

// stream is a TCP socket of the suite.
type stream struct {
	*waiter
	s      *sock
	linger int
}

func (m memory) Dial(to netip.AddrPort, timeout time.Duration) (drivertest.Stream, error) {
	w := m.h.w
	c := &stream{waiter: newWaiter(w), linger: -1}
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s, err := m.h.connect(to, c, 0, 0)
	if err != nil {
		return nil, err
	}
	for s.state == connecting && err == nil {
		err = c.wait()
	}
	if s.err != nil {
		err = s.err
	}
	if err != nil {
		s.close()
		c.end()
		return nil, err
	}
	c.s = s
	return c, nil
}

func (c *stream) Read(p []byte) (int, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for {
		switch {
		case len(p) == 0:
			return 0, nil
		case c.closed:
			return 0, net.ErrClosed
		case c.s.in.len() > 0:
			n := min(len(p), c.s.in.len())
			copy(p, c.s.in.view(0, n))
			if c.s.in.discard(n); c.s.in.len() == 0 {
				c.w.keep(c.s.in.release())
			}
			c.s.opened()
			return n, nil
		case c.s.err != nil:
			return 0, c.s.err
		case c.s.finished:
			return 0, io.EOF
		}
		if err := c.wait(); err != nil {
			return 0, err
		}
	}
}

func (c *stream) Write(p []byte) (n int, err error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for {
		switch {
		case c.closed:
			return n, net.ErrClosed
		case c.s.err != nil:
			return n, c.s.err
		case c.s.shut:
			return n, syscall.EPIPE
		}
		n += c.s.write(p[n:])
		c.w.free.pump()
		if n == len(p) {
			return n, nil
		}
		if c.s.room() > 0 {
			continue
		}
		if err := c.wait(); err != nil {
			return n, err
		}
	}
}

func (c *stream) CloseWrite() error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.s.finishOutput()
	return nil
}

func (c *stream) SetLinger(seconds int) error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.linger = seconds
	return nil
}

func (c *stream) Close() error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if !c.end() {
		return net.ErrClosed
	}
	if c.linger == 0 {
		c.s.abort()
	} else {
		c.s.close()
	}
	return nil
}

func (c *stream) LocalAddr() net.Addr              { return net.TCPAddrFromAddrPort(c.s.local) }
func (c *stream) RemoteAddr() net.Addr             { return net.TCPAddrFromAddrPort(c.s.remote) }
func (c *stream) SetReadDeadline(time.Time) error  { return os.ErrInvalid }
func (c *stream) SetWriteDeadline(time.Time) error { return os.ErrInvalid }

// streams is a TCP listener of the suite.
type streams struct {
	*waiter
	k    *listenSocket
	wait []*sock
}

func (m memory) Listen(at netip.AddrPort) (drivertest.Listener, error) {
	w := m.h.w
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &streams{waiter: newWaiter(w)}
	k, err := m.h.listen(at, false, 1024, func(s *sock) {
		l.wait = append(l.wait, s)
		l.stir()
	})
	l.k = k
	return l, err
}

func (l *streams) Accept() (net.Conn, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	for len(l.wait) == 0 || l.closed {
		if err := l.waiter.wait(); err != nil {
			return nil, err
		}
	}
	c := &stream{waiter: newWaiter(l.w), linger: -1, s: l.wait[0]}
	l.wait = l.wait[1:]
	l.k.pending--
	c.s.owner = c
	return c, nil
}

func (l *streams) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.k.local) }

func (l *streams) Close() error {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if !l.end() {
		return net.ErrClosed
	}
	l.k.close()
	for _, s := range l.wait {
		s.abort()
	}
	return nil
}

// packets is a UDP socket of the suite.
type packets struct {
	*waiter
	k *packetSocket
}

func (m memory) ListenPacket(at netip.AddrPort) (drivertest.PacketSocket, error) {
	w := m.h.w
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &packets{waiter: newWaiter(w)}
	k, err := m.h.openPacket(at, netip.AddrPort{}, false, 0, p)
	p.k = k
	return p, err
}

func (p *packets) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	for {
		if d := p.k.take(); d != nil {
			n, from := copy(b, d.data), d.from
			p.w.done(d)
			return n, from, nil
		}
		if err := p.wait(); err != nil {
			return 0, netip.AddrPort{}, err
		}
	}
}

func (p *packets) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.closed {
		return 0, net.ErrClosed
	}
	d := p.w.datagram(len(b))
	copy(d.data, b)
	return len(b), p.k.send(d, to)
}

func (p *packets) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(p.k.local) }

func (p *packets) Close() error {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if !p.end() {
		return net.ErrClosed
	}
	p.k.close()
	return nil
}
