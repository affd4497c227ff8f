// Package reactor is for programs that exchange framed messages over TCP and
// UDP: servers, clients, or both in one process, on a backend of their choice.
//
//	r, err := reactor.Open(epoll.Driver{}, reactor.Config{Loops: 2})
//	router := reactor.NewRouter()
//	router.Handle(1, func(q *reactor.Request) { q.Reply(1, q.Body) }, nil)
//	s, err := r.Listen("127.0.0.1:7777", reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: router}})
//	...
//	err = r.Shutdown(ctx)
//
// A message is an id and a body in the frame of package frame. Handlers run on
// the loop of their connection, one at a time; each connection belongs to one
// loop for its life. The body they see is lent, and replies are encoded in
// place in the output buffer, so a small exchange copies and allocates nothing.
//
// Rules of concurrency: what a comment calls "only on the loop" may be called
// in a handler, hook, task or timer of that loop. All else is safe from any
// goroutine. A handler must not block: slow work goes to Loop.Offload.
//
// Settings from a file, or flags, are read by package conf; its example is a
// server's.
//
// The package knows no backend; it stands on the interfaces of package driver.
// It does no encryption and no load balancing, and looks up names for clients
// alone.
package reactor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// Config of a Reactor. The zero value is usable.
type Config struct {
	Loops  int           // event loops; 0 means 1
	Spread driver.Spread // of connections over loops; zero is round robin
	// BufferBytesMax limits the buffers of all connections together (partial
	// frames, output that the kernel has not taken); 0 means 1 GiB.
	BufferBytesMax int64
	// MailboxBytesMax limits, for each loop, the memory of messages (and for
	// each of their targets) that other goroutines have sent and the loop has
	// not yet taken; 0 means 64 MiB.
	MailboxBytesMax int
	// Workers run Offload's work; 0 means 4 for each processor. They are
	// started when needed.
	Workers int
	// WorkersQueueMax limits the work that waits for a worker; 0 means 4,096.
	WorkersQueueMax int
	// Seed of the jitter of reconnects; 0 picks one.
	Seed uint64
}

func (c Config) withDefaults() Config {
	if c.Loops == 0 {
		c.Loops = 1
	}
	if c.MailboxBytesMax == 0 {
		c.MailboxBytesMax = 64 << 20
	}
	if c.Workers == 0 {
		c.Workers = 4 * runtime.GOMAXPROCS(0)
	}
	if c.WorkersQueueMax == 0 {
		c.WorkersQueueMax = 4096
	}
	return c
}

// A Reactor is a running set of loops with the servers, clients and UDP
// sockets that were opened on it.
type Reactor struct {
	config  Config
	name    string
	engine  driver.Engine
	pool    *buffer.Pool
	loops   []*Loop
	workers *workers
	turn    atomic.Uint32 // next loop of a client or UDP socket
	ids     atomic.Uint64 // of connections

	closing atomic.Bool
	// stopping ends with the first Shutdown, and with it look-ups of names.
	stopping context.Context
	stop     context.CancelFunc

	mu      sync.Mutex
	servers map[*Server]struct{}
	clients map[*Client]struct{}
	packets map[*Packet]struct{}
	drained chan struct{} // closed when closing and no connection or UDP socket is left
	live    atomic.Int64  // connections
	cut     atomic.Bool   // datagrams were dropped by the end
}

// Open starts loops on a backend.
func Open(d driver.Driver, c Config) (*Reactor, error) {
	if c.Loops < 0 || c.Loops > 1024 {
		return nil, fmt.Errorf("reactor: %d loops: allowed are 1 to 1024 (0 means 1)", c.Loops)
	}
	if c.BufferBytesMax < 0 || c.MailboxBytesMax < 0 || c.Workers < 0 || c.WorkersQueueMax < 0 {
		return nil, errors.New("reactor: negative limit: allowed are 1 and more (0 means the default)")
	}
	c = c.withDefaults()
	pool := buffer.New(buffer.Config{BytesMax: c.BufferBytesMax})
	engine, err := d.Open(driver.Config{Loops: c.Loops, Spread: c.Spread, Pool: pool})
	if err != nil {
		return nil, fmt.Errorf("reactor: open backend %s: %w", d.Name(), err)
	}
	r := &Reactor{
		config: c, name: d.Name(), engine: engine, pool: pool,
		workers: newWorkers(c.Workers, c.WorkersQueueMax),
		servers: map[*Server]struct{}{},
		clients: map[*Client]struct{}{},
		packets: map[*Packet]struct{}{},
		drained: make(chan struct{}),
	}
	r.stopping, r.stop = context.WithCancel(context.Background())
	for i, d := range engine.Loops() {
		r.loops = append(r.loops, newLoop(r, d, i))
	}
	return r, nil
}

