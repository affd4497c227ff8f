package epoll

import (
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lars/reactor/driver"
	"lars/reactor/timer"
)

const (
	scratchBytes    = 64 << 10 // input and output scratch of a loop, each
	eventsMax       = 256      // taken by one wait
	tasksKept       = 1024     // capacity of the task list kept for reuse
	napMilliseconds = 1        // the longest sleep that the scheduler is not told of
)

// A source is anything but a connection that epoll tells about.
type source interface {
	ready(events uint32)
	abort(err error) // release everything, then tell the handler
}

// slot is one entry of a loop's table. The event carries its index and the
// generation, so an event for what stood there before is recognised as stale.
type slot struct {
	c   *conn // the hot case, without an interface; nil for a source
	gen uint32
}

// table is a loop's slots, in pages: it grows without moving, so ten thousand
// connections leave no outgrown copies behind.
type table struct {
	pages [][]slot
	len   uint32
}

const pageSlots = 1 << 9

func (t *table) at(index uint32) *slot { return &t.pages[index/pageSlots][index%pageSlots] }

// extend adds a slot and returns its index.
func (t *table) extend() uint32 {
	if t.len%pageSlots == 0 {
		t.pages = append(t.pages, make([]slot, pageSlots))
	}
	t.len++
	return t.len - 1
}

type loop struct {
	eng    *engine
	index  int
	epfd   int
	wakefd int
	done   chan struct{}

	// Of the loop's goroutine alone.
	now      time.Duration
	woke     time.Duration // when the present batch began
	slots    table
	free     []uint32
	sources  map[uint32]source // by slot
	in       []byte            // input scratch
	out      []byte            // output scratch: length is what outConn has allocated
	outConn  *conn             // whose output stands in out; nil when empty
	closing  []*conn           // to be finished after the callback
	resumed  []*conn           // hold input to be shown again
	drained  []*conn           // whose Drained is due
	timers   timer.Queue
	lively   bool // the last sleep was shorter than a nap
	stopping bool
	stats    driver.LoopStats
	spare    []func()
	events   [eventsMax]unix.EpollEvent
	batches  *batches // of UDP sockets; see datagrams

	conns     atomic.Int64
	sleeping  atomic.Bool // a wake-up needs the eventfd
	posted    atomic.Bool // tasks is not empty
	published published

	mu     sync.Mutex
	tasks  []func()
	closed bool
}

func newLoop(e *engine, index int) (*loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(epfd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	l := &loop{
		eng: e, index: index, epfd: epfd, wakefd: wakefd,
		done:    make(chan struct{}),
		sources: map[uint32]source{},

		in:  make([]byte, scratchBytes),
		out: make([]byte, 0, scratchBytes),
	}
	w := &waker{l}
	if err := l.register(l.insert(nil, w), wakefd, unix.EPOLLIN); err != nil {
		l.closeFDs()
		return nil, err
	}
	return l, nil
}

func (l *loop) closeFDs() {
	_ = unix.Close(l.epfd)
	_ = unix.Close(l.wakefd)
}

// waker drains the eventfd.
type waker struct{ l *loop }

func (w *waker) ready(uint32) {
	var b [8]byte
	_, _ = rawRead(w.l.wakefd, b[:])
	w.l.stats.Wakeups++
}

func (w *waker) abort(error) {}

// insert gives c or s a slot.
func (l *loop) insert(c *conn, s source) (index uint32) {
	if n := len(l.free); n > 0 {
		index, l.free = l.free[n-1], l.free[:n-1]
	} else {
		index = l.slots.extend()
	}
	l.slots.at(index).c = c
	if s != nil {
		l.sources[index] = s
	}
	return index
}

// remove empties a slot; events still under way to it become stale.
func (l *loop) remove(index uint32) {
	s := l.slots.at(index)
	s.c = nil
	s.gen++
	delete(l.sources, index)
	l.free = append(l.free, index)
}

func (l *loop) event(index, events uint32) unix.EpollEvent {
	return unix.EpollEvent{Events: events, Fd: int32(index), Pad: int32(l.slots.at(index).gen)}
}

func (l *loop) register(index uint32, fd int, events uint32) error {
	ev := l.event(index, events)
	return os.NewSyscallError("epoll_ctl", epollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &ev))
}

func (l *loop) modify(index uint32, fd int, events uint32) {
	ev := l.event(index, events)
	_ = epollCtl(l.epfd, unix.EPOLL_CTL_MOD, fd, &ev)
}

func (l *loop) run() {
	defer close(l.done)
	for !l.stopping {
		n := l.wait()
		l.stats.Events += uint64(n)
		for i := range n {
			l.dispatch(&l.events[i])
			l.settle()
		}
		l.runTasks()
		l.runTimers()
		l.settle()
	}
	l.shutdown()
}

func (l *loop) dispatch(ev *unix.EpollEvent) {
	s := l.slots.at(uint32(ev.Fd))
	if s.gen != uint32(ev.Pad) {
		return
	}
	if c := s.c; c != nil {
		c.ready(ev.Events)
	} else if s := l.sources[uint32(ev.Fd)]; s != nil {
		s.ready(ev.Events)
	}
}

