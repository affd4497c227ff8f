package load

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lars/bench/hist"
	"lars/bench/pace"
	"lars/bench/proc"
)

// group is what a worker records in one interval.
type group struct {
	arms        [armsMax]tally
	phase, next Phase // its own, and that of what follows
	start, end  int64 // since the run began, ns
	index       int   // of the interval in the run
	usage       usage // CPU in the interval
	inFlight    int64
	queued      int64
	wakeups     uint64
	events      uint64
	stallMax    int64
}

// tally is what concerns one arm.
type tally struct {
	Counts
	Latency
	first uint64 // arrivals of a duet that were made for this arm first
}

func newGroup(arms int) *group {
	g := &group{}
	for a := range arms {
		g.arms[a].Latency = newLatency()
	}
	return g
}

func (g *group) reset() {
	kept := g.arms
	*g = group{}
	for a := range kept {
		if g.arms[a].Latency = kept[a].Latency; kept[a].Response != nil {
			g.arms[a].Latency.reset()
		}
	}
}

// worker is one loop on one thread with its connections.
type worker struct {
	cfg        *Config
	workload   Workload
	number     int
	timed      Timed         // nil unless the workload wants to know times
	monotonic  time.Duration // CLOCK_MONOTONIC when the run began, for timed
	open       bool
	udp        bool
	oneWay     bool
	partly     Partly // the workload, if it is one
	requestMax int
	replyMax   int
	queueMax   int64

	started  time.Time
	stopping *atomic.Bool
	poll     *poller
	conns    []conn // of the first arm, then of the second
	share    int    // of each arm
	coin     *rand.Rand
	rx, tx   []byte
	received *batch
	sending  *batch
	schedule *pace.Schedule
	arrivals uint64       // drawn from the schedule, also those of others
	nextDue  int64        // of the next own arrival
	nextConn int          // and its connection
	touched  []*conn      // with new arrivals, not sent yet
	alive    [armsMax]int // connections
	inFlight int64
	queued   int64
	lost     [armsMax]uint64
	connects int // made again, of Config.Churn

	exchange *hist.Exchange[group]
	group    *group // the active one
	index    int
	usage    usage // at the start of the interval

	warmEnd     int64 // ns since the run began
	end         int64
	measureFrom int64 // requests due from here on are recorded
	boundary    int64 // the end of the interval
	nextScan    int64 // for requests to give up
	woke        int64 // when the last wait ended
	phase       Phase
	wasCut      bool
	err         error // ends the loop
}

// never is a time that does not come.
const never = math.MaxInt64

// scanEvery is how often requests are looked at for their timeout.
func (w *worker) scanEvery() int64 {
	return int64(min(max(w.cfg.Timeout/16, time.Millisecond), 100*time.Millisecond))
}

// run is the thread: it ends with the goroutine, so that neither its affinity
// nor its timer slack is inherited by another.
func (w *worker) run() {
	runtime.LockOSThread()
	w.begin(w.now())
	defer w.leave()
	if err := w.prepare(); err != nil {
		w.fail(err)
	}
	for w.err == nil && w.phase != Draining {
		w.step()
	}
	w.drain()
	if w.oneWay && !w.udp && w.err == nil {
		w.finish()
	}
}

// drain waits for the replies still due, at most for the timeout.
func (w *worker) drain() {
	w.boundary = w.end + int64(w.cfg.Timeout)
	for w.err == nil && w.serving() && !w.stopping.Load() && w.now() < w.boundary {
		if w.queued+w.inFlight == 0 && w.nextDue == never {
			return
		}
		w.step()
	}
}

// prepare sets the thread up and sends what a closed loop starts with.
func (w *worker) prepare() error {
	// Without it the kernel may let a timed wait sleep 50 us longer.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return err
	}
	if cpus := w.cfg.CPUs; len(cpus) > 0 {
		if err := proc.PinThread([]int{cpus[w.number%len(cpus)]}); err != nil {
			return err
		}
	}
	w.usage = readUsage(w.pids())
	if w.open {
		w.draw()
		return nil
	}
	w.nextDue = never
	for i := range w.conns {
		w.start(&w.conns[i], w.cfg.Depth, w.clock())
	}
	return nil
}

// pids are read by the first worker only.
func (w *worker) pids() []int {
	if w.number == 0 {
		return w.cfg.PIDs
	}
	return nil
}

// step waits for events or the next time something is due, and does it.
func (w *worker) step() {
	before := w.now()
	until := min(w.nextDue, w.boundary, w.nextScan)
	events, err := w.poll.wait(time.Duration(until - before))
	if err != nil {
		w.fail(err)
		return
	}
	now := w.clock()
	w.group.wakeups++
	w.group.events += uint64(len(events))
	w.group.stallMax = max(w.group.stallMax, now-max(until, before), before-w.woke)
	w.woke = now
	for i := range events {
		w.handle(&events[i])
		if w.nextDue < never {
			if now := w.clock(); now >= w.nextDue {
				w.arrivalsDue(now)
			}
		}
	}
	w.onTime(w.clock())
}

// handle serves one socket.
func (w *worker) handle(e *unix.EpollEvent) {
	c := &w.conns[e.Fd]
	if c.dead {
		return
	}
	if e.Events&^unix.EPOLLOUT != 0 {
		if w.udp {
			w.receiveUDP(c)
		} else {
			w.receiveTCP(c)
		}
	}
	if c.blocked && e.Events&unix.EPOLLOUT != 0 && !c.dead {
		w.writable(c)
	}
}

