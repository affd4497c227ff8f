package server

import (
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"lars/internal/cli"
	"lars/reactor"
	"lars/reactor/frame"

	"lars/backends"
)

// TestInjectedEcho: a slowed server still answers everything.
func TestInjectedEcho(t *testing.T) {
	for _, spec := range []string{"cpu:1000", "cpu:5%", "alloc:8", "syscall:20", "timer:50us", "stall:1%:1ms", "lock:200us"} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			addr, stop := start(t, "--listen", "127.0.0.1:0", "--inject", spec)
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(patience))
			message := frame.Append(nil, 1, []byte("Hello Lars!!!"))
			got := make([]byte, len(message))
			for range 3 * recalibrateEvery {
				if _, err := c.Write(message); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c, got); err != nil || string(got) != string(message) {
					t.Fatalf("answer %q, %v", got, err)
				}
			}
			c.Close()
			stop()
		})
	}
}

func TestInjectionRefused(t *testing.T) {
	for _, spec := range []string{
		"cpu", "cpu:", "cpu:0", "cpu:-1", "cpu:5000%", "cpu:NaN%", "alloc:x", "alloc:99999999999", "syscall:0.5",
		"timer:50", "timer:1h", "stall:20ms", "stall:0.1%", "stall:0.1:20ms", "lock:0s", "sleep:1s", "memory",
	} {
		err := Commands(backends.Open, backends.Names()).Run(context.Background(), io.Discard, io.Discard, []string{"echo", "--inject", spec})
		if err == nil || !strings.Contains(err.Error(), "write ") || cli.Code(err) != cli.ExitUsage {
			t.Errorf("--inject %q: %v", spec, err)
		}
	}
}

// slowed is a handler that does nothing but what is injected.
func slowed(t testing.TB, spec string) reactor.HandlerFunc {
	t.Helper()
	slow, err := parseInjection(spec)
	if err != nil {
		t.Fatal(err)
	}
	h, stop := slow(func(*reactor.Request) {})
	t.Cleanup(stop)
	return h
}

// TestInjectedAllocations: exactly as many as asked for, of 256 bytes.
func TestInjectedAllocations(t *testing.T) {
	h := slowed(t, "alloc:8")
	if n := testing.AllocsPerRun(200, func() { h(nil) }); n != 8 {
		t.Errorf("%v allocations, want 8", n)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 1000 {
		h(nil)
	}
	runtime.ReadMemStats(&after)
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes < 8*256*1000 || bytes > 9*256*1000 {
		t.Errorf("%d bytes for a thousand requests, want 2,048,000", bytes)
	}
	for _, spec := range []string{"", "cpu:10", "cpu:5%", "syscall:1"} {
		h := slowed(t, spec)
		if n := testing.AllocsPerRun(200, func() { h(nil) }); n != 0 {
			t.Errorf("%q: %v allocations, want none", spec, n)
		}
	}
}

// TestShareOfCPU: whatever requests cost, the spin is that share of it.
func TestShareOfCPU(t *testing.T) {
	s := newShareOfCPU(0.5)
	x := uint64(1)
	for range 40 * recalibrateEvery {
		x = spin(4000, x) // the request itself
		s.request()
	}
	runtime.KeepAlive(x)
	// Half of 4000 steps. The clock counts the whole process, so other work
	// in it only adds.
	if n := s.steps.Load(); n < 1200 || n > 8000 {
		t.Errorf("%d steps for a request of 4000, want about 2000", n)
	}
}

func FuzzParseInjection(f *testing.F) {
	for _, s := range []string{"", "cpu:5%", "cpu:100", "stall:0.1%:20ms", "timer:50us", "x:y:z", "lock:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		if slow, err := parseInjection(spec); (slow == nil) == (err == nil) {
			t.Errorf("%q: neither or both of an injection and an error", spec)
		}
	})
}
