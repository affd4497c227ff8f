// Package std is the baseline backend: package net, a goroutine per
// connection. It is what a Go program without a reactor would be, written
// well, behind the same contract; and it stands in for what other libraries
// lack, on their loops (Dial and ListenPacket of this package).
//
// A connection's goroutine waits for input without holding a buffer: it takes
// one from its loop for as long as there is something to read. It then runs
// the callback itself, under the lock of its loop, and writes the answer with
// one system call that does not wait. Only output that the kernel does not
// take is queued, and sent by a second goroutine that lives as long as there
// is some. So a loop never waits for a peer.
//
// What it costs, by its nature: a goroutine per connection (some 3 KiB with
// its descriptor's state when idle), a read that fails with EAGAIN for each
// one that waits, and the scheduler's work to wake a goroutine for each event.
//
// It will not batch datagrams: package net moves one at a time.
package std

import (
	"context"
	"net/netip"

	"lars/backends/internal/serial"
	"lars/reactor/driver"
)

// Driver opens engines over package net. The zero value is ready.
type Driver struct{}

// Name implements driver.Driver.
func (Driver) Name() string { return "std" }

// Abilities implements driver.Driver: all but batches of datagrams.
func (Driver) Abilities() driver.Abilities {
	return driver.Abilities{
		Listen: true, Dial: true, Packet: true, Push: true,
		ReusePort: true, Spread: true, AcceptBackoff: true,
	}
}

// Open implements driver.Driver.
func (Driver) Open(c driver.Config) (driver.Engine, error) {
	e := &engine{Group: serial.Open(c)}
	e.listeners.Group = e.Group
	return e, nil
}

type engine struct {
	*serial.Group
	listeners Listeners
}

// Listen implements driver.Engine.
func (e *engine) Listen(addr netip.AddrPort, o driver.ListenOptions, open driver.Opener) (driver.Listener, error) {
	options := o.Conn.WithDefaults()
	return e.listeners.Listen(addr, o, func(ln *Listener, own *serial.Loop) error {
		tcp, err := ln.Accept(own)
		if err != nil {
			return err
		}
		ln.Serve(own, func(l *serial.Loop) {
			if c := newConn(tcp, options); ln.Opened(l, func() (refused, ok bool) { return c.start(l, open) }) {
				c.read(l)
			}
		}, func() { _ = tcp.Close() })
		return nil
	})
}

// Dial implements driver.Engine.
func (e *engine) Dial(l driver.Loop, addr netip.AddrPort, o driver.DialOptions, open driver.Opener, failed func(error)) error {
	own, err := e.Own(l)
	if err != nil {
		return err
	}
	return Dial(own, addr, o, open, failed)
}

// ListenPacket implements driver.Engine.
func (e *engine) ListenPacket(l driver.Loop, o driver.PacketOptions, h driver.PacketHandler) (driver.PacketConn, error) {
	own, err := e.Own(l)
	if err != nil {
		return nil, err
	}
	return ListenPacket(own, o, h)
}

// Close implements driver.Engine.
func (e *engine) Close(ctx context.Context) error {
	return e.Group.Close(ctx, e.listeners.Close)
}
