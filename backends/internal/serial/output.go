package serial

import (
	"golang.org/x/sys/unix"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// vectorsMax is the number of chunks in one writev: 64 of 64 KiB are more than
// any socket takes at once.
const vectorsMax = 64

// An Output is the unsent output of a connection: in the loop's scratch buffer
// while the connection is being served, in pooled chunks from when the kernel
// did not take all of it. It is used on the loop.
type Output struct {
	loop  *Loop
	max   int
	own   []byte // the loop's scratch, while this Output holds it: its filled part
	queue buffer.Queue
}

// NewOutput makes an empty Output of at most max bytes.
func NewOutput(l *Loop, max int) Output {
	return Output{loop: l, max: max, queue: buffer.Queue{Pool: l.Pool()}}
}

// Len is the number of unsent bytes.
func (o *Output) Len() int { return len(o.own) + o.queue.Len() }

// Alloc reserves n contiguous bytes at the tail, as driver.Conn.Alloc says.
func (o *Output) Alloc(n int) ([]byte, error) {
	if have := o.Len(); have > 0 && have+n > o.max {
		return nil, driver.ErrOutputFull
	}
	if o.queue.Len() > 0 {
		return o.queue.Alloc(n)
	}
	if o.own == nil {
		o.own, o.loop.scratch = o.loop.scratch, nil
	}
	if have := len(o.own); cap(o.own)-have >= n {
		o.own = o.own[:have+n]
		return o.own[have:], nil
	}
	if err := o.Spill(); err != nil {
		return nil, err
	}
	return o.queue.Alloc(n)
}

// Append copies p to the tail, above the limit too: bytes that were accepted
// before are not refused.
func (o *Output) Append(p []byte) error {
	if err := o.Spill(); err != nil || len(p) == 0 {
		return err
	}
	return o.queue.Append(p)
}

// Spill moves what is in the loop's scratch buffer to pooled chunks.
func (o *Output) Spill() error {
	if o.own == nil {
		return nil
	}
	if len(o.own) > 0 {
		if err := o.queue.Append(o.own); err != nil {
			return err
		}
	}
	o.release()
	return nil
}

// release gives the scratch buffer back to the loop.
func (o *Output) release() {
	if o.own != nil {
		o.loop.scratch, o.own = o.own[:0], nil
	}
}

// Reset drops what is unsent.
func (o *Output) Reset() {
	o.release()
	o.queue.Reset()
}

// Scratch is the output that is wholly in the loop's scratch buffer, or nil.
func (o *Output) Scratch() []byte { return o.own }

// Peek appends the first chunks of the pooled output to vec. Their bytes stay
// in place until Discard or Reset, also while more is allocated.
func (o *Output) Peek(vec [][]byte) [][]byte { return o.queue.Peek(vec, vectorsMax) }

// Discard takes n bytes that were sent.
func (o *Output) Discard(n int) error {
	if o.own == nil {
		o.queue.Discard(n)
		return nil
	}
	if n < len(o.own) {
		if err := o.queue.Append(o.own[n:]); err != nil {
			return err
		}
	}
	o.release()
	return nil
}

// WriteTo writes as much as the non-blocking socket fd takes, usually with one
// system call, and counts it. What is left is in pooled chunks.
func (o *Output) WriteTo(fd int) error {
	for o.Len() > 0 {
		want, n, err := o.write(fd)
		o.loop.CountWrite(n)
		if err == unix.EAGAIN {
			n, err = 0, nil
		}
		if err != nil {
			return err
		}
		if err := o.Discard(n); err != nil {
			return err
		}
		if n < want {
			return nil
		}
	}
	return nil
}

func (o *Output) write(fd int) (want, n int, err error) {
	if len(o.own) > 0 {
		n, err = IgnoreEINTR(func() (int, error) { return unix.Write(fd, o.own) })
		return len(o.own), n, err
	}
	var space [vectorsMax][]byte
	vec := o.Peek(space[:0])
	n, err = IgnoreEINTR(func() (int, error) { return unix.Writev(fd, vec) })
	return Size(vec), n, err
}

// Size is the number of bytes in vec.
func Size(vec [][]byte) (n int) {
	for _, b := range vec {
		n += len(b)
	}
	return n
}

// IgnoreEINTR makes a system call until it is not interrupted.
func IgnoreEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
