// Package frame is the codec of the message head that Lars puts before every
// message, over TCP and UDP alike: a message id and a body length, both
// little-endian int32, then the body.
//
// It is pure: bytes in, values out. It allocates nothing, keeps no state and
// never looks inside a body. A decoder here is total: any bytes give a frame,
// "not yet", or an error that names what is wrong.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// HeadBytes is the size of the head: int32 id, int32 body length.
	HeadBytes = 8
	// BodyBytesDefault is the body limit of the original's servers:
	// 65,535 less the head. A frame then has at most 64 KiB less one byte.
	BodyBytesDefault = 65535 - HeadBytes
	// BodyBytesMax is the largest body limit that can be configured.
	BodyBytesMax = 16 << 20
)

// Errors of a hostile or broken peer. Both are final for a byte stream: what
// follows cannot be framed.
var (
	ErrNegative = errors.New("frame: negative body length")
	ErrTooLarge = errors.New("frame: body length above the limit")
	// ErrLength is a datagram whose length is not that of the one frame in it.
	ErrLength = errors.New("frame: datagram is not exactly one frame")
)

// PutHead writes the head of a message with n body bytes to b[:HeadBytes].
func PutHead(b []byte, id int32, n int) {
	_ = b[HeadBytes-1]
	binary.LittleEndian.PutUint64(b, uint64(uint32(id))|uint64(n)<<32)
}

// Append appends a whole frame to dst and returns it.
func Append(dst []byte, id int32, body []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(uint32(id))|uint64(len(body))<<32)
	return append(dst, body...)
}

// Next reads the first frame of a byte stream. It returns the size of the
// whole frame in bytes, or 0 when view does not hold all of it yet, or an
// error when the head is invalid: ErrNegative, or ErrTooLarge above bodyMax.
// The body is view[HeadBytes:size]. The head is judged as soon as its eight
// bytes are there, so a hostile length is refused before any of its body.
func Next(view []byte, bodyMax int) (id int32, size int, err error) {
	if len(view) < HeadBytes {
		return 0, 0, nil
	}
	head := binary.LittleEndian.Uint64(view)
	if size = int(head>>32) + HeadBytes; size > min(len(view), bodyMax+HeadBytes) {
		return partial(head, bodyMax)
	}
	return int32(head), size, nil
}

// partial is Next for a head whose frame is not all there, or never may be. It
// stands apart so that Next can be inlined.
func partial(head uint64, bodyMax int) (id int32, size int, err error) {
	if n := int32(head >> 32); n < 0 {
		err = fmt.Errorf("%w: %d", ErrNegative, n)
	} else if int(n) > bodyMax {
		err = fmt.Errorf("%w: %d of at most %d bytes", ErrTooLarge, n, bodyMax)
	}
	return int32(head), 0, err
}

// Datagram reads the one frame that a datagram must be.
func Datagram(view []byte, bodyMax int) (id int32, body []byte, err error) {
	if len(view) < HeadBytes {
		return 0, nil, ErrLength
	}
	id, size, err := Next(view, bodyMax)
	if err != nil {
		return id, nil, err
	}
	if size != len(view) {
		return id, nil, ErrLength
	}
	return id, view[HeadBytes:], nil
}
