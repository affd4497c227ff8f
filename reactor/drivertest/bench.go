package drivertest

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lars/reactor/driver"
)

// benchBytes is the size of a message: the head of a frame and the 20 bytes
// that the lab's load generator sends by default.
const benchBytes = 28

// Bench runs the micro-benchmarks that all backends share. Allocations are
// those of the driver alone: the peers are blocking sockets used through
// system calls, and allocate nothing. Time includes the peer's own calls, in
// the same process and without any pinning: compare backends with it, and use
// the lab for figures of a server. One operation is one message, one posted
// function, one timer or one connection, as the name says.
func Bench(b *testing.B, h Harness) {
	a := h.Driver.Abilities()
	for _, depth := range []int{1, 16} {
		b.Run(fmt.Sprintf("TCPEcho/depth=%d", depth), func(b *testing.B) {
			if !a.Listen {
				b.Skip("the backend has no TCP servers")
			}
			benchTCPEcho(b, h, depth)
		})
		b.Run(fmt.Sprintf("UDPEcho/inflight=%d", depth), func(b *testing.B) {
			if !a.Packet {
				b.Skip("the backend has no UDP")
			}
			benchUDPEcho(b, h, depth)
		})
		b.Run(fmt.Sprintf("Post/burst=%d", depth), func(b *testing.B) { benchPost(b, h, depth) })
	}
	b.Run("OpenClose", func(b *testing.B) {
		if !a.Listen {
			b.Skip("the backend has no TCP servers")
		}
		benchOpenClose(b, h)
	})
	b.Run("Timer/cancelled", func(b *testing.B) { benchTimerCancel(b, h) })
	b.Run("Timer/run", func(b *testing.B) { benchTimerRun(b, h) })
}

// benchOpen starts an engine of one loop for the life of the benchmark.
func benchOpen(b *testing.B, h Harness) driver.Engine {
	eng, err := h.Driver.Open(driver.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patienceDefault)
		defer cancel()
		if err := eng.Close(ctx); err != nil {
			b.Error(err)
		}
	})
	return eng
}

// benchEcho is the least that an echo must do.
type benchEcho struct{ c driver.Conn }

func (e *benchEcho) Received(view []byte) int {
	out, err := e.c.Alloc(len(view))
	if err != nil {
		return 0
	}
	return copy(out, view)
}
func (*benchEcho) Drained()     {}
func (*benchEcho) Closed(error) {}

func benchServer(b *testing.B, h Harness) *unix.SockaddrInet4 {
	open := func(c driver.Conn) driver.Handler { return &benchEcho{c} }
	l, err := benchOpen(b, h).Listen(loopback(), driver.ListenOptions{}, open)
	if err != nil {
		b.Fatal(err)
	}
	return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(l.Addr().Port())}
}

// benchSocket connects a blocking socket that gives up after the patience.
func benchSocket(b *testing.B, kind int, to *unix.SockaddrInet4) int {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	tv := unix.NsecToTimeval(patienceDefault.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		b.Fatal(err)
	}
	if err := unix.Connect(fd, to); err != nil {
		b.Fatal(err)
	}
	if kind == unix.SOCK_STREAM {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	return fd
}

func benchTCPEcho(b *testing.B, h Harness, depth int) {
	fd := benchSocket(b, unix.SOCK_STREAM, benchServer(b, h))
	defer unix.Close(fd)
	out, in := make([]byte, depth*benchBytes), make([]byte, depth*benchBytes)
	round := func() {
		if _, err := unix.Write(fd, out); err != nil {
			b.Fatal(err)
		}
		readAll(b, fd, in)
	}
	round() // the connection is open, and buffers are there
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += depth {
		round()
	}
}

func readAll(b *testing.B, fd int, p []byte) {
	for len(p) > 0 {
		n, err := unix.Read(fd, p)
		if err != nil && err != unix.EINTR || n == 0 && err == nil {
			b.Fatalf("read: %d, %v", n, err)
		}
		p = p[max(n, 0):]
	}
}

// benchPackets echoes datagrams.
type benchPackets struct{ p driver.PacketConn }

func (e *benchPackets) Received(from netip.AddrPort, view []byte) {
	if out, err := e.p.Alloc(len(view), from); err == nil {
		copy(out, view)
	}
}
func (*benchPackets) Failed(error) {}
func (*benchPackets) Closed(error) {}

func benchUDPEcho(b *testing.B, h Harness, inflight int) {
	eng := benchOpen(b, h)
	e := &benchPackets{}
	p, err := eng.ListenPacket(eng.Loops()[0], driver.PacketOptions{Local: loopback()}, e)
	if err != nil {
		b.Fatal(err)
	}
	set := make(chan struct{})
	eng.Loops()[0].Post(func() { e.p = p; close(set) })
	<-set
	fd := benchSocket(b, unix.SOCK_DGRAM, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(p.LocalAddr().Port())})
	defer unix.Close(fd)
	m, in := make([]byte, benchBytes), make([]byte, benchBytes)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += inflight {
		for range inflight {
			if _, err := unix.Write(fd, m); err != nil {
				b.Fatal(err)
			}
		}
		for range inflight {
			readAll(b, fd, in)
		}
	}
}

// benchPost wakes an idle loop with a burst of functions and waits for the
// last one: what it costs to come from another goroutine.
func benchPost(b *testing.B, h Harness, burst int) {
	l := benchOpen(b, h).Loops()[0]
	ran := make(chan struct{}, 1)
	n := 0
	f := func() {
		if n++; n%burst == 0 {
			ran <- struct{}{}
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += burst {
		for range burst {
			l.Post(f)
		}
		<-ran
	}
}

// benchOpenClose opens a connection, sends one byte there and back, and resets
// it, so that no port stays in TIME_WAIT.
func benchOpenClose(b *testing.B, h Harness) {
	to := benchServer(b, h)
	buf := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		fd := benchSocket(b, unix.SOCK_STREAM, to)
		if _, err := unix.Write(fd, buf); err != nil {
			b.Fatal(err)
		}
		readAll(b, fd, buf)
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		unix.Close(fd)
	}
}

// benchTimerCancel makes and cancels timers, as an idle time-out that is
// pushed back does.
func benchTimerCancel(b *testing.B, h Harness) {
	l := benchOpen(b, h).Loops()[0]
	done := make(chan struct{})
	b.ReportAllocs()
	b.ResetTimer()
	l.Post(func() {
		defer close(done)
		for range b.N {
			l.After(time.Hour, func() {})()
		}
	})
	<-done
}

// benchTimerRun runs timers that are due at once, each made by the one before.
func benchTimerRun(b *testing.B, h Harness) {
	l := benchOpen(b, h).Loops()[0]
	done, left := make(chan struct{}), b.N
	var next func()
	next = func() {
		if left--; left <= 0 {
			close(done)
			return
		}
		l.After(0, next)
	}
	b.ReportAllocs()
	b.ResetTimer()
	l.Post(next)
	<-done
}
