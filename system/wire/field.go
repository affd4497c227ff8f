package wire

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed says that bytes are no body of the message asked for. What the
// struct holds after it is of no use.
var ErrMalformed = errors.New("wire: malformed message")

// The low three bits of a tag.
const (
	varint  = uint64(protowire.VarintType)
	fixed64 = uint64(protowire.Fixed64Type)
	lengthy = uint64(protowire.BytesType)
)

// scanner walks the fields of one message. After next, tag is the field's
// number and wire type, and value or view its content.
type scanner struct {
	rest  []byte
	tag   uint64
	value uint64 // of varint and fixed64
	view  []byte // of lengthy; aliases the input
	err   error
}

// next moves to the next field. False: the end, or err is set.
func (s *scanner) next() bool {
	if len(s.rest) == 0 {
		return false
	}
	if s.rest[0] < 0x80 {
		s.tag, s.rest = uint64(s.rest[0]), s.rest[1:]
	} else if !s.readVarint(&s.tag) {
		return false
	}
	if number := s.tag >> 3; number < uint64(protowire.MinValidNumber) || number > uint64(protowire.MaxValidNumber) {
		return s.fail()
	}
	switch s.tag & 7 {
	case varint:
		return s.readVarint(&s.value)
	case lengthy:
		return s.readView()
	case fixed64:
		v, n := protowire.ConsumeFixed64(s.rest)
		s.value = v
		return s.advance(n)
	default: // fixed32, groups: no field of ours; and what is no wire type
		number := protowire.Number(s.tag >> 3)
		return s.advance(protowire.ConsumeFieldValue(number, protowire.Type(s.tag&7), s.rest))
	}
}

func (s *scanner) readVarint(to *uint64) bool {
	if len(s.rest) > 0 && s.rest[0] < 0x80 {
		*to, s.rest = uint64(s.rest[0]), s.rest[1:]
		return true
	}
	v, n := protowire.ConsumeVarint(s.rest)
	*to = v
	return s.advance(n)
}

func (s *scanner) readView() bool {
	var length uint64
	if !s.readVarint(&length) {
		return false
	}
	if length > uint64(len(s.rest)) {
		return s.fail()
	}
	s.view, s.rest = s.rest[:length], s.rest[length:]
	return true
}

// advance drops n bytes that protowire consumed; a negative n is its error.
func (s *scanner) advance(n int) bool {
	if n < 0 {
		return s.fail()
	}
	s.rest = s.rest[n:]
	return true
}

func (s *scanner) fail() bool {
	s.err = ErrMalformed
	return false
}

// appendHigh is for our own fields from 16 up, whose tag is two bytes.
func appendHigh(dst []byte, field, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendVarint(dst, field<<3), v)
}

// bit is a bool as appendHigh and sizeHigh take it.
func bit(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

func sizeHigh(v uint64) int {
	if v == 0 {
		return 0
	}
	return 2 + protowire.SizeVarint(v)
}

// appendHighLength begins an embedded message, or bytes, of our own fields.
func appendHighLength(dst []byte, field uint64, n int) []byte {
	return protowire.AppendVarint(protowire.AppendVarint(dst, field<<3|lengthy), uint64(n))
}

// The helpers below are for fields 1 to 15, whose tag is one byte.

func appendInt32(dst []byte, field byte, v int32) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(append(dst, field<<3), uint64(int64(v)))
}

func appendUint32(dst []byte, field byte, v uint32) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(append(dst, field<<3), uint64(v))
}

func appendBool(dst []byte, field byte, v bool) []byte {
	if !v {
		return dst
	}
	return append(dst, field<<3, 1)
}

// appendLength begins an embedded message of n bytes.
func appendLength(dst []byte, field byte, n int) []byte {
	return protowire.AppendVarint(append(dst, field<<3|byte(lengthy)), uint64(n))
}

func sizeInt32(v int32) int {
	if v == 0 {
		return 0
	}
	return 1 + protowire.SizeVarint(uint64(int64(v)))
}

func sizeUint32(v uint32) int {
	if v == 0 {
		return 0
	}
	return 1 + protowire.SizeVarint(uint64(v))
}

func sizeBool(v bool) int {
	if !v {
		return 0
	}
	return 2
}

// sizeEmbedded is the size of an embedded message of n bytes with its tag.
func sizeEmbedded(n int) int {
	return 1 + protowire.SizeVarint(uint64(n)) + n
}