// Backend is the name of the backend.
func (r *Reactor) Backend() string { return r.name }

// Loops are the reactor's loops.
func (r *Reactor) Loops() []*Loop { return r.loops }

// PostAll runs f once on every loop, soon.
func (r *Reactor) PostAll(f func(*Loop)) {
	for _, l := range r.loops {
		l.Post(func() { f(l) })
	}
}

// Await waits for c, to be closed or to bring a value, or until ctx ends, whose
// error it then returns. On a backend in virtual time, where nothing happens by
// itself, it makes happen what is to happen meanwhile, and returns ErrStuck when
// nothing is left. Never call it on a loop.
func (r *Reactor) Await(ctx context.Context, c <-chan struct{}) error {
	v, virtual := r.engine.(driver.Stepper)
	for virtual {
		select {
		case <-c:
			return nil
		default:
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !v.Step() {
			return ErrStuck
		}
	}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pick returns the loop that a configuration names: 0 leaves the choice to the
// reactor, n is loop n-1.
func (r *Reactor) pick(n int) (*Loop, error) {
	if n < 0 || n > len(r.loops) {
		return nil, fmt.Errorf("reactor: loop %d: there are %d", n, len(r.loops))
	}
	if n == 0 {
		return r.loops[int(r.turn.Add(1)-1)%len(r.loops)], nil
	}
	return r.loops[n-1], nil
}

// Shutdown stops gracefully: it stops accepting and dialling, lets every
// connection and UDP socket send what is queued, and closes it. When ctx ends
// first, what is left is dropped (datagrams are counted, KindUnsent). Close
// hooks run in either case, and when Shutdown returns no goroutine and no
// descriptor of the reactor is left. It returns ctx's error if anything had to
// be dropped. Another Shutdown may follow meanwhile, whose ctx then counts too;
// Close ends a Shutdown that waits. Never call it on a loop.
func (r *Reactor) Shutdown(ctx context.Context) error {
	r.stopOpening()
	r.PostAll(func(l *Loop) {
		for c := l.conns.head; c != nil; c = c.next {
			c.Close(nil) // it leaves the list later, in Closed
		}
	})
	r.checkDrained()
	late := r.Await(ctx, r.drained)
	cut := r.live.Load() > 0
	// What is to be aborted is aborted promptly, but Offload's work is the
	// user's and may take its time; it was asked to finish before.
	r.workers.stop()
	if err := r.engine.Close(context.Background()); err != nil {
		return err
	}
	if cut || r.cut.Load() {
		return late
	}
	return nil
}

// Close stops at once: queued output is dropped. Close hooks still run.
func (r *Reactor) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.Shutdown(ctx)
}

func (r *Reactor) stopOpening() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closing.Store(true)
	r.stop()
	for _, s := range slices.SortedFunc(maps.Keys(r.servers), (*Server).compare) {
		_ = s.ln.Close()
	}
	for _, c := range slices.SortedFunc(maps.Keys(r.clients), (*Client).compare) {
		c.loop.Post(c.stop)
	}
	for _, p := range slices.SortedFunc(maps.Keys(r.packets), (*Packet).compare) {
		p.Close()
	}
}

// checkDrained notices the end of the last connection or UDP socket during a
// shutdown.
func (r *Reactor) checkDrained() {
	if r.live.Load() > 0 || !r.closing.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live.Load() == 0 && len(r.packets) == 0 {
		select {
		case <-r.drained:
		default:
			close(r.drained)
		}
	}
}
