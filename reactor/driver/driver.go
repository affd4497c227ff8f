// Package driver is the seam between the reactor and the backends that do its
// input and output. It is addressed to authors of backends; applications use
// package reactor.
//
// A backend moves bytes and runs callbacks; everything else (frames, routing,
// limits on connections, time-outs, hooks, statistics of messages) exists once,
// above this seam. What a backend must guarantee is executable: package
// drivertest holds every backend to it.
//
// # Loops
//
// A Loop is a serial domain, not a goroutine: no two callbacks of one loop ever
// overlap, whichever goroutine runs them. Every connection belongs to one loop
// from its Opener to its Closed. Unless a comment says "from any goroutine",
// methods of a Conn, PacketConn or Loop may be called only on their loop, that
// is, inside one of its callbacks.
//
// # Buffers
//
// Input is lent: a view passed to Received dies when the callback returns.
// Output is reserved in place: Alloc returns bytes at the tail of the output,
// to be filled before the next call on the same Conn. A readiness-based
// backend reads into a buffer of its loop and writes from another; a
// completion-based one lends the kernel's own buffer as the view and submits
// the output buffer on Flush, and Alloc then goes on in a fresh one.
package driver

import (
	"context"
	"net/netip"
	"time"

	"lars/reactor/buffer"
)

// A Driver opens engines of one backend. It has no state of its own and may be
// used from any goroutine.
type Driver interface {
	// Name is the name that a user selects the backend by, such as "epoll".
	Name() string
	// Abilities says what the backend does by itself. What it cannot do fails
	// with ErrUnsupported; it never pretends.
	Abilities() Abilities
	// Open makes an engine and starts its loops.
	Open(Config) (Engine, error)
}

// Abilities of a backend. Each false one that has an operation makes that
// operation return ErrUnsupported; the others are behaviours that the
// conformance suite asserts when true, and asserts the stated alternative when
// false.
type Abilities struct {
	Listen bool // TCP servers
	Dial   bool // TCP clients
	Packet bool // UDP
	// Push: output made outside an event of the connection is written by the
	// library itself. When false the adapter works around it, at a cost that
	// its package comment states.
	Push bool
	// PacketBatch: several datagrams per system call.
	PacketBatch bool
	// ReusePort: ListenOptions.ReusePort is honoured. When false, Listen with
	// it set returns ErrUnsupported.
	ReusePort bool
	// Spread: connections are spread over loops as Config.Spread says. When
	// false the backend or the kernel decides.
	Spread bool
	// AcceptBackoff: a listener survives running out of descriptors, pausing
	// between attempts. When false the listener's loop may fail; open
	// connections of it are then closed with ErrAccept.
	AcceptBackoff bool
}

// Spread chooses the loop of an accepted connection.
type Spread int

const (
	RoundRobin Spread = iota // each loop in turn
	LeastConns               // the loop with the fewest connections
)

// Config of an engine. The zero value is usable.
type Config struct {
	Loops  int          // number of loops; 0 means 1
	Spread Spread       // of accepted connections; zero is RoundRobin
	Pool   *buffer.Pool // of partial input and unsent output; nil makes one with defaults
}

// An Engine is a running backend: its loops, and what is open on them. Its
// methods may be called from any goroutine.
type Engine interface {
	// Loops are the engine's loops, Config.Loops of them, for its whole life.
	Loops() []Loop
	// Listen binds addr (port 0 picks a free one) and accepts connections,
	// each on a loop of the engine's choice. It returns when the address is
	// bound, or with the error of the system call.
	Listen(addr netip.AddrPort, o ListenOptions, open Opener) (Listener, error)
	// Dial connects to addr on loop l. Exactly one of open and failed is
	// called, once, on l: open with the connection, or failed with the error
	// (ErrDialTimeout after o.Timeout). An error returned by Dial itself means
	// that neither will be called.
	Dial(l Loop, addr netip.AddrPort, o DialOptions, open Opener, failed func(error)) error
	// ListenPacket opens a UDP socket on loop l, bound to o.Local, or
	// connected when o.Peer is valid.
	ListenPacket(l Loop, o PacketOptions, h PacketHandler) (PacketConn, error)
	// Close stops accepting, aborts what is open (Closed is called with
	// ErrEngineClosed, and so is failed for a dial under way), runs no callback
	// afterwards, and releases every goroutine and descriptor. The other
	// methods then return ErrEngineClosed. It returns early with ctx's error when a
	// callback does not return; Close may then be called again. A drain is the
	// caller's business, before.
	Close(ctx context.Context) error
}

