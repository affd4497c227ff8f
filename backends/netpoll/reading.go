package netpoll

import (
	"errors"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"
)

const (
	// readAheadBytes is what the library may have read and the handler not yet
	// seen, before the poller is told to stop.
	readAheadBytes = 256 << 10
	// readBytesMin is what may be read above that: the end of the input shows
	// by a read alone.
	readBytesMin = 4 << 10
)

// reading stops the library's poller from reading a connection whose handler
// does not keep up, and lets it go on. The library has no operation for that:
// its events are with reading or not at all. So the adapter changes them in the
// poller's epoll instance itself, from inside the poller, after a read.
type reading struct {
	np   netpoll.Connection
	in   private
	fd   int
	epfd int // of the poller; -1 when unknown: then reading is not stopped

	paused atomic.Bool // by the handler
	// stopped is set before the state is judged that leads to it, so that
	// whoever then changes that state and sees it unset has been judged.
	stopped atomic.Bool

	// mu is held while the events change, or what they follow from: a poller that
	// waits to write while the adapter does sends the same bytes again.
	mu      sync.Mutex
	writing bool // the poller has output to send
}

// start has the poller ask before it goes on after a read or a write.
func (r *reading) start(np netpoll.Connection, in private, fd int) {
	r.np, r.in, r.fd, r.epfd = np, in, fd, epollOf(in.poll)
	// The library's own lock of an operator, 1 to 2 and back; the poller passes
	// over its events meanwhile.
	for !atomic.CompareAndSwapInt32(in.state, 1, 2) {
		runtime.Gosched()
	}
	inputs, read, wrote := in.op.Inputs, in.op.InputAck, in.op.OutputAck
	in.op.Inputs = func(vs [][]byte) [][]byte {
		rs := inputs(vs) // one, which may have grown to 8 MiB
		rs[0] = rs[0][:min(len(rs[0]), max(r.room(), readBytesMin))]
		return rs
	}
	in.op.InputAck = func(n int) error {
		err := read(n)
		if r.room() <= 0 {
			r.stop()
		}
		return err
	}
	in.op.OutputAck = func(n int) error { return r.wrote(n, wrote) }
	atomic.StoreInt32(in.state, 1)
}

// room is the number of bytes that may be read ahead.
func (r *reading) room() int {
	if r.paused.Load() {
		return 0
	}
	return readAheadBytes - r.np.Reader().Len()
}

// stop is called by the poller.
func (r *reading) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped.Store(true)
	if r.room() <= 0 {
		r.quiet()
	} else {
		r.stopped.Store(false)
	}
}

// quiet leaves writing on when it is, and does not even ask whether the peer
// has closed, which the library would take for the end of the input.
func (r *reading) quiet() {
	ev := event(r.in.op)
	if r.writing {
		ev.Events = unix.EPOLLOUT
	}
	_ = unix.EpollCtl(r.epfd, unix.EPOLL_CTL_MOD, r.fd, &ev) // fails when it is detached
}

// flush is the library's, which has the poller ask for input too when it is to
// send the rest. On the loop.
func (r *reading) flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.np.Writer().Flush()
	if r.writing = errors.Is(err, netpoll.ErrWriteTimeout); r.writing && r.stopped.Load() {
		r.quiet()
	}
	return err
}

// wrote is called by the poller when it has sent n bytes; the library then has it
// ask for input alone once that was all.
func (r *reading) wrote(n int, ack func(int) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n < r.in.output.Len() {
		return ack(n)
	}
	r.writing = false
	err := ack(n)
	if r.stopped.Load() {
		r.quiet()
	}
	return err
}

// resume lets the poller go on, unless there is still a reason not to. On the
// loop, and while the library has not let go of the connection.
func (r *reading) resume() {
	if !r.stopped.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped.Load() || r.room() <= 0 {
		return
	}
	r.stopped.Store(false)
	if r.writing {
		_ = r.in.op.Control(netpoll.PollR2RW)
	} else {
		_ = r.in.op.Control(netpoll.PollRW2R)
	}
}

// event without any events, as the library's poller tells whose it is.
func event(op *netpoll.FDOperator) unix.EpollEvent {
	if raceEnabled {
		return unix.EpollEvent{Fd: int32(op.FD)}
	}
	p := uint64(uintptr(unsafe.Pointer(op)))
	return unix.EpollEvent{Fd: int32(p), Pad: int32(p >> 32)}
}

// epollOf is the descriptor of a poller's epoll instance, or -1.
func epollOf(p netpoll.Poll) int {
	if v := reflect.ValueOf(p); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		if f := v.Elem().FieldByName("fd"); f.IsValid() && f.Kind() == reflect.Int {
			return int(f.Int())
		}
	}
	return -1
}
