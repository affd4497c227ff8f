package sim

import (
	"net/netip"
	"sync"
	"time"

	"lars/reactor/driver"
)

// Defaults of Config, and limits that are not for users to choose.
const (
	delayDefault      = 100 * time.Microsecond // between hosts: one rack
	localDelay        = 5 * time.Microsecond   // within a host
	traceEventsMax    = 256
	turnCost          = time.Microsecond       // of one turn of a loop: no chain of posts stops the clock
	offloadDelay      = 100 * time.Microsecond // of work handed off a loop, and again of its answer
	sparesMax         = 4096                   // packets and buffers that a world keeps for reuse
	spareBytesMax     = 64 << 10               // the largest buffer that it keeps
	hostsMax          = 1 << 16                // of the network 10.0.0.0/16 and on
	segmentBytesMax   = 16 << 10               // of one TCP segment; a real one is joined by the card
	socketBytes       = 64 << 10               // of each buffer of a TCP socket, unless set
	packetSocketBytes = 208 << 10              // of the receive buffer of a UDP socket, as Linux has it
	portFirst         = 32768                  // of ports that the world picks, as Linux picks them
	portLast          = 60999
	headerBytes       = 40 // of each packet, on a link with bandwidth
)

// Config of a World. The zero value is usable.
type Config struct {
	// Seed of everything that the world draws. Zero is a seed like any other.
	Seed uint64
	// Epoch is the wall time at virtual time zero; zero means
	// 2000-01-01 00:00:00 UTC.
	Epoch time.Time
	// Link joins two different hosts unless SetLink says otherwise; the zero
	// value has a delay of 100 µs and no fault.
	Link Link
	// TraceEvents is how many of the last events Trace can tell; 0 means 256,
	// negative none.
	TraceEvents int
}

// A World is a network of hosts, and time. See the package comment for who may
// call its methods.
type World struct {
	config Config
	free   free // runs the world beside the wall clock; nil otherwise

	mu       sync.Mutex
	now      time.Duration
	queue    queue
	random   random // of the network
	seeds    random // for those who ask
	trace    tracer
	hosts    []*Host
	byName   map[string]*Host
	byAddr   map[netip.Addr]*Host
	segments []*segment
	packets  []*datagram
	buffers  [][]byte
}

// free makes a world run beside the wall clock with a goroutine for each loop,
// which only the conformance suite wants: its cases block loops and use
// sockets from goroutines of their own. It is called with the world
// locked.
type free interface {
	now() time.Duration
	queued()       // an event was set
	pump()         // let happen what is due
	opened(*loop)  // start it
	ready(l *loop) // it has something to do
}

// New makes a world at virtual time zero.
func New(c Config) *World {
	if c.Epoch.IsZero() {
		c.Epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if c.Link == (Link{}) {
		c.Link.Delay = delayDefault
	}
	if c.TraceEvents == 0 {
		c.TraceEvents = traceEventsMax
	}
	w := &World{config: c, byName: map[string]*Host{}, byAddr: map[netip.Addr]*Host{}}
	w.random.state = c.Seed
	w.seeds.state = c.Seed ^ 0x6a09e667f3bcc908 // another sequence: the fraction of the root of 2
	w.trace.hash = fold(0, c.Seed)
	w.trace.ring = make([]record, max(c.TraceEvents, 0))
	return w
}

// Host returns the host of that name, and makes it, with the next address of
// 10.0.0.0/8, when there is none.
func (w *World) Host(name string) *Host {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.byName[name]; h != nil {
		return h
	}
	i := len(w.hosts)
	if i >= hostsMax {
		panic("sim: a world has at most 65536 hosts")
	}
	addr := netip.AddrFrom4([4]byte{10, byte(i / 62500), byte(i / 250 % 250), byte(i%250 + 1)})
	h := newHost(w, name, i, addr)
	w.hosts = append(w.hosts, h)
	w.byName[name], w.byAddr[addr] = h, h
	return h
}

// nowhere is the host that is at every address that nobody has. It is off.
func (w *World) nowhere() *Host {
	const name = "(nowhere)"
	h := w.byName[name]
	if h == nil {
		h = newHost(w, name, len(w.hosts), netip.Addr{})
		h.up = false
		w.hosts = append(w.hosts, h)
		w.byName[name] = h
	}
	return h
}

// Driver is the driver whose engines run on the host of that name.
func (w *World) Driver(host string) driver.Driver { return hostDriver{w.Host(host)} }

// Now is the virtual time.
func (w *World) Now() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock()
}

// clock is Now on a locked world.
func (w *World) clock() time.Duration {
	if w.free != nil {
		w.now = max(w.now, w.free.now())
	}
	return w.now
}

// Rand draws from the world's seed, apart from what the network draws.
func (w *World) Rand() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seeds.next()
}

// At runs f at a virtual time, at once when that has passed. It is on no host.
func (w *World) At(at time.Duration, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.callAt(nil, nil, at, f)
}

// Step lets the next event happen, and reports false when there is none.
func (w *World) Step() bool { return w.step(1<<63 - 1) }

// Run lets everything happen up to and including the virtual time until, which
// is then the time.
func (w *World) Run(until time.Duration) {
	for w.step(until) {
	}
	w.mu.Lock()
	w.now = max(w.now, until)
	w.mu.Unlock()
}

// RunUntil lets events happen until cond holds, which it reports, or the
// virtual time limit has been reached.
func (w *World) RunUntil(limit time.Duration, cond func() bool) bool {
	for !cond() {
		if !w.step(limit) {
			return false
		}
	}
	return true
}

func (w *World) step(until time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue.heap) == 0 || w.queue.heap[0].at > until {
		return false
	}
	ev, at := w.queue.pop()
	w.now = max(w.now, at)
	ev.what.happen(w)
	return true
}

// set queues an event on a locked world.
func (w *World) set(ev *event, at time.Duration) {
	w.queue.set(ev, max(at, w.now))
	if w.free != nil {
		w.free.queued()
	}
}

// A call runs a function at its time, of a host or of nobody.
type call struct {
	event
	host *Host
	era  int // of the host when it was made
	en   *engine
	f    func()
}

func (w *World) callAt(h *Host, en *engine, at time.Duration, f func()) {
	c := &call{host: h, en: en, f: f}
	if h != nil {
		c.era = h.era
	}
	c.what = c
	w.set(&c.event, at)
}

func (c *call) happen(w *World) {
	from := int32(-1)
	if h := c.host; h != nil {
		if c.era != h.era || c.en != nil && c.en.closed {
			return
		}
		if h.paused {
			h.held = append(h.held, &c.event)
			return
		}
		from = int32(h.index)
	}
	w.trace.add(record{at: w.now, kind: kindCall, from: from, to: -1})
	w.mu.Unlock()
	defer w.mu.Lock()
	c.f()
}

// buffer returns an empty buffer that was used before, or nil.
func (w *World) buffer() []byte {
	if n := len(w.buffers); n > 0 {
		b := w.buffers[n-1]
		w.buffers = w.buffers[:n-1]
		return b
	}
	return nil
}

// keep takes a buffer back.
func (w *World) keep(b []byte) {
	if cap(b) > 0 && cap(b) <= spareBytesMax && len(w.buffers) < sparesMax {
		w.buffers = append(w.buffers, b[:0])
	}
}

// Connections counts the ends of TCP connections that kernels know, for tests
// that look for what is left behind.
func (w *World) Connections() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		n += len(h.socks)
	}
	return n
}
