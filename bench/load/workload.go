package load

import "time"

// Workload makes the requests of a run and judges the replies. It must be safe
// for use from several goroutines, each with its own connections; Echo holds
// nothing and so is.
//
// The requests of a connection are numbered from 0. A workload carries the
// number, or enough of it, in the request, finds it again in the reply, and so
// lets the generator tell a right reply from one that is lost, doubled or out
// of its order.
type Workload interface {
	// FrameBytesMax is the largest request and the largest reply, with their
	// heads. A larger reply is a fault of the server.
	FrameBytesMax() (request, reply int)
	// MakeRequest appends the frame of request seq of connection conn to dst.
	// It must not allocate when dst has FrameBytesMax left.
	MakeRequest(dst []byte, conn int, seq uint64) []byte
	// CheckReply reads one whole frame from the server and says what it is; of
	// an Answer also the number of the request. oldest is the oldest request
	// still unanswered: a number that is cut in the frame is to be completed
	// to the nearest one. reply dies on return.
	CheckReply(reply []byte, conn int, oldest uint64) (seq uint64, is Content)
	// OneWay is true when requests have no reply. Such a load is an open loop,
	// its requests are completed when sent, and it has no response times: what
	// the sending took is the send lag.
	OneWay() bool
}

// Partly is a Workload of which only some requests have a reply; OneWay is then
// false. The others are completed when sent, and enter no distribution of
// responses.
type Partly interface {
	Workload
	// Answered tells whether request seq of connection conn has a reply. Of
	// any long row of requests some have.
	Answered(conn int, seq uint64) bool
}

// Timed is a Workload that is told when each request was due, sent and answered,
// of those that the result speaks of. Workers call it, each for its own
// connections, right after CheckReply.
type Timed interface {
	Workload
	// Times are on CLOCK_MONOTONIC; in a closed loop due is sent. reply dies on
	// return. There is no such workload for a duet: it has one server.
	Times(reply []byte, due, sent, received time.Duration)
}

func isTimed(w Workload) bool {
	_, ok := w.(Timed)
	return ok
}

// Content is what a workload makes of a frame from the server.
type Content uint8

const (
	// Wrong is nothing that this server should send: it makes the run invalid.
	Wrong Content = iota
	// Answer is a right reply to some request.
	Answer
	// Push is in order and answers nothing: counted, and otherwise ignored.
	Push
)
