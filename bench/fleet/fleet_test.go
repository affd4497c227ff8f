package fleet

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/pace"
)

// echo is a server that counts the frames it answers.
type echo struct {
	addr   netip.AddrPort
	frames atomic.Int64
}

func startEcho(t *testing.T) *echo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{addr: netip.MustParseAddrPort(l.Addr().String())}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { e.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); open.Wait() })
	return e
}

func (e *echo) serve(c net.Conn) {
	defer c.Close()
	head := make([]byte, 8)
	for {
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		frame := append(head[:8:8], make([]byte, binary.LittleEndian.Uint32(head[4:]))...)
		if _, err := io.ReadFull(c, frame[8:]); err != nil {
			return
		}
		e.frames.Add(1)
		if _, err := c.Write(frame); err != nil {
			return
		}
	}
}

func makeEcho(s Spec, _ Job) (load.Workload, error) {
	if s.Name != "echo" {
		return nil, errors.New("unknown")
	}
	return load.Echo{}, nil
}

// startWorker runs a worker that listens until the test ends.
func startWorker(t *testing.T, name, token string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	w := &Worker{Name: name, Token: []byte(token), Make: makeEcho}
	go func() { done <- w.Listen(ctx, l, false) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func connect(t *testing.T, addrs ...string) *Fleet {
	t.Helper()
	f, err := Connect(t.Context(), addrs, "test", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func three(t *testing.T) *Fleet {
	return connect(t, startWorker(t, "a", "secret"), startWorker(t, "b", "secret"), startWorker(t, "c", "secret"))
}

// arrivals are those of a schedule before a time, of each of n generators.
func arrivals(t *testing.T, c load.Config, n int) (of []int64, all int64) {
	t.Helper()
	s, err := pace.New(c.Arrivals, c.Rate, c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	of = make([]int64, n)
	for at := s.Next(); at < int64(c.Warmup+c.Duration); at = s.Next() {
		of[all%int64(n)]++
		all++
	}
	return of, all
}

// TestExactlyOnce: three workers send each arrival of one schedule once, the
// server counts as many, and the merged figures are those of the parts.
func TestExactlyOnce(t *testing.T) {
	e := startEcho(t)
	f := three(t)
	c := load.Config{
		Network: "tcp", Addr: e.addr, Conns: 7, Rate: 2000, Seed: 42, Warmup: 60 * time.Millisecond,
		Duration: 300 * time.Millisecond, Every: 100 * time.Millisecond,
	}
	parts, all := arrivals(t, c, 3)
	var seen load.Counts
	var phases []load.Phase
	last := time.Duration(0) // start of an interval
	c.OnPhase = func(p load.Phase) { phases = append(phases, p) }
	c.OnInterval = func(v *load.Interval) {
		seen.Add(&v.Counts)
		if v.Phase != load.Draining && v.Start < last {
			t.Errorf("interval from %v after one from %v", v.Start, last)
		}
		last = v.Start
	}
	for round := range int64(2) {
		d := &drive{fleet: f, config: c, spec: Spec{Name: "echo"}, base: time.Now(), reports: make([]*report, 3), queues: make([][]*interval, 3)}
		seen, phases, last = load.Counts{}, nil, 0
		r, err := d.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := e.frames.Load(); got != (round+1)*all || int64(seen.Sent) != all {
			t.Errorf("the server counted %d frames, the intervals %d sent; %d are due in each round", got, seen.Sent, all)
		}
		if !slices.Equal(phases, []load.Phase{load.Warmup, load.Measured, load.Draining}) {
			t.Errorf("phases %v", phases)
		}
		checkMerge(t, d, r, parts)
	}
	names := strings.Join(f.Names(), " ")
	if !strings.Contains(names, "a (127.0.0.1:") || !strings.Contains(names, "c (127.0.0.1:") {
		t.Error(names)
	}
}

func checkMerge(t *testing.T, d *drive, r *load.Result, parts []int64) {
	t.Helper()
	response, lag := hist.New(), hist.New()
	completed := uint64(0)
	for i, p := range d.reports {
		response.Merge(p.Response.Recorder)
		lag.Merge(p.SendLag.Recorder)
		completed += p.Counts.Completed
		if got := p.Counts.Sent + p.Warmup.Sent; int64(got) > parts[i] {
			t.Errorf("worker %d sent %d of its %d", i, got, parts[i])
		}
	}
	if *response != *r.Response || *lag != *r.SendLag || completed != r.Completed || response.Count() == 0 {
		t.Error("the merged result is not the sum of its parts")
	}
	if len(r.Parts) != 3 || r.Parts[2].Name != "c" || r.Parts[0].Completed == 0 || r.Elapsed <= 0 || r.Cut {
		t.Errorf("%+v", r.Parts)
	}
	if r.Wrong+r.Lost+r.Duplicated > 0 {
		t.Errorf("%+v", r.Counts)
	}
}

// TestClosedLoop: the connections are divided, all of them used.
func TestClosedLoop(t *testing.T) {
	e := startEcho(t)
	c := load.Config{Addr: e.addr, Conns: 5, Duration: 100 * time.Millisecond, Every: 50 * time.Millisecond}
	r, err := connect(t, startWorker(t, "a", "secret"), startWorker(t, "b", "secret")).Drive(Spec{Name: "echo"})(t.Context(), c)
	if err != nil || r.Completed == 0 || len(r.Parts) != 2 {
		t.Fatalf("%v, %+v", err, r)
	}
}

func TestJoin(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var told []string
	var f *Fleet
	accepted := make(chan error, 1)
	go func() {
		var err error
		f, err = Accept(t.Context(), l, 2, "test", []byte("secret"), func(s string) { mu.Lock(); told = append(told, s); mu.Unlock() })
		accepted <- err
	}()
	join := func(name, token string) error {
		return (&Worker{Name: name, Token: []byte(token), Make: makeEcho}).Join(t.Context(), l.Addr().String())
	}
	// It comes first: once all have come nobody listens, and it would go on dialling.
	if err := join("b", "wrong"); err == nil || !strings.Contains(err.Error(), ErrToken.Error()) {
		t.Errorf("with the wrong token: %v", err)
	}
	ended := make(chan error, 2)
	for _, name := range []string{"a", "c"} {
		go func() { ended <- join(name, "secret") }()
	}
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	e := startEcho(t)
	r, err := f.Drive(Spec{Name: "echo"})(t.Context(), load.Config{Addr: e.addr, Conns: 4, Duration: 50 * time.Millisecond, Every: 50 * time.Millisecond})
	if err != nil || r.Completed == 0 {
		t.Errorf("%v", err)
	}
	f.Close()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if text := strings.Join(told, "\n"); !strings.Contains(text, "2 of 2") {
		t.Errorf("told:\n%s", text)
	}
}

func TestAcceptInterrupted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Accept(ctx, l, 1, "test", nil, nil); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "0 of 1") || strings.Contains(err.Error(), "canceled") {
		t.Error(err)
	}
}

// TestJoinStopped: a worker whose coordinator never came says so.
func TestJoinStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := Worker{Name: "w", Log: func(string, ...any) { cancel() }} // that it waits
	if err := w.Join(ctx, "127.0.0.1:1"); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "waited for the coordinator at 127.0.0.1:1") {
		t.Errorf("%v", err)
	}
}
