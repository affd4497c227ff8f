package sim

import (
	"fmt"
	"strings"
	"time"
)

// kind of a trace record. The numbers are part of the hash: add at the end.
type kind uint8

const (
	kindTurn kind = iota + 1
	kindSyn
	kindSynAck
	kindData
	kindReset
	kindDatagram
	kindUnreachable
	kindLost
	kindDoubled
	kindCut
	kindCall
	kindCrash
	kindRestart
	kindPause
	kindContinue
	kindNote
	kindOverflow
	kindRetry
	kindAck
	kindFin
)

var kindNames = [...]string{
	kindTurn: "turn", kindSyn: "syn", kindSynAck: "syn+ack", kindData: "data", kindReset: "reset",
	kindDatagram: "datagram", kindUnreachable: "unreachable", kindLost: "lost", kindDoubled: "doubled",
	kindCut: "cut off", kindCall: "call", kindCrash: "crash", kindRestart: "restart", kindPause: "pause",
	kindContinue: "continue", kindNote: "note", kindOverflow: "overflow", kindRetry: "retry",
	kindAck: "ack", kindFin: "fin",
}

// A record is one event of the trace, kept as numbers: text is made for those
// who ask.
type record struct {
	at       time.Duration
	kind     kind
	from, to int32 // hosts; -1 is none
	a, b     uint16
	n        int // bytes, or a loop's index
	text     string
}

// tracer folds every event into a hash and keeps the last ones.
type tracer struct {
	hash  uint64
	count uint64
	ring  []record
}

// fold mixes one word into the hash: a multiplication and a shift, after
// Murmur's finalizer. It depends on nothing but its arguments.
func fold(h, v uint64) uint64 {
	h = (h ^ v) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// foldBytes mixes content and its length.
func foldBytes(h uint64, p []byte) uint64 {
	h = fold(h, uint64(len(p)))
	for ; len(p) >= 8; p = p[8:] {
		h = fold(h, uint64(p[0])|uint64(p[1])<<8|uint64(p[2])<<16|uint64(p[3])<<24|
			uint64(p[4])<<32|uint64(p[5])<<40|uint64(p[6])<<48|uint64(p[7])<<56)
	}
	for _, b := range p {
		h = fold(h, uint64(b))
	}
	return h
}

func (t *tracer) add(r record) {
	h := fold(t.hash, uint64(r.at))
	h = fold(h, uint64(r.kind)|uint64(r.a)<<16|uint64(r.b)<<32)
	t.hash = fold(h, uint64(uint32(r.from))|uint64(uint32(r.to))<<32^uint64(r.n)<<17)
	if n := uint64(len(t.ring)); n > 0 {
		t.ring[t.count%n] = r
	}
	t.count++
}

func (t *tracer) content(p []byte) { t.hash = foldBytes(t.hash, p) }

// Hash of everything that has happened so far: events, their times, hosts,
// ports, lengths and contents. It is the same for the same seed and the same
// calls on every machine and with every version of Go.
func (w *World) Hash() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fold(w.trace.hash, w.trace.count)
}

// Events is the number of events so far.
func (w *World) Events() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trace.count
}

// Note puts a line of the caller's own into the trace and its hash.
func (w *World) Note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace.add(record{at: w.clock(), kind: kindNote, from: -1, to: -1, n: len(text), text: text})
	for i := range len(text) {
		w.trace.hash = fold(w.trace.hash, uint64(text[i]))
	}
}

// Trace is the last events as text, oldest first, at most Config.TraceEvents.
func (w *World) Trace() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	n := uint64(len(w.trace.ring))
	for i := w.trace.count - min(n, w.trace.count); i < w.trace.count; i++ {
		w.describe(&b, &w.trace.ring[i%n])
	}
	return b.String()
}

func (w *World) describe(b *strings.Builder, r *record) {
	fmt.Fprintf(b, "%14s  ", r.at)
	switch {
	case r.kind == kindTurn:
		fmt.Fprintf(b, "%s turn of loop %d", w.hosts[r.from].name, r.n)
	case r.to >= 0:
		fmt.Fprintf(b, "%s:%d > %s:%d %s, %d bytes", w.hosts[r.from].name, r.a, w.hosts[r.to].name, r.b, kindNames[r.kind], r.n)
	case r.from >= 0:
		fmt.Fprintf(b, "%s %s", w.hosts[r.from].name, kindNames[r.kind])
		if r.a != 0 {
			fmt.Fprintf(b, " of port %d", r.a)
		}
	default:
		b.WriteString(kindNames[r.kind])
	}
	if r.text != "" {
		b.WriteString(": " + r.text)
	}
	b.WriteByte('\n')
}