// settle does what had to wait until no callback was running: it finishes
// connections that were closed, tells those whose output drained, and shows
// held input to those that were resumed. What comes up meanwhile for Drained
// and held input waits for the next turn, so that none can hold the loop.
func (l *loop) settle() {
	if len(l.closing)|len(l.drained)|len(l.resumed) == 0 {
		return
	}
	l.finishClosing()
	drained, resumed := l.drained, l.resumed
	l.drained, l.resumed = nil, nil
	for _, c := range drained {
		c.tellDrained()
		l.finishClosing()
	}
	for _, c := range resumed {
		c.showHeld()
		l.finishClosing()
	}
}

// unsettled reports whether the loop must not sleep.
func (l *loop) unsettled() bool { return len(l.drained)|len(l.resumed) != 0 || l.posted.Load() }

func (l *loop) finishClosing() {
	for i := 0; i < len(l.closing); i++ { // Closed may close others
		l.closing[i].finish()
		l.closing[i] = nil
	}
	l.closing = l.closing[:0]
}

// wait fills l.events, sleeping until there are some.
//
// A sleep that the Go scheduler knows of costs more than a small request when
// it is longer than some 20 microseconds: the processor is taken from the
// sleeping loop and has to be won back, with a wake-up of the runtime's own
// monitor thread. So while events are frequent the loop first sleeps for at
// most a millisecond without telling the scheduler, after giving way to what
// else can run. The runtime can still stop the loop at any time: its signal
// ends the sleep. At 20,000 requests a second this takes the processor time
// of a request from 1.55 to 1.05 of the C floor's ("lars bench all --rate
// 20000" shows it).
func (l *loop) wait() int {
	l.publish()
	// A post either sees sleeping and writes the eventfd, or is seen here.
	l.sleeping.Store(true)
	timeout, n := l.timeout(), 0
	if l.lively && timeout != 0 {
		runtime.Gosched()
		l.stats.Waits++
		n = epollNap(l.epfd, l.events[:], napMilliseconds)
		timeout = max(timeout-napMilliseconds, min(timeout, 0))
	}
	if n == 0 {
		l.stats.Waits++
		n = epollWait(l.epfd, l.events[:], timeout)
	}
	l.sleeping.Store(false)
	l.now = l.clock()
	l.lively = l.now-l.woke < napMilliseconds*time.Millisecond
	l.woke = l.now
	return n
}

// timeout is how long the loop may sleep, in milliseconds; -1 is for ever.
func (l *loop) timeout() int {
	if l.unsettled() {
		return 0
	}
	at, ok := l.timers.Next()
	if !ok {
		return -1
	}
	// The kernel takes an int32.
	return int(min(max(0, (at-l.woke+time.Millisecond-1)/time.Millisecond), math.MaxInt32))
}

func (l *loop) clock() time.Duration { return time.Since(l.eng.start) }

// publish makes the counters readable from elsewhere, once a turn.
func (l *loop) publish() {
	now := l.clock()
	l.stats.Busy += now - l.woke
	l.woke = now
	l.published.store(&l.stats, now)
}

// Stats implements driver.Loop.
func (l *loop) Stats() driver.LoopStats {
	s := l.published.load()
	s.Conns = l.conns.Load()
	return s
}

// Index implements driver.Loop.
func (l *loop) Index() int { return l.index }

// Now implements driver.Loop.
func (l *loop) Now() time.Duration { return l.now }

// Post implements driver.Loop.
func (l *loop) Post(f func()) bool {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false
	}
	l.tasks = append(l.tasks, f)
	l.posted.Store(true)
	l.mu.Unlock()
	if l.sleeping.CompareAndSwap(true, false) {
		l.wake()
	}
	return true
}

func (l *loop) wake() {
	one := [8]byte{1}
	_, _ = rawWrite(l.wakefd, one[:])
}

// runTasks runs what had been posted when it began; what these post waits
// until the sockets have had their turn.
func (l *loop) runTasks() {
	if !l.posted.Load() {
		return
	}
	l.mu.Lock()
	tasks := l.tasks
	l.tasks = l.spare[:0]
	l.posted.Store(false)
	l.mu.Unlock()
	for i, f := range tasks {
		tasks[i] = nil
		l.stats.Tasks++
		f()
		l.settle()
		if l.stopping {
			return
		}
	}
	l.spare = nil
	if cap(tasks) <= tasksKept {
		l.spare = tasks
	}
}

func (l *loop) runTimers() {
	if l.timers.Len() == 0 {
		return
	}
	for f := l.timers.PopDue(l.now); f != nil && !l.stopping; f = l.timers.PopDue(l.now) {
		l.stats.Timers++
		f()
		l.settle()
	}
}

// After implements driver.Loop.
func (l *loop) After(d time.Duration, f func()) (cancel func()) {
	t := l.timers.Add(l.clock()+max(d, 0), f)
	return func() { l.timers.Cancel(t) }
}

// stop makes the loop end, from any goroutine.
func (l *loop) stop() {
	l.mu.Lock()
	l.closed = true
	l.tasks = append(l.tasks, func() { l.stopping = true })
	l.posted.Store(true)
	l.mu.Unlock()
	if l.sleeping.CompareAndSwap(true, false) {
		l.wake()
	}
}

// shutdown aborts all that is open and releases the loop's descriptors.
func (l *loop) shutdown() {
	for _, s := range l.sources {
		s.abort(driver.ErrEngineClosed)
		l.settle()
	}
	for i := range l.slots.len {
		if c := l.slots.at(i).c; c != nil {
			c.Close(driver.ErrEngineClosed)
			l.settle()
		}
	}
	l.closeFDs()
	l.publish()
}
