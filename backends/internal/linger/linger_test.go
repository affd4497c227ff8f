package linger

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// pair is a connection and the descriptor of its first end.
func pair(t *testing.T) (a, b *net.TCPConn, fd int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	a, b = dialled.(*net.TCPConn), accepted.(*net.TCPConn)
	t.Cleanup(func() { a.Close(); b.Close() })
	raw, err := a.SyscallConn()
	if err == nil {
		err = raw.Control(func(p uintptr) { fd = int(p) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return a, b, fd
}

// TestUnacked: output counts until the peer's kernel has it, input is dropped, and
// the peer hears the end without a close.
func TestUnacked(t *testing.T) {
	_, b, fd := pair(t)
	if n, err := Unacked(fd); n != 0 || err != nil {
		t.Errorf("%d bytes unacknowledged of a new connection, %v", n, err)
	}
	sent := stuff(fd)
	if n, err := Unacked(fd); n <= 0 || n > sent || err != nil {
		t.Errorf("%d bytes unacknowledged of %d that nobody reads, %v", n, sent, err)
	}
	got := make(chan int64, 1)
	go func() {
		if _, err := b.Write(make([]byte, 8*dropBytes)); err != nil { // more than the kernels hold
			t.Error(err)
		}
		n, err := io.Copy(io.Discard, b)
		if err != nil {
			t.Error(err)
		}
		got <- n
	}()
	for n, err := 1, error(nil); n > 0; n, err = Unacked(fd) {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if n := <-got; n != int64(sent) {
		t.Errorf("%d bytes of %d arrived", n, sent)
	}
	if n, err := Unacked(-1); n != 0 || err != nil {
		t.Errorf("%d bytes unacknowledged of no descriptor, %v", n, err)
	}
}

// stuff writes until the kernels are full.
func stuff(fd int) (sent int) {
	for {
		n, err := syscall.Write(fd, make([]byte, 1<<16))
		if err != nil {
			return sent
		}
		sent += n
	}
}

// TestPeerEnds: the peer's end leaves nothing to wait for; a reset loses what was
// unacknowledged, also when the kernel has told somebody else of it.
func TestPeerEnds(t *testing.T) {
	for _, reset := range []bool{false, true} {
		_, b, fd := pair(t)
		stuff(fd)
		end := b.CloseWrite
		if reset {
			if err := b.SetLinger(0); err != nil {
				t.Fatal(err)
			}
			end = b.Close
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		n, err := Unacked(fd)
		for n > 0 && err == nil { // until it has come
			n, err = Unacked(fd)
		}
		if reset != errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reset %v: %d, %v", reset, n, err)
		}
		if n, err := Unacked(fd); reset != (n > 0) || reset != errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reset %v, later: %d, %v", reset, n, err)
		}
	}
}

func TestPace(t *testing.T) {
	var p Pace
	for i, c := range []struct {
		left int
		want time.Duration
	}{{9, 1}, {9, 2}, {9, 4}, {5, 1}, {5, 2}, {5, 4}, {5, 8}, {5, 16}, {5, 32}, {5, 64}, {5, 64}} {
		if got := p.Next(c.left); got != c.want*time.Millisecond {
			t.Errorf("look %d: %v, want %d ms", i, got, c.want)
		}
	}
}
