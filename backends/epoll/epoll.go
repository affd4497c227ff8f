// Package epoll is the project's own backend: Linux epoll, eventfd and raw
// system calls, one goroutine for each loop.
//
// A small request costs one read and one write; the wait is shared by all
// connections that are ready together. Nothing on that path allocates, takes a
// lock or changes goroutine:
//
//   - Level triggered, one read per event: what is left is told again by the
//     next wait, so a read that must end in EAGAIN is never needed.
//   - Input goes to the loop's scratch buffer and is lent to the handler from
//     there. Only a partial frame is copied aside. Output of a callback
//     gathers in another scratch buffer and leaves in one write; only what the
//     kernel refuses is queued. A connection at rest holds no buffer.
//   - Reads and writes on non-blocking sockets cannot block, so they bypass
//     the Go scheduler's bookkeeping (RawSyscall), and so does a wait of up to
//     a millisecond while events are frequent. Only a longer one tells the
//     scheduler. A process that also does other input and output should have
//     GOMAXPROCS above the number of loops: goroutines that wait for package
//     net on a processor that a lively loop holds may wait some milliseconds.
//   - Posting to a loop wakes it through an eventfd only when it sleeps, once
//     for any number of posts.
//   - UDP is received and sent up to 64 datagrams per system call.
//
// It will not run on anything but Linux.
package epoll

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// Driver opens epoll engines. The zero value is ready.
type Driver struct{}

// Name implements driver.Driver.
func (Driver) Name() string { return "epoll" }

// Abilities implements driver.Driver: all of them.
func (Driver) Abilities() driver.Abilities {
	return driver.Abilities{
		Listen: true, Dial: true, Packet: true, Push: true,
		PacketBatch: true, ReusePort: true, Spread: true, AcceptBackoff: true,
	}
}

// Open implements driver.Driver.
func (Driver) Open(c driver.Config) (driver.Engine, error) {
	if c.Pool == nil {
		c.Pool = buffer.New(buffer.Config{})
	}
	e := &engine{pool: c.Pool, spread: c.Spread, start: time.Now()}
	for i := range max(c.Loops, 1) {
		l, err := newLoop(e, i)
		if err != nil {
			for _, l := range e.loops {
				l.closeFDs()
			}
			return nil, err
		}
		e.loops = append(e.loops, l)
	}
	for _, l := range e.loops {
		go l.run()
	}
	return e, nil
}

type engine struct {
	loops  []*loop
	pool   *buffer.Pool
	spread driver.Spread
	start  time.Time
	turn   atomic.Uint32 // of round robin
	once   sync.Once     // of Close
}

func (e *engine) Loops() []driver.Loop {
	loops := make([]driver.Loop, len(e.loops))
	for i, l := range e.loops {
		loops[i] = l
	}
	return loops
}

// place chooses the loop of a connection just accepted and counts it there at
// once, so that a burst is spread by its own earlier members.
func (e *engine) place() *loop {
	l := e.loops[0]
	if len(e.loops) > 1 {
		if e.spread == driver.LeastConns {
			for _, o := range e.loops[1:] {
				if o.conns.Load() < l.conns.Load() {
					l = o
				}
			}
		} else {
			l = e.loops[int(e.turn.Add(1)-1)%len(e.loops)]
		}
	}
	l.conns.Add(1)
	return l
}

// own returns l as one of the engine's loops.
func (e *engine) own(l driver.Loop) (*loop, error) {
	o, ok := l.(*loop)
	if !ok || o.eng != e {
		return nil, driver.ErrForeignLoop
	}
	return o, nil
}

// Close implements driver.Engine.
func (e *engine) Close(ctx context.Context) error {
	e.once.Do(func() {
		for _, l := range e.loops {
			l.stop()
		}
	})
	for _, l := range e.loops {
		select {
		case <-l.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (e *engine) Dial(dl driver.Loop, addr netip.AddrPort, o driver.DialOptions, open driver.Opener, failed func(error)) error {
	l, err := e.own(dl)
	if err != nil {
		return err
	}
	if !addr.IsValid() {
		return errors.New("dial: invalid address")
	}
	o.Conn = o.Conn.WithDefaults()
	if o.Timeout == 0 {
		o.Timeout = driver.DialTimeoutDefault
	}
	if !l.Post(func() { l.dial(addr, o, open, failed) }) {
		return driver.ErrEngineClosed
	}
	return nil
}
