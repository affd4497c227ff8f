package reactor

import (
	"fmt"
	"sync/atomic"
	"time"

	"lars/reactor/driver"
	"lars/reactor/frame"
)

// Overflow is what happens to a connection whose peer does not take its
// output.
type Overflow int

const (
	// PauseReading stops taking requests from a peer whose output is above
	// the high mark until it falls to the low one. Messages that are sent to
	// it all the same are refused above four times the high mark, or above it
	// by more than one message of the largest size, whichever is more.
	PauseReading Overflow = iota
	// DropConn closes a connection when a message would exceed the high mark,
	// or finds no buffer.
	DropConn
	// RefuseMessage refuses a message that would exceed the high mark: its
	// sender gets ErrOutputFull, the connection stays.
	RefuseMessage
)

// Endpoint is what servers and clients have in common: how their connections
// behave. The zero value is usable; zero fields mean the defaults.
type Endpoint struct {
	// Router of the messages; nil counts and ignores them.
	Router *Router
	// OnOpen is called for each new connection before its first message. It
	// may set properties, write, or close. On the connection's loop.
	OnOpen func(*Conn)
	// OnClose is the last call for a connection, exactly once after OnOpen.
	// The error is nil after Close(nil), io.EOF when the peer closed, or the
	// cause. A peer that closes its sending half alone (shutdown) ends the
	// connection too: it gets what was written by then, but no answer that is
	// made later, such as after Loop.Offload. On the connection's loop.
	OnClose func(*Conn, error)
	// OnDrained is called when output that the kernel did not take has fallen to
	// OutputBytesLow or below, having been above it: whoever found the output
	// full can go on. On the connection's loop.
	OnDrained func(*Conn)

	// BodyBytesMax limits the body of a received message: 0 means 65,527 (with
	// the head a frame of 64 KiB less one), at most 16 MiB.
	BodyBytesMax int
	// SendBytesMax limits the body of a sent message: 0 means BodyBytesMax, and
	// 16 MiB is the most here too.
	SendBytesMax int
	// IdleTimeout closes a connection that sends nothing for so long; 0 never.
	// While reading is paused, and after a close, it is the time to take output in.
	IdleTimeout time.Duration
	// PartialTimeout closes a connection whose frame is not complete so long
	// after its first byte; 0 means 30 s, negative never.
	PartialTimeout time.Duration
	// WriteTimeout closes a connection that has unsent output of which the peer
	// has taken nothing for so long, one that was closed and is still to send it
	// too; 0 means 2 min, negative never.
	WriteTimeout time.Duration

	// Overflow chooses what happens above OutputBytesHigh.
	Overflow Overflow
	// OutputBytesHigh and OutputBytesLow are the marks of unsent output per
	// connection; 0 means 1 MiB and a quarter of the high mark.
	OutputBytesHigh, OutputBytesLow int

	Delay           bool          // leave Nagle's algorithm on; zero is TCP_NODELAY
	KeepAlive       time.Duration // idle time before TCP keepalive; 0 means 15 s, negative off
	SendBufferBytes int           // of the socket; 0 leaves the system's choice
	RecvBufferBytes int           // of the socket; 0 leaves the system's choice
}

// Defaults of Endpoint and ServerConfig.
const (
	PartialTimeoutDefault  = 30 * time.Second
	WriteTimeoutDefault    = 2 * time.Minute
	OutputBytesHighDefault = 1 << 20
	ConnsMaxDefault        = 100_000
	hardLimitFactor        = 4 // of the high mark, with PauseReading
)

// endpoint is an Endpoint in force.
type endpoint struct {
	Endpoint
	ConnsMax int
	live     atomic.Int64
	closed   func(*Conn, error) // of the client that owns it
}

func newEndpoint(e Endpoint, connsMax int) (*endpoint, error) {
	if e.Router == nil {
		e.Router = NewRouter()
	}
	if e.BodyBytesMax == 0 {
		e.BodyBytesMax = frame.BodyBytesDefault
	}
	if e.BodyBytesMax < 0 || e.BodyBytesMax > frame.BodyBytesMax {
		return nil, fmt.Errorf("reactor: BodyBytesMax %d: allowed are 1 to %d", e.BodyBytesMax, frame.BodyBytesMax)
	}
	if e.SendBytesMax == 0 {
		e.SendBytesMax = e.BodyBytesMax
	}
	if e.SendBytesMax < 0 || e.SendBytesMax > frame.BodyBytesMax {
		return nil, fmt.Errorf("reactor: SendBytesMax %d: allowed are 1 to %d (0 means BodyBytesMax)", e.SendBytesMax, frame.BodyBytesMax)
	}
	if e.PartialTimeout == 0 {
		e.PartialTimeout = PartialTimeoutDefault
	}
	if e.WriteTimeout == 0 {
		e.WriteTimeout = WriteTimeoutDefault
	}
	if e.OutputBytesHigh == 0 {
		e.OutputBytesHigh = OutputBytesHighDefault
	}
	if e.OutputBytesLow == 0 {
		e.OutputBytesLow = e.OutputBytesHigh / 4
	}
	if e.OutputBytesHigh < 0 || e.OutputBytesLow < 0 || e.OutputBytesLow > e.OutputBytesHigh {
		return nil, fmt.Errorf("reactor: output marks %d and %d: the low one must be from 0 to the high one", e.OutputBytesLow, e.OutputBytesHigh)
	}
	if e.Overflow < PauseReading || e.Overflow > RefuseMessage {
		return nil, fmt.Errorf("reactor: unknown Overflow %d", e.Overflow)
	}
	if connsMax == 0 {
		connsMax = ConnsMaxDefault
	}
	if connsMax < 0 {
		return nil, fmt.Errorf("reactor: ConnsMax %d: allowed are 1 and more (0 means %d)", connsMax, ConnsMaxDefault)
	}
	return &endpoint{Endpoint: e, ConnsMax: connsMax}, nil
}

// options are the driver's part.
func (e *endpoint) options() driver.ConnOptions {
	limit := e.OutputBytesHigh
	if e.Overflow == PauseReading {
		// Whoever was read from below the high mark can have its answer.
		limit = max(limit*hardLimitFactor, limit+frame.HeadBytes+e.SendBytesMax)
	}
	return driver.ConnOptions{
		OutputBytesMax:  limit,
		OutputBytesLow:  e.OutputBytesLow,
		InputBytesMax:   e.BodyBytesMax + frame.HeadBytes,
		Delay:           e.Delay,
		KeepAlive:       e.KeepAlive,
		SendBufferBytes: e.SendBufferBytes,
		RecvBufferBytes: e.RecvBufferBytes,
	}
}

// opener adopts a driver's connection.
func (e *endpoint) opener(r *Reactor, opened func(*Conn)) driver.Opener {
	return func(d driver.Conn) driver.Handler {
		l := r.loops[d.Loop().Index()]
		c := e.openConn(l, d)
		if c == nil {
			return nil
		}
		l.sweep.watch(e)
		if opened != nil {
			opened(c)
		}
		if e.OnOpen != nil {
			e.OnOpen(c)
		}
		c.Flush()
		return (*handler)(c)
	}
}
