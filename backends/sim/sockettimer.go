package sim

import (
	"syscall"
	"time"
)

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
