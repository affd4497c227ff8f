package backends_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lars/backends"
	"lars/reactor/driver"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// patience bounds every wait; what succeeds never takes it.
const patience = time.Minute

var errTest = errors.New("closed by the test")

// drivers are all backends in their natural state, without stand-ins.
func drivers() (all []driver.Driver) {
	for _, e := range backends.All() {
		all = append(all, e.Raw())
	}
	return all
}

// each runs f on every backend and then checks that nothing is left behind.
func each(t *testing.T, f func(t *testing.T, d driver.Driver)) {
	for _, d := range drivers() {
		t.Run(d.Name(), func(t *testing.T) {
			warmUp(t, d)
			goroutines, descriptors := runtime.NumGoroutine(), countDescriptors(t)
			f(t, d)
			if t.Failed() {
				return
			}
			eventually(t, "goroutines and descriptors are back", func() bool {
				runtime.GC()
				return runtime.NumGoroutine() <= goroutines && countDescriptors(t) <= descriptors
			}, func() string {
				stacks := make([]byte, 64<<10)
				return string(stacks[:runtime.Stack(stacks, true)])
			})
		})
	}
}

// warmUp makes what a backend's library keeps for the life of the process.
func warmUp(t *testing.T, d driver.Driver) {
	e := open(t, d, 1)
	ln := listen(t, e, echo)
	c := dial(t, ln)
	roundTrip(t, c, []byte("warm"))
	c.Close()
	closeEngine(t, e)
}

func countDescriptors(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// eventually waits for a condition that must come to hold.
func eventually(t *testing.T, what string, ok func() bool, more func() string) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so: %s\n%s", what, more())
		}
	}
}

func open(t *testing.T, d driver.Driver, loops int) driver.Engine {
	t.Helper()
	e, err := d.Open(driver.Config{Loops: loops})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func listen(t *testing.T, e driver.Engine, o driver.Opener) driver.Listener {
	t.Helper()
	ln, err := e.Listen(loopback, driver.ListenOptions{}, o)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func dial(t *testing.T, ln driver.Listener) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func closeEngine(t *testing.T, e driver.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Error("Engine.Close:", err)
	}
}

func roundTrip(t *testing.T, c net.Conn, p []byte) {
	t.Helper()
	if _, err := c.Write(p); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(p))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, p) {
		t.Fatalf("got %q, want %q", got, p)
	}
}

// handler is made of functions; a nil one does nothing.
type handler struct {
	c        driver.Conn
	received func(view []byte) int
	drained  func()
	closed   func(error)
	over     atomic.Bool
	inside   atomic.Bool
}

func (h *handler) enter() func() {
	if !h.inside.CompareAndSwap(false, true) {
		panic("callbacks of one connection overlap")
	}
	return func() { h.inside.Store(false) }
}

func (h *handler) Received(view []byte) int {
	defer h.enter()()
	if h.over.Load() {
		panic("Received after Closed")
	}
	if h.received == nil {
		return len(view)
	}
	return h.received(view)
}

func (h *handler) Drained() {
	defer h.enter()()
	if h.drained != nil {
		h.drained()
	}
}

func (h *handler) Closed(err error) {
	defer h.enter()()
	if h.over.Swap(true) {
		panic("Closed twice")
	}
	if h.closed != nil {
		h.closed(err)
	}
}

// echo answers with what it gets, and stops reading while its output is full.
func echo(c driver.Conn) driver.Handler {
	h := &handler{c: c}
	h.received = func(view []byte) int {
		done := 0
		for done < len(view) {
			b, err := c.Alloc(min(len(view)-done, 16<<10))
			if err != nil {
				c.Pause()
				break
			}
			done += copy(b, view[done:])
		}
		return done
	}
	h.drained = c.Resume
	return h
}

func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i>>8 ^ i*7)
	}
	return p
}

func TestEcho(t *testing.T) {
	each(t, func(t *testing.T, d driver.Driver) {
		e := open(t, d, 2)
		defer closeEngine(t, e)
		ln := listen(t, e, echo)
		c := dial(t, ln)
		defer c.Close()
		for _, n := range []int{1, 1000, 70_000} {
			roundTrip(t, c, pattern(n))
		}
		big := pattern(16 << 20)
		go func() {
			_, _ = c.Write(big)
			_ = c.CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, big) {
			t.Errorf("%d of %d bytes came back, %v", len(got), len(big), err)
		}
	})
}

// TestPartial shows unconsumed input again, grown, until a frame is whole.
func TestPartial(t *testing.T) {
	each(t, func(t *testing.T, d driver.Driver) {
		e := open(t, d, 1)
		defer closeEngine(t, e)
		const frame = 200_000
		ln := listen(t, e, func(c driver.Conn) driver.Handler {
			h := &handler{c: c}
			h.received = func(view []byte) (n int) {
				for ; len(view)-n >= frame; n += frame {
					b, err := c.Alloc(frame)
					if err != nil {
						t.Error(err)
						return n
					}
					copy(b, view[n:])
				}
				return n
			}
			return h
		})
		c := dial(t, ln)
		defer c.Close()
		want := pattern(10 * frame)
		go func() {
			for i := 0; i < len(want); i += 777 {
				_, _ = c.Write(want[i:min(i+777, len(want))])
			}
		}()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
			t.Error("content differs:", err)
		}
	})
}

