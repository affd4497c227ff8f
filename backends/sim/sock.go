package sim

import (
	"io"
	"net/netip"
	"syscall"
	"time"
)

// Times of TCP, as Linux has them.
const (
	retryFirst      = 200 * time.Millisecond // TCP_RTO_MIN
	retryMost       = 2 * time.Minute        // TCP_RTO_MAX
	retriesMax      = 15                     // tcp_retries2
	synRetryFirst   = time.Second            // RFC 6298, 2.1
	synRetriesMax   = 6                      // tcp_syn_retries
	orphanRetries   = 8                      // tcp_orphan_retries
	finWait         = time.Minute            // tcp_fin_timeout
	keepAliveProbes = 9                      // tcp_keepalive_probes
	repeatedAcks    = 3                      // that make a sender go back (RFC 5681)
)

// state of a sock, in order.
type state uint8

const (
	connecting  state = iota // SYN sent
	handshaking              // SYN received
	established
	gone // known to nobody
)

// An owner is told when its sock may be read, written, connected or broken.
// The world is locked.
type owner interface{ stir() }

// A sock is one end of a TCP connection in a host's kernel. Its methods want
// the world locked.
//
// Places in the two streams count bytes from 0; a FIN takes one place.
type sock struct {
	event         // the timer
	host, far     *Host
	local, remote netip.AddrPort
	index         int // in host.socks
	state         state
	peer          *sock
	listener      *listenSocket // until it is accepted
	owner         owner         // nil: closed by its user, or not accepted yet
	err           error
	wantRoom      bool // the owner waits for room in out
	orphan        bool

	// Output: bytes from una on, sent up to nxt, allowed up to edge.
	out             pipe
	outMax          int
	una, nxt, edge  uint64
	shut            bool // a FIN follows the output
	finAcked        bool // the peer has everything, that FIN included
	repeated        int  // acknowledgements that said nothing new
	retries, probes int

	// Input: bytes up to got, of which in is not yet read.
	in       pipe
	inMax    int
	got      uint64
	told     uint64 // the edge that the peer knows
	finished bool   // got the peer's FIN

	resendAt  time.Duration // 0 is never
	keepAlive time.Duration // idle time before a probe; 0 is never
	heard     time.Duration // when the peer last said something
	dropAt    time.Duration // of an orphan that waits for a FIN; 0 is never
}

func newSock(h, far *Host, local, remote netip.AddrPort) *sock {
	s := &sock{host: h, far: far, local: local, remote: remote, outMax: socketBytes, inMax: socketBytes}
	s.what = s
	s.heard = h.w.clock()
	s.index = len(h.socks)
	h.socks = append(h.socks, s)
	h.conns[pair{local, remote}] = s
	return s
}

func (s *sock) setBuffers(send, recv int) {
	if send > 0 {
		s.outMax = send
	}
	if recv > 0 {
		s.inMax = recv
	}
}

// connect begins a connection. Its owner is told how it ends.
func (h *Host) connect(to netip.AddrPort, o owner, send, recv int) (*sock, error) {
	if !h.up {
		return nil, systemError("connect", syscall.ENETDOWN)
	}
	if to = h.destination(to); !to.Addr().IsValid() || to.Port() == 0 {
		return nil, systemError("connect", syscall.ECONNREFUSED)
	}
	local, ok := h.freePort(to)
	if !ok {
		return nil, systemError("connect", syscall.EADDRNOTAVAIL)
	}
	far := h.find(to.Addr())
	if far == nil {
		far = h.w.nowhere()
	}
	s := newSock(h, far, local, to)
	s.owner = o
	s.setBuffers(send, recv)
	s.sendSyn()
	s.arm(s.timeout())
	return s, nil
}

// freePort picks the local address of a connection.
func (h *Host) freePort(to netip.AddrPort) (netip.AddrPort, bool) {
	for range portLast - portFirst + 1 {
		local := netip.AddrPortFrom(h.source(to.Addr()), h.port())
		if h.conns[pair{local, to}] == nil && len(h.streams[local.Port()]) == 0 {
			return local, true
		}
	}
	return netip.AddrPort{}, false
}

func (s *sock) end() uint64 { return s.una + uint64(s.out.len()) } // of the output, without its FIN

