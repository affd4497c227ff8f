package push

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"lars/bench/load"
	"lars/bench/workload"
	"lars/reactor/frame"
	"lars/system/wire"
)

var routes = workload.Routes{Modules: 1, Hosts: 2}

// fakeDNS answers every subscription and lets a test push what it likes.
type fakeDNS struct {
	l     net.Listener
	mu    sync.Mutex
	conns []net.Conn
	n     int
	push  func(f *fakeDNS, n int) // to make of edit n
}

func newFake(t *testing.T, push func(*fakeDNS, int)) *fakeDNS {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeDNS{l: l, push: push}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { f.subscribe(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.mu.Lock()
		for _, c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		all.Wait()
	})
	return f
}

func (f *fakeDNS) subscribe(c net.Conn) {
	in := bufio.NewReader(c)
	if _, err := io.ReadFull(in, make([]byte, frame.HeadBytes+6)); err != nil {
		return
	}
	f.mu.Lock()
	f.conns = append(f.conns, c)
	f.mu.Unlock()
	_, _ = c.Write(message(routes.Answer(0)))
	_, _ = io.Copy(io.Discard, in)
}

func message(a wire.GetRouteResponse) []byte {
	return frame.Append(nil, wire.IDGetRouteResponse, a.AppendTo(nil))
}

// tell sends the route after edit n to the subscribers from one on.
func (f *fakeDNS) tell(from, n int) {
	f.mu.Lock()
	conns := slices.Clone(f.conns[from:])
	f.mu.Unlock()
	for _, c := range conns {
		_, _ = c.Write(message(routes.Edited(0, n)))
	}
}

func (f *fakeDNS) editor() Editor {
	return Editor{Routes: routes, Next: func() int { return f.n + 1 }, Edit: func(context.Context) (int, error) {
		f.n++
		f.push(f, f.n)
		return f.n, nil
	}}
}

func (f *fakeDNS) config(conns int) load.Config {
	return load.Config{
		Network: "tcp", Addr: netip.MustParseAddrPort(f.l.Addr().String()), Conns: conns,
		Warmup: 10 * time.Millisecond, Duration: 50 * time.Millisecond, Timeout: 10 * time.Second,
	}
}

func TestEachOnce(t *testing.T) {
	const conns = 20
	f := newFake(t, func(f *fakeDNS, n int) { f.tell(0, n) })
	intervals, phases := uint64(0), 0
	c := f.config(conns)
	c.OnInterval = func(in *load.Interval) { intervals += in.Completed }
	c.OnPhase = func(load.Phase) { phases++ }
	r, err := f.editor().Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	all := r.Counts
	all.Add(&r.WarmupCounts)
	if all.Completed != uint64(f.n*conns) || all.Errors() != 0 || all.TimedOut+all.Duplicated+all.Late != 0 || r.Completed == 0 {
		t.Errorf("%d edits: %+v", f.n, all)
	}
	if r.Response.Count() != int64(r.Completed) || intervals != all.Completed || phases != 2 || r.Elapsed < c.Duration {
		t.Errorf("%d responses of %d, %d in intervals, %d phases, %v", r.Response.Count(), r.Completed, intervals, phases, r.Elapsed)
	}
}

// TestFaults: what a dns may do wrong is counted as what it is.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name    string
		timeout time.Duration
		push    func(*fakeDNS, int)
		got     func(*load.Counts) uint64
	}{
		{"twice", 0, func(f *fakeDNS, n int) { f.tell(0, n); f.tell(0, n) }, func(c *load.Counts) uint64 { return c.Duplicated }},
		{"back", 0, func(f *fakeDNS, n int) { f.tell(0, n-2); f.tell(0, n) }, func(c *load.Counts) uint64 { return c.Stale }},
		{"ahead", 0, func(f *fakeDNS, n int) { f.tell(0, n+1); f.tell(0, n) }, func(c *load.Counts) uint64 { return c.Wrong }},
		{"not to one", 20 * time.Millisecond, func(f *fakeDNS, n int) { f.tell(1, n) }, func(c *load.Counts) uint64 { return c.TimedOut }},
		{"late", 20 * time.Millisecond, func(f *fakeDNS, n int) { f.tell(1, n); f.tell(0, n-1) }, func(c *load.Counts) uint64 { return c.Late }},
		{"gone", 20 * time.Millisecond, func(f *fakeDNS, n int) {
			f.mu.Lock()
			f.conns[0].Close()
			f.mu.Unlock()
			f.tell(1, n)
		}, func(c *load.Counts) uint64 { return c.Disconnected }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, c.push)
			config := f.config(3)
			if c.timeout > 0 {
				config.Timeout = c.timeout
			}
			r, err := f.editor().Run(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			all := r.Counts
			all.Add(&r.WarmupCounts)
			if c.got(&all) == 0 {
				t.Errorf("%d edits: %+v", f.n, all)
			}
			if load.Worst(r.Judge()) != load.Invalid {
				t.Errorf("judged %v", r.Judge())
			}
		})
	}
}

// TestStopped: of subscribers that had time left nothing is said.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := newFake(t, func(f *fakeDNS, n int) {
		if n > 1 {
			cancel()
			return
		}
		f.tell(0, n)
	})
	r, err := f.editor().Run(ctx, f.config(3))
	if err != nil {
		t.Fatal(err)
	}
	all := r.Counts
	all.Add(&r.WarmupCounts)
	if !r.Cut || all.TimedOut > 0 || r.Response.Censored() > 0 || len(r.Violations()) > 0 {
		t.Errorf("cut %v, %+v, %v", r.Cut, all, r.Violations())
	}
}

func TestErrors(t *testing.T) {
	f := newFake(t, nil)
	c := f.config(2)
	broken := Editor{Routes: routes, Next: func() int { return 1 }, Edit: func(context.Context) (int, error) { return 1, io.ErrShortWrite }}
	if _, err := broken.Run(t.Context(), c); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("an edit that fails: %v", err)
	}
	f.l.Close()
	if _, err := f.editor().Run(t.Context(), c); !errors.Is(err, load.ErrDial) {
		t.Errorf("nobody there: %v", err)
	}
}
