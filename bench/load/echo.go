package load

import (
	"bytes"

	"lars/reactor/frame"
)

// EchoID is the message id of the original's QPS test.
const EchoID = 1

// EchoContent is the content that the original's client sends.
const EchoContent = "Hello Lars!!!"

// The body is EchoMessage { string content = 1; int32 id = 2; }. The id counts
// from 2^21 so that its varint always takes four bytes, and every body of a run
// is equally long: 20 bytes with the original's content. After 2^28-1 it starts
// again.
const (
	echoIDFirst  = 1 << 21
	echoIDs      = 1<<28 - echoIDFirst
	echoTagText  = 1<<3 | 2
	echoTagID    = 2 << 3
	echoIDBytes  = 5 // tag and varint
	varintMore   = 0x80
	varintBits   = 7
	varintMask   = 1<<varintBits - 1
	echoHeadMost = 1 + 5 // tag and length of the content
)

// Echo is the original's QPS test: a server returns every message as it is.
// Make it with NewEcho; the zero value sends the original's content.
type Echo struct {
	template []byte // a whole request; its last four bytes are the id
}

// NewEcho returns an echo workload with a content of the given length, in
// bytes; 0 is EchoContent. The longest is what fits into a frame of 16 MiB.
func NewEcho(contentBytes int) (Echo, error) {
	if contentBytes < 0 || contentBytes > EchoContentBytesMax {
		return Echo{}, invalid("payload of %d bytes: choose 0 (the content %q) to %d", contentBytes, EchoContent, EchoContentBytesMax)
	}
	if contentBytes == 0 {
		return Echo{}, nil
	}
	return Echo{template: echoTemplate(pattern(contentBytes))}, nil
}

// EchoContentBytesMax is the longest content: the frame's body has 16 MiB.
const EchoContentBytesMax = frame.BodyBytesMax - echoHeadMost - echoIDBytes

// defaultTemplate is the request with the original's content.
const defaultTemplate = "\x01\x00\x00\x00\x14\x00\x00\x00\x0a\x0d" + EchoContent + "\x10\x80\x80\x80\x01"

// pattern is text without a short period, so that content moved within a frame
// is noticed.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223 // Numerical Recipes' linear congruential generator
		b[i] = 'a' + byte(x>>24)%26
	}
	return b
}

// echoTemplate is a whole frame around content, with the first id.
func echoTemplate(content []byte) []byte {
	b := make([]byte, frame.HeadBytes, frame.HeadBytes+echoHeadMost+len(content)+echoIDBytes)
	b = append(b, echoTagText)
	n := len(content)
	for ; n > varintMask; n >>= varintBits {
		b = append(b, byte(n)|varintMore)
	}
	b = append(b, byte(n))
	b = append(b, content...)
	b = append(b, echoTagID, 0, 0, 0, 0)
	frame.PutHead(b, EchoID, len(b)-frame.HeadBytes)
	putEchoID(b, 0)
	return b
}

func putEchoID(b []byte, seq uint64) {
	id := echoIDFirst + seq%echoIDs
	b = b[len(b)-4:]
	b[0] = byte(id) | varintMore
	b[1] = byte(id>>varintBits) | varintMore
	b[2] = byte(id>>(2*varintBits)) | varintMore
	b[3] = byte(id >> (3 * varintBits))
}

// echoIDAt reads the number at the end of b; false when it is no id of ours.
func echoIDAt(b []byte) (n uint64, ok bool) {
	b = b[len(b)-4:]
	if b[0]&b[1]&b[2]&varintMore == 0 || b[3]&varintMore != 0 || b[3] == 0 {
		return 0, false
	}
	id := uint64(b[0]&varintMask) | uint64(b[1]&varintMask)<<varintBits |
		uint64(b[2]&varintMask)<<(2*varintBits) | uint64(b[3])<<(3*varintBits)
	return id - echoIDFirst, true
}

// FrameBytesMax is the size of a frame: all are equally long.
func (e Echo) FrameBytesMax() (request, reply int) {
	n := len(e.template)
	if n == 0 {
		n = len(defaultTemplate)
	}
	return n, n
}

// MakeRequest appends request seq. The connection does not matter.
func (e Echo) MakeRequest(dst []byte, _ int, seq uint64) []byte {
	if e.template == nil {
		dst = append(dst, defaultTemplate...)
	} else {
		dst = append(dst, e.template...)
	}
	putEchoID(dst, seq)
	return dst
}

// CheckReply compares the reply with the request of the id it carries.
func (e Echo) CheckReply(reply []byte, _ int, oldest uint64) (uint64, Content) {
	size, _ := e.FrameBytesMax()
	if len(reply) != size || !e.sameText(reply[:size-4]) {
		return 0, Wrong
	}
	n, ok := echoIDAt(reply)
	if !ok {
		return 0, Wrong
	}
	// The nearest number to oldest with this remainder: half the ids may lie
	// ahead of it, half behind.
	ahead := (n + echoIDs - oldest%echoIDs) % echoIDs
	if ahead >= echoIDs/2 && oldest+ahead >= echoIDs {
		return oldest + ahead - echoIDs, Answer
	}
	return oldest + ahead, Answer
}

func (e Echo) sameText(b []byte) bool {
	if e.template == nil {
		return string(b) == defaultTemplate[:len(defaultTemplate)-4]
	}
	return bytes.Equal(b, e.template[:len(b)])
}

// OneWay is false: every request is answered.
func (Echo) OneWay() bool { return false }