// ourEdge is how far the peer may send.
func (s *sock) ourEdge() uint64 { return s.got + uint64(max(s.inMax-s.in.len(), 0)) }

func (s *sock) send(g segment) {
	g.src, g.dst, g.from, g.to, g.local, g.remote = s.host, s.far, s, s.peer, s.local, s.remote
	g.ack, g.edge = s.got, s.ourEdge()
	s.told = g.edge
	s.host.w.sendSegment(g)
}

func (s *sock) sendSyn()    { s.send(segment{kind: kindSyn}) }
func (s *sock) sendSynAck() { s.send(segment{kind: kindSynAck}) }

// sendAck says what has been got, with no bytes.
func (s *sock) sendAck(probe bool) { s.send(segment{kind: kindData, seq: s.nxt, probe: probe}) }

func (s *sock) sendReset() {
	if s.peer != nil && s.state != gone {
		s.send(segment{kind: kindReset})
	}
}

// push sends what may be sent.
func (s *sock) push() {
	if s.state != established {
		return
	}
	end := s.end()
	for s.nxt <= end {
		n := 0
		if room := min(s.edge, end); room > s.nxt {
			n = int(min(room-s.nxt, segmentBytesMax))
		}
		fin := s.shut && s.nxt+uint64(n) == end
		if n == 0 && !fin {
			break
		}
		s.send(segment{kind: kindData, seq: s.nxt, n: n, fin: fin})
		s.nxt += uint64(n)
		if fin {
			s.nxt++
		}
	}
	if s.unsettled() && s.resendAt == 0 {
		s.arm(s.timeout())
	}
}

// unsettled reports whether something is sent and not acknowledged, or cannot
// be sent for want of room at the peer.
func (s *sock) unsettled() bool { return !s.finAcked && (s.out.len() > 0 || s.shut) }

// timeout is how long to wait for an acknowledgement.
func (s *sock) timeout() time.Duration {
	first := retryFirst
	if s.state < established {
		first = synRetryFirst
	}
	return min((first+s.host.path(s.far).roundTrip())<<min(s.retries, 20), retryMost)
}

// arm makes the timer ring to send again. An event that is set for earlier
// stays: it finds that it is early and sets itself again.
func (s *sock) arm(d time.Duration) {
	s.resendAt = s.host.w.now + d
	s.ring(s.resendAt)
}

func (s *sock) ring(at time.Duration) {
	w := s.host.w
	if set, queued := w.queue.at(&s.event); !queued || at < set {
		w.set(&s.event, at)
	}
}

// keep turns keepalive on, or off with 0.
func (s *sock) keep(idle time.Duration) {
	s.keepAlive = idle
	if idle > 0 {
		s.ring(s.host.w.now + idle)
	}
}

// happen is the timer.
func (s *sock) happen(w *World) {
	now := w.now
	if s.dropAt != 0 && now >= s.dropAt {
		s.remove()
		return
	}
	if s.resendAt != 0 && now >= s.resendAt {
		s.resend()
	}
	if s.state == established && s.keepAlive > 0 && now >= s.heard+s.keepAlive {
		s.probe(now)
	}
	s.wind()
}

