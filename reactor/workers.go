package reactor

import "sync"

// workers is a bounded pool for slow work. Workers start when there is work
// and none is free, and end when there is none left.
type workers struct {
	max, queueMax int

	mu      sync.Mutex
	queue   []func()
	running int
	stopped bool
	idle    sync.Cond // running has fallen to 0
}

func newWorkers(n, queueMax int) *workers {
	w := &workers{max: n, queueMax: queueMax}
	w.idle.L = &w.mu
	return w
}

func (w *workers) submit(f func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.stopped:
		return ErrReactorClosed
	case w.running < w.max:
		w.running++
		go w.work(f)
	case len(w.queue) < w.queueMax:
		w.queue = append(w.queue, f)
	default:
		return ErrBusy
	}
	return nil
}

func (w *workers) work(f func()) {
	for f != nil {
		f()
		f = w.next()
	}
}

func (w *workers) next() func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		if w.running--; w.running == 0 {
			w.idle.Broadcast()
		}
		return nil
	}
	f := w.queue[0]
	w.queue[0], w.queue = nil, w.queue[1:]
	return f
}

// stop drops queued work and waits for what runs.
func (w *workers) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.queue = nil
	for w.running > 0 {
		w.idle.Wait()
	}
}
