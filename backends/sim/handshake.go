package sim

import (
	"net/netip"
	"syscall"
)

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

func (s *sock) sendSyn()    { s.send(segment{kind: kindSyn}) }
func (s *sock) sendSynAck() { s.send(segment{kind: kindSynAck}) }

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

// asked answers a SYN: with a new connection, again for one that it has made
// already, with a reset where nobody listens, and not at all where too many
// wait.
func (h *Host) asked(g *segment) {
	key := pair{g.remote, g.local}
	if old := h.conns[key]; old != nil {
		if old.peer == g.from {
			if old.state == handshaking {
				old.sendSynAck()
			}
			return
		}
		old.fail(resetError()) // of a life before the peer's crash
	}
	ln := h.streams.find(g.remote, g.local)
	if ln == nil {
		h.w.sendSegment(segment{kind: kindReset, src: h, dst: g.src, to: g.from, local: g.remote, remote: g.local})
		return
	}
	if ln.pending > ln.backlog {
		return
	}
	ln.pending++
	s := newSock(h, g.src, g.remote, g.local)
	s.state, s.peer, s.listener, s.edge = handshaking, g.from, ln, g.edge
	s.setBuffers(ln.sendBytes, ln.recvBytes)
	s.sendSynAck()
	s.arm(s.timeout())
}
