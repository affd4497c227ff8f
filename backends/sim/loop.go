package sim

import (
	"time"

	"lars/reactor/driver"
	"lars/reactor/timer"
)

// A loop runs callbacks in turns. A turn takes what is ready when it begins:
// sockets, then posted functions, then due timers.
type loop struct {
	event // its next turn
	w     *World
	en    *engine
	index int

	// Under the world's lock.
	ready   []socket
	tasks   []func()
	members []socket // what is open
	busy    time.Duration
	stats   driver.LoopStats
	closed  bool
	held    bool // the turn waits for Host.Continue

	// On the loop.
	running    bool
	now        time.Duration
	timers     timer.Queue
	settling   []settler
	out        []byte // lent to the connection that is being served
	spareReady []socket
	spareTasks []func()
}

// A socket is what a loop serves.
type socket interface {
	serve()            // it was stirred; on the loop
	abort(cause error) // the engine closes; on the loop
	member() *membership
}

// membership is what a loop keeps for a socket; under the world's lock.
type membership struct {
	queued bool // in loop.ready
	place  int  // in loop.members, from 1
}

func (m *membership) member() *membership { return m }

// A settler has a callback to make that could not be made inside another one.
type settler interface{ settle() }

// add makes s a member; the world is locked.
func (l *loop) add(s socket) {
	l.members = append(l.members, s)
	s.member().place = len(l.members)
}

// drop undoes add.
func (l *loop) drop(s socket) {
	m := s.member()
	if m.place == 0 || l.en.dead {
		return
	}
	last := len(l.members) - 1
	moved := l.members[last]
	l.members[m.place-1] = moved
	moved.member().place = m.place
	l.members[last] = nil
	l.members = l.members[:last]
	m.place = 0
	l.en.host.files--
}

// stir has s served in the next turn; the world is locked.
func (l *loop) stir(s socket) {
	if m := s.member(); !m.queued && !l.closed {
		m.queued = true
		l.ready = append(l.ready, s)
		l.wake()
	}
}

// wake makes the loop's next turn come soon; the world is locked.
func (l *loop) wake() {
	if l.w.free != nil {
		l.w.free.ready(l)
		return
	}
	l.turnAt(max(l.w.now, l.busy) + l.en.host.turnDelay)
}

// turnAt has a turn at the time at, unless one comes before.
func (l *loop) turnAt(at time.Duration) {
	if l.held {
		return
	}
	if set, queued := l.w.queue.at(&l.event); !queued || at < set {
		l.w.set(&l.event, max(at, l.busy))
	}
}

// happen is the loop's turn.
func (l *loop) happen(w *World) {
	h := l.en.host
	switch {
	case w.free != nil:
		w.free.ready(l)
		return
	case l.closed:
		return
	case l.running: // it waits in a callback that runs the world
		w.set(&l.event, w.now+turnCost)
		return
	case h.paused:
		h.held = append(h.held, &l.event)
		l.held = true
		return
	}
	l.held = false
	w.trace.add(record{at: w.now, kind: kindTurn, from: int32(h.index), to: -1, n: l.index})
	w.mu.Unlock()
	defer w.mu.Lock() // also when a callback panics: whoever runs the world may go on to tell
	l.turn()
}

// turn runs everything that is ready, and nothing that becomes so meanwhile.
func (l *loop) turn() {
	w := l.w
	w.mu.Lock()
	if l.closed {
		w.mu.Unlock()
		return
	}
	l.running = true
	l.now = w.clock() - l.en.opened
	ready, tasks := l.ready, l.tasks
	l.ready, l.tasks = l.spareReady[:0], l.spareTasks[:0]
	for _, s := range ready {
		s.member().queued = false
	}
	w.mu.Unlock()
	for _, s := range ready {
		if !l.en.dead {
			s.serve()
			l.settle()
		}
	}
	l.runTasks(tasks)
	due := l.runTimers()
	clear(ready)
	clear(tasks)
	w.mu.Lock()
	defer w.mu.Unlock()
	l.spareReady, l.spareTasks = ready[:0], tasks[:0]
	l.running = false
	l.stats.Waits++
	l.stats.Events += uint64(len(ready))
	l.stats.Tasks += uint64(len(tasks))
	l.stats.Timers += due
	l.plan()
}

func (l *loop) runTasks(tasks []func()) {
	for _, f := range tasks {
		if !l.en.dead {
			f()
			l.settle()
		}
	}
}

func (l *loop) runTimers() (ran uint64) {
	for range l.timers.Len() {
		if l.en.dead {
			break
		}
		f := l.timers.PopDue(l.now)
		if f == nil {
			break
		}
		f()
		l.settle()
		ran++
	}
	return ran
}

// plan sets the next turn; the world is locked.
func (l *loop) plan() {
	if l.closed {
		return
	}
	l.busy = l.w.now + turnCost
	if len(l.ready)+len(l.tasks) > 0 {
		l.wake()
	} else if at, ok := l.timers.Next(); ok {
		l.turnAt(l.en.opened + at + l.en.host.turnDelay)
	}
}

// settle makes the callbacks that waited for the end of the one before.
func (l *loop) settle() {
	for i := 0; i < len(l.settling) && !l.en.dead; i++ {
		s := l.settling[i]
		l.settling[i] = nil
		s.settle()
	}
	l.settling = l.settling[:0]
}

// shutDown runs what was posted, aborts what is open, and ends the loop.
func (l *loop) shutDown() {
	w := l.w
	w.mu.Lock()
	if l.closed {
		w.mu.Unlock()
		return
	}
	l.running = true
	l.now = w.clock() - l.en.opened
	tasks := l.tasks
	l.tasks = nil
	w.mu.Unlock()
	l.runTasks(tasks)
	for {
		w.mu.Lock()
		n := len(l.members)
		if n == 0 || l.en.dead {
			break
		}
		s := l.members[n-1]
		w.mu.Unlock()
		s.abort(driver.ErrEngineClosed)
		l.settle()
	}
	defer w.mu.Unlock()
	l.running, l.closed = false, true
	l.ready, l.tasks = nil, nil
	l.timers = timer.Queue{}
	w.queue.unset(&l.event)
	l.en.loopEnded()
}

// Index implements driver.Loop.
func (l *loop) Index() int { return l.index }

// Now implements driver.Loop.
func (l *loop) Now() time.Duration { return l.now }

// Post implements driver.Loop.
func (l *loop) Post(f func()) bool {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.closed || l.en.closed {
		return false
	}
	l.tasks = append(l.tasks, f)
	if len(l.tasks) == 1 {
		l.stats.Wakeups++
		l.wake()
	}
	return true
}

// Offload implements driver.Offloader.
func (l *loop) Offload(work, done func()) bool {
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.en.closed {
		return false
	}
	w.callAt(l.en.host, l.en, w.clock()+offloadDelay+l.en.host.workDelay, func() {
		work()
		if done == nil {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.callAt(l.en.host, l.en, w.clock()+offloadDelay, func() { l.Post(done) })
	})
	return true
}

// After implements driver.Loop.
func (l *loop) After(d time.Duration, f func()) (cancel func()) {
	d = min(max(d, 0), 1<<61)
	d = (d + time.Millisecond - 1) / time.Millisecond * time.Millisecond // as other backends have it
	t := l.timers.Add(l.now+d, f)
	return func() { l.timers.Cancel(t) }
}

// Stats implements driver.Loop.
func (l *loop) Stats() driver.LoopStats {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.stats
}
