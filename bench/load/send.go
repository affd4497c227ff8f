package load

import "golang.org/x/sys/unix"

// release follows n settled requests of c: a closed loop makes as many new ones,
// an open one may have some that waited for a place.
func (w *worker) release(c *conn, n int, now int64) {
	c.flying -= n
	if n == 0 || c.dead {
		return
	}
	if w.cfg.Churn {
		c.hangUp()
	}
	if !w.open {
		w.start(c, n, now)
	} else if c.next < c.made {
		w.send(c, now)
	}
}

// start makes and sends n requests of a closed loop on c.
func (w *worker) start(c *conn, n int, now int64) {
	if now >= w.end {
		return
	}
	for range n {
		w.arrive(c, now)
	}
	w.send(c, now)
}

// arrive adds a request to c.
func (w *worker) arrive(c *conn, due int64) {
	w.of(c).Arrivals++
	if c.dead {
		w.lost[c.arm]++
		return
	}
	if w.held(c) >= w.queueMax {
		w.of(c).Dropped++
		return
	}
	c.push(due)
	w.queued++
}

// held is what the limit of waiting requests is about: all that are queued or
// in flight, and on c also what a missing reply keeps from being forgotten.
func (w *worker) held(c *conn) int64 {
	return max(w.queued+w.inFlight, int64(c.waiting()))
}

// send writes the queued requests of c as far as the socket takes them. now is
// the time of their sending.
func (w *worker) send(c *conn, now int64) {
	if w.udp {
		w.sendUDP(c, now)
		return
	}
	for !c.blocked && !c.dead {
		seq, until := c.next, w.sendable(c)
		if seq == until {
			w.holds(c)
			return
		}
		if c.fd < 0 {
			w.reconnect(c, now)
			return
		}
		w.tx = w.tx[:0]
		for ; seq < until && (len(w.tx) == 0 || len(w.tx)+w.requestMax <= scratchBytes); seq++ {
			w.tx = w.workload.MakeRequest(w.tx, c.id, seq)
		}
		if w.write(c, w.tx) {
			w.sent(c, seq, now)
		}
	}
}

// sendable is the first request of c that may not be sent yet.
func (w *worker) sendable(c *conn) uint64 {
	if w.cfg.Depth == 0 {
		return c.made
	}
	return min(c.made, c.next+uint64(max(w.cfg.Depth-c.flying, 0)))
}

// holds counts the requests of c that only the limit in flight keeps.
func (w *worker) holds(c *conn) {
	if w.open && c.next < c.made {
		w.of(c).Held++
	}
}

// sent takes the requests of c below seq for sent: now, or when their connection
// began, where it is made for them. Connecting is what such a request asks of
// the server first, and no lateness of this side.
func (w *worker) sent(c *conn, seq uint64, now int64) {
	if c.began > 0 {
		now = c.began
	}
	from, n := c.next, int64(seq-c.next)
	w.queued -= n
	w.inFlight += n
	c.flying += int(n)
	w.of(c).Sent += uint64(n)
	for ; c.next < seq; c.next++ {
		s := c.at(c.next)
		s.sent = max(now, 1)
		if w.open && s.due >= w.measureFrom {
			w.of(c).SendLag.Record(now - s.due)
		}
	}
	switch {
	case w.oneWay:
		w.completeOneWay(c)
	case w.partly != nil:
		w.completeSome(c, from, now)
	}
}

// completeSome settles those requests from one on that were sent and have no
// reply. In a closed loop each releases the next, which the caller sends.
func (w *worker) completeSome(c *conn, from uint64, now int64) {
	for seq := from; seq < c.next; seq++ {
		if w.partly.Answered(c.id, seq) {
			continue
		}
		c.skip(seq)
		w.inFlight--
		c.flying--
		w.of(c).Completed++
		w.of(c).OneWay++
		if !w.open && now < w.end {
			w.arrive(c, now)
		}
	}
}

// completeOneWay settles what was sent and has no reply.
func (w *worker) completeOneWay(c *conn) {
	for c.oldest < c.next {
		c.skip(c.oldest)
		w.inFlight--
		c.flying--
		w.of(c).Completed++
		w.of(c).OneWay++
	}
}

// write sends b to a TCP socket and keeps what it would not take; false when it
// took nothing at all.
func (w *worker) write(c *conn, b []byte) bool {
	n, errno := rawWrite(c.fd, b)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		w.block(c)
		return false
	case errno != 0:
		w.disconnect(c)
		return false
	}
	w.of(c).BytesOut += uint64(n)
	if n < len(b) {
		c.out, c.outAt = append(c.out[:0], b[n:]...), 0
		w.block(c)
	}
	return true
}

func (w *worker) block(c *conn) {
	w.of(c).Blocked++
	c.blocked = true
	if err := w.poll.modify(c.fd, c.key, unix.EPOLLIN|unix.EPOLLOUT); err != nil {
		w.fail(err)
	}
}

// writable goes on where the socket had stopped.
func (w *worker) writable(c *conn) {
	if c.dialing && !w.connected(c) {
		return
	}
	if c.outAt < len(c.out) {
		n, errno := rawWrite(c.fd, c.out[c.outAt:])
		switch {
		case errno == unix.EAGAIN || errno == unix.EINTR:
			return
		case errno != 0:
			w.disconnect(c)
			return
		}
		w.of(c).BytesOut += uint64(n)
		if c.outAt += n; c.outAt < len(c.out) {
			return
		}
	}
	c.blocked = false
	if err := w.poll.modify(c.fd, c.key, unix.EPOLLIN); err != nil {
		w.fail(err)
		return
	}
	w.send(c, w.clock())
}
