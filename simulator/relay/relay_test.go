package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
)

// patience is for what must happen; soon is how long nothing must.
const (
	patience = 20 * time.Second
	soon     = 30 * time.Millisecond
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve is a TCP server that gives its connections to a channel.
func serve(t *testing.T) (addr string, conns chan net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	conns = make(chan net.Conn, 10)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	return ln.Addr().String(), conns
}

// through connects through a new relay.
func through(t *testing.T) (r *Relay, client, server net.Conn) {
	addr, conns := serve(t)
	r, err := TCP(addr, 1)
	must(t, err)
	t.Cleanup(r.Close)
	client, err = net.Dial("tcp", r.Addr())
	must(t, err)
	server = <-conns
	t.Cleanup(func() { client.Close(); server.Close() })
	return r, client, server
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := c.Write([]byte(text))
	must(t, err)
}

func want(t *testing.T, c net.Conn, text string) {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(patience)))
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("%q, %v; want %q", got, err, text)
	}
}

func wantNothing(t *testing.T, c net.Conn) {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(soon)))
	if n, err := c.Read(make([]byte, 100)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

func TestStream(t *testing.T) {
	r, client, server := through(t)
	send(t, client, "question")
	want(t, server, "question")
	r.Set(Conditions{Delay: soon, Jitter: time.Millisecond, Loss: 0.2, Duplicate: 1, Reorder: 1})
	began := time.Now()
	send(t, server, "first")
	want(t, client, "first")
	if took := time.Since(began); took < soon {
		t.Errorf("delayed by %v, but there after %v", soon, took)
	}
	for range 10 { // nothing is doubled or out of order
		send(t, client, "ab")
		send(t, client, "cd")
		want(t, server, "abcd")
	}
	must(t, client.(*net.TCPConn).CloseWrite()) // half-closed: answers still come
	must(t, server.SetReadDeadline(time.Now().Add(patience)))
	if n, err := server.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v", n, err)
	}
	send(t, server, "last")
	want(t, client, "last")
}

// While the network is cut, nothing gets through, not even an end, and a new
// connection seems to stand; then all of it does.
func TestStreamCut(t *testing.T) {
	r, client, server := through(t)
	r.Set(Conditions{Cut: true})
	send(t, client, "late")
	second, err := net.Dial("tcp", r.Addr())
	must(t, err)
	defer second.Close()
	wantNothing(t, second)
	wantNothing(t, server)
	server.Close()
	wantNothing(t, client)
	r.Set(Conditions{})
	must(t, client.SetReadDeadline(time.Now().Add(patience)))
	if _, err := client.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the other end is gone: %v", err)
	}
}

func TestStreamWithoutServer(t *testing.T) {
	r, err := TCP("127.0.0.1:1", 1)
	must(t, err)
	defer r.Close()
	c, err := net.Dial("tcp", r.Addr())
	if err == nil { // the reset may be faster than that
		defer c.Close()
		must(t, c.SetReadDeadline(time.Now().Add(patience)))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}
}

// echoes sends datagrams through a relay under conditions to a server that sends
// them back, and counts the answers. enough says when all have come.
func echoes(t *testing.T, c Conditions, n int, enough func(got int, c Counts) bool) (got []byte, counts Counts) {
	t.Helper()
	ln, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	go func() {
		b := make([]byte, 100)
		for {
			n, from, err := ln.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = ln.WriteTo(b[:n], from)
		}
	}()
	r, err := UDP(ln.LocalAddr().String(), 7)
	must(t, err)
	defer r.Close()
	r.Set(c)
	client, err := net.Dial("udp", r.Addr())
	must(t, err)
	defer client.Close()
	for i := range n {
		send(t, client, string([]byte{byte(i)}))
	}
	b := make([]byte, 100)
	for end := time.Now().Add(patience); !enough(len(got), r.Counts()); {
		if time.Now().After(end) {
			t.Fatalf("%d answers, %+v", len(got), r.Counts())
		}
		must(t, client.SetReadDeadline(time.Now().Add(soon)))
		if n, err := client.Read(b); err == nil {
			got = append(got, b[:n]...)
		}
	}
	return got, r.Counts()
}

func TestDatagrams(t *testing.T) {
	const n = 50 // what sockets hold when all are doubled twice
	for _, c := range []struct {
		what   string
		is     Conditions
		enough func(got int, c Counts) bool
	}{
		{"perfect", Conditions{}, func(got int, _ Counts) bool { return got == n }},
		{"late", Conditions{Delay: time.Millisecond, Jitter: time.Millisecond}, func(got int, _ Counts) bool { return got == n }},
		{"doubled", Conditions{Duplicate: 1}, func(got int, c Counts) bool { return got == 4*n && c.Doubled == 3*n }},
		{"lost", Conditions{Loss: 0.3}, func(got int, c Counts) bool { return got+int(c.Lost) == n && c.Lost > n/5 && c.Lost < n*4/5 }},
		{"cut", Conditions{Cut: true}, func(got int, c Counts) bool { return got == 0 && c.Lost == n }},
		{"reordered", Conditions{Reorder: 0.5}, func(got int, c Counts) bool { return got == n && c.Reordered > 0 }},
	} {
		t.Run(c.what, func(t *testing.T) {
			got, counts := echoes(t, c.is, n, c.enough)
			if c.is == (Conditions{}) && (!slices.IsSorted(got) || counts != (Counts{})) {
				t.Errorf("%v, %+v", got, counts)
			}
		})
	}
}

// What a relay started ends with it, also while the network is cut.
func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	addr, conns := serve(t)
	r, err := TCP(addr, 1)
	must(t, err)
	c, err := net.Dial("tcp", r.Addr())
	must(t, err)
	server := <-conns
	r.Set(Conditions{Cut: true})
	send(t, c, "under way")
	r.Close()
	r.Close()
	c.Close()
	server.Close()
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before+1; runtime.Gosched() { // serve's
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
