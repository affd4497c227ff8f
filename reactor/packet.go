package reactor

import (
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
	// OutputBytesMax limits datagrams that wait for the kernel; 0 means 4 MiB.
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
	if r.closing.Load() {
		return nil, ErrReactorClosed
	}
	p := &Packet{loop: l, config: c, opened: make(chan struct{})}
	d, err := r.engine.ListenPacket(l.d, o, (*packetHandler)(p))
	if err != nil {
		return nil, fmt.Errorf("reactor: udp: %w", err)
	}
	p.d = d
	p.open.Store(true)
	close(p.opened)
	return p, nil
}

// LocalAddr is the address that the socket is bound to.
func (p *Packet) LocalAddr() netip.AddrPort { return p.d.LocalAddr() }

// Loop is the socket's loop.
func (p *Packet) Loop() *Loop { return p.loop }

// Received takes the one message that a datagram must be.
func (h *packetHandler) Received(from netip.AddrPort, view []byte) {
	p := (*Packet)(h)
	if !p.open.Load() {
		<-p.opened // the socket was quicker than the call that opened it
	}
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

func (h *packetHandler) Failed(err error) {
	p := (*Packet)(h)
	p.loop.counters.add(KindUnreachable)
	if p.config.OnError != nil {
		p.config.OnError(err)
	}
}

func (h *packetHandler) Closed(err error) {
	p := (*Packet)(h)
	p.closed.Store(true)
	if p.config.OnClose != nil {
		p.config.OnClose(err)
	}
}

// Alloc reserves a datagram with a body of n bytes to an address (ignored on a
// connected socket) and returns the body, to be filled before anything else is
// sent. Inside a handler of this socket it leaves when the handler's batch is
// done; elsewhere call Flush. Only on the loop.
func (p *Packet) Alloc(to netip.AddrPort, id int32, n int) ([]byte, error) {
	if err := checkBody(n, p.config.BodyBytesMax); err != nil {
		return nil, err
	}
	b, err := p.d.Alloc(frame.HeadBytes+n, to)
	if err != nil {
		p.loop.counters.add(KindOutputFull)
		return nil, err
	}
	frame.PutHead(b, id, n)
	p.loop.out++
	return b[frame.HeadBytes:], nil
}

// Flush hands what was allocated to the kernel. Only on the loop.
func (p *Packet) Flush() {
	p.d.Flush()
	p.loop.countMessages(0)
}

// Send sends a message from any goroutine; the body is copied. On a connected
// socket the address is ignored.
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

// Close closes the socket soon; what is unsent is dropped.
func (p *Packet) Close() {
	p.loop.Post(func() { p.d.Close(nil) })
}