// wind sets the timer for whatever comes next.
func (s *sock) wind() {
	if s.state == gone {
		return
	}
	next := time.Duration(0)
	add := func(at time.Duration) {
		if at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	add(s.dropAt)
	add(s.resendAt)
	if s.state == established && s.keepAlive > 0 {
		add(s.heard + s.keepAlive*time.Duration(1+s.probes))
	}
	if next != 0 {
		s.ring(next)
	}
}

// resend sends again what was not acknowledged, or gives up.
func (s *sock) resend() {
	s.resendAt = 0
	most := retriesMax
	switch {
	case s.state < established:
		most = synRetriesMax
	case s.orphan:
		most = orphanRetries
	case !s.unsettled():
		return
	}
	w := s.host.w
	w.trace.add(record{at: w.now, kind: kindRetry, from: int32(s.host.index), to: int32(s.far.index), a: s.local.Port(), b: s.remote.Port(), n: s.retries})
	if s.retries++; s.retries > most {
		s.fail(systemError("read", syscall.ETIMEDOUT))
		return
	}
	switch {
	case s.state == connecting:
		s.sendSyn()
	case s.state == handshaking:
		s.sendSynAck()
	case s.nxt > s.una:
		s.nxt = s.una
		s.push()
	default:
		s.sendAck(true) // is there room now?
	}
	s.arm(s.timeout())
}

// probe asks a peer that has been silent whether it is there.
func (s *sock) probe(now time.Duration) {
	if now < s.heard+s.keepAlive*time.Duration(1+s.probes) {
		return
	}
	if s.probes++; s.probes > keepAliveProbes {
		s.fail(systemError("read", syscall.ETIMEDOUT))
		return
	}
	s.sendAck(true)
}

// arrive takes a segment in.
func (s *sock) arrive(g *segment) {
	s.heard, s.probes = s.host.w.now, 0
	switch g.kind {
	case kindReset:
		s.wasReset()
		return
	case kindSynAck:
		s.connected(g)
		return
	}
	if s.state == connecting {
		return
	}
	if s.state == handshaking && !s.welcome() {
		return
	}
	s.acknowledged(g)
	if s.state == gone {
		return
	}
	if g.n > 0 || g.fin {
		s.take(g)
	} else if g.probe {
		s.sendAck(false)
	}
	s.push()
	s.leave()
}

func resetError() error { return systemError("read", syscall.ECONNRESET) }

func (s *sock) wasReset() {
	switch {
	case s.state == connecting:
		s.fail(systemError("connect", syscall.ECONNREFUSED))
	case s.finished && s.finAcked:
		s.remove() // all was said before
	default:
		s.fail(resetError())
	}
}

func (s *sock) connected(g *segment) {
	if s.state == connecting {
		s.state, s.peer, s.edge = established, g.from, g.edge
		s.resendAt, s.retries = 0, 0
		s.stir()
	}
	s.sendAck(false)
	s.push()
	s.leave()
}

// welcome ends the handshake at the listener's side.
func (s *sock) welcome() bool {
	s.state, s.resendAt, s.retries = established, 0, 0
	if s.listener.closed {
		s.sendReset()
		s.remove()
		return false
	}
	s.listener.arrived(s)
	return true
}

// acknowledged takes in what a segment says of our output.
func (s *sock) acknowledged(g *segment) {
	room := g.edge > s.edge
	if room {
		s.edge = g.edge
	}
	if g.ack <= s.una || g.ack > s.end()+1 || s.finAcked {
		if g.ack == s.una && g.n == 0 && !room && s.nxt > s.una && !g.fin {
			if s.repeated++; s.repeated == repeatedAcks {
				s.nxt = s.una
			}
		}
		if room && !s.orphan {
			s.retries = 0
		}
		return
	}
	n := g.ack - s.una
	if n > uint64(s.out.len()) {
		s.finAcked = true
		n = uint64(s.out.len())
	}
	s.out.discard(int(n))
	s.una += n
	s.nxt = max(s.nxt, g.ack)
	s.repeated, s.retries, s.resendAt = 0, 0, 0
	if s.out.len() == 0 {
		s.host.w.keep(s.out.release())
	}
	if s.wantRoom && s.room() >= s.outMax/3 {
		s.stir()
	}
	if s.unsettled() {
		s.arm(s.timeout())
	}
}

// take takes in the bytes and the FIN of a segment.
func (s *sock) take(g *segment) {
	w := s.host.w
	end := g.seq + uint64(g.n)
	if g.seq > s.got || end < s.got || s.finished {
		s.sendAck(false) // out of order, or known
		return
	}
	fresh := int(end - s.got)
	if s.orphan && fresh > 0 {
		s.sendReset() // nobody will read it
		s.remove()
		return
	}
	if fresh = min(fresh, s.inMax-s.in.len()); fresh > 0 {
		if s.in.buf == nil {
			s.in.buf = w.buffer()
		}
		p := g.from.out.view(int(s.got-g.from.una), fresh)
		w.trace.content(p)
		s.in.append(p)
		s.got += uint64(fresh)
	}
	if g.fin && s.got == end {
		s.finished = true
		s.got++
	}
	s.sendAck(false)
	s.stir()
}

// leave forgets a connection that both ends have finished, and gives one that
// only the peer has not finished some time.
func (s *sock) leave() {
	if s.state != established || !s.orphan || !s.finAcked {
		return
	}
	if s.finished {
		s.remove()
	} else if s.dropAt == 0 {
		s.dropAt = s.host.w.now + finWait
		s.ring(s.dropAt)
	}
}

func (s *sock) stir() {
	if s.owner != nil {
		s.owner.stir()
	}
}

// fail ends the connection with an error for its owner.
func (s *sock) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.remove()
	s.stir()
}

