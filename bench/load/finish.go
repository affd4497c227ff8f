package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// finishPoll is how often the wait for the end of a connection looks whether the
// run is to stop.
const finishPoll = 50 * time.Millisecond

// finish ends the connections of a one-way load in order: this side sends no
// more, and the server, when it has read all, ends its own. Without it what was
// sent might still lie in the kernel when somebody stops the server, and be
// missing in its counts.
func (w *worker) finish() {
	for i := range w.conns {
		if c := &w.conns[i]; !c.dead {
			_ = unix.Shutdown(c.fd, unix.SHUT_WR) // fails if the server was faster
		}
	}
	for i := range w.conns {
		c := &w.conns[i]
		for !c.dead && !w.ended(c) {
			left := w.boundary - w.now()
			if left <= 0 || w.stopping.Load() {
				return
			}
			wait := min(time.Duration(left), finishPoll)
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}, int(wait.Milliseconds())+1)
		}
	}
}

// ended tells whether the server has ended c. What it sends before is wrong.
func (w *worker) ended(c *conn) bool {
	for {
		n, errno := rawRead(c.fd, w.rx)
		if n <= 0 || errno != 0 {
			return errno != unix.EAGAIN && errno != unix.EINTR
		}
		w.of(c).BytesIn += uint64(n)
		w.of(c).Wrong++
	}
}
