package sim

import (
	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// input keeps what a handler left unconsumed, in one pooled buffer so that it
// can be shown again as one view together with what follows.
type input struct {
	pool *buffer.Pool
	buf  []byte // pooled; nil when nothing is left
	head int    // bytes of it already consumed
}

// size is the number of unconsumed bytes.
func (in *input) size() int { return len(in.buf) - in.head }

// join returns all unconsumed input followed by data: without a rest, data
// itself.
func (in *input) join(data []byte) ([]byte, error) {
	if in.buf == nil {
		return data, nil
	}
	if err := in.keep(data); err != nil {
		return nil, err
	}
	return in.buf[in.head:], nil
}

// keep copies data to the end of the rest. A rest that grows doubles.
func (in *input) keep(data []byte) error {
	if cap(in.buf)-len(in.buf) >= len(data) {
		in.buf = append(in.buf, data...)
		return nil
	}
	b, err := in.pool.Get(in.size() + len(data))
	if err != nil {
		return err
	}
	n := copy(b, in.buf[in.head:])
	copy(b[n:], data)
	in.pool.Put(in.buf)
	in.buf, in.head = b, 0
	return nil
}

// consume takes the first n bytes of view, which join returned, and keeps the
// rest of it.
func (in *input) consume(view []byte, n int) error {
	if in.buf == nil {
		if n == len(view) {
			return nil
		}
		return in.keep(view[n:])
	}
	if in.head += n; in.head == len(in.buf) {
		in.reset()
	}
	return nil
}

func (in *input) reset() {
	in.pool.Put(in.buf)
	in.buf, in.head = nil, 0
}

// output is what a connection has not given to the kernel: in a buffer that its
// loop lends while the connection is being served, in pooled chunks from when
// the kernel did not take all of it.
type output struct {
	l     *loop
	max   int
	own   []byte // the loop's buffer, while it is lent here: its filled part
	queue buffer.Queue
}

const (
	lentBytes  = 16 << 10
	vectorsMax = 16 // chunks given to the kernel at once
)

func (o *output) len() int { return len(o.own) + o.queue.Len() }

func (o *output) alloc(n int) ([]byte, error) {
	have := o.len()
	if have > 0 && have+n > o.max {
		return nil, driver.ErrOutputFull
	}
	if o.queue.Len() > 0 {
		return o.queue.Alloc(n)
	}
	if o.own == nil {
		o.own, o.l.out = o.l.out, nil
		if o.own == nil { // the first time, or another connection has it
			o.own = make([]byte, 0, lentBytes)
		}
	}
	if cap(o.own)-have >= n {
		o.own = o.own[:have+n]
		return o.own[have:], nil
	}
	if err := o.spill(); err != nil {
		return nil, err
	}
	return o.queue.Alloc(n)
}

// spill moves what is in the lent buffer to pooled chunks.
func (o *output) spill() error {
	if len(o.own) > 0 {
		if err := o.queue.Append(o.own); err != nil {
			return err
		}
	}
	o.giveBack()
	return nil
}

func (o *output) giveBack() {
	if o.own != nil {
		o.l.out, o.own = o.own[:0], nil
	}
}

// flush gives the kernel what it takes; what is left is in pooled chunks.
func (o *output) flush(s *sock) error {
	w := o.l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.free != nil {
		defer w.free.pump() // a real kernel moves it at once, too
	}
	sent := 0
	defer func() {
		o.l.stats.Writes++
		o.l.stats.WriteBytes += uint64(sent)
	}()
	if o.own != nil {
		sent = s.write(o.own)
		if sent < len(o.own) {
			if err := o.queue.Append(o.own[sent:]); err != nil {
				return err
			}
		}
		o.giveBack()
		return nil
	}
	var space [vectorsMax][]byte
	for o.queue.Len() > 0 {
		n, all := 0, 0
		for _, b := range o.queue.Peek(space[:0], vectorsMax) {
			all += len(b)
			k := s.write(b)
			if n += k; k < len(b) {
				break
			}
		}
		o.queue.Discard(n)
		sent += n
		if n < all {
			return nil
		}
	}
	return nil
}

func (o *output) reset() {
	o.giveBack()
	o.queue.Reset()
}