// remove makes the host forget the connection.
func (s *sock) remove() {
	if s.state == gone {
		return
	}
	if s.state == handshaking {
		s.listener.pending--
	}
	h := s.host
	s.state = gone
	h.w.queue.unset(&s.event)
	last := len(h.socks) - 1
	h.socks[s.index] = h.socks[last]
	h.socks[s.index].index = s.index
	h.socks[last] = nil
	h.socks = h.socks[:last]
	if key := (pair{s.local, s.remote}); h.conns[key] == s {
		delete(h.conns, key)
	}
}

// What an owner does.

func (s *sock) room() int { return max(s.outMax-s.out.len(), 0) }

// write takes as much as the buffer has room for. When that is not all, the
// owner is told of room.
func (s *sock) write(p []byte) int {
	n := min(len(p), s.room())
	if n > 0 {
		if s.out.buf == nil {
			s.out.buf = s.host.w.buffer()
		}
		s.out.append(p[:n])
		s.push()
	}
	s.wantRoom = n < len(p)
	return n
}

// readable reports whether read has something to say.
func (s *sock) readable() bool { return s.in.len() > 0 || s.finished || s.err != nil }

// read takes all input, or the end of it: io.EOF or the connection's error.
// The buffer is the caller's, to be given to World.keep.
func (s *sock) read() ([]byte, error) {
	switch {
	case s.in.len() > 0:
	case s.err != nil:
		return nil, s.err
	case s.finished:
		return nil, io.EOF
	default:
		return nil, nil
	}
	b := s.in.release()
	s.opened()
	return b, nil
}

// opened tells the peer of room, once there is much more than it knows of.
func (s *sock) opened() {
	if s.state == established && !s.finished && s.ourEdge()-s.told >= uint64(min(s.inMax/2, segmentBytesMax)) {
		s.sendAck(false)
	}
}

// finishOutput sends a FIN after the output.
func (s *sock) finishOutput() {
	if !s.shut && s.state != gone {
		s.shut = true
		s.push()
	}
}

// close gives the connection up: what is written is still sent, unless there
// is input that was not read, for which TCP resets (RFC 2525, 2.17).
func (s *sock) close() {
	s.owner, s.orphan = nil, true
	switch {
	case s.state == gone:
	case s.state < established:
		s.remove()
	case s.in.len() > 0:
		s.abort()
	default:
		s.retries = 0
		s.finishOutput()
		s.leave()
	}
}

// abort resets the peer.
func (s *sock) abort() {
	s.owner, s.orphan = nil, true
	s.sendReset()
	s.remove()
}

// A pipe is bytes in order; it compacts itself when it runs out of room.
type pipe struct {
	buf  []byte
	head int
}

func (p *pipe) len() int { return len(p.buf) - p.head }

func (p *pipe) append(b []byte) {
	if p.head > 0 && cap(p.buf)-len(p.buf) < len(b) {
		p.buf = p.buf[:copy(p.buf, p.buf[p.head:])]
		p.head = 0
	}
	p.buf = append(p.buf, b...)
}

func (p *pipe) view(off, n int) []byte { return p.buf[p.head+off : p.head+off+n] }

func (p *pipe) discard(n int) {
	if p.head += n; p.head == len(p.buf) {
		p.buf, p.head = p.buf[:0], 0
	}
}

// release takes the bytes out, with their buffer.
func (p *pipe) release() []byte {
	b := p.buf[p.head:]
	if p.head > 0 {
		b = b[: len(b) : cap(p.buf)-p.head]
	}
	p.buf, p.head = nil, 0
	return b
}
