package std

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lars/backends/internal/serial"
	"lars/reactor/driver"
)

// Pauses after a failed accept, such as for want of descriptors: they double
// from the first to the second, and end with the next success.
const (
	backoffMin = 5 * time.Millisecond
	backoffMax = time.Second
)

// Listeners are the listeners of one engine on serial loops. The zero value
// with a Group is empty. From any goroutine.
type Listeners struct {
	Group *serial.Group

	mu     sync.Mutex
	set    map[*Listener]struct{}
	closed bool
}

// A Listener accepts with package net, and backs off when that fails. It
// implements driver.Listener.
type Listener struct {
	owner   *Listeners
	accept  AcceptFunc
	delay   bool
	sockets []*net.TCPListener
	quit    chan struct{}
	once    sync.Once

	accepted, refused, errors atomic.Uint64
}

// An AcceptFunc waits for one connection in ln.Accept(own) and has it served
// by ln.Serve. It returns the error of accepting.
type AcceptFunc func(ln *Listener, own *serial.Loop) error

// Listen binds addr and calls accept until the listener or the engine is
// closed, from a goroutine for each socket.
func (ls *Listeners) Listen(addr netip.AddrPort, o driver.ListenOptions, accept AcceptFunc) (*Listener, error) {
	ln := &Listener{owner: ls, accept: accept, delay: o.Conn.Delay, quit: make(chan struct{})}
	owners := []*serial.Loop{nil}
	if o.ReusePort {
		owners = ls.Group.All()
	}
	for range owners {
		s, err := Bind(addr, o)
		if err != nil {
			ln.closeSockets()
			return nil, err
		}
		ln.sockets = append(ln.sockets, s)
		addr = ln.Addr() // the port that the first one found, for all
	}
	if !ls.add(ln) {
		ln.closeSockets()
		return nil, driver.ErrEngineClosed
	}
	for _, own := range owners {
		// When it does not run, the engine is being closed, and closes ln.
		ls.Group.All()[0].Go(func() { ln.run(own) })
	}
	return ln, nil
}

// add registers a listener to be closed with the engine.
func (ls *Listeners) add(ln *Listener) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.closed {
		return false
	}
	if ls.set == nil {
		ls.set = make(map[*Listener]struct{})
	}
	ls.set[ln] = struct{}{}
	return true
}

func (ls *Listeners) remove(ln *Listener) {
	ls.mu.Lock()
	delete(ls.set, ln)
	ls.mu.Unlock()
}

// Close closes all listeners, and lets no other be made.
func (ls *Listeners) Close() {
	ls.mu.Lock()
	ls.closed = true
	all := ls.set
	ls.set = nil
	ls.mu.Unlock()
	for ln := range all {
		_ = ln.Close()
	}
}

// Bind makes a listening socket with these options. Sockets that it accepts
// inherit the buffer sizes; package net sets Nagle and keepalive on each.
func Bind(addr netip.AddrPort, o driver.ListenOptions) (*net.TCPListener, error) {
	if !addr.IsValid() {
		return nil, errors.New("listen: invalid address")
	}
	c := net.ListenConfig{KeepAlive: o.Conn.WithDefaults().KeepAlive}
	// Multipath TCP is package net's default where the kernel has it; it would
	// make this a comparison of transports.
	c.SetMultipathTCP(false)
	c.Control = control(func(fd int) error {
		if o.ReusePort {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
				return err
			}
		}
		return setBuffers(fd, o.Conn.SendBufferBytes, o.Conn.RecvBufferBytes)
	})
	ln, err := c.Listen(context.Background(), "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	if o.Backlog == 0 {
		o.Backlog = driver.BacklogDefault
	}
	tcp := ln.(*net.TCPListener)
	if err := setBacklog(tcp, o.Backlog); err != nil {
		_ = tcp.Close()
		return nil, err
	}
	return tcp, nil
}

// setBacklog changes the system's default that package net has chosen.
func setBacklog(ln *net.TCPListener, n int) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.Listen(int(fd), n) }); err != nil {
		return err
	}
	return failed
}

// control adapts f to what package net calls on a socket before bind.
func control(f func(fd int) error) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) (failed error) {
		if err := c.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
			return err
		}
		return failed
	}
}

func setBuffers(fd, send, recv int) error {
	if send > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, send); err != nil {
			return err
		}
	}
	if recv > 0 {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, recv)
	}
	return nil
}

// run serves one listening socket until it is closed.
func (ln *Listener) run(own *serial.Loop) {
	pause := time.Duration(0)
	for {
		err := ln.accept(ln, own)
		switch {
		case err == nil:
			pause = 0
		case errors.Is(err, net.ErrClosed):
			return
		default:
			ln.errors.Add(1)
			pause = min(max(2*pause, backoffMin), backoffMax)
			if !ln.wait(pause) {
				return
			}
		}
	}
}

// wait reports false when the listener is closed before d has passed.
func (ln *Listener) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ln.quit:
		return false
	}
}

// Accept waits for one connection for the loop own, or nil when there is one
// socket for all loops. Package net sets its options.
func (ln *Listener) Accept(own *serial.Loop) (*net.TCPConn, error) {
	i := 0
	if own != nil {
		i = own.Index()
	}
	tcp, err := ln.sockets[i].AcceptTCP()
	if err == nil && ln.delay {
		_ = tcp.SetNoDelay(false)
	}
	return tcp, err
}

// Serve runs serve for an accepted connection on a goroutine of its own, so
// that a busy loop does not keep others from being accepted for. own is the
// loop, nil for the engine's choice. It calls abandon instead when the engine
// is being closed.
func (ln *Listener) Serve(own *serial.Loop, serve func(l *serial.Loop), abandon func()) {
	ln.accepted.Add(1)
	l := own
	if l == nil {
		l = ln.owner.Group.Pick()
	} else {
		l.Take()
	}
	if !l.Go(func() { serve(l) }) {
		l.Drop()
		abandon()
	}
}

// Opened runs start on the loop, counts a refusal and reports whether there is
// a connection.
func (ln *Listener) Opened(l *serial.Loop, start func() (refused, ok bool)) bool {
	l.Enter()
	refused, ok := start()
	l.Leave()
	if refused {
		ln.refused.Add(1)
	}
	return ok
}

// Addr implements driver.Listener.
func (ln *Listener) Addr() netip.AddrPort { return addrPort(ln.sockets[0].Addr()) }

// Close implements driver.Listener.
func (ln *Listener) Close() error {
	ln.once.Do(func() {
		close(ln.quit)
		ln.owner.remove(ln)
		ln.closeSockets()
	})
	return nil
}

func (ln *Listener) closeSockets() {
	for _, s := range ln.sockets {
		_ = s.Close()
	}
}

// Stats implements driver.Listener.
func (ln *Listener) Stats() driver.ListenerStats {
	return driver.ListenerStats{
		Accepted:     ln.accepted.Load(),
		Refused:      ln.refused.Load(),
		AcceptErrors: ln.errors.Load(),
	}
}

// addrPort is the address in the form of the seam; an IPv4 address of a
// socket that serves both families is an IPv4 address.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
