package drivertest

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// refDriver is a driver that is slow and simple enough to be seen to be right:
// a goroutine per loop that runs a queue of functions, and around it
// goroutines that block in package net. Each bug of broken_test.go is one
// wrong step in it.
type refDriver struct{ bug bug }

func (refDriver) Name() string { return "reference" }

func (refDriver) Abilities() driver.Abilities {
	return driver.Abilities{
		Listen: true, Dial: true, Packet: true, Push: true,
		ReusePort: true, Spread: true, AcceptBackoff: true,
	}
}

func (d refDriver) Open(c driver.Config) (driver.Engine, error) {
	if c.Pool == nil {
		c.Pool = buffer.New(buffer.Config{})
	}
	en := &refEngine{bug: d.bug, cfg: c, start: time.Now()}
	en.ctx, en.cancel = context.WithCancel(context.Background())
	for i := range max(c.Loops, 1) {
		l := newRefLoop(en, i)
		en.loops = append(en.loops, l)
		en.wg.Go(l.serve)
	}
	return en, nil
}

type refEngine struct {
	bug    bug
	cfg    driver.Config
	start  time.Time
	loops  []*refLoop
	wg     sync.WaitGroup // every goroutine of the engine
	ctx    context.Context
	cancel context.CancelFunc
	turn   atomic.Int64
	once   sync.Once
	done   chan struct{}
	opener driver.Opener // of bugOneOpener
}

func (en *refEngine) Loops() (all []driver.Loop) {
	for _, l := range en.loops {
		all = append(all, l)
	}
	return all
}

func (en *refEngine) mine(l driver.Loop) (*refLoop, error) {
	if en.ctx.Err() != nil && en.bug != bugClosedOpens {
		return nil, driver.ErrEngineClosed
	}
	rl, ok := l.(*refLoop)
	if ok && (en.bug == bugWrongLoop || en.bug == bugForeignLoop && rl.en != en) {
		return en.loops[0], nil
	}
	if !ok || rl.en != en {
		return nil, driver.ErrForeignLoop
	}
	return rl, nil
}

