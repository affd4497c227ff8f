package workload

import "lars/reactor/frame"

// nearest is the number with the given remainder of modulus that lies nearest to
// oldest: half of them may lie ahead of it, half behind.
func nearest(oldest, remainder, modulus uint64) uint64 {
	ahead := (remainder + modulus - oldest%modulus) % modulus
	if ahead >= (modulus+1)/2 && oldest+ahead >= modulus {
		return oldest + ahead - modulus
	}
	return oldest + ahead
}

// begin makes room for the head of a frame, which finish writes.
func begin(dst []byte) []byte {
	var head [frame.HeadBytes]byte
	return append(dst, head[:]...)
}

// finish writes the head of the frame that starts at byte at of dst.
func finish(dst []byte, at int, id int32) []byte {
	frame.PutHead(dst[at:], id, len(dst)-at-frame.HeadBytes)
	return dst
}

// body is the body of a whole frame; nil when that has another id, or the frame
// is not whole.
func body(b []byte, id int32) []byte {
	got, size, err := frame.Next(b, frame.BodyBytesMax)
	if err != nil || size != len(b) || size == 0 || got != id {
		return nil
	}
	return b[frame.HeadBytes:]
}
