package sim

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// hostDriver opens engines on one host.
type hostDriver struct{ host *Host }

// Name implements driver.Driver.
func (hostDriver) Name() string { return "sim" }

// Abilities implements driver.Driver.
func (hostDriver) Abilities() driver.Abilities {
	return driver.Abilities{
		Listen: true, Dial: true, Packet: true, Push: true, PacketBatch: true,
		ReusePort: true, Spread: true, AcceptBackoff: true,
	}
}

// Open implements driver.Driver.
func (d hostDriver) Open(c driver.Config) (driver.Engine, error) {
	if c.Pool == nil {
		c.Pool = buffer.New(buffer.Config{})
	}
	h := d.host
	w := h.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if !h.up {
		return nil, systemError("open", syscall.ENETDOWN)
	}
	e := &engine{w: w, host: h, pool: c.Pool, spread: c.Spread, opened: w.clock(), done: make(chan struct{})}
	for i := range max(c.Loops, 1) {
		l := &loop{w: w, en: e, index: i}
		l.what = l
		e.loops = append(e.loops, l)
	}
	h.engines = append(h.engines, e)
	if w.free != nil {
		for _, l := range e.loops {
			w.free.opened(l)
		}
	}
	return e, nil
}

// An engine is a backend's on one host. Its fields are under the world's lock.
type engine struct {
	w         *World
	host      *Host
	pool      *buffer.Pool
	spread    driver.Spread
	opened    time.Duration
	loops     []*loop
	turn      int // of round robin
	listeners []*listener
	closed    bool // nothing opens any more
	dead      bool // the host crashed
	ended     int  // loops that have shut down
	done      chan struct{}
}

// Loops implements driver.Engine.
func (e *engine) Loops() []driver.Loop {
	loops := make([]driver.Loop, len(e.loops))
	for i, l := range e.loops {
		loops[i] = l
	}
	return loops
}

// own returns l as one of the engine's loops.
func (e *engine) own(l driver.Loop) (*loop, error) {
	o, ok := l.(*loop)
	if !ok || o.en != e {
		return nil, driver.ErrForeignLoop
	}
	return o, nil
}

// place chooses the loop of an accepted connection.
func (e *engine) place() *loop {
	if e.spread == driver.LeastConns {
		return slices.MinFunc(e.loops, func(a, b *loop) int { return int(a.stats.Conns - b.stats.Conns) })
	}
	l := e.loops[e.turn%len(e.loops)]
	e.turn++
	return l
}

var errInside = errors.New("sim: Engine.Close was called in a callback of the engine")

// Close implements driver.Engine. In virtual time it does its work before it
// returns, and takes no time.
func (e *engine) Close(ctx context.Context) error {
	w := e.w
	w.mu.Lock()
	first := !e.closed
	e.closed = true
	if first {
		for _, ln := range e.listeners {
			ln.close()
		}
	}
	if w.free != nil {
		for _, l := range e.loops {
			w.free.ready(l)
		}
		w.mu.Unlock()
		select {
		case <-e.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.mu.Unlock()
	if slices.ContainsFunc(e.loops, func(l *loop) bool { return l.running }) {
		return errInside
	}
	for _, l := range e.loops {
		l.shutDown()
	}
	return nil
}

// die is the end by a crash.
func (e *engine) die() {
	e.closed, e.dead = true, true
	for _, l := range e.loops {
		l.closed = true
		e.w.queue.unset(&l.event)
		l.tasks, l.ready, l.members = nil, nil, nil
	}
	for _, ln := range e.listeners {
		e.w.queue.unset(&ln.event)
	}
}

// loopEnded notes that a loop has shut down; the world is locked.
func (e *engine) loopEnded() {
	if e.ended++; e.ended == len(e.loops) {
		i := slices.Index(e.host.engines, e)
		if i >= 0 {
			e.host.engines = slices.Delete(e.host.engines, i, i+1)
		}
		close(e.done)
	}
}

// Step implements driver.Stepper.
func (e *engine) Step() bool { return e.w.Step() }

// Seed implements driver.Seeder.
func (e *engine) Seed() uint64 { return e.w.Rand() }

// Listen implements driver.Engine.
func (e *engine) Listen(addr netip.AddrPort, o driver.ListenOptions, open driver.Opener) (driver.Listener, error) {
	if o.Backlog <= 0 {
		o.Backlog = driver.BacklogDefault
	}
	o.Conn = o.Conn.WithDefaults()
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.closed {
		return nil, driver.ErrEngineClosed
	}
	if !e.host.takeFile() {
		return nil, systemError("socket", syscall.EMFILE)
	}
	ln := &listener{en: e, o: o.Conn, open: open}
	k, err := e.host.listen(addr, o.ReusePort, o.Backlog, ln.arrived)
	if err != nil {
		e.host.files--
		return nil, err
	}
	k.sendBytes, k.recvBytes = o.Conn.SendBufferBytes, o.Conn.RecvBufferBytes
	ln.k, ln.what = k, ln
	e.listeners = append(e.listeners, ln)
	return ln, nil
}

// Dial implements driver.Engine.
func (e *engine) Dial(dl driver.Loop, addr netip.AddrPort, o driver.DialOptions, open driver.Opener, failed func(error)) error {
	l, err := e.own(dl)
	if err != nil {
		return err
	}
	if !addr.IsValid() {
		return errors.New("dial: invalid address")
	}
	if o.Timeout == 0 {
		o.Timeout = driver.DialTimeoutDefault
	}
	o.Conn = o.Conn.WithDefaults()
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.closed {
		return driver.ErrEngineClosed
	}
	if !e.host.takeFile() {
		return systemError("socket", syscall.EMFILE)
	}
	d := &dialing{l: l, o: o.Conn, open: open, failed: failed}
	d.what = d
	d.s, err = e.host.connect(addr, d, o.Conn.SendBufferBytes, o.Conn.RecvBufferBytes)
	if err != nil {
		e.host.files--
		return err
	}
	l.add(d)
	e.w.set(&d.event, e.w.clock()+o.Timeout)
	return nil
}

// ListenPacket implements driver.Engine.
func (e *engine) ListenPacket(dl driver.Loop, o driver.PacketOptions, h driver.PacketHandler) (driver.PacketConn, error) {
	l, err := e.own(dl)
	if err != nil {
		return nil, err
	}
	if o.OutputBytesMax == 0 {
		o.OutputBytesMax = driver.OutputBytesDefault
	}
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.closed {
		return nil, driver.ErrEngineClosed
	}
	if !e.host.takeFile() {
		return nil, systemError("socket", syscall.EMFILE)
	}
	p := &packetConn{l: l, h: h, max: o.OutputBytesMax}
	p.k, err = e.host.openPacket(o.Local, o.Peer, o.ReusePort, o.RecvBufferBytes, p)
	if err != nil {
		e.host.files--
		return nil, err
	}
	p.what, p.k.sendMax = p, o.SendBufferBytes
	l.add(p)
	return p, nil
}
