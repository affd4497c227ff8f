// Package stages says where the time of a request goes: waiting to be sent, on
// its way to the server, from the server's read to its handler, in the handler,
// and back.
//
// It is for "lars bench stages". The server puts its times into the reply, the
// generator knows its own, and all are on CLOCK_MONOTONIC of one machine, so
// the differences are exact but for the reads of the clock. It works only with
// a server of package server, run with --stamps, on the same machine.
package stages

import (
	"encoding/binary"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/record"
	"lars/bench/server"
	"lars/reactor/frame"
)

// bodyBytes hold the number of a request, its connection, and the stamps.
const bodyBytes = 8 + 8 + server.StampBytes

// The stages, in the order of time; the last is their sum.
var names = [...]string{
	record.StageSending, record.StageToServer, record.StageToHandler, record.StageHandler, record.StageToClient, record.StageResponse,
}

// Workload asks for stamps and keeps what they say: a load.Timed for a generator
// with one worker. Make it with New.
type Workload struct {
	hists [len(names)]*hist.Recorder
	// backwards counts replies whose times are not in order.
	backwards uint64
}

// New returns a workload that has seen nothing.
func New() *Workload {
	w := &Workload{}
	for i := range w.hists {
		w.hists[i] = hist.New()
	}
	return w
}

// FrameBytesMax implements load.Workload.
func (w *Workload) FrameBytesMax() (request, reply int) {
	return frame.HeadBytes + bodyBytes, frame.HeadBytes + bodyBytes
}

// MakeRequest implements load.Workload.
func (w *Workload) MakeRequest(dst []byte, conn int, seq uint64) []byte {
	var body [bodyBytes]byte
	binary.LittleEndian.PutUint64(body[:], seq)
	binary.LittleEndian.PutUint64(body[8:], uint64(conn))
	return frame.Append(dst, server.StampID, body[:])
}

// CheckReply implements load.Workload.
func (w *Workload) CheckReply(reply []byte, conn int, _ uint64) (uint64, load.Content) {
	if len(reply) != frame.HeadBytes+bodyBytes || binary.LittleEndian.Uint32(reply) != server.StampID {
		return 0, load.Wrong
	}
	body := reply[frame.HeadBytes:]
	if binary.LittleEndian.Uint64(body[8:]) != uint64(conn) || server.ReadStamps(body).Read <= 0 {
		return 0, load.Wrong
	}
	return binary.LittleEndian.Uint64(body), load.Answer
}

// OneWay implements load.Workload.
func (w *Workload) OneWay() bool { return false }

// slack is how far the two processes' readings of one clock may be apart.
const slack = 50 * time.Microsecond

// Times implements load.Timed.
func (w *Workload) Times(reply []byte, due, sent, received time.Duration) {
	s := server.ReadStamps(reply[frame.HeadBytes:])
	at := [...]time.Duration{due, sent, s.Read, s.Start, s.End, received}
	for i := range len(at) - 1 {
		d := at[i+1] - at[i]
		if d < -slack {
			w.backwards++
		}
		w.hists[i].Record(int64(max(d, 0)))
	}
	w.hists[len(names)-1].Record(int64(received - due))
}

// Backwards is the number of replies whose times were out of order by more than
// two readings of a clock can be: a server on another machine.
func (w *Workload) Backwards() uint64 { return w.backwards }

const confidence = 0.95 // of intervals, as run.Confidence

// Record is what was seen of an arm, a line for each stage; none without any
// reply.
func (w *Workload) Record(arm string) ([]record.StageTime, error) {
	var out []record.StageTime
	for i, h := range w.hists {
		if h.Count() == 0 {
			return nil, nil
		}
		p := func(p float64) (q hist.Percentile) {
			if q = h.Percentile(p, confidence); !q.Reportable {
				return hist.Percentile{}
			}
			return q
		}
		p50, p99 := p(50), p(99)
		s := record.StageTime{
			Stage: names[i], Count: h.Count(), P50NS: p50.Value, P90NS: p(90).Value, P99NS: p99.Value, P999NS: p(99.9).Value,
			P50LowNS: p50.Low, P50HighNS: p50.High, P99LowNS: p99.Low, P99HighNS: p99.High,
		}
		if err := s.Keep(arm, h); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
