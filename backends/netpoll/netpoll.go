// Package netpoll is the adapter of github.com/cloudwego/netpoll.
//
// The library reads and writes through its own pollers and buffers, and runs
// the callbacks on its own pooled goroutines; the adapter holds the lock of
// the connection's loop around each, so that the contract of a loop holds.
// Reading is zero-copy out of the library's buffer, answers are encoded in
// place in the library's writer and leave in its Flush.
//
// What it works around, and at what cost:
//
//   - Flush waits until the peer takes the bytes, which a loop must not. With a
//     write deadline in the past it sends what the kernel takes, leaves the
//     rest to the library's poller and returns. The adapter then keeps further
//     output in pooled chunks, and a goroutine that lives as long as the
//     backlog waits to hand it on: one copy. Whether the poller is done the
//     library tells only in private fields; Open checks that they are there.
//   - It cannot stop reading: its poller goes on while a handler runs, and fills
//     memory as fast as a peer sends. The adapter puts its own steps before and
//     after each read of the poller, by exported fields of a private one: no more
//     than 256 KiB is read ahead, and no more than a read of 4 KiB after a pause.
//     Then the poller's epoll instance is told not to look for input, in place of
//     the library, until the handler has caught up: two system calls each time,
//     none for who keeps up. A lock is held around each flush.
//   - The library closes a connection as soon as the peer shuts down its
//     sending side, and then refuses to write answers. The adapter takes what
//     is unsent, and the descriptor with it, and sends it itself.
//   - It reports every end alike; the adapter asks the kernel whether it was a
//     reset, one system call for each end.
//   - Its server closes idle connections when it stops listening, and after
//     running out of descriptors cannot be stopped; its dialler reports every
//     failure as "closed by peer". Accepting and dialling are therefore done
//     with package net, and a duplicate of each descriptor handed to the
//     library: two system calls more for each connection.
//   - It logs errors of peers to standard error. They are told to Closed here,
//     and Open turns the log off.
//
// What remains: its pollers belong to the process, not to an engine, and stay
// when the engine is closed. Its buffers (8 KiB and more for each connection,
// idle or not) are its own, not the engine's pool's. While reading is stopped,
// an orderly close of the peer shows only when it goes on. It has no UDP.
package netpoll

import (
	"context"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/cloudwego/netpoll"

	"lars/backends/internal/serial"
	"lars/backends/std"
	"lars/reactor/driver"
)

// Driver opens engines over netpoll. The zero value is ready.
type Driver struct{}

// Name implements driver.Driver.
func (Driver) Name() string { return "netpoll" }

// Abilities implements driver.Driver: all but UDP.
func (Driver) Abilities() driver.Abilities {
	return driver.Abilities{
		Listen: true, Dial: true, Push: true,
		ReusePort: true, Spread: true, AcceptBackoff: true,
	}
}

// Open implements driver.Driver. It fails when the library's connections are
// not laid out as the adapter expects.
func (Driver) Open(c driver.Config) (driver.Engine, error) {
	quiet()
	y, err := findLayout()
	if err != nil {
		return nil, err
	}
	e := &engine{Group: serial.Open(c), layout: y}
	e.listeners.Group = e.Group
	e.turn.Store(uint64(rand.Uint32())) // not where the engine before began
	return e, nil
}

// quiet turns the library's log off, once: it is a variable of the process,
// read by pollers that may already run when another engine is opened.
var quiet = sync.OnceFunc(func() { netpoll.SetLoggerOutput(io.Discard) })

type engine struct {
	*serial.Group
	layout    layout
	listeners std.Listeners
	conns     sync.WaitGroup // connections that the library has not closed
	turn      atomic.Uint64  // of descriptors, in race builds
}

// Listen implements driver.Engine.
func (e *engine) Listen(addr netip.AddrPort, o driver.ListenOptions, open driver.Opener) (driver.Listener, error) {
	options := o.Conn.WithDefaults()
	return e.listeners.Listen(addr, o, func(ln *std.Listener, own *serial.Loop) error {
		tcp, err := ln.Accept(own)
		if err != nil {
			return err
		}
		c, err := e.adopt(tcp, options)
		if err != nil {
			return err
		}
		ln.Serve(own, func(l *serial.Loop) {
			if ln.Opened(l, func() (refused, ok bool) { return c.start(l, open) }) {
				c.notice()
			}
		}, c.abandon)
		return nil
	})
}

// Dial implements driver.Engine.
func (e *engine) Dial(dl driver.Loop, addr netip.AddrPort, o driver.DialOptions, open driver.Opener, failed func(error)) error {
	l, err := e.Own(dl)
	if err == nil {
		err = std.CheckPeer(addr)
	}
	if err != nil {
		return err
	}
	options := o.Conn.WithDefaults()
	var c *conn
	return std.DialBy(l, o.Timeout, failed, std.Attempt{
		Connect: func(ctx context.Context) error {
			tcp, err := std.Connect(ctx, addr, options)
			if err == nil {
				c, err = e.adopt(tcp, options)
			}
			return err
		},
		Start:   func() (refused, ok bool) { return c.start(l, open) },
		Abandon: func() { c.abandon() },
		Serve:   func() { c.notice() },
	})
}

// ListenPacket implements driver.Engine: the library has no UDP.
func (e *engine) ListenPacket(driver.Loop, driver.PacketOptions, driver.PacketHandler) (driver.PacketConn, error) {
	return nil, driver.ErrUnsupported
}

// Close implements driver.Engine.
func (e *engine) Close(ctx context.Context) error {
	if err := e.Group.Close(ctx, e.listeners.Close); err != nil {
		return err
	}
	e.conns.Wait() // each is being closed, and waits for nothing
	return nil
}
