package sim

import (
	"net/netip"
	"time"
)

// A segment is one TCP segment under way. It carries no bytes: they stay in
// its sender's buffer until they are acknowledged, and whoever takes it reads
// them there.
type segment struct {
	event
	kind     kind
	src, dst *Host
	from, to *sock // to is nil in a SYN
	// Of the sender.
	local, remote netip.AddrPort
	seq           uint64 // place of its first byte in the sender's stream
	n             int
	fin, probe    bool   // probe wants an acknowledgement
	ack           uint64 // place up to which the sender has everything
	edge          uint64 // place up to which it takes more
}

// send gives a segment to the network.
func (w *World) sendSegment(g segment) {
	p := g.src.path(g.dst)
	f := p.carry(w, g.n)
	if f.dropped != 0 {
		w.trace.add(g.record(w, f.dropped))
		return
	}
	if f.doubled {
		w.trace.add(g.record(w, kindDoubled))
		w.launch(g, f.at)
	}
	w.launch(g, f.at)
}

func (w *World) launch(g segment, at time.Duration) {
	var s *segment
	if n := len(w.segments); n > 0 {
		s = w.segments[n-1]
		w.segments = w.segments[:n-1]
	} else {
		s = new(segment)
	}
	*s = g
	s.what = s
	w.set(&s.event, at)
}

func (g *segment) record(w *World, k kind) record {
	return record{at: w.now, kind: k, from: int32(g.src.index), to: int32(g.dst.index), a: g.local.Port(), b: g.remote.Port(), n: g.n}
}

// happen is the segment's arrival.
func (g *segment) happen(w *World) {
	k := g.kind
	switch {
	case k == kindData && g.fin:
		k = kindFin
	case k == kindData && g.n == 0:
		k = kindAck
	}
	w.trace.add(g.record(w, k))
	if g.dst.up {
		g.arrive(w)
	}
	*g = segment{}
	if len(w.segments) < sparesMax {
		w.segments = append(w.segments, g)
	}
}

func (g *segment) arrive(w *World) {
	if g.kind == kindSyn {
		g.dst.asked(g)
		return
	}
	if s := g.to; s.state != gone {
		s.arrive(g)
	} else if g.kind != kindReset {
		// Nobody knows the connection here any more.
		w.sendSegment(segment{kind: kindReset, src: g.dst, dst: g.src, from: g.to, to: g.from, local: g.remote, remote: g.local})
	}
}
