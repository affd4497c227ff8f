// Package serial makes the loops of backends whose callbacks come on foreign
// goroutines: a goroutine per connection, a library's pool, another event
// loop. It is for the authors of such backends, and lets one backend stand in
// for another on the same loops.
//
// A Loop is a mutex that is held around each callback, so whoever has an event
// runs it where it is, with no hop to another goroutine:
//
//	l.Enter()
//	stream.Input(bytes)
//	l.Leave()
//
// plus one goroutine for posted functions and timers. A Stream is the part of
// a connection that every such backend shares: what is shown to the handler,
// what is unsent, and the order of the last callbacks. A Group is all loops of
// an engine and ends them together.
//
// The package does no input or output of its own, except that an Output can
// write itself to a descriptor once, without blocking.
package serial

import (
	"sync"
	"sync/atomic"
	"time"

	"lars/reactor/buffer"
	"lars/reactor/driver"
	"lars/reactor/timer"
)

// ScratchBytes is the size of the output buffer that a loop lends to the one
// connection that is being served, and of the buffers that Scratch hands out.
const ScratchBytes = 64 << 10

// A Loop is a serial domain, made by Open. It implements driver.Loop.
type Loop struct {
	index int
	group *Group
	conns atomic.Int64

	mu      sync.Mutex // the domain: held around every callback
	now     time.Duration
	settle  []Settler // what awaits the end of the current callback
	timers  timer.Queue
	alarm   *time.Timer
	alarmAt time.Duration // when alarm rings; 0 is never
	scratch []byte        // nil while an Output holds it
	stats   driver.LoopStats

	post struct {
		sync.Mutex
		tasks  []func()
		spare  []func() // the other half of the double buffer
		closed bool
		wakes  uint64
	}
	wake chan struct{}
	quit chan struct{}
	done chan struct{}

	members struct {
		sync.Mutex
		set    map[Member]struct{}
		closed bool
	}
	published struct {
		sync.Mutex
		driver.LoopStats
	}
	reads sync.Pool // of *[ScratchBytes]byte
}

// A Member is something open on a loop that the end of the engine aborts.
type Member interface {
	// Abort is called once at most, on the loop, with driver.ErrEngineClosed.
	Abort(cause error)
}

// A Settler has callbacks to make after the current one has returned.
type Settler interface {
	Settle()
}

func newLoop(g *Group, index int) *Loop {
	l := &Loop{
		index:   index,
		group:   g,
		alarm:   time.NewTimer(time.Hour),
		scratch: make([]byte, 0, ScratchBytes),
		wake:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	l.alarm.Stop()
	l.members.set = make(map[Member]struct{})
	l.reads.New = func() any { return new([ScratchBytes]byte) }
	go l.run()
	return l
}

// Enter begins a callback: it waits for the one that runs and reads the clock.
// From any goroutine that is not inside a callback of the loop.
func (l *Loop) Enter() {
	l.mu.Lock()
	l.now = max(l.now, time.Since(l.group.start))
}

// Leave ends what Enter began, with the callbacks that had to wait for it.
func (l *Loop) Leave() {
	if len(l.settle) > 0 {
		l.Settle()
	}
	l.stats.Busy += time.Since(l.group.start) - l.now
	l.published.Lock()
	l.published.LoopStats = l.stats
	l.published.Unlock()
	l.mu.Unlock()
}

// Await has s.Settle called once, when the current callback has returned. On
// the loop.
func (l *Loop) Await(s Settler) { l.settle = append(l.settle, s) }

// Settle runs what waits for the end of the current callback. It is called
// between Enter and Leave, outside of callbacks.
func (l *Loop) Settle() {
	for i := 0; i < len(l.settle); i++ {
		s := l.settle[i]
		l.settle[i] = nil
		s.Settle()
	}
	l.settle = l.settle[:0]
}

// Index implements driver.Loop.
func (l *Loop) Index() int { return l.index }

// Now implements driver.Loop.
func (l *Loop) Now() time.Duration { return l.now }

// Pool is the engine's pool of buffers. From any goroutine.
func (l *Loop) Pool() *buffer.Pool { return l.group.pool }

// Conns is the number of connections open on the loop. From any goroutine.
func (l *Loop) Conns() int64 { return l.conns.Load() }

// Stats implements driver.Loop.
func (l *Loop) Stats() driver.LoopStats {
	l.published.Lock()
	s := l.published.LoopStats
	l.published.Unlock()
	l.post.Lock()
	s.Wakeups = l.post.wakes
	l.post.Unlock()
	s.Conns = l.conns.Load()
	return s
}

// CountRead counts one event whose system call read n bytes. On the loop.
func (l *Loop) CountRead(n int) {
	l.stats.Events++
	l.stats.Reads++
	l.stats.ReadBytes += uint64(max(n, 0))
}

// CountInput counts one event that brought n bytes, when the system calls that
// read them are not known. On the loop.
func (l *Loop) CountInput(n int) {
	l.stats.Events++
	l.stats.ReadBytes += uint64(n)
}

// CountWrite counts one system call that wrote n bytes. On the loop.
func (l *Loop) CountWrite(n int) {
	l.stats.Writes++
	l.stats.WriteBytes += uint64(max(n, 0))
}

// Add registers m to be aborted at the end. It reports false once the engine
// is closed. From any goroutine.
func (l *Loop) Add(m Member) bool {
	l.members.Lock()
	defer l.members.Unlock()
	if l.members.closed {
		return false
	}
	l.members.set[m] = struct{}{}
	return true
}

// Remove takes back what Add registered. From any goroutine.
func (l *Loop) Remove(m Member) {
	l.members.Lock()
	delete(l.members.set, m)
	l.members.Unlock()
}

// Go runs f on a goroutine that the end of the engine waits for. It reports
// false, and f does not run, once the engine is closed. From any goroutine.
func (l *Loop) Go(f func()) bool {
	l.members.Lock()
	defer l.members.Unlock()
	if l.members.closed {
		return false
	}
	l.group.wg.Go(f)
	return true
}

// ReadBuffer lends a buffer to read into, for the time from a readiness to the
// end of the callback. From any goroutine.
func (l *Loop) ReadBuffer() *[ScratchBytes]byte { return l.reads.Get().(*[ScratchBytes]byte) }

// PutReadBuffer takes back what ReadBuffer lent.
func (l *Loop) PutReadBuffer(b *[ScratchBytes]byte) { l.reads.Put(b) }

// shutdown runs the posted functions that were accepted, then aborts all
// members. No callback runs after it.
func (l *Loop) shutdown() {
	l.post.Lock()
	l.post.closed = true
	l.post.Unlock()
	close(l.quit)
	<-l.done

	l.members.Lock()
	l.members.closed = true
	all := make([]Member, 0, len(l.members.set))
	for m := range l.members.set {
		all = append(all, m)
	}
	l.members.Unlock()

	l.Enter()
	l.runTasks()
	for _, m := range all {
		m.Abort(driver.ErrEngineClosed)
		l.Settle()
	}
	l.timers = timer.Queue{}
	l.alarm.Stop()
	l.Leave()
}
