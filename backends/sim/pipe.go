package sim

// A pipe is bytes in order; it compacts itself when it runs out of room.
type pipe struct {
	buf  []byte
	head int
}

func (p *pipe) len() int { return len(p.buf) - p.head }

func (p *pipe) append(b []byte) {
	if p.head > 0 && cap(p.buf)-len(p.buf) < len(b) {
		p.buf = p.buf[:copy(p.buf, p.buf[p.head:])]
		p.head = 0
	}
	p.buf = append(p.buf, b...)
}

func (p *pipe) view(off, n int) []byte { return p.buf[p.head+off : p.head+off+n] }

func (p *pipe) discard(n int) {
	if p.head += n; p.head == len(p.buf) {
		p.buf, p.head = p.buf[:0], 0
	}
}

// release takes the bytes out, with their buffer.
func (p *pipe) release() []byte {
	b := p.buf[p.head:]
	if p.head > 0 {
		b = b[: len(b) : cap(p.buf)-p.head]
	}
	p.buf, p.head = nil, 0
	return b
}
