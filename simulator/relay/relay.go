package relay

import (
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// Conditions of a network. The zero value is a perfect one.
type Conditions struct {
	Delay  time.Duration // of each packet
	Jitter time.Duration // more, drawn evenly; it may change the order of datagrams
	// Loss, Duplicate and Reorder are probabilities, 0 to 1, for each packet.
	Loss, Duplicate, Reorder float64
	Cut                      bool // nothing arrives
}

// The limits of a relay.
const (
	peersMax   = 1000   // connections, or clients of a UDP relay
	packetsMax = 10_000 // datagrams on their way
	chunksMax  = 64     // of a TCP connection on their way, each direction; then reading pauses
	chunkBytes = 16 << 10
)

const (
	// resendAfter is until TCP sends again what was lost, the first time (Linux's
	// least); each further time takes twice as long.
	resendAfter = 200 * time.Millisecond
	resendsMax  = 6
	// reorderBy is how much later a datagram comes, for others to overtake it.
	reorderBy = time.Millisecond
)

// Counts of what became of packets.
type Counts struct {
	Lost, Doubled, Reordered uint64 // by the conditions
	Full                     uint64 // packets and peers for which a limit left no room
}

// A Relay is safe from any goroutine.
type Relay struct {
	addr   string
	target string
	done   chan struct{}
	work   sync.WaitGroup

	mu      sync.Mutex
	random  *rand.Rand
	is      Conditions
	healed  chan struct{} // closed when the network is not cut
	open    map[io.Closer]struct{}
	closed  bool
	pending int // datagrams
	counts  Counts
}

func newRelay(target string, seed uint64) *Relay {
	r := &Relay{
		target: target, done: make(chan struct{}), random: rand.New(rand.NewPCG(seed, 0)),
		healed: make(chan struct{}), open: map[io.Closer]struct{}{},
	}
	close(r.healed)
	return r
}

// Addr is where it listens, as host:port.
func (r *Relay) Addr() string { return r.addr }

// Counts of so far.
func (r *Relay) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// Set changes the network for what is sent from now on; a cut also holds back
// what is under way.
func (r *Relay) Set(c Conditions) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case c.Cut && !r.is.Cut:
		r.healed = make(chan struct{})
	case !c.Cut && r.is.Cut:
		close(r.healed)
	}
	r.is = c
}

// Close ends it and everything that goes through it.
func (r *Relay) Close() {
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	for c := range r.open {
		c.Close()
	}
	r.mu.Unlock()
	if first {
		close(r.done)
	}
	r.work.Wait()
}

// keep has Close close c, too. It closes c and reports false when that is too
// late, or there are too many.
func (r *Relay) keep(c io.Closer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || len(r.open) > 2*peersMax {
		r.counts.Full++
		c.Close()
		return false
	}
	r.open[c] = struct{}{}
	return true
}

func (r *Relay) drop(c io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c)
	c.Close()
}

// draw is true with a probability, with mu held.
func (r *Relay) draw(p float64) bool { return p > 0 && r.random.Float64() < p }

// delay is that of one packet, with mu held.
func (r *Relay) delay() time.Duration {
	return r.is.Delay + time.Duration(r.random.Float64()*float64(r.is.Jitter))
}

// await waits until the network is not cut; false when the relay ends before.
func (r *Relay) await() bool {
	r.mu.Lock()
	healed := r.healed
	r.mu.Unlock()
	select {
	case <-healed:
		return true
	case <-r.done:
		return false
	}
}

// sleepUntil reports false when the relay ends before.
func (r *Relay) sleepUntil(at time.Time) bool {
	d := time.Until(at)
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.done:
		return false
	}
}
