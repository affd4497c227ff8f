package serial

import "lars/reactor/buffer"

// input keeps what a handler left unconsumed, in one pooled buffer so that it
// can be shown again as one view together with what follows.
type input struct {
	pool *buffer.Pool
	buf  []byte // pooled; nil when nothing is left
	head int    // bytes of it already consumed
}

// size is the number of unconsumed bytes.
func (in *input) size() int { return len(in.buf) - in.head }

// join returns the view of all unconsumed input followed by data. Without a
// rest it is data itself, not copied.
func (in *input) join(data []byte) ([]byte, error) {
	if in.buf == nil {
		return data, nil
	}
	if err := in.keep(data); err != nil {
		return nil, err
	}
	return in.buf[in.head:], nil
}

// keep copies data to the end of the rest. A rest that grows doubles, so a
// large frame in small pieces is copied about twice at the most.
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
