package sim

import (
	"net/netip"
	"syscall"
	"time"
)

// A datagram is one UDP datagram: being written, under way, or waiting to be
// read.
type datagram struct {
	event
	src, dst    *Host
	from, to    netip.AddrPort
	data        []byte
	unreachable bool // there is nobody at from's to; it carries nothing
}

// datagram returns an unused one with room for n bytes.
func (w *World) datagram(n int) *datagram {
	var d *datagram
	if k := len(w.packets); k > 0 {
		d = w.packets[k-1]
		w.packets = w.packets[:k-1]
	} else {
		d = new(datagram)
		d.what = d
	}
	if cap(d.data) < n {
		d.data = make([]byte, n, max(n, 512))
	}
	d.data = d.data[:n]
	return d
}

// done takes a datagram back.
func (w *World) done(d *datagram) {
	if cap(d.data) > spareBytesMax/16 {
		d.data = nil
	}
	d.src, d.dst, d.unreachable = nil, nil, false
	if len(w.packets) < sparesMax {
		w.packets = append(w.packets, d)
	}
}

// sendDatagram gives a datagram to the network.
func (w *World) sendDatagram(d *datagram) {
	f := d.src.path(d.dst).carry(w, len(d.data))
	if f.dropped != 0 {
		w.trace.add(d.record(w, f.dropped))
		w.done(d)
		return
	}
	if f.doubled {
		w.trace.add(d.record(w, kindDoubled))
		second := w.datagram(len(d.data))
		copy(second.data, d.data)
		second.src, second.dst, second.from, second.to, second.unreachable = d.src, d.dst, d.from, d.to, d.unreachable
		w.set(&second.event, f.at)
	}
	w.set(&d.event, f.at)
}

func (d *datagram) record(w *World, k kind) record {
	return record{at: w.now, kind: k, from: int32(d.src.index), to: int32(d.dst.index), a: d.from.Port(), b: d.to.Port(), n: len(d.data)}
}

// happen is the datagram's arrival.
func (d *datagram) happen(w *World) {
	k := kindDatagram
	if d.unreachable {
		k = kindUnreachable
	}
	w.trace.add(d.record(w, k))
	w.trace.content(d.data)
	p := (*packetSocket)(nil)
	if d.dst.up {
		p = d.dst.packets.find(d.to, d.from)
	}
	switch {
	case p != nil && (!p.peer.IsValid() || p.peer == d.from):
		p.arrive(d)
		return
	case d.dst.up && !d.unreachable:
		// Nobody is there (a connected socket is there for its peer alone).
		back := w.datagram(0)
		back.src, back.dst, back.from, back.to, back.unreachable = d.dst, d.src, d.to, d.from, true
		w.sendDatagram(back)
	}
	w.done(d)
}

// A packetSocket is a UDP socket in a host's kernel.
type packetSocket struct {
	host        *Host
	local, peer netip.AddrPort
	shared      bool
	owner       owner
	in          []*datagram
	head        int // of in
	bytes, max  int // waiting in in
	sendMax     int // bytes that a link of limited rate may have to send; 0 is no limit
	closed      bool
}

func (p *packetSocket) where() (netip.AddrPort, bool) { return p.local, p.shared }

// openPacket binds a socket, and connects it when peer is valid.
func (h *Host) openPacket(local, peer netip.AddrPort, shared bool, recv int, o owner) (*packetSocket, error) {
	local, peer = unmap(local), unmap(peer)
	if peer.IsValid() {
		peer = h.destination(peer)
	}
	switch {
	case !local.Addr().IsValid() && peer.IsValid():
		local = netip.AddrPortFrom(h.source(peer.Addr()), local.Port())
	case !local.Addr().IsValid():
		local = netip.AddrPortFrom(netip.IPv4Unspecified(), local.Port())
	}
	local, err := bind(h, h.packets, local, shared)
	if err != nil {
		return nil, err
	}
	if recv == 0 {
		recv = packetSocketBytes
	}
	p := &packetSocket{host: h, local: local, peer: peer, shared: shared, owner: o, max: recv}
	h.packets.add(p)
	return p, nil
}

// roomAt is when the socket takes a datagram to an address; it may be past.
func (p *packetSocket) roomAt(to netip.AddrPort) time.Duration {
	h := p.host
	if p.peer.IsValid() {
		to = p.peer
	}
	dst := h.find(h.destination(to).Addr())
	if p.sendMax == 0 || dst == nil || h.path(dst).BytesPerSecond == 0 {
		return 0
	}
	link := h.path(dst)
	return link.busy - time.Duration(int64(p.sendMax)*int64(time.Second)/link.BytesPerSecond)
}

// send takes a datagram that is written, or returns an error, and the datagram
// is then gone.
func (p *packetSocket) send(d *datagram, to netip.AddrPort) error {
	h := p.host
	if p.peer.IsValid() {
		to = p.peer
	} else {
		to = h.destination(to)
	}
	if !to.Addr().IsValid() || to.Port() == 0 {
		h.w.done(d)
		return systemError("sendto", syscall.EINVAL)
	}
	from := p.local
	if from.Addr().IsUnspecified() {
		from = netip.AddrPortFrom(h.source(to.Addr()), from.Port())
	}
	dst := h.find(to.Addr())
	if dst == nil {
		dst = h.w.nowhere()
	}
	d.src, d.dst, d.from, d.to = h, dst, from, to
	h.w.sendDatagram(d)
	return nil
}

// arrive queues a datagram for the owner, or drops it for want of room.
func (p *packetSocket) arrive(d *datagram) {
	w := p.host.w
	if d.unreachable && !p.peer.IsValid() {
		w.done(d) // only connected sockets are told
		return
	}
	if p.bytes > 0 && p.bytes+len(d.data)+headerBytes > p.max {
		w.trace.add(d.record(w, kindOverflow))
		w.done(d)
		return
	}
	if p.head > 0 && len(p.in) == cap(p.in) {
		p.in = p.in[:copy(p.in, p.in[p.head:])]
		p.head = 0
	}
	p.in = append(p.in, d)
	p.bytes += len(d.data) + headerBytes
	p.owner.stir()
}

// take returns the next datagram, or nil.
func (p *packetSocket) take() *datagram {
	if p.head == len(p.in) {
		return nil
	}
	d := p.in[p.head]
	p.in[p.head] = nil
	if p.head++; p.head == len(p.in) {
		p.in, p.head = p.in[:0], 0
	}
	p.bytes -= len(d.data) + headerBytes
	return d
}

func (p *packetSocket) close() {
	if p.closed {
		return
	}
	p.closed = true
	p.host.packets.remove(p)
	for d := p.take(); d != nil; d = p.take() {
		p.host.w.done(d)
	}
}

// A listenSocket is a TCP listener in a host's kernel.
type listenSocket struct {
	host                 *Host
	local                netip.AddrPort
	shared               bool
	backlog, pending     int
	sendBytes, recvBytes int
	closed               bool
	arrived              func(*sock) // a connection is established; pending counts it until accepted
}

func (l *listenSocket) where() (netip.AddrPort, bool) { return l.local, l.shared }

func (h *Host) listen(at netip.AddrPort, shared bool, backlog int, arrived func(*sock)) (*listenSocket, error) {
	at, err := bind(h, h.streams, unmap(at), shared)
	if err != nil {
		return nil, err
	}
	l := &listenSocket{host: h, local: at, shared: shared, backlog: backlog, arrived: arrived}
	h.streams.add(l)
	return l, nil
}

func (l *listenSocket) close() {
	if !l.closed {
		l.closed = true
		l.host.streams.remove(l)
	}
}
