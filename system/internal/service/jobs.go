package service

import (
	"context"
	"errors"
	"sync"
	"time"

	"lars/reactor"
)

// busyPause is how long work that found no worker waits.
const busyPause = 10 * time.Millisecond

// Jobs are a service's pieces of slow work beside its loops: calls of a store.
type Jobs struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	stopped bool
	running int
	idle    sync.Cond // running has fallen to 0
}

// NewJobs makes a set without work.
func NewJobs() *Jobs {
	j := &Jobs{}
	j.idle.L = &j.mu
	j.ctx, j.cancel = context.WithCancel(context.Background())
	return j
}

// Run runs work on a worker and then done on the loop, which sees what work has
// written; neither once Stop has begun. Work should end when its context does.
// From any goroutine.
func (j *Jobs) Run(l *reactor.Loop, work func(ctx context.Context), done func()) {
	err := l.Offload(func() {
		if !j.begin() {
			return
		}
		defer j.end()
		work(j.ctx)
	}, func() {
		if j.ctx.Err() == nil {
			done()
		}
	})
	if errors.Is(err, reactor.ErrBusy) {
		l.After(busyPause, func() { j.Run(l, work, done) })
	}
}

func (j *Jobs) begin() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopped {
		return false
	}
	j.running++
	return true
}

func (j *Jobs) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.running--; j.running == 0 {
		j.idle.Broadcast()
	}
}

// Stop ends the context of what runs and returns when nothing does. Never call
// it on a loop.
func (j *Jobs) Stop() {
	j.cancel()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stopped = true
	for j.running > 0 {
		j.idle.Wait()
	}
}
