// Package evio is the adapter of github.com/tidwall/evio.
//
// Each listener is one evio server with a loop for each loop of the engine;
// evio spreads the connections, roughly as told: of two loops that see the
// same connection one loses its turn. Its events run under the lock of the loop.
//
// What the library lacks, and what the adapter does about it:
//
//   - Output that an event returns while earlier output is unsent replaces it.
//     The adapter never returns any: it appends it to evio's own buffer, a
//     private field, on evio's goroutine. That costs the one copy that evio
//     makes of returned output too; a backlog that grows is copied about four
//     times more (append grows it by quarters), and is not in pooled memory.
//   - Output made outside of an event needs a wake-up: a system call on
//     evio's eventfd and a pass of its loop. Wake-ups under way are shared.
//   - Evio does not tell when output has been sent. Up to 64 KiB of a
//     connection in its hands count as sent; while there is more, or the
//     handler waits for Drained, the adapter wakes the connection each
//     millisecond to look.
//   - A connection cannot be paused: the adapter takes it out of the events
//     that evio's epoll descriptor waits for. Evio puts it back when output
//     has been sent; what is read then is kept.
//   - A connection whose peer does not read cannot be closed: the adapter
//     drops evio's buffer and shuts the socket down, which makes an event.
//   - A server ends only from within an event, and a listener only with all
//     its connections. The adapter keeps a control connection to each loop to
//     make such an event (two descriptors each), and gives the address back
//     early by putting another socket in the place of the listening one.
//   - A failed accept, such as for want of descriptors, ends the server and
//     closes its connections; Closed gets driver.ErrAccept, and the adapter
//     starts another server, with pauses that double up to a second.
//   - A peer's orderly end and the end of the server look alike; the adapter
//     looks at the callers, about a microsecond for each connection that ends.
//
// What remains: no dialling, no UDP outside of an event, no SO_REUSEPORT
// listeners of several engines (its control connections might reach another
// one), and ListenOptions.Backlog is the system's maximum. A peer that closes
// one half is closed wholly once it has what was answered till then. An epoll
// call that fails inside evio, as for want of memory, is a panic on its
// goroutine, which nobody can catch.
//
// Open does not look at evio's private fields, which needs a connection;
// Listen does, and returns an error when this version's are not as expected.
package evio

import (
	"context"
	"errors"
	"net/netip"
	"sync"

	"lars/backends/internal/serial"
	"lars/reactor/driver"
)

// Driver opens engines over evio. The zero value is ready.
type Driver struct{}

// Name implements driver.Driver.
func (Driver) Name() string { return "evio" }

// Abilities implements driver.Driver.
func (Driver) Abilities() driver.Abilities {
	return driver.Abilities{Listen: true}
}

// Open implements driver.Driver.
func (Driver) Open(c driver.Config) (driver.Engine, error) {
	return &engine{Group: serial.Open(c), spread: c.Spread, closed: make(chan struct{})}, nil
}

type engine struct {
	*serial.Group
	spread driver.Spread

	mu      sync.Mutex
	servers map[*server]struct{} // that listen
	all     []*server            // that have not ended
	ended   bool
	once    sync.Once
	closed  chan struct{}
}

// Listen implements driver.Engine.
func (e *engine) Listen(addr netip.AddrPort, o driver.ListenOptions, open driver.Opener) (driver.Listener, error) {
	if o.ReusePort {
		return nil, driver.ErrUnsupported
	}
	if !addr.IsValid() {
		return nil, errors.New("listen: invalid address")
	}
	o.Conn = o.Conn.WithDefaults()
	s := &server{
		engine: e, addr: addr, options: o, open: open,
		quit: make(chan struct{}), over: make(chan struct{}),
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return nil, driver.ErrEngineClosed
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	if e.servers == nil {
		e.servers = make(map[*server]struct{})
	}
	e.servers[s] = struct{}{}
	e.all = append(e.all, s)
	return s, nil
}

func (e *engine) remove(s *server) {
	e.mu.Lock()
	delete(e.servers, s)
	e.mu.Unlock()
}

// Dial implements driver.Engine: evio has servers only.
func (e *engine) Dial(driver.Loop, netip.AddrPort, driver.DialOptions, driver.Opener, func(error)) error {
	return driver.ErrUnsupported
}

// ListenPacket implements driver.Engine: evio answers datagrams only within
// their event.
func (e *engine) ListenPacket(driver.Loop, driver.PacketOptions, driver.PacketHandler) (driver.PacketConn, error) {
	return nil, driver.ErrUnsupported
}

// Close implements driver.Engine.
func (e *engine) Close(ctx context.Context) error {
	e.once.Do(func() {
		go func() {
			defer close(e.closed)
			// Without an end of its own, this waits for all callbacks.
			_ = e.Group.Close(context.Background(), e.stop)
			for _, s := range e.all {
				s.end()
				<-s.over
			}
		}()
	})
	select {
	case <-e.closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop closes all listeners, for good.
func (e *engine) stop() {
	e.mu.Lock()
	e.ended = true
	all := e.servers
	e.servers = nil
	e.mu.Unlock()
	for s := range all {
		_ = s.Close()
	}
}
