package sim

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

// opened tells the peer of room, once there is much more than it knows of.
func (s *sock) opened() {
	if s.state == established && !s.finished && s.ourEdge()-s.told >= uint64(min(s.inMax/2, segmentBytesMax)) {
		s.sendAck(false)
	}
}