// A Listener accepts connections until it is closed. From any goroutine.
type Listener interface {
	Addr() netip.AddrPort
	// Close stops accepting and releases the address before it returns.
	// Connections that were accepted stay.
	Close() error
	Stats() ListenerStats
}

// ListenerStats counts since the listener was opened.
type ListenerStats struct {
	Accepted     uint64
	Refused      uint64 // Opener returned nil
	AcceptErrors uint64 // accept failed, such as for want of descriptors
}

// A Loop is a serial domain of callbacks.
type Loop interface {
	// Index of the loop in Engine.Loops. From any goroutine.
	Index() int
	// Now is the time since the engine opened, read once per batch of events
	// and never going back. Only on the loop.
	Now() time.Duration
	// Post runs f on the loop soon, never inside Post itself. No chain of posts
	// or timers without delay starves the loop's connections. Functions posted
	// by one goroutine run in its order. It reports false, and f never runs,
	// once the engine is closed. From any goroutine; never blocks.
	Post(f func()) bool
	// After runs f on the loop once d has passed; timers that are due run in
	// the order of their times, then of their making. The resolution is a
	// millisecond, rounded up. cancel may be called on the loop at any time;
	// f does not run after it. Only on the loop.
	After(d time.Duration, f func()) (cancel func())
	// Stats may be read from any goroutine without stopping the loop; they lag
	// by a few milliseconds of work at the most, and by none when it sleeps.
	Stats() LoopStats
}

// LoopStats counts since the engine opened. A counter that a backend cannot
// know stays zero.
type LoopStats struct {
	Busy       time.Duration `json:"busy_ns"` // time spent in callbacks and their input and output
	Conns      int64         `json:"conns"`   // connections open now
	Waits      uint64        `json:"waits"`   // times the loop asked for events
	Events     uint64        `json:"events"`  // events handled
	Wakeups    uint64        `json:"wakeups"` // times it was woken by Post
	Reads      uint64        `json:"reads"`   // system calls that read
	Writes     uint64        `json:"writes"`  // system calls that wrote
	ReadBytes  uint64        `json:"read_bytes"`
	WriteBytes uint64        `json:"write_bytes"`
	Timers     uint64        `json:"timers"` // timers that ran
	Tasks      uint64        `json:"tasks"`  // posted functions that ran
}

// ConnOptions of a TCP connection. Zero values are the defaults.
type ConnOptions struct {
	// OutputBytesMax limits the output that is not yet in the kernel's hands:
	// Alloc above it fails with ErrOutputFull. 0 means 4 MiB. One allocation
	// is always accepted when nothing is buffered, whatever its size.
	OutputBytesMax int
	// OutputBytesLow: Drained is called when output that the kernel did not
	// take, having been above it, falls to it or below. 0 means when all of it
	// is sent.
	OutputBytesLow int
	// InputBytesMax limits the view: a connection whose handler leaves that
	// much unconsumed, while not paused, is closed with ErrInputFull.
	// 0 means 16 MiB + 8.
	InputBytesMax int
	// Delay leaves Nagle's algorithm on; zero sets TCP_NODELAY.
	Delay bool
	// KeepAlive is the idle time before TCP keepalive probes; 0 means 15 s,
	// negative turns them off.
	KeepAlive time.Duration
	// SendBufferBytes and RecvBufferBytes set the kernel's buffers; 0 leaves
	// the system's choice.
	SendBufferBytes, RecvBufferBytes int
}

// Defaults of the options, and limits of what has no option.
const (
	OutputBytesDefault = 4 << 20
	InputBytesDefault  = 16<<20 + 8
	KeepAliveDefault   = 15 * time.Second
	DialTimeoutDefault = 10 * time.Second
	BacklogDefault     = 1024
	DatagramBytesMax   = 65507
	DatagramsMax       = 64 << 10 // that wait for the kernel on one socket
)

// WithDefaults replaces zero values by the defaults.
func (o ConnOptions) WithDefaults() ConnOptions {
	if o.OutputBytesMax == 0 {
		o.OutputBytesMax = OutputBytesDefault
	}
	if o.InputBytesMax == 0 {
		o.InputBytesMax = InputBytesDefault
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = KeepAliveDefault
	}
	return o
}

// ListenOptions of a TCP listener.
type ListenOptions struct {
	Conn ConnOptions
	// ReusePort opens one listening socket per loop with SO_REUSEPORT and lets
	// the kernel spread connections.
	ReusePort bool
	Backlog   int // of the listening socket; 0 means 1024
}

// DialOptions of a TCP connection that is dialled.
type DialOptions struct {
	Conn    ConnOptions
	Timeout time.Duration // until connected; 0 means 10 s
}

