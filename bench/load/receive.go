package load

import (
	"time"

	"golang.org/x/sys/unix"

	"lars/reactor/frame"
)

// receiveTCP makes one read and judges the whole replies in it.
func (w *worker) receiveTCP(c *conn) {
	buf, used := w.rx, len(c.in)
	if used > 0 {
		c.reserve(w.replyMax)
		buf = c.in[:cap(c.in)]
	}
	n, errno := rawRead(c.fd, buf[used:])
	now := w.clock()
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return
	case errno != 0 || n == 0:
		w.disconnect(c)
		return
	}
	w.of(c).BytesIn += uint64(n)
	view := buf[:used+n]
	settled, consumed := w.judgeAll(c, view, now)
	if consumed < 0 {
		w.of(c).BadFrames++
		w.disconnect(c)
		return
	}
	switch rest := view[consumed:]; {
	case used > 0 && consumed == 0:
		c.in = view // it is where it was
	case used > 0 || len(rest) > 0:
		c.in = append(c.in[:0], rest...)
	}
	w.release(c, settled, now)
}

// reserve makes room in c.in for the frame that it starts, at least for a
// little more than there is.
func (c *conn) reserve(replyMax int) {
	const least = 4096
	need := len(c.in) + least
	if len(c.in) >= frame.HeadBytes {
		body := int(int32(uint32(c.in[4]) | uint32(c.in[5])<<8 | uint32(c.in[6])<<16 | uint32(c.in[7])<<24))
		need = max(need, min(frame.HeadBytes+body, replyMax))
	}
	if cap(c.in) < need {
		c.in = append(make([]byte, 0, need), c.in...)
	}
}

// judgeAll judges the whole frames of a byte stream. It returns how many
// requests they settled and the bytes used; -1 when a length cannot be.
func (w *worker) judgeAll(c *conn, view []byte, now int64) (settled, consumed int) {
	for {
		_, size, err := frame.Next(view[consumed:], w.replyMax-frame.HeadBytes)
		if err != nil {
			return settled, -1
		}
		if size == 0 {
			return settled, consumed
		}
		if w.judge(c, view[consumed:consumed+size], now) {
			settled++
		}
		consumed += size
	}
}

// judge checks one reply and records its latency; true when it settles a
// request that had been waiting.
func (w *worker) judge(c *conn, reply []byte, now int64) bool {
	seq, is := w.workload.CheckReply(reply, c.id, c.oldest)
	switch is {
	case Answer:
	case Push:
		w.of(c).Pushed++
		return false
	default:
		w.of(c).Wrong++
		return false
	}
	s, what := c.answer(seq)
	switch what {
	case replyUnknown:
		w.of(c).Wrong++
		return false
	case replyDuplicated:
		w.of(c).Duplicated++
		return false
	case replyLate:
		w.of(c).Late++
		return false
	case replyOvertaken:
		w.of(c).Reordered++
	}
	w.of(c).Completed++
	w.inFlight--
	if s.due >= w.measureFrom {
		w.of(c).Response.Record(now - s.due)
		w.of(c).Service.Record(now - s.sent)
		if w.timed != nil && w.phase != Warmup { // histograms begin anew after it, what it keeps does not
			w.timed.Times(reply, w.monotonic+time.Duration(s.due), w.monotonic+time.Duration(s.sent), w.monotonic+time.Duration(now))
		}
	}
	return true
}
