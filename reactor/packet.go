package reactor

import (
	"cmp"
	"fmt"
	"net/netip"
	"sync/atomic"

	"lars/reactor/driver"
	"lars/reactor/frame"
)

// PacketConfig of a UDP socket. The zero value is usable.
type PacketConfig struct {
	// Router of the messages; nil counts and ignores them.
	Router *Router
	// OnError is told of errors that leave the socket open, such as the peer
	// of a connected socket being unreachable. On the socket's loop.
	OnError func(error)
	// OnClose is the last call. On the socket's loop.
	OnClose func(error)
	// BodyBytesMax limits a message's body, in and out: 0 and anything above
	// mean what a datagram holds, 65,499.
	BodyBytesMax int
	// OutputBytesMax limits the datagrams that wait for the kernel, in bytes of
	// all together; 0 means 4 MiB.
	OutputBytesMax  int
	SendBufferBytes int  // of the socket; 0 leaves the system's choice
	RecvBufferBytes int  // of the socket; 0 leaves the system's choice
	ReusePort       bool // several sockets on one address
	// Loop is 1 for the reactor's first loop and so on; 0 takes the next in turn.
	Loop int
}

// A Packet is one UDP socket, of a server or of a client: each datagram is one
// message, and comes with its sender's address.
type Packet struct {
	d      driver.PacketConn
	id     uint64 // in the order of their making
	loop   *Loop
	config PacketConfig
	opened chan struct{} // closed once d is set
	open   atomic.Bool   // the same, for less
	closed atomic.Bool
	dirty  bool // stands in the mailbox's list of sockets to flush
}

// packetHandler is what the driver sees of a Packet.
type packetHandler Packet

// ListenPacket opens a UDP socket on "ip:port"; port 0 picks a free one.
func (r *Reactor) ListenPacket(addr string, c PacketConfig) (*Packet, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("reactor: listen udp %q: want ip:port, such as 127.0.0.1:8888: %w", addr, err)
	}
	return r.openPacket(c, driver.PacketOptions{Local: at})
}

// DialPacket opens a UDP socket that is connected to "ip:port": it receives
// from there alone, and OnError hears when nobody listens there.
func (r *Reactor) DialPacket(addr string, c PacketConfig) (*Packet, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("reactor: dial udp %q: want ip:port, such as 127.0.0.1:8888: %w", addr, err)
	}
	return r.openPacket(c, driver.PacketOptions{Peer: at})
}

const packetBodyBytesMax = driver.DatagramBytesMax - frame.HeadBytes

func (r *Reactor) openPacket(c PacketConfig, o driver.PacketOptions) (*Packet, error) {
	if c.BodyBytesMax <= 0 || c.BodyBytesMax > packetBodyBytesMax {
		c.BodyBytesMax = packetBodyBytesMax
	}
	if c.Router == nil {
		c.Router = NewRouter()
	}
	l, err := r.pick(c.Loop)
	if err != nil {
		return nil, err
	}
	o.OutputBytesMax, o.ReusePort = c.OutputBytesMax, c.ReusePort
	o.SendBufferBytes, o.RecvBufferBytes = c.SendBufferBytes, c.RecvBufferBytes
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing.Load() {
		return nil, ErrReactorClosed
	}
	p := &Packet{loop: l, id: r.ids.Add(1), config: c, opened: make(chan struct{})}
	d, err := r.engine.ListenPacket(l.d, o, (*packetHandler)(p))
	if err != nil {
		return nil, fmt.Errorf("reactor: udp: %w", err)
	}
	p.d = d
	p.open.Store(true)
	close(p.opened)
	r.packets[p] = struct{}{}
	return p, nil
}

func (p *Packet) compare(other *Packet) int { return cmp.Compare(p.id, other.id) }

// LocalAddr is the address that the socket is bound to.
func (p *Packet) LocalAddr() netip.AddrPort { return p.d.LocalAddr() }

// Loop is the socket's loop.
func (p *Packet) Loop() *Loop { return p.loop }

// Received takes the one message that a datagram must be.
func (h *packetHandler) Received(from netip.AddrPort, view []byte) {
	p := (*Packet)(h)
	p.await()
	l := p.loop
	id, body, err := frame.Datagram(view, p.config.BodyBytesMax)
	if err != nil {
		l.counters.add(KindBadDatagram)
		return
	}
	rt := p.config.Router.find(id)
	if rt == &p.config.Router.rest {
		l.counters.add(KindUnknownID)
	}
	if rt.handle != nil {
		q := &l.packetReq
		q.ID, q.Body, q.Data, q.packet, q.from = id, body, rt.data, p, from
		rt.handle(q)
	}
	l.countMessages(1)
}

// await waits, where the socket was quicker than the call that opened it.
func (p *Packet) await() {
	if !p.open.Load() {
		<-p.opened
	}
}

func (h *packetHandler) Failed(err error) {
	p := (*Packet)(h)
	p.loop.counters.add(KindUnreachable)
	if p.config.OnError != nil {
		p.config.OnError(err)
	}
}

func (h *packetHandler) Closed(err error) {
	p, r := (*Packet)(h), h.loop.r
	p.await()
	p.closed.Store(true)
	if n := p.d.Unsent(); n > 0 {
		p.loop.counters.kind[KindUnsent].Add(uint64(n))
		if r.closing.Load() {
			r.cut.Store(true)
		}
	}
	if p.config.OnClose != nil {
		p.config.OnClose(err)
	}
	r.mu.Lock()
	delete(r.packets, p)
	r.mu.Unlock()
	r.checkDrained()
}

// Alloc reserves a datagram with a body of n bytes to an address (ignored on a
// connected socket) and returns the body, to be filled before anything else is
// sent. Inside a handler of this socket it leaves when the handler's batch is
// done; elsewhere call Flush. It returns ErrOutputFull above OutputBytesMax,
// ErrClosed on a socket that is closing, and frame.ErrTooLarge. Only on the
// loop.
func (p *Packet) Alloc(to netip.AddrPort, id int32, n int) ([]byte, error) {
	if err := checkBody(n, p.config.BodyBytesMax); err != nil {
		return nil, err
	}
	b, err := p.d.Alloc(frame.HeadBytes+n, to)
	if err != nil {
		return nil, p.refused(err)
	}
	frame.PutHead(b, id, n)
	p.loop.out++
	return b[frame.HeadBytes:], nil
}

// refused counts a message that the output did not take.
func (p *Packet) refused(err error) error {
	kind := KindOutputFull
	if err == driver.ErrClosed {
		kind = KindStale
	}
	p.loop.counters.add(kind)
	return err
}

// Flush hands what was allocated to the kernel. Only on the loop.
func (p *Packet) Flush() {
	p.d.Flush()
	p.loop.countMessages(0)
}

// Send sends a message from any goroutine; the body is copied. On a connected
// socket the address is ignored. Its errors are Conn.Send's, without ErrOutputFull:
// what the socket has no room for is dropped and counted (KindOutputFull). Whether
// the message arrives is not known.
func (p *Packet) Send(to netip.AddrPort, id int32, body []byte) error {
	if err := checkBody(len(body), p.config.BodyBytesMax); err != nil {
		return err
	}
	if p.closed.Load() {
		p.loop.counters.add(KindStale)
		return ErrClosed
	}
	return p.loop.mail.put(id, body, parcel{packet: p, to: to})
}

// Close closes the socket soon. What is unsent is sent first, as far as the
// reactor's own end leaves time for it; nothing more is received.
func (p *Packet) Close() {
	p.loop.Post(func() { p.d.Close(nil) })
}
