package sim

import (
	"sync"
	"testing"
	"time"
)

// wall runs a world beside the wall clock, with a goroutine for the network and
// one for each loop, so that the conformance suite can block loops and use
// sockets from goroutines of its own. Virtual time is real time.
type wall struct {
	w     *World
	start time.Time
	kick  chan struct{}
	quit  chan struct{}
	wakes map[*loop]chan struct{} // under the world's lock
	done  sync.WaitGroup
}

// newWall makes a world that runs until the end of the test.
func newWall(t testing.TB) *World {
	w := New(Config{Seed: 1})
	f := &wall{
		w: w, start: time.Now(), kick: make(chan struct{}, 1), quit: make(chan struct{}),
		wakes: map[*loop]chan struct{}{},
	}
	w.free = f
	f.done.Go(f.run)
	t.Cleanup(func() {
		close(f.quit)
		f.done.Wait()
	})
	return w
}

func (f *wall) now() time.Duration { return time.Since(f.start) }

func (f *wall) queued() { signal(f.kick) }

func (f *wall) ready(l *loop) {
	if c := f.wakes[l]; c != nil {
		signal(c)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// opened starts a loop's goroutine, which ends when its engine closes.
func (f *wall) opened(l *loop) {
	c := make(chan struct{}, 1)
	f.wakes[l] = c
	go func() {
		for range c {
			l.turn()
			f.w.mu.Lock()
			closing := l.en.closed
			f.w.mu.Unlock()
			if closing {
				l.shutDown()
				f.w.mu.Lock()
				delete(f.wakes, l)
				f.w.mu.Unlock()
				return
			}
		}
	}()
}

// run lets events happen when they are due.
func (f *wall) run() {
	for {
		next := f.due()
		timer := time.NewTimer(next)
		select {
		case <-f.kick:
		case <-timer.C:
		case <-f.quit:
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

func (f *wall) due() (next time.Duration) {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	return f.happen()
}

func (f *wall) pump() { f.happen() }

func (f *wall) happen() (next time.Duration) {
	for len(f.w.queue.heap) > 0 {
		at := f.w.queue.heap[0].at
		if now := f.w.clock(); at > now {
			return at - now
		}
		ev, _ := f.w.queue.pop()
		ev.what.happen(f.w)
	}
	return time.Hour
}
