package service_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"lars/backends/epoll"
	"lars/backends/std"
	"lars/reactor"
	"lars/reactor/driver"
	"lars/system/internal/service"
)

func TestBackoff(t *testing.T) {
	const low, high = 100 * time.Millisecond, time.Second
	b := service.Backoff{Min: low, Max: high}
	limits := []time.Duration{low, 2 * low, 4 * low, 8 * low, high, high, high}
	for round := range 2 {
		for i, limit := range limits {
			if d := b.Next(); d < limit/2 || d > limit {
				t.Errorf("round %d, failure %d: %v, want from %v to %v", round, i+1, d, limit/2, limit)
			}
		}
		b.Reset()
	}
	for range 100 { // no overflow however long the store is away
		if d := b.Next(); d <= 0 || d > high {
			t.Fatalf("pause %v", d)
		}
	}
	var zero service.Backoff
	if d := zero.Next(); d != 0 {
		t.Errorf("the zero value pauses %v", d)
	}
}

func TestLimiter(t *testing.T) {
	l := service.Limiter{Every: time.Minute}
	at := time.Unix(1000, 0)
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Second, false}, {59 * time.Second, false}, {time.Minute, true}, {61 * time.Second, false}} {
		if got := l.Ok(at.Add(step.after)); got != step.want {
			t.Errorf("after %v: %v", step.after, got)
		}
	}
	l.Reset()
	if !l.Ok(at) {
		t.Error("not after Reset")
	}
}

func TestSteady(t *testing.T) {
	s := service.Steady{For: time.Hour}
	at := time.Now()
	for i, step := range []struct {
		wall, mono time.Duration
		want       bool
	}{
		{0, 0, true},
		{time.Minute, time.Minute, true},
		{2*time.Minute + 30*time.Second, 2 * time.Minute, true}, // slewed
		{10 * time.Hour, 3 * time.Minute, false},                // stepped
		{10*time.Hour + 59*time.Minute, 62 * time.Minute, false},
		{10*time.Hour + time.Hour, 63 * time.Minute, true},
		{0, 64 * time.Minute, false}, // and back
	} {
		if got := s.Ok(at.Add(step.wall), step.mono); got != step.want {
			t.Errorf("look %d: %v", i, got)
		}
	}
}

func TestJobs(t *testing.T) {
	r, err := reactor.Open(std.Driver{}, reactor.Config{Workers: 1, WorkersQueueMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	l, jobs := r.Loops()[0], service.NewJobs()
	results := make(chan int, 100)
	for i := range 100 { // more than the workers take at once
		seen := 0
		jobs.Run(l, func(context.Context) { seen = i }, func() { results <- seen })
	}
	sum := 0
	for range 100 {
		sum += <-results
	}
	if sum != 99*100/2 {
		t.Errorf("the results sum up to %d", sum)
	}
	began, ended := make(chan struct{}), false
	jobs.Run(l, func(ctx context.Context) {
		close(began)
		<-ctx.Done()
		ended = true
	}, func() { t.Error("done after Stop") })
	<-began
	jobs.Stop()
	if !ended {
		t.Error("Stop left work running")
	}
	jobs.Run(l, func(context.Context) { t.Error("work after Stop") }, func() { t.Error("done after Stop") })
	r.Close()
}

// set is a server with a set of its connections.
func set(t *testing.T, d driver.Driver, router *reactor.Router) (*service.Conns, *reactor.Server) {
	t.Helper()
	r, err := reactor.Open(d, reactor.Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	conns := service.NewConns(r)
	s, err := r.Listen("127.0.0.1:0", reactor.ServerConfig{Endpoint: reactor.Endpoint{
		Router: router,
		OnOpen: conns.Add, OnClose: func(c *reactor.Conn, _ error) { conns.Remove(c) },
		OutputBytesHigh: 64 << 20,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return conns, s
}

func dial(t *testing.T, s *reactor.Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestConnsClose(t *testing.T) {
	for _, d := range []driver.Driver{epoll.Driver{}, std.Driver{}} {
		t.Run(d.Name(), func(t *testing.T) {
			conns, s := set(t, d, nil)
			for range 5 {
				defer dial(t, s).Close()
			}
			for conns.Len() < 5 {
				time.Sleep(time.Millisecond)
			}
			for range 2 { // a second time it has nothing to do
				if err := conns.Close(t.Context()); err != nil || conns.Len() != 0 {
					t.Errorf("%v, %d left", err, conns.Len())
				}
			}
			late := dial(t, s)
			if _, err := late.Read(make([]byte, 1)); err == nil {
				t.Error("a connection that comes late lives")
			}
		})
	}
}

// A peer that does not read cannot hold the end up for longer than ctx allows.
func TestConnsCloseInTime(t *testing.T) {
	for _, d := range []driver.Driver{epoll.Driver{}, std.Driver{}} {
		t.Run(d.Name(), func(t *testing.T) {
			router := reactor.NewRouter()
			answered := make(chan struct{}, 1)
			router.Handle(1, func(q *reactor.Request) {
				for range 1000 { // 60 MB: more than the kernel holds
					_ = q.Reply(1, bytes.Repeat([]byte{1}, 60_000))
				}
				answered <- struct{}{}
			}, nil)
			conns, s := set(t, d, router)
			c := dial(t, s)
			if _, err := c.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
				t.Fatal(err)
			}
			<-answered
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if err := conns.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Close: %v", err)
			}
			_, _ = io.Copy(io.Discard, c) // ends, since the connection does
			for conns.Len() > 0 {
				time.Sleep(time.Millisecond)
			}
		})
	}
}
