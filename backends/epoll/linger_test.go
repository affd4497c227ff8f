package epoll

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lars/reactor/driver"
)

// peerless is a Handler of a connection whose peer is of no interest.
type peerless struct{}

func (peerless) Received(view []byte) int { return len(view) }
func (peerless) Drained()                 {}
func (peerless) Closed(error)             {}

// TestLingeringSleeps: a connection that is closed while the kernel holds output
// does not have its loop woken by input that it does not want.
func TestLingeringSleeps(t *testing.T) {
	e, err := Driver{}.Open(driver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(context.Background()) }()
	opened := make(chan *conn, 1)
	ln, err := e.Listen(netip.MustParseAddrPort("127.0.0.1:0"), driver.ListenOptions{
		Conn: driver.ConnOptions{SendBufferBytes: 1 << 20},
	}, func(c driver.Conn) driver.Handler {
		opened <- c.(*conn)
		return peerless{}
	})
	if err != nil {
		t.Fatal(err)
	}
	small := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
		return errors.Join(failed, err)
	}}
	peer, err := small.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c, done := <-opened, make(chan struct{})
	c.loop.Post(func() {
		defer close(done)
		if _, err := c.Alloc(scratchBytes); err != nil {
			t.Error(err)
		}
		if c.Close(nil); c.backlog != nil || c.flags&flagDead != 0 {
			t.Errorf("flags %#x: not lingering", c.flags)
		}
		if c.interest&unix.EPOLLIN != 0 {
			t.Errorf("while it lingers, epoll is asked for %#x, input too", c.interest)
		}
	})
	<-done
}