func TestChurn(t *testing.T) {
	each(t, func(t *testing.T, d driver.Driver) {
		const conns, at = 1000, 50
		var opened, closed atomic.Int64
		e := open(t, d, 2)
		ln := listen(t, e, func(c driver.Conn) driver.Handler {
			opened.Add(1)
			h := echo(c).(*handler)
			h.closed = func(error) { closed.Add(1) }
			return h
		})
		var wg sync.WaitGroup
		for range at {
			wg.Go(func() {
				for range conns / at {
					c := dial(t, ln)
					roundTrip(t, c, []byte("hello"))
					c.Close()
				}
			})
		}
		wg.Wait()
		eventually(t, "all are closed", func() bool { return closed.Load() == conns }, func() string { return "" })
		if n := ln.Stats().Accepted; n != conns || opened.Load() != conns {
			t.Errorf("accepted %d, opened %d, want %d", n, opened.Load(), conns)
		}
		closeEngine(t, e)
	})
}

// TestPush sends from many goroutines to readers that start late and are slow.
func TestPush(t *testing.T) {
	each(t, func(t *testing.T, d driver.Driver) {
		const conns, pushes, size = 4, 200, 20_000
		e := open(t, d, 2)
		defer closeEngine(t, e)
		opened := make(chan driver.Conn, conns)
		ln, err := e.Listen(loopback, driver.ListenOptions{Conn: driver.ConnOptions{SendBufferBytes: 20_000}}, func(c driver.Conn) driver.Handler {
			opened <- c
			return &handler{c: c, closed: func(err error) {
				if err != nil {
					t.Error("closed:", err)
				}
			}}
		})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range conns {
			peer := dial(t, ln)
			defer peer.Close()
			c := <-opened
			wg.Go(func() {
				for i := range pushes {
					c.Loop().Post(func() { pushOne(t, c, byte(i), size) })
				}
				c.Loop().Post(func() { c.Close(nil) })
			})
			wg.Go(func() {
				got, err := io.ReadAll(peer)
				if len(got) != pushes*size {
					t.Errorf("received %d of %d bytes, %v", len(got), pushes*size, err)
					return
				}
				for i, b := range got {
					if b != byte(i/size) {
						t.Errorf("byte %d is of push %d", i, b)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func pushOne(t *testing.T, c driver.Conn, mark byte, size int) {
	b, err := c.Alloc(size)
	if err != nil {
		return // Closed tells why
	}
	for i := range b {
		b[i] = mark
	}
	c.Flush()
}

// TestCloseInside closes from each callback, and reads the cause.
func TestCloseInside(t *testing.T) {
	each(t, func(t *testing.T, d driver.Driver) {
		for _, cause := range []error{nil, errTest} {
			for _, where := range []string{"open", "received", "task"} {
				e := open(t, d, 1)
				got := make(chan error, 1)
				ln := listen(t, e, func(c driver.Conn) driver.Handler {
					h := &handler{c: c, closed: func(err error) { got <- err }}
					h.received = func(view []byte) int {
						if where == "received" {
							c.Close(cause)
						}
						return len(view)
					}
					switch where {
					case "open":
						c.Close(cause)
					case "task":
						c.Loop().Post(func() { c.Close(cause) })
					}
					return h
				})
				c := dial(t, ln)
				_, _ = c.Write([]byte("x"))
				if err := <-got; err != cause {
					t.Errorf("Close(%v) in %s: Closed(%v)", cause, where, err)
				}
				_, _ = io.Copy(io.Discard, c)
				c.Close()
				closeEngine(t, e)
			}
		}
	})
}

func TestRefuse(t *testing.T) {
	each(t, func(t *testing.T, d driver.Driver) {
		e := open(t, d, 1)
		defer closeEngine(t, e)
		ln := listen(t, e, func(driver.Conn) driver.Handler { return nil })
		c := dial(t, ln)
		defer c.Close()
		if n, _ := io.Copy(io.Discard, c); n != 0 {
			t.Errorf("%d bytes", n)
		}
		eventually(t, "it is counted", func() bool { return ln.Stats().Refused == 1 }, func() string { return "" })
	})
}

// TestEngineClose aborts connections that are idle, stalled and being dialled.
func TestEngineClose(t *testing.T) {
	each(t, func(t *testing.T, d driver.Driver) {
		e := open(t, d, 2)
		const conns = 20
		causes := make(chan error, conns)
		opened := make(chan struct{}, conns)
		ln := listen(t, e, func(c driver.Conn) driver.Handler {
			for range 3 {
				_, _ = c.Alloc(4 << 20)
			}
			opened <- struct{}{}
			return &handler{c: c, closed: func(err error) { causes <- err }}
		})
		for range conns {
			defer dial(t, ln).Close()
			<-opened
		}
		closeEngine(t, e)
		for range conns {
			if err := <-causes; err != driver.ErrEngineClosed {
				t.Errorf("Closed(%v)", err)
			}
		}
		if e.Loops()[0].Post(func() { t.Error("ran after the end") }) {
			t.Error("Post after the end is accepted")
		}
		if _, err := e.Listen(loopback, driver.ListenOptions{}, echo); err == nil {
			t.Error("Listen after the end is accepted")
		}
	})
}

func TestPause(t *testing.T) {
	each(t, func(t *testing.T, d driver.Driver) {
		e := open(t, d, 1)
		defer closeEngine(t, e)
		views := make(chan string, 10)
		conn := make(chan driver.Conn, 1)
		ln := listen(t, e, func(c driver.Conn) driver.Handler {
			conn <- c
			return &handler{c: c, received: func(view []byte) int {
				views <- string(view)
				c.Pause()
				return 1
			}}
		})
		peer := dial(t, ln)
		defer peer.Close()
		_, _ = peer.Write([]byte("abc"))
		c := <-conn
		for _, want := range []string{"abc", "bc", "c"} {
			if got := <-views; got != want {
				t.Errorf("view %q, want %q", got, want)
			}
			c.Loop().Post(c.Resume)
		}
	})
}
