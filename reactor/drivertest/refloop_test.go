package drivertest

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lars/reactor/driver"
	"lars/reactor/timer"
)

type refLoop struct {
	en     *refEngine
	index  int
	wake   chan struct{} // holds one
	conns  atomic.Int64
	timers atomic.Uint64
	tasks  atomic.Uint64
	waits  atomic.Uint64 // of bugSpins

	now atomic.Int64 // written on the loop

	mu     sync.Mutex
	queue  []func()
	closed bool

	// On the loop.
	due    timer.Queue
	open   map[*refConn]bool
	socks  map[*refPacket]bool
	dials  map[*refDial]bool
	shut   bool
	made   time.Duration // of bugTimerOrder
	newest *refConn      // of bugStaleReaches
}

func newRefLoop(en *refEngine, index int) *refLoop {
	return &refLoop{
		en: en, index: index, wake: make(chan struct{}, 1),
		open: map[*refConn]bool{}, socks: map[*refPacket]bool{}, dials: map[*refDial]bool{},
	}
}

func (l *refLoop) Index() int { return l.index }

func (l *refLoop) Now() time.Duration {
	if l.en.bug == bugNowMoves {
		return time.Since(l.en.start)
	}
	return time.Duration(l.now.Load())
}

func (l *refLoop) Stats() driver.LoopStats {
	return driver.LoopStats{Conns: l.conns.Load(), Timers: l.timers.Load(), Tasks: l.tasks.Load(), Waits: l.waits.Load()}
}

func (l *refLoop) Post(f func()) bool {
	switch bug := l.en.bug; {
	case bug == bugOverlaps && l.index == 0:
		go f()
		return true
	case bug == bugPostInline:
		f()
		return true
	case bug == bugPostBlocks:
		for l.queued() > 1000 {
			time.Sleep(time.Millisecond)
		}
	}
	ok := l.push(func() { l.tasks.Add(1); f() })
	if l.en.bug == bugPostLies && l.en.turn.Add(1)%3 == 0 {
		return false
	}
	return ok
}

func (l *refLoop) queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// push is Post for the driver's own use.
func (l *refLoop) push(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.en.bug == bugPostAfterClose
	}
	l.queue = append(l.queue, f)
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return true
}

func (l *refLoop) After(d time.Duration, f func()) (cancel func()) {
	switch l.en.bug {
	case bugTimerEarly:
		d /= 2
	case bugTimerOrder: // the later made, the earlier
		l.made++
		d += time.Millisecond - l.made
	case bugTimerInline:
		if d <= 0 {
			f()
			return func() {}
		}
	case bugTimerBeside:
		t := time.AfterFunc(d, f)
		return func() { t.Stop() }
	case bugTimerForgotten:
		if l.due.Len() > 0 {
			return func() {}
		}
	}
	t := l.due.Add(time.Duration(l.now.Load())+d, func() { l.timers.Add(1); f() })
	if l.en.bug == bugTimerNotCancelled {
		return func() {}
	}
	return func() { l.due.Cancel(t) }
}

// serve runs the loop until shutDown has run and its queue is empty.
func (l *refLoop) serve() {
	for {
		l.now.Store(max(l.now.Load(), int64(time.Since(l.en.start))))
		for _, f := range l.take() {
			f()
		}
		l.runTimers()
		if l.shut && l.finished() {
			return
		}
		l.wait()
	}
}

// runTimers runs what is due, but not what that makes due: that would keep
// everything else from running.
func (l *refLoop) runTimers() {
	for n := l.due.Len(); (n > 0 || l.en.bug == bugTimerStarves && l.due.Len() > 0 && l.en.ctx.Err() == nil) && !l.shut; n-- {
		if f := l.due.PopDue(time.Duration(l.now.Load())); f != nil {
			f()
		}
	}
}

func (l *refLoop) take() []func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.queue
	l.queue = nil
	if l.en.bug == bugTasksReversed {
		slices.Reverse(all)
	}
	return all
}

// finished refuses further functions unless some are queued.
func (l *refLoop) finished() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) == 0
}

func (l *refLoop) wait() {
	if l.en.bug == bugSpins {
		l.waits.Add(1)
		for c := range l.open {
			if c.paused {
				return
			}
		}
	}
	var ring <-chan time.Time
	if at, ok := l.due.Next(); ok {
		t := time.NewTimer(at - time.Since(l.en.start))
		defer t.Stop()
		ring = t.C
	}
	select {
	case <-l.wake:
	case <-ring:
	}
}

// shutDown ends all that is open. What is queued already still runs, to see
// that it is over.
func (l *refLoop) shutDown() {
	l.shut = true
	for d := range l.dials {
		d.done = true
		if l.en.bug == bugDialForgotten {
			continue
		}
		d.failed(driver.ErrEngineClosed)
	}
	for c := range l.open {
		c.finish(driver.ErrEngineClosed)
	}
	for p := range l.socks {
		p.finish(driver.ErrEngineClosed)
	}
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
}
