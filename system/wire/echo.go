package wire

import "unicode/utf8"

// EchoMessage is the message of the original's speed test (id IDEcho).
type EchoMessage struct {
	Content []byte // UTF-8; after Decode it aliases the body and dies with it
	ID      int32
}

// Size returns the length of the body in bytes.
func (m *EchoMessage) Size() int {
	n := sizeInt32(m.ID)
	if len(m.Content) > 0 {
		n += sizeEmbedded(len(m.Content))
	}
	return n
}

// AppendTo appends the body to dst.
func (m *EchoMessage) AppendTo(dst []byte) []byte {
	if len(m.Content) > 0 {
		dst = appendLength(dst, 1, len(m.Content))
		dst = append(dst, m.Content...)
	}
	return appendInt32(dst, 2, m.ID)
}

// Decode sets m from a body. The error is ErrMalformed, also for content that
// is not UTF-8.
func (m *EchoMessage) Decode(body []byte) error {
	*m = EchoMessage{}
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | lengthy:
			if !utf8.Valid(s.view) {
				return ErrMalformed
			}
			m.Content = s.view
		case 2<<3 | varint:
			m.ID = int32(s.value)
		}
	}
	return s.err
}
