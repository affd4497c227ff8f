package server

import (
	"encoding/binary"
	"net/netip"
	"time"

	"lars/bench/proc"
	"lars/reactor"
	"lars/reactor/driver"
)

// StampID is the message that asks for the times at which the server dealt with
// it. The body is anything, and then StampBytes; the reply is the same with the
// times in them.
const StampID = 0x4c617202

// StampBytes is the room for the times.
const StampBytes = 3 * 8

// Stamps are the times of one message on CLOCK_MONOTONIC.
type Stamps struct {
	Read       time.Duration // the backend handed over the bytes
	Start, End time.Duration // of the handler
}

// ReadStamps reads them at the end of a reply's body, which has StampBytes.
func ReadStamps(body []byte) Stamps {
	b := body[len(body)-StampBytes:]
	at := func(i int) time.Duration { return time.Duration(binary.LittleEndian.Uint64(b[8*i:])) }
	return Stamps{at(0), at(1), at(2)}
}

func (s Stamps) put(body []byte) {
	b := body[len(body)-StampBytes:]
	binary.LittleEndian.PutUint64(b, uint64(s.Read))
	binary.LittleEndian.PutUint64(b[8:], uint64(s.Start))
	binary.LittleEndian.PutUint64(b[16:], uint64(s.End))
}

// stamper notes when bytes came, by loop, around any backend. It costs a read
// of the clock for each input, so only --stamps has it.
type stamper struct {
	driver.Driver
	clock proc.MonotonicClock
	reads []readTime // by the index of a loop, which alone uses it
}

// readTime keeps to a cache line of its own.
type readTime struct {
	at time.Duration
	_  [56]byte
}

func newStamper(d driver.Driver, loops int) (*stamper, error) {
	clock, err := proc.NewMonotonicClock()
	return &stamper{Driver: d, clock: clock, reads: make([]readTime, max(loops, 1))}, err
}

// serve answers StampID.
func (s *stamper) serve(router *reactor.Router) {
	router.Handle(StampID, func(q *reactor.Request) {
		t := Stamps{Read: s.reads[q.Loop().Index()].at, Start: s.clock.Now()}
		n := len(q.Body)
		if n < StampBytes {
			return
		}
		b, err := q.ReplyAlloc(q.ID, n)
		if err != nil {
			return
		}
		copy(b, q.Body)
		t.End = s.clock.Now()
		t.put(b)
	}, nil)
}

// Open implements driver.Driver.
func (s *stamper) Open(c driver.Config) (driver.Engine, error) {
	e, err := s.Driver.Open(c)
	if err != nil {
		return nil, err
	}
	return stampedEngine{e, s}, nil
}

type stampedEngine struct {
	driver.Engine
	s *stamper
}

// Listen implements driver.Engine.
func (e stampedEngine) Listen(addr netip.AddrPort, o driver.ListenOptions, open driver.Opener) (driver.Listener, error) {
	return e.Engine.Listen(addr, o, func(c driver.Conn) driver.Handler {
		h := open(c)
		if h == nil {
			return nil
		}
		return &stampedHandler{h, e.s, &e.s.reads[c.Loop().Index()]}
	})
}

// ListenPacket implements driver.Engine.
func (e stampedEngine) ListenPacket(l driver.Loop, o driver.PacketOptions, h driver.PacketHandler) (driver.PacketConn, error) {
	return e.Engine.ListenPacket(l, o, &stampedPackets{h, e.s, &e.s.reads[l.Index()]})
}

type stampedHandler struct {
	driver.Handler
	s    *stamper
	read *readTime
}

// Received implements driver.Handler.
func (h *stampedHandler) Received(view []byte) int {
	h.read.at = h.s.clock.Now()
	return h.Handler.Received(view)
}

type stampedPackets struct {
	driver.PacketHandler
	s    *stamper
	read *readTime
}

// Received implements driver.PacketHandler.
func (h *stampedPackets) Received(from netip.AddrPort, view []byte) {
	h.read.at = h.s.clock.Now()
	h.PacketHandler.Received(from, view)
}
