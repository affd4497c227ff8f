package load

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// conn is one connection, or one connected UDP socket, of a worker.
type conn struct {
	ring
	fd      int
	id      int   // over all workers, the same for both arms of a duet
	arm     uint8 // the server it leads to: an index of group.arms
	key     int32 // its place in the worker
	flying  int   // sent and not settled
	blocked bool  // the socket takes no more: waiting for EPOLLOUT
	touched bool  // on the worker's list of those with new requests
	dead    bool
	dialing bool   // blocked until it is connected, of Config.Churn
	began   int64  // when it began to connect, of Config.Churn; 0 at the first, which stood before the run
	in      []byte // the start of a reply that has not come in full
	out     []byte // requests that the socket would not take, from outAt
	outAt   int
}

// rawRead and rawWrite do not tell the scheduler: on a socket that does not
// block they are short.
func rawRead(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

func rawWrite(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

// scratchBytes is the size of a worker's buffers for one read and one write.
const scratchBytes = 64 << 10

// disconnect ends c: its requests will never be answered.
func (w *worker) disconnect(c *conn) {
	if c.dead {
		return
	}
	w.of(c).Disconnected++
	w.abandon(c)
	c.dead = true
	w.alive[c.arm]--
	c.close()
}

// abandon counts all that waits on c as lost.
func (w *worker) abandon(c *conn) {
	for seq := c.oldest; seq < c.made; seq++ {
		s := c.at(seq)
		if s.sent < 0 {
			continue
		}
		if seq < c.next {
			w.inFlight--
		} else {
			w.queued--
		}
		w.lost[c.arm]++
		if s.due >= w.measureFrom {
			w.of(c).Response.Censor()
			if s.sent > 0 {
				w.of(c).Service.Censor()
			}
		}
	}
	c.oldest, c.next = c.made, c.made
}

// expire gives up what was sent longer ago than the timeout.
func (w *worker) expire(now int64) {
	before := now - int64(w.cfg.Timeout)
	for i := range w.conns {
		c := &w.conns[i]
		given := 0
		for !c.dead {
			s, ok := c.expire(before)
			if !ok {
				break
			}
			given++
			w.giveUp(c, s)
		}
		w.release(c, given, now)
	}
}

func (w *worker) giveUp(c *conn, s slot) {
	w.inFlight--
	w.of(c).TimedOut++
	if s.due >= w.measureFrom {
		w.of(c).Response.Censor()
		w.of(c).Service.Censor()
	}
}

// now is the time since the run began, in ns: a read of the vDSO.
func (w *worker) now() int64 { return int64(time.Since(w.started)) }
