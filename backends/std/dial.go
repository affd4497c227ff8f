package std

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"lars/backends/internal/serial"
	"lars/reactor/driver"
)

// An Attempt is how to make one connection.
type Attempt struct {
	// Connect waits, on a goroutine of its own, until connected or ctx ends.
	Connect func(ctx context.Context) error
	// Start opens the connection on its loop, as Stream.Start.
	Start func() (refused, ok bool)
	// Abandon releases a connection that comes too late.
	Abandon func()
	// Serve runs when the connection is open, on the goroutine of Connect.
	Serve func()
}

// dialing is an Attempt on its way; on its loop it is settled once, by the
// outcome or by the end of the engine.
type dialing struct {
	Attempt
	loop    *serial.Loop
	failed  func(error)
	cancel  context.CancelFunc
	settled bool
}

// Dial connects on any serial loop, as driver.Engine.Dial says. From any
// goroutine.
func Dial(l *serial.Loop, addr netip.AddrPort, o driver.DialOptions, open driver.Opener, failed func(error)) error {
	if err := CheckPeer(addr); err != nil {
		return err
	}
	var c *conn
	options := o.Conn.WithDefaults()
	return DialBy(l, o.Timeout, failed, Attempt{
		Connect: func(ctx context.Context) error {
			tcp, err := Connect(ctx, addr, options)
			if err == nil {
				c = newConn(tcp, options)
			}
			return err
		},
		Start:   func() (refused, ok bool) { return c.start(l, open) },
		Abandon: func() { _ = c.tcp.Close() },
		Serve:   func() { c.read(l) },
	})
}

// CheckPeer returns an error for an address that cannot be dialled.
func CheckPeer(addr netip.AddrPort) error {
	if !addr.IsValid() || addr.Port() == 0 {
		return fmt.Errorf("dial: invalid address %v", addr)
	}
	return nil
}

// DialBy carries out an Attempt on any serial loop. From any goroutine.
func DialBy(l *serial.Loop, timeout time.Duration, failed func(error), a Attempt) error {
	if timeout == 0 {
		timeout = driver.DialTimeoutDefault
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), timeout, driver.ErrDialTimeout)
	d := &dialing{Attempt: a, loop: l, failed: failed, cancel: cancel}
	if !l.Add(d) {
		cancel()
		return driver.ErrEngineClosed
	}
	if !l.Go(func() { d.run(ctx) }) {
		cancel() // the engine is being closed, and aborts d
	}
	return nil
}

func (d *dialing) run(ctx context.Context) {
	err := d.Connect(ctx)
	switch end, _ := ctx.Deadline(); {
	case err == nil && ctx.Err() != nil:
		d.Abandon()
		err = context.Cause(ctx)
	case err != nil && !time.Now().Before(end):
		err = driver.ErrDialTimeout // perhaps told before ctx itself ends
	}
	d.cancel()
	d.loop.Enter()
	ok := d.outcome(err)
	d.loop.Leave()
	if ok {
		d.Serve()
	}
}

// outcome reports whether there is a connection.
func (d *dialing) outcome(err error) bool {
	switch {
	case err != nil:
		d.fail(err)
		return false
	case d.settled:
		d.Abandon()
		return false
	}
	d.loop.Take()
	refused, ok := d.Start()
	if d.settled = refused || ok; d.settled {
		d.loop.Remove(d) // otherwise the engine is being closed, and aborts d
	}
	return ok
}

// Connect dials with package net, which sets Nagle, keepalive and the sizes of
// the kernel's buffers as o says, with the defaults filled in.
func Connect(ctx context.Context, addr netip.AddrPort, o driver.ConnOptions) (*net.TCPConn, error) {
	dialer := net.Dialer{
		KeepAlive: o.KeepAlive,
		Control:   control(func(fd int) error { return setBuffers(fd, o.SendBufferBytes, o.RecvBufferBytes) }),
	}
	c, err := dialer.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	tcp := c.(*net.TCPConn)
	if o.Delay {
		_ = tcp.SetNoDelay(false)
	}
	return tcp, nil
}

func (d *dialing) fail(err error) {
	if !d.settled {
		d.settled = true
		d.loop.Remove(d)
		d.failed(err)
	}
}

// Abort implements serial.Member.
func (d *dialing) Abort(cause error) {
	d.cancel()
	d.fail(cause)
}
