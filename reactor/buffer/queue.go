package buffer

// chunkBytes is the smallest chunk that a queue asks the pool for: large
// enough that a stalled connection's output is written with few vectors.
const chunkBytes = 4 << 10

// A Queue is a first-in first-out byte stream in pooled chunks. The zero value
// with a Pool is empty and holds no buffer. Not safe for concurrent use.
type Queue struct {
	Pool   *Pool
	chunks []chunk
	bytes  int
}

type chunk struct {
	buf  []byte // written part
	head int    // bytes of it already taken
}

// Len is the number of bytes in the queue.
func (q *Queue) Len() int { return q.bytes }

// Alloc reserves n contiguous bytes at the tail, to be filled by the caller
// before the next call. It returns ErrPool when the pool is at its limit.
func (q *Queue) Alloc(n int) ([]byte, error) {
	if last := len(q.chunks) - 1; last >= 0 {
		if b := q.chunks[last].buf; cap(b)-len(b) >= n {
			q.chunks[last].buf = b[:len(b)+n]
			q.bytes += n
			return q.chunks[last].buf[len(b):], nil
		}
	}
	// A queue that grows takes larger chunks, up to 64 KiB, so that the number
	// of chunks stays small without a lone small message holding much.
	b, err := q.Pool.Get(max(n, min(max(chunkBytes, q.bytes), 64<<10)))
	if err != nil {
		return nil, err
	}
	q.chunks = append(q.chunks, chunk{buf: b[:n]})
	q.bytes += n
	return b[:n], nil
}

// Append copies p to the tail.
func (q *Queue) Append(p []byte) error {
	b, err := q.Alloc(len(p))
	if err == nil {
		copy(b, p)
	}
	return err
}

// Peek appends the queue's first chunks, at most limit, to vec without taking
// them. The slices stay valid until Discard or Reset; later allocations follow
// behind them.
func (q *Queue) Peek(vec [][]byte, limit int) [][]byte {
	for i := range q.chunks[:min(limit, len(q.chunks))] {
		c := &q.chunks[i]
		vec = append(vec, c.buf[c.head:])
	}
	return vec
}

// Discard takes the first n bytes, which must be there, and gives emptied
// chunks back to the pool.
func (q *Queue) Discard(n int) {
	q.bytes -= n
	done := 0
	for n > 0 {
		c := &q.chunks[done]
		rest := len(c.buf) - c.head
		if n < rest {
			c.head += n
			break
		}
		n -= rest
		q.Pool.Put(c.buf)
		c.buf = nil
		done++
	}
	q.chunks = q.chunks[:copy(q.chunks, q.chunks[done:])]
	if len(q.chunks) == 0 {
		q.chunks = nil
	}
}

// Reset empties the queue and gives all chunks back.
func (q *Queue) Reset() {
	for _, c := range q.chunks {
		q.Pool.Put(c.buf)
	}
	q.chunks, q.bytes = nil, 0
}
