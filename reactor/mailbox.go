package reactor

import (
	"net/netip"
	"sync"
	"unsafe"

	"lars/reactor/frame"
)

// mailbox takes messages from other goroutines to a loop. They are framed
// into one arena, which is swapped for an empty one when the loop takes them,
// so sending neither allocates nor wakes the loop more than once per batch.
type mailbox struct {
	loop  *Loop
	drain func() // deliver, made once

	mu      sync.Mutex
	parcels []parcel
	arena   []byte

	// Of the loop: the batch being delivered, whose memory serves again.
	spareParcels []parcel
	spareArena   []byte
	dirty        []*Conn
	dirtyPackets []*Packet
}

// parcel is a frame in the arena and where it goes.
type parcel struct {
	conn   *Conn
	packet *Packet
	to     netip.AddrPort
	off, n int
}

const (
	arenaKeptBytes = 1 << 20 // of a mailbox's arena, for reuse
	parcelsKept    = 1 << 14
	parcelBytes    = int(unsafe.Sizeof(parcel{}))
)

// put frames a message for the targets.
func (m *mailbox) put(id int32, body []byte, targets ...parcel) error {
	m.mu.Lock()
	off, n := len(m.arena), frame.HeadBytes+len(body)
	if off > 0 && off+n+(len(m.parcels)+len(targets))*parcelBytes > m.loop.r.config.MailboxBytesMax {
		m.mu.Unlock()
		m.loop.counters.add(KindMailboxFull)
		return ErrBusy
	}
	first := len(m.parcels) == 0
	m.arena = frame.Append(m.arena, id, body)
	for _, p := range targets {
		p.off, p.n = off, n
		m.parcels = append(m.parcels, p)
	}
	m.mu.Unlock()
	if first && !m.loop.d.Post(m.drain) {
		return ErrReactorClosed
	}
	return nil
}

// deliver hands a batch to its connections and flushes each once. On the loop.
func (m *mailbox) deliver() {
	m.mu.Lock()
	parcels, arena := m.parcels, m.arena
	m.parcels, m.arena = m.spareParcels[:0], m.spareArena[:0]
	m.mu.Unlock()
	for i := range parcels {
		p := &parcels[i]
		if p.conn != nil {
			m.toConn(p.conn, arena[p.off:p.off+p.n])
		} else {
			m.toPacket(p, arena[p.off:p.off+p.n])
		}
	}
	m.flush()
	clear(parcels)
	m.spareParcels, m.spareArena = nil, nil
	if cap(parcels) <= parcelsKept {
		m.spareParcels = parcels
	}
	if cap(arena) <= arenaKeptBytes {
		m.spareArena = arena
	}
}

func (m *mailbox) toConn(c *Conn, message []byte) {
	if c.unsendable() != nil {
		return
	}
	b, err := c.d.Alloc(len(message))
	if err != nil {
		if b, err = c.allocAgain(len(message), err); err != nil {
			return
		}
	}
	copy(b, message)
	c.output += uint64(len(b))
	m.loop.out++
	if !c.dirty {
		c.dirty = true
		m.dirty = append(m.dirty, c)
	}
}

func (m *mailbox) toPacket(p *parcel, message []byte) {
	if p.packet.closed.Load() {
		m.loop.counters.add(KindStale)
		return
	}
	b, err := p.packet.d.Alloc(len(message), p.to)
	if err != nil {
		_ = p.packet.refused(err)
		return
	}
	copy(b, message)
	m.loop.out++
	if !p.packet.dirty {
		p.packet.dirty = true
		m.dirtyPackets = append(m.dirtyPackets, p.packet)
	}
}

func (m *mailbox) flush() {
	for i, c := range m.dirty {
		c.dirty = false
		c.Flush()
		m.dirty[i] = nil
	}
	for i, p := range m.dirtyPackets {
		p.dirty = false
		p.d.Flush()
		m.dirtyPackets[i] = nil
	}
	m.dirty, m.dirtyPackets = m.dirty[:0], m.dirtyPackets[:0]
	m.loop.countMessages(0)
}

// unsendable says, and counts, why a message to c would not go out, as far as is
// known. Where one was refused, none overtakes it before OnDrained. From any
// goroutine.
func (c *Conn) unsendable() error {
	switch {
	case c.mark.Load() == 0:
		return nil
	case c.has(markClosed):
		c.loop.counters.add(KindStale)
		return ErrClosed
	}
	c.loop.counters.add(KindOutputFull)
	return ErrOutputFull
}

// Send sends a message from any goroutine; the body is copied. It returns
// ErrClosed when the connection is known to be closed, ErrBusy when the loop's
// mailbox is full, and ErrOutputFull from when the output has refused a message
// (see Overflow) until OnDrained. Messages of one goroutine keep their order, but
// may overtake a function that it posted between them. Whether the peer gets a
// message is not known: a connection may end with messages under way, and those
// that the loop takes after one that was refused are dropped and counted like it
// (KindOutputFull). Who must lose none sends on the loop, with Write, and waits
// for OnDrained.
func (c *Conn) Send(id int32, body []byte) error {
	if err := checkBody(len(body), c.end.SendBytesMax); err != nil {
		return err
	}
	if err := c.unsendable(); err != nil {
		return err
	}
	return c.loop.mail.put(id, body, parcel{conn: c})
}

// Broadcast sends one message to many connections, from any goroutine, and
// copies its body once for each loop. Connections that are closed are counted
// as stale. It returns ErrBusy when a loop's mailbox was full: the connections
// of that loop do not get the message; otherwise ErrOutputFull when a connection
// does not take it, as with Send. The others get it in either case.
func (r *Reactor) Broadcast(conns []*Conn, id int32, body []byte) error {
	var first, full error
	byLoop := make([][]parcel, len(r.loops))
	for _, c := range conns {
		if err := checkBody(len(body), c.end.SendBytesMax); err != nil {
			return err
		}
		switch err := c.unsendable(); err {
		case nil:
			i := c.loop.index
			byLoop[i] = append(byLoop[i], parcel{conn: c})
		case ErrOutputFull:
			full = err
		}
	}
	for i, targets := range byLoop {
		if len(targets) > 0 {
			if err := r.loops[i].mail.put(id, body, targets...); err != nil && first == nil {
				first = err
			}
		}
	}
	if first == nil {
		first = full
	}
	return first
}