// onTime does what is due by now.
func (w *worker) onTime(now int64) {
	if now >= w.nextDue {
		w.arrivalsDue(now)
	}
	if now >= w.nextScan {
		w.nextScan = now + w.scanEvery()
		w.expire(now)
	}
	if !w.serving() || w.stopping.Load() {
		w.cut(now)
	}
}

// serving is false when an arm has no connection left: alone, the other one
// would be measured under another load.
func (w *worker) serving() bool {
	return w.alive[0] > 0 && (w.alive[1] > 0 || w.coin == nil)
}

// of is what is recorded of the arm that c leads to.
func (w *worker) of(c *conn) *tally { return &w.group.arms[c.arm] }

// arrivalsMax is how many arrivals are made before the sockets are looked at
// again, for a generator that has fallen behind.
const arrivalsMax = 256

// arrivalsDue makes the requests that are due, then sends those of each
// connection in one write.
func (w *worker) arrivalsDue(now int64) {
	for range arrivalsMax {
		if w.nextDue > now {
			break
		}
		if w.coin == nil {
			w.arriveAt(w.nextConn)
		} else {
			first := int(w.coin.Uint64() & 1)
			w.group.arms[first].first++
			w.arriveAt(first*w.share + w.nextConn)
			w.arriveAt((1-first)*w.share + w.nextConn)
		}
		w.draw()
	}
	for _, c := range w.touched {
		c.touched = false
		w.send(c, w.clock())
	}
	w.touched = w.touched[:0]
}

// arriveAt makes the request that is due, on connection i.
func (w *worker) arriveAt(i int) {
	c := &w.conns[i]
	w.arrive(c, w.nextDue)
	if !c.touched {
		c.touched = true
		w.touched = append(w.touched, c)
	}
}

// draw takes the next own arrival from the schedule: arrival k belongs to
// generator k mod Of; of its own the j-th to connection j mod Conns, and
// connection i to worker i mod Workers.
func (w *worker) draw() {
	of := uint64(w.cfg.Part.Of)
	for {
		due := w.schedule.Next()
		k := w.arrivals
		w.arrivals++
		if due >= w.end {
			w.nextDue = never
			return
		}
		if k%of != uint64(w.cfg.Part.Index) {
			continue
		}
		if id := int(k / of % uint64(w.cfg.Conns)); id%w.cfg.Workers == w.number {
			w.nextDue, w.nextConn = due, id/w.cfg.Workers
			return
		}
	}
}

// begin starts an interval in the active group. Its end is counted from the
// nominal end of the last, so all workers have the same ones.
func (w *worker) begin(now int64) {
	w.group = w.exchange.Active()
	w.group.phase, w.group.start = w.phase, now
	w.extend()
}

// extend sets the end of the interval one further.
func (w *worker) extend() {
	limit := w.end
	if w.phase == Warmup {
		limit = w.warmEnd
	}
	w.boundary += int64(w.cfg.Every)
	if limit-w.boundary < int64(w.cfg.Every)/2 {
		w.boundary = limit // no sliver at the end of a phase
	}
}

// clock is now for the recording of something: it first ends the intervals that
// are over, so that nothing is ever recorded into the phase before its own.
func (w *worker) clock() int64 {
	now := w.now()
	for now >= w.boundary && w.phase != Draining {
		w.interval(now)
	}
	return now
}

// interval ends an interval, and with it perhaps the phase. A slow reader can
// make intervals longer, but never joins two phases. A phase ends at its own
// boundary, also in a worker that was held up beyond it: so the intervals of all
// workers have the same numbers.
func (w *worker) interval(now int64) {
	next := w.phase
	switch {
	case w.phase == Warmup && w.boundary >= w.warmEnd:
		next, w.measureFrom = Measured, w.warmEnd
	case w.phase == Measured && w.boundary >= w.end:
		next = Draining
	}
	w.close(now, next)
	w.index++
	switch {
	case next != w.phase:
		w.exchange.MustSwap()
		w.phase = next
		w.begin(now)
	case w.exchange.Swap():
		w.begin(now)
	default:
		w.extend()
	}
}

// close completes the figures of the active group.
func (w *worker) close(now int64, next Phase) {
	g := w.group
	g.end, g.index, g.next = now, w.index, next
	g.inFlight, g.queued = w.inFlight, w.queued
	used := readUsage(w.pids())
	g.usage.add(used.since(w.usage))
	w.usage = used
}

// cut ends the run before its time.
func (w *worker) cut(now int64) {
	if w.phase == Draining {
		return
	}
	w.wasCut = true
	w.end = min(w.end, now)
	w.warmEnd = min(w.warmEnd, now)
	for w.phase != Draining {
		w.interval(now)
	}
	w.nextDue = never
}

// leave publishes the last group and ends the connections. Of what waits when
// somebody stops the run nothing is known, and no server to blame.
func (w *worker) leave() {
	now := w.now()
	stopped := w.stopping.Load() && w.inFlight+w.queued > 0
	w.wasCut = w.wasCut || stopped
	w.cut(now)
	for i := range w.conns {
		c := &w.conns[i]
		if c.dead {
			continue
		}
		if !stopped {
			w.abandon(c)
		}
		c.close()
	}
	w.poll.close()
	for a := range w.group.arms {
		w.group.arms[a].Lost = w.lost[a]
	}
	w.close(now, Draining)
	w.exchange.MustSwap()
}

// fail ends the loop with an error of our own, not of a peer.
func (w *worker) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}
