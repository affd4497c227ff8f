package load

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"lars/reactor/frame"
)

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// batchMax is the most datagrams that one call sends or receives.
const batchMax = 32

// batch is the memory for one recvmmsg or sendmmsg on a connected socket.
type batch struct {
	messages []mmsghdr
	parts    []unix.Iovec
	data     []byte
	size     int // bytes of data for each
}

// newBatch makes room for n datagrams of size bytes.
func newBatch(n, size int) *batch {
	b := &batch{messages: make([]mmsghdr, n), parts: make([]unix.Iovec, n), data: make([]byte, n*size), size: size}
	for i := range b.messages {
		b.parts[i].Base = &b.data[i*size]
		b.messages[i].hdr.Iov = &b.parts[i]
		b.messages[i].hdr.SetIovlen(1)
	}
	return b
}

func (b *batch) call(number uintptr, fd, n int) (int, unix.Errno) {
	done, _, errno := unix.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(&b.messages[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	return int(done), errno
}

// receive fills the batch; the datagrams are then had by datagram(i).
func (b *batch) receive(fd int) (int, unix.Errno) {
	for i := range b.messages {
		b.parts[i].SetLen(b.size)
	}
	return b.call(unix.SYS_RECVMMSG, fd, len(b.messages))
}

// datagram is the i-th received; false when it was longer than the room.
func (b *batch) datagram(i int) ([]byte, bool) {
	m := &b.messages[i]
	return b.data[i*b.size:][:min(int(m.n), b.size)], m.hdr.Flags&unix.MSG_TRUNC == 0
}

// receiveUDP takes one batch of datagrams and judges them.
func (w *worker) receiveUDP(c *conn) {
	n, errno := w.received.receive(c.fd)
	now := w.clock()
	switch errno {
	case 0:
	case unix.ECONNREFUSED:
		w.of(c).Refused++
		return
	default:
		return // nothing there after all
	}
	settled := 0
	for i := range n {
		view, whole := w.received.datagram(i)
		w.of(c).BytesIn += uint64(len(view))
		if _, _, err := frame.Datagram(view, w.replyMax-frame.HeadBytes); err != nil || !whole {
			w.of(c).Wrong++
			continue
		}
		if w.judge(c, view, now) {
			settled++
		}
	}
	w.release(c, settled, now)
}

// sendUDP sends the queued requests of c, a datagram each, many in a call.
func (w *worker) sendUDP(c *conn, now int64) {
	b := w.sending
	for !c.blocked {
		n := int(min(w.sendable(c)-c.next, uint64(len(b.messages))))
		if n == 0 {
			w.holds(c)
			return
		}
		for i := range n {
			at := b.data[i*b.size:]
			b.parts[i].SetLen(len(w.workload.MakeRequest(at[:0:b.size], c.id, c.next+uint64(i))))
		}
		done, errno := b.call(unix.SYS_SENDMMSG, c.fd, n)
		switch errno {
		case 0:
			for i := range done {
				w.of(c).BytesOut += uint64(b.messages[i].n)
			}
			w.sent(c, c.next+uint64(done), now)
		case unix.ECONNREFUSED: // about an earlier datagram; these are still to be sent
			w.of(c).Refused++
		case unix.EINTR:
		case unix.EAGAIN, unix.ENOBUFS:
			w.block(c)
		default:
			w.fail(fmt.Errorf("load: sending a datagram: %w", errno))
			return
		}
	}
}
