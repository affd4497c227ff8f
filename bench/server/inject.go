package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lars/reactor"
)

// injectHelp is the text of the flag --inject.
const injectHelp = "make every request slower on purpose, to test what measures it, by a `KIND`: cpu:N (iterations), cpu:5% (of what a request costs), alloc:N (objects of 256 B), syscall:N, timer:50us, stall:0.1%:20ms, lock:200us"

// Bounds of an injection: more is a mistake, not a test.
const (
	injectCountMax = 1_000_000_000
	injectTimeMax  = 10 * time.Second
	hopsWaitingMax = 65_536
)

// injection puts a slowdown before the handler. stop ends what it started.
type injection func(next reactor.HandlerFunc) (handler reactor.HandlerFunc, stop func())

// parseInjection reads the flag --inject; an empty one changes nothing.
func parseInjection(spec string) (injection, error) {
	kind, value, _ := strings.Cut(spec, ":")
	wrong := func(want string) error { return fmt.Errorf("--inject %q: write %s", spec, want) }
	switch kind {
	case "":
		return func(next reactor.HandlerFunc) (reactor.HandlerFunc, func()) { return next, func() {} }, nil
	case "cpu":
		if share, ok := parseShare(value); ok {
			return func(next reactor.HandlerFunc) (reactor.HandlerFunc, func()) {
				return before(newShareOfCPU(share).request)(next)
			}, nil
		}
		n, ok := parseCount(value)
		if !ok {
			return nil, wrong("cpu:N or cpu:5%")
		}
		var last atomic.Uint64
		return before(func() { last.Store(spin(n, last.Load())) }), nil
	case "alloc":
		n, ok := parseCount(value)
		if !ok {
			return nil, wrong("alloc:N")
		}
		var last atomic.Pointer[[256]byte]
		return before(func() {
			for range n {
				last.Store(new([256]byte))
			}
		}), nil
	case "syscall":
		n, ok := parseCount(value)
		if !ok {
			return nil, wrong("syscall:N")
		}
		return before(func() {
			for range n {
				unix.Getpid()
			}
		}), nil
	case "timer":
		d, ok := parseTime(value)
		if !ok {
			return nil, wrong("timer:50us")
		}
		return hop(d), nil
	case "stall":
		first, second, _ := strings.Cut(value, ":")
		share, ok1 := parseShare(first)
		d, ok2 := parseTime(second)
		if !ok1 || !ok2 {
			return nil, wrong("stall:0.1%:20ms")
		}
		return before(func() {
			if rand.Float64() < share {
				nap(d)
			}
		}), nil
	case "lock":
		d, ok := parseTime(value)
		if !ok {
			return nil, wrong("lock:200us")
		}
		return contend(d), nil
	}
	return nil, wrong("one of cpu, alloc, syscall, timer, stall, lock, and its amount")
}

func parseCount(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= injectCountMax
}

func parseShare(s string) (float64, bool) {
	number, ok := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(number, 64)
	return v / 100, ok && err == nil && v > 0 && v <= 1000
}

func parseTime(s string) (time.Duration, bool) {
	d, err := time.ParseDuration(s)
	return d, err == nil && d > 0 && d <= injectTimeMax
}

// before does f and then handles the request.
func before(f func()) injection {
	return func(next reactor.HandlerFunc) (reactor.HandlerFunc, func()) {
		return func(q *reactor.Request) {
			f()
			next(q)
		}, func() {}
	}
}

// spin is n steps of Marsaglia's xorshift: processor time and nothing else.
func spin(n int, x uint64) uint64 {
	x |= 1
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// shareOfCPU spins for a share of what requests cost this process without it.
// It measures that cost itself, again and again while it serves: on a machine
// whose state changes, a count of iterations that was calibrated a moment ago,
// or in another process, is off by more than the few per cent that are to be
// found.
type shareOfCPU struct {
	share     float64
	iteration float64 // ns of one step of spin
	steps     atomic.Int64
	requests  atomic.Int64
	last      atomic.Uint64

	mu   sync.Mutex
	then time.Duration // CPU time at the last calibration; 0 before the first
}

// recalibrateEvery is a number of requests that a processor serves in some
// milliseconds: many ticks of any clock, and soon over.
const recalibrateEvery = 256

func newShareOfCPU(share float64) *shareOfCPU {
	return &shareOfCPU{share: share, iteration: iterationCost()}
}

// iterationCost is the least of several tries: what a try has above it, others
// have taken.
func iterationCost() float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const steps = 200_000
	best, x := 0.0, uint64(1)
	for try := range 9 {
		began := cpuClock(unix.CLOCK_THREAD_CPUTIME_ID)
		x = spin(steps, x)
		if cost := float64(cpuClock(unix.CLOCK_THREAD_CPUTIME_ID)-began) / steps; try == 0 || cost < best {
			best = cost
		}
	}
	runtime.KeepAlive(x)
	return max(best, 0.01)
}

func cpuClock(clock int32) time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(clock, &ts) // these two clocks exist on every Linux
	return time.Duration(ts.Nano())
}

func (s *shareOfCPU) request() {
	if s.requests.Add(1)%recalibrateEvery == 0 {
		s.calibrate()
	}
	s.last.Store(spin(int(s.steps.Load()), s.last.Load()))
}

func (s *shareOfCPU) calibrate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := cpuClock(unix.CLOCK_PROCESS_CPUTIME_ID)
	if s.then > 0 { // what came before the first was start-up
		spun := float64(s.steps.Load()) * s.iteration
		cost := float64(now-s.then)/recalibrateEvery - spun
		s.steps.Store(int64(max(0, s.share*cost/s.iteration)))
	}
	s.then = now
}

// nap sleeps without the milliseconds that the scheduler's timers are off by.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	for unix.Nanosleep(&ts, &ts) == unix.EINTR {
	}
}

// precise makes naps of the calling goroutine's thread as short as asked for.
func precise() {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it naps are 50 µs longer
}

// hop answers from another goroutine, d later: what a timer in the way costs.
// More requests than can wait are answered at once.
func hop(d time.Duration) injection {
	type message struct {
		to   reactor.Peer
		id   int32
		body []byte
		due  time.Time
	}
	return func(next reactor.HandlerFunc) (reactor.HandlerFunc, func()) {
		waiting := make(chan message, hopsWaitingMax)
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			precise()
			for {
				select {
				case m := <-waiting:
					nap(time.Until(m.due))
					_ = m.to.Send(m.id, m.body) // who is gone needs no answer
				case <-stop:
					return
				}
			}
		}()
		return func(q *reactor.Request) {
			select {
			case waiting <- message{q.Peer(), q.ID, bytes.Clone(q.Body), time.Now().Add(d)}:
			default:
				next(q)
			}
		}, func() { close(stop); <-done }
	}
}

// contend holds a lock half of the time, d at a stretch, that every request needs.
func contend(d time.Duration) injection {
	return func(next reactor.HandlerFunc) (reactor.HandlerFunc, func()) {
		var mu sync.Mutex
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			precise()
			for {
				mu.Lock()
				nap(d)
				mu.Unlock()
				nap(d)
				select {
				case <-stop:
					return
				default:
				}
			}
		}()
		return func(q *reactor.Request) {
			mu.Lock()
			defer mu.Unlock()
			next(q)
		}, func() { close(stop); <-done }
	}
}
