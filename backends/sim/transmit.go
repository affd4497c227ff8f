package sim

func (s *sock) end() uint64 { return s.una + uint64(s.out.len()) } // of the output, without its FIN

// ourEdge is how far the peer may send.
func (s *sock) ourEdge() uint64 { return s.got + uint64(max(s.inMax-s.in.len(), 0)) }

func (s *sock) send(g segment) {
	g.src, g.dst, g.from, g.to, g.local, g.remote = s.host, s.far, s, s.peer, s.local, s.remote
	g.ack, g.edge = s.got, s.ourEdge()
	s.told = g.edge
	s.host.w.sendSegment(g)
}

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
		switch {
		case s.orphan:
		case room:
			s.retries = 0
		case s.nxt == s.una:
			s.retries = min(s.retries, probeRetries) // full, but alive
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
	if s.wantRoom && s.room() >= s.outMax/3 || s.wantSent && s.out.len() == 0 {
		s.stir()
	}
	if s.unsettled() {
		s.arm(s.timeout())
	}
}
