package reactor_test

import (
	"math"
	"testing"
	"time"

	"lars/reactor"
)

// TestFarTimers: a timer that is due in centuries neither runs nor keeps
// nearer ones from running.
func TestFarTimers(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		l := open(reactor.Config{}).Loops()[0]
		early := func() { t.Error("a far timer ran") }
		for _, d := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, 30 * 24 * time.Hour, 50 * 24 * time.Hour} {
			l.After(d, early)
			l.Every(d, early)
		}
		near := make(chan struct{}, 100)
		l.Every(time.Millisecond, func() { near <- struct{}{} })
		for range 3 {
			receive(t, near)
		}
	})
}

// TestTasksKeepTheirOrder: tasks of one goroutine run in order, and a timer
// that its loop stopped never runs.
func TestTasksKeepTheirOrder(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		const tasks = 1000
		l := open(reactor.Config{Loops: 2}).Loops()[1]
		ran := make(chan int, tasks)
		for i := range tasks {
			l.Post(func() { ran <- i })
		}
		for i := range tasks {
			if got := receive(t, ran); got != i {
				t.Fatalf("task %d ran when %d was due", got, i)
			}
		}
		done := make(chan bool, 1)
		l.Post(func() { // a timer that is stopped on its loop never runs
			due := l.After(0, func() { t.Error("a stopped timer ran") })
			l.Post(due.Stop)
			every := l.Every(time.Millisecond, func() { t.Error("a stopped interval ran") })
			every.Stop()
			l.After(20*time.Millisecond, func() { done <- true })
		})
		receive(t, done)
	})
}