func (en *refEngine) Close(ctx context.Context) error {
	en.once.Do(func() {
		if en.bug == bugLeaksGoroutine {
			go func() { select {} }()
		}
		en.done = make(chan struct{})
		if en.bug == bugCloseEarly {
			time.AfterFunc(20*time.Millisecond, en.shutDown)
		} else {
			en.shutDown()
		}
		go func() {
			en.wg.Wait()
			close(en.done)
		}()
	})
	if en.bug == bugCloseEarly {
		return nil
	}
	if en.bug == bugCloseStuck {
		ctx = context.Background()
	}
	select {
	case <-en.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (en *refEngine) shutDown() {
	en.cancel()
	for _, l := range en.loops {
		l.push(l.shutDown)
	}
}

// pick chooses the loop of an accepted connection and counts it there.
func (en *refEngine) pick() *refLoop {
	l := en.loops[int(en.turn.Add(1)-1)%len(en.loops)]
	if en.cfg.Spread == driver.LeastConns && en.bug != bugLeastIgnored {
		l = slices.MinFunc(en.loops, func(a, b *refLoop) int { return int(a.conns.Load() - b.conns.Load()) })
	}
	if en.bug == bugFirstLoop {
		l = en.loops[0]
	}
	l.conns.Add(1)
	return l
}

type refListener struct {
	*net.TCPListener
	accepted, refused, failed atomic.Uint64
	bug                       bug

	mu   sync.Mutex
	kept []*refConn // of bugListenerTakesConns
}

func (l *refListener) Addr() netip.AddrPort { return tcpAddr(l.TCPListener.Addr()) }

func (l *refListener) Stats() driver.ListenerStats {
	return driver.ListenerStats{Accepted: l.accepted.Load(), Refused: l.refused.Load(), AcceptErrors: l.failed.Load()}
}

func tcpAddr(a net.Addr) netip.AddrPort {
	p := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

func (en *refEngine) Listen(addr netip.AddrPort, o driver.ListenOptions, open driver.Opener) (driver.Listener, error) {
	if en.ctx.Err() != nil && en.bug != bugClosedOpens {
		return nil, driver.ErrEngineClosed
	}
	if en.bug == bugOneOpener {
		if en.opener == nil {
			en.opener = open
		}
		open = en.opener
	}
	if en.bug == bugInherited {
		fd, _ := unix.Dup(0)
		context.AfterFunc(en.ctx, func() { unix.Close(fd) })
	}
	lc := net.ListenConfig{}
	if o.ReusePort && en.bug != bugNoReusePort || en.bug == bugListenTwice {
		lc.Control = reusePort
	}
	nl, err := lc.Listen(en.ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	l := &refListener{TCPListener: nl.(*net.TCPListener), bug: en.bug}
	stop := context.AfterFunc(en.ctx, func() { l.TCPListener.Close() })
	en.wg.Go(func() {
		defer stop()
		en.accept(l, o, open)
	})
	if en.bug == bugPortKept {
		f, _ := l.File() // a second descriptor of the listening socket
		context.AfterFunc(en.ctx, func() { f.Close() })
	}
	return l, nil
}

func reusePort(_, _ string, c syscall.RawConn) (err error) {
	c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	return err
}

func (en *refEngine) accept(l *refListener, o driver.ListenOptions, open driver.Opener) {
	for {
		tcp, err := l.AcceptTCP()
		if ne, ok := err.(net.Error); ok && ne.Timeout() || isDescriptorShortage(err) {
			l.failed.Add(1)
			if en.bug == bugAcceptDies {
				l.Close()
				return
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-en.ctx.Done():
			}
			continue
		}
		if err != nil {
			return
		}
		l.accepted.Add(1)
		c := newRefConn(en.pick(), tcp, o.Conn)
		opened := func() {
			if !c.start(open) {
				l.refused.Add(1)
			}
		}
		if !c.loop.push(opened) {
			tcp.Close()
		}
		l.mu.Lock()
		l.kept = append(l.kept, c)
		l.mu.Unlock()
	}
}

func (l *refListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.kept {
		if l.bug == bugListenerTakesConns {
			c.tcp.Close()
		}
	}
	return l.TCPListener.Close()
}

func isDescriptorShortage(err error) bool {
	return errIs(err, syscall.EMFILE) || errIs(err, syscall.ENFILE)
}

// A refDial is one attempt; done is on the loop.
type refDial struct {
	done   bool
	failed func(error)
}

func (en *refEngine) Dial(dl driver.Loop, addr netip.AddrPort, o driver.DialOptions, open driver.Opener, failed func(error)) error {
	l, err := en.mine(dl)
	if err != nil {
		return err
	}
	d := &refDial{failed: failed}
	if !l.push(func() { l.dials[d] = true }) {
		return driver.ErrEngineClosed
	}
	if o.Timeout == 0 {
		o.Timeout = driver.DialTimeoutDefault
	}
	en.wg.Go(func() {
		tcp, err := (&net.Dialer{Timeout: o.Timeout}).DialContext(en.ctx, "tcp", addr.String())
		posted := l.push(func() { l.dialled(d, tcp, o, err, open) })
		if !posted && err == nil {
			tcp.Close()
		}
	})
	return nil
}

func (l *refLoop) dialled(d *refDial, nc net.Conn, o driver.DialOptions, err error, open driver.Opener) {
	if d.done {
		if err == nil {
			nc.Close()
		}
		return
	}
	d.done = true
	delete(l.dials, d)
	if err == nil {
		l.conns.Add(1)
		newRefConn(l, nc.(*net.TCPConn), o.Conn).start(open)
		if l.en.bug == bugDialBoth {
			d.failed(syscall.ECONNREFUSED)
		}
		return
	}
	if ne, ok := err.(net.Error); ok && ne.Timeout() && l.en.bug != bugDialTimeout {
		err = driver.ErrDialTimeout
	}
	if l.en.bug == bugDialError {
		err = driver.ErrClosed
	}
	d.failed(err)
}
