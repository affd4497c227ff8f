package reactor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"lars/reactor"
	"lars/reactor/frame"
)

// lingering is a server that answers one message with more than the peer's kernel
// takes, though less than ours does, and closes. The peer reads nothing, and has
// sent a part of a second message.
func lingering(t *testing.T, r *reactor.Reactor, e reactor.Endpoint) (closed chan error) {
	t.Helper()
	closed = make(chan error, 1)
	answered := make(chan struct{})
	e.Router = reactor.NewRouter()
	e.Router.Handle(1, func(q *reactor.Request) {
		_, err := q.ReplyAlloc(2, 60_000)
		if err != nil {
			t.Error(err)
		}
		q.Conn.Close(nil)
		close(answered)
	}, nil)
	e.OnClose = func(_ *reactor.Conn, err error) { closed <- err }
	e.SendBufferBytes = 200_000
	s := listen(t, r, reactor.ServerConfig{Endpoint: e})
	p := dialSmall(t, s.Addr())
	first := frame.Append(nil, 1, nil)
	if _, err := p.Write(append(first, first[:3]...)); err != nil {
		t.Fatal(err)
	}
	receive(t, answered)
	return closed
}

// dialSmall connects a socket whose kernel takes 4 KiB or little more.
func dialSmall(t *testing.T, addr fmt.Stringer) net.Conn {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		return errors.Join(failed, err)
	}}
	c, err := d.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestLingeringStalls: a connection that was closed, and whose peer takes nothing of
// what the kernel holds, ends by WriteTimeout, and not for the rest of the input
// that nobody wants.
func TestLingeringStalls(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{})
		closed := lingering(t, r, reactor.Endpoint{PartialTimeout: 50 * time.Millisecond, WriteTimeout: time.Second})
		if err := receive(t, closed); err != reactor.ErrStalled {
			t.Errorf("closed with %v, want ErrStalled", err)
		}
		eventually(t, "the end is counted", func() bool { return r.Stats().Conns == 0 })
		if s := r.Stats(); s.Errors["write_timeout"] != 1 || s.Errors["partial_timeout"] != 0 || s.Closed != 1 {
			t.Errorf("%d closed, errors %v; want one write_timeout", s.Closed, s.Errors)
		}
	})
}

// TestLingeringCut: a shutdown waits for such a connection until its deadline, and
// tells that output was dropped.
func TestLingeringCut(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		r := open(reactor.Config{})
		closed := lingering(t, r, reactor.Endpoint{})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v, want the deadline", err)
		}
		if err := receive(t, closed); err == nil {
			t.Error("the close hook did not hear that output was dropped")
		}
	})
}
