package epoll

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lars/reactor/driver"
)

const (
	acceptsPerEvent  = 64 // then the loop's other sockets have their turn
	acceptErrorsMax  = 16 // in a row, before it backs off
	acceptBackoffMin = 5 * time.Millisecond
	acceptBackoffMax = time.Second
)

// Listen implements driver.Engine.
func (e *engine) Listen(addr netip.AddrPort, o driver.ListenOptions, open driver.Opener) (driver.Listener, error) {
	o.Conn = o.Conn.WithDefaults()
	if o.Backlog == 0 {
		o.Backlog = driver.BacklogDefault
	}
	loops := e.loops[:1]
	if o.ReusePort {
		loops = e.loops
	}
	ln := &listener{eng: e, opts: o, open: open, addr: addr}
	for _, l := range loops {
		fd, err := listenSocket(ln.addr, o)
		if err != nil {
			_ = ln.Close()
			return nil, err
		}
		ln.addr = localAddr(fd) // the port, once chosen, is the same for all
		ln.sockets = append(ln.sockets, &acceptor{ln: ln, loop: l, fd: fd})
	}
	for _, a := range ln.sockets {
		if !a.loop.Post(a.start) {
			_ = ln.Close()
			return nil, driver.ErrEngineClosed
		}
	}
	return ln, nil
}

func listenSocket(addr netip.AddrPort, o driver.ListenOptions) (int, error) {
	return socket(family(addr), unix.SOCK_STREAM, func(fd int) error {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		if o.ReusePort {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
				return os.NewSyscallError("setsockopt", err)
			}
		}
		if err := setConnOptions(fd, o.Conn); err != nil {
			return err
		}
		if err := bind(fd, "tcp", addr); err != nil {
			return err
		}
		if err := unix.Listen(fd, o.Backlog); err != nil {
			return &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(addr), Err: os.NewSyscallError("listen", err)}
		}
		return nil
	})
}

type listener struct {
	eng     *engine
	opts    driver.ListenOptions
	open    driver.Opener
	addr    netip.AddrPort
	sockets []*acceptor

	accepted, refused, errors atomic.Uint64
}

func (ln *listener) Addr() netip.AddrPort { return ln.addr }

func (ln *listener) Stats() driver.ListenerStats {
	return driver.ListenerStats{
		Accepted:     ln.accepted.Load(),
		Refused:      ln.refused.Load(),
		AcceptErrors: ln.errors.Load(),
	}
}

// Close implements driver.Listener. It does not wait for a loop: closing the
// sockets from here stops accepting at once.
func (ln *listener) Close() error {
	for _, a := range ln.sockets {
		a.close()
		a.loop.Post(a.forget)
	}
	return nil
}

// acceptor is one listening socket on one loop.
type acceptor struct {
	ln      *listener
	loop    *loop
	slot    uint32
	started bool
	failed  int // accepts in a row, for whatever reason
	backoff time.Duration
	peer    rawAddr // of the connection just accepted

	mu     sync.Mutex // over fd: Close comes from any goroutine
	fd     int
	closed bool
}

func (a *acceptor) start() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.started = true
	a.slot = a.loop.insert(nil, a)
	if err := a.loop.register(a.slot, a.fd, unix.EPOLLIN); err != nil {
		a.ln.errors.Add(1)
	}
}

func (a *acceptor) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.closed = true
		_ = unix.Close(a.fd)
	}
}

// forget gives the slot back, on the loop.
func (a *acceptor) forget() {
	if a.started {
		a.started = false
		a.loop.remove(a.slot)
	}
}

func (a *acceptor) abort(error) {
	a.close()
	a.forget()
}

func (a *acceptor) ready(uint32) {
	for range acceptsPerEvent {
		fd, errno := a.accept()
		switch errno {
		case 0:
			a.backoff, a.failed = 0, 0
			a.ln.accepted.Add(1)
			a.hand(fd, a.peer.addrPort())
		case unix.EAGAIN, errClosed:
			a.failed = 0
			return
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			a.ln.errors.Add(1)
			a.rest()
			return
		default: // a peer that went away meanwhile, a signal; or it will fail for ever
			a.ln.errors.Add(1)
			if a.failed++; a.failed >= acceptErrorsMax {
				a.rest()
				return
			}
		}
	}
}

const errClosed = unix.EBADF

// accept holds the lock so that the descriptor cannot be closed, and used
// again by somebody else, under the call.
func (a *acceptor) accept() (int, unix.Errno) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return -1, errClosed
	}
	return rawAccept(a.fd, &a.peer)
}

// hand gives an accepted socket to its loop. With SO_REUSEPORT the kernel has
// chosen the loop already.
func (a *acceptor) hand(fd int, remote netip.AddrPort) {
	l := a.loop
	if a.ln.opts.ReusePort {
		l.conns.Add(1)
	} else {
		l = a.ln.eng.place()
	}
	if l == a.loop {
		a.adopt(l, fd, remote)
		l.settle()
	} else if !l.Post(func() { a.adopt(l, fd, remote) }) {
		l.conns.Add(-1)
		_ = unix.Close(fd)
	}
}

// adopt runs on l, which need not be the acceptor's own loop.
func (a *acceptor) adopt(l *loop, fd int, remote netip.AddrPort) {
	if !l.adopt(fd, remote, &a.ln.opts.Conn, a.ln.open) {
		a.ln.refused.Add(1)
	}
}

// rest stops accepting for a while: without descriptors, or where a filter forbids
// it, the waiting connection would wake the loop again at once, for nothing.
func (a *acceptor) rest() {
	a.backoff = min(max(2*a.backoff, acceptBackoffMin), acceptBackoffMax)
	a.watch(0)
	a.loop.After(a.backoff, func() {
		if a.started {
			a.watch(unix.EPOLLIN)
		}
	})
}

func (a *acceptor) watch(events uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.loop.modify(a.slot, a.fd, events)
	}
}
