package load

import (
	"context"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"lars/bench/hist"
	"lars/bench/proc"
)

// BenchmarkSample is what one request costs the generator without its system
// calls, in CPU time of the thread: making it, recording the lag of its sending,
// finding the frame of its reply, checking the content, recording response and
// service time. A million a second may take a tenth of a core, so 100 ns. The
// clock is read once for each read of the socket.
func BenchmarkSample(b *testing.B) {
	b.Run("one reply in a read", func(b *testing.B) { benchSample(b, 1) })
	b.Run("sixteen in a read", func(b *testing.B) { benchSample(b, 16) })
}

func benchSample(b *testing.B, batch int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := Config{Rate: 1, Depth: batch, Duration: time.Hour}.withDefaults()
	w, err := newWorker(&c, 0, new(atomic.Bool))
	if err != nil {
		b.Fatal(err)
	}
	defer w.poll.close()
	w.started = time.Now()
	w.begin(0)
	k := &conn{ring: ring{slots: make([]slot, slotsFor(&c))}}
	replies := make([]byte, 0, scratchBytes)
	b.ReportAllocs()
	before := threadCPU(b)
	n := 0
	for ; b.Loop(); n += batch {
		due := w.clock()
		first := k.made
		for range batch {
			k.push(due)
		}
		replies = replies[:0]
		for seq := first; seq < k.made; seq++ {
			replies = w.workload.MakeRequest(replies, 0, seq) // an echo
		}
		w.sent(k, k.made, due)
		if settled, used := w.judgeAll(k, replies, w.clock()); settled != batch || used != len(replies) {
			b.Fatalf("%d settled, %d bytes used", settled, used)
		}
	}
	each := float64(threadCPU(b)-before) / float64(n)
	b.ReportMetric(each, "cpu-ns/sample")
	b.ReportMetric(each*1e6/1e9*100, "%core@1M/s")
}

func threadCPU(b *testing.B) time.Duration {
	d, err := proc.ThreadCPU()
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// TestMemoryDoesNotGrow: after ten times as many requests the generator holds
// as much memory as before.
func TestMemoryDoesNotGrow(t *testing.T) {
	const first, last = 20_000, 200_000
	s := startFloor(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type reading struct {
		heap, mallocs, requests uint64
		rss                     int64
	}
	var at []reading
	done := uint64(0)
	c := Config{Addr: s.addr, Conns: 20, Depth: 16, Duration: time.Hour, Every: 50 * time.Millisecond}
	c.OnInterval = func(v *Interval) {
		if done += v.Completed; len(at) == 0 && done < first || len(at) == 1 && done < last || len(at) == 2 {
			return
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		memory, err := proc.ReadMemory(os.Getpid())
		if err != nil {
			t.Error(err)
		}
		if at = append(at, reading{m.HeapAlloc, m.Mallocs, done, memory.RSSBytes}); len(at) == 2 {
			cancel()
		}
	}
	if r, err := Run(ctx, c); err != nil || !r.Cut || r.Wrong > 0 {
		t.Fatalf("%v, %+v", err, r)
	}
	if len(at) != 2 {
		t.Fatalf("ended after %d requests", done)
	}
	const most = 1 << 20 // a byte for each request would be a sixth of it, a sample of 8 more
	n := at[1].requests - at[0].requests
	if at[1].heap > at[0].heap+most/8 || at[1].rss > at[0].rss+4*most {
		t.Errorf("after %d more requests the heap grew from %d to %d bytes, the process from %d to %d", n, at[0].heap, at[1].heap, at[0].rss, at[1].rss)
	}
	if perRequest := float64(at[1].mallocs-at[0].mallocs) / float64(n); perRequest > 0.1 {
		t.Errorf("%.2f allocations for each request", perRequest)
	}
	t.Logf("%d requests: heap %d, %d bytes; process %d, %d bytes; %d allocations", n, at[0].heap, at[1].heap, at[0].rss, at[1].rss, at[1].mallocs-at[0].mallocs)
}

// TestRecorderIsConstant: what a recorder holds does not depend on how much it
// was given.
func TestRecorderIsConstant(t *testing.T) {
	h, v := hist.New(), int64(1)
	if n := testing.AllocsPerRun(100_000, func() { v = v*6364136223846793005 + 1; h.Record(v >> 20) }); n != 0 {
		t.Errorf("%v allocations for a value", n)
	}
}
