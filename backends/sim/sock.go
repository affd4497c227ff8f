package sim

import (
	"io"
	"net/netip"
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
	probeRetries    = 9                      // a window that stays closed is asked for every 100 s
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
	wantSent      bool // the owner waits for the peer to have all of out
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