// PacketOptions of a UDP socket.
type PacketOptions struct {
	Local netip.AddrPort // address to bind; the zero value any free one
	// Peer, when valid, connects the socket: only its datagrams are received,
	// and its being unreachable is reported to Failed.
	Peer netip.AddrPort
	// OutputBytesMax limits datagrams that wait for the kernel; Alloc above it,
	// or above DatagramsMax of them, fails with ErrOutputFull. 0 means 4 MiB.
	OutputBytesMax int
	// SendBufferBytes and RecvBufferBytes set the kernel's buffers; 0 leaves
	// the system's choice.
	SendBufferBytes, RecvBufferBytes int
	ReusePort                        bool // SO_REUSEPORT; any backend with Packet honours it
}

// An Opener makes the handler of a new connection, on the connection's loop.
// It may already use c. When it returns nil the connection is refused: closed
// at once, with no further callback.
type Opener func(c Conn) Handler

// A Handler receives what happens on one connection, on the connection's loop.
// Its methods are never called inside each other, nor inside a method of Conn.
type Handler interface {
	// Received shows all input that is not yet consumed and returns how many
	// bytes of it are done with. What is left is shown again with the next
	// input. Output made inside is flushed when the call returns.
	Received(view []byte) (consumed int)
	// Drained is called when output has fallen to OutputBytesLow or below,
	// after a Flush had to leave more than that behind or Alloc returned
	// ErrOutputFull. Output made inside is flushed when the call returns.
	Drained()
	// Closed is the last call, exactly once: nil after Close(nil), the cause
	// given to Close, io.EOF when the peer closed, or the error of the system.
	// A peer that closes its sending half still gets what the kernel has taken
	// by then; more may be dropped.
	// The Conn must not be used in it or afterwards, except for its addresses.
	Closed(err error)
}

// A Conn is one TCP connection. Only on its loop.
type Conn interface {
	// Alloc reserves n bytes at the tail of the output. The caller fills them
	// before its next call on this Conn. It never blocks; it returns
	// ErrOutputFull above the limit, buffer.ErrPool when the pool is at its limit and
	// ErrClosed on a connection that is closing.
	Alloc(n int) ([]byte, error)
	// Flush hands what was allocated to the kernel, as one write where it can,
	// and queues what the kernel does not take. Errors of the peer arrive in
	// Closed, not here.
	Flush()
	// Buffered is the number of output bytes that the kernel has not taken; after
	// Close(nil), when it has, that the peer's kernel has not acknowledged.
	Buffered() int
	// Pause stops Received; Resume allows it again, and unconsumed input is
	// then shown without waiting for more. Neither calls Received itself. While
	// it is paused, or its loop busy, little more is read than the kernel holds.
	Pause()
	Resume()
	// Close ends the connection; no Received follows. With a nil cause the
	// peer's kernel gets all output first, however long it takes, and input is
	// dropped, which would otherwise reset the connection; with a cause, output
	// is dropped at once. Closed follows, after the current callback has
	// returned. A second Close with a cause aborts a first one that waits.
	Close(cause error)
	LocalAddr() netip.AddrPort  // until Closed has returned
	RemoteAddr() netip.AddrPort // from any goroutine, at any time
	Loop() Loop                 // from any goroutine, at any time
}

// A PacketHandler receives what happens on one UDP socket, on its loop. Its
// methods are never called inside each other, nor inside a method of PacketConn.
type PacketHandler interface {
	// Received shows one datagram. Output made inside is flushed when the
	// batch that it came in is done.
	Received(from netip.AddrPort, view []byte)
	// Failed reports an error that leaves the socket open, such as a peer
	// being unreachable.
	Failed(err error)
	// Closed is the last call, exactly once.
	Closed(err error)
}

// A PacketConn is one UDP socket.
type PacketConn interface {
	// Alloc reserves a datagram of n bytes to an address, to be filled before
	// the next call. For a connected socket to is ignored. It returns
	// ErrOutputFull above the limit and ErrTooLong above DatagramBytesMax.
	// Only on the loop.
	Alloc(n int, to netip.AddrPort) ([]byte, error)
	// Flush sends what was allocated, batched where the backend can. What the
	// kernel refuses for good is dropped and reported to Failed. Only on the
	// loop.
	Flush()
	// Unsent is the number of datagrams that the kernel has not taken. Only on
	// the loop; in Closed too, where it is the number of those dropped.
	Unsent() int
	// Close ends the socket; nothing but Closed follows, after the current
	// callback has returned. With a nil cause all output is sent first, however
	// long the kernel takes; otherwise it is dropped at once. A second Close
	// with a cause aborts a first one that waits. Only on the loop.
	Close(cause error)
	LocalAddr() netip.AddrPort // from any goroutine
	Loop() Loop                // from any goroutine
}
