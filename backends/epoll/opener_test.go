package epoll

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"

	"lars/reactor/driver"
)

// ending is a Handler that tells of Closed.
type ending struct {
	peerless
	closed chan error
}

func (h ending) Closed(err error) { h.closed <- err }

// TestCloseInOpenerThenFlush: a connection whose opener closes it, and flushes it once
// more when the kernel has room again, as the reactor does after OnOpen, ends.
func TestCloseInOpenerThenFlush(t *testing.T) {
	e, err := Driver{}.Open(driver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(context.Background()) }()
	const (
		size    = 1 << 20   // more than the kernels take at once
		flushes = 1_000_000 // in which the peer has read all of it, should they send
	)
	h := ending{closed: make(chan error, 1)}
	ln, err := e.Listen(netip.MustParseAddrPort("127.0.0.1:0"), driver.ListenOptions{
		Conn: driver.ConnOptions{SendBufferBytes: 32 << 10, OutputBytesMax: size},
	}, func(c driver.Conn) driver.Handler {
		b, err := c.Alloc(size)
		if err != nil {
			t.Error(err)
		}
		clear(b)
		if c.Close(nil); c.(*conn).backlog == nil {
			t.Error("the kernel took everything")
		}
		for range flushes { // while the peer reads
			c.Flush()
		}
		return h
	})
	if err != nil {
		t.Fatal(err)
	}
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if n, err := io.Copy(io.Discard, peer); n != size || err != nil {
		t.Errorf("%d bytes of %d arrived, %v", n, size, err)
	}
	if err := <-h.closed; err != nil {
		t.Errorf("closed with %v", err)
	}
}
