package load

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lars/bench/hist"
	"lars/bench/pace"
)

func pollers(tb testing.TB) map[string]*poller {
	tb.Helper()
	out := map[string]*poller{}
	for _, open := range []func() (*poller, error){newPollerPwait2, newPollerTimer} {
		p, err := open()
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(p.close)
		out[p.name()] = p
	}
	return out
}

// TestPollers: both ways to wait return at the time, never before it, and at
// once for a socket; the timer's own event is never shown.
func TestPollers(t *testing.T) {
	for name, p := range pollers(t) {
		t.Run(name, func(t *testing.T) {
			for _, d := range []time.Duration{0, -5, time.Microsecond, 3 * time.Millisecond} {
				start := time.Now()
				events, err := p.wait(d)
				if took := time.Since(start); err != nil || len(events) != 0 || took < d {
					t.Errorf("wait(%v) = %v, %v after %v", d, events, err, took)
				}
			}
			var ends [2]int
			if err := unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			defer unix.Close(ends[0])
			defer unix.Close(ends[1])
			if err := p.add(ends[0], 7, epollIn); err != nil {
				t.Fatal(err)
			}
			if _, err := unix.Write(ends[1], []byte("x")); err != nil {
				t.Fatal(err)
			}
			events, err := p.wait(time.Hour)
			if err != nil || len(events) != 1 || events[0].Fd != 7 {
				t.Errorf("with a readable pipe: %v, %v", events, err)
			}
		})
	}
}

// BenchmarkPacing compares ways to wait for arrivals of 20,000 per second, on a
// locked thread with a timer slack of 1 ns: how late each wakes, and what CPU a
// wake-up costs. This decided for epoll_pwait2.
func BenchmarkPacing(b *testing.B) {
	waits := map[string]func(time.Duration) error{
		"clock_nanosleep": func(d time.Duration) error {
			var now unix.Timespec
			if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
				return err
			}
			at := unix.NsecToTimespec(now.Nano() + int64(d))
			if err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil); err != unix.EINTR {
				return err
			}
			return nil
		},
		"time.Sleep": func(d time.Duration) error { time.Sleep(d); return nil },
	}
	for name, p := range pollers(b) {
		waits[name] = func(d time.Duration) error { _, err := p.wait(d); return err }
	}
	for name, wait := range waits {
		b.Run(name, func(b *testing.B) { benchPacing(b, wait) })
	}
}

func benchPacing(b *testing.B, wait func(time.Duration) error) {
	done := make(chan error)
	late := hist.New()
	var used usage
	go func() { // its thread ends with it, slack and all
		runtime.LockOSThread()
		done <- pacing(b, wait, late, &used)
	}()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(late.Percentile(50, 0.95).Value), "p50-ns")
	b.ReportMetric(float64(late.Percentile(99, 0.95).Value), "p99-ns")
	b.ReportMetric(float64(used.thread)/float64(b.N), "cpu-ns/op")
}

func pacing(b *testing.B, wait func(time.Duration) error, late *hist.Recorder, used *usage) error {
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return err
	}
	schedule, err := pace.New(pace.Poisson, 20_000, 1)
	if err != nil {
		return err
	}
	before := readUsage(nil)
	started := time.Now()
	for range b.N {
		due := schedule.Next()
		for now := int64(time.Since(started)); now < due; now = int64(time.Since(started)) {
			if err := wait(time.Duration(due - now)); err != nil {
				return err
			}
		}
		late.Record(int64(time.Since(started)) - due)
	}
	*used = readUsage(nil).since(before)
	return nil
}
