package live

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"lars/reactor/frame"
	"lars/simulator/workload"
)

// The messages between callers and hosts: a call is a number, its answer the
// number and how it went.
const (
	idCall   = 1
	idAnswer = 2

	callBytes   = 8
	answerBytes = 9
)

// exchange makes a call on a connection and waits for its answer until the
// deadline. ok false: the connection is of no further use.
func exchange(c net.Conn, number uint64, deadline time.Time) (result workload.Result, ok bool, err error) {
	if err := c.SetDeadline(deadline); err != nil {
		return workload.Refused, false, err
	}
	var body [callBytes]byte
	binary.LittleEndian.PutUint64(body[:], number)
	if _, err := c.Write(frame.Append(nil, idCall, body[:])); err != nil {
		return lost(err), false, err
	}
	var answer [frame.HeadBytes + answerBytes]byte
	if _, err := io.ReadFull(c, answer[:]); err != nil {
		return lost(err), false, err
	}
	id, n, err := frame.Next(answer[:], answerBytes)
	got := answer[frame.HeadBytes:]
	if err != nil || id != idAnswer || n != len(answer) || binary.LittleEndian.Uint64(got) != number || got[8] > byte(workload.Refused) {
		return workload.Failed, false, errors.New("no answer to the call")
	}
	return workload.Result(got[8]), true, nil
}

// lost is how a call went whose connection failed.
func lost(err error) workload.Result {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return workload.Silent
	}
	return workload.Refused
}

// answer is the body of one.
func answer(number uint64, r workload.Result) (b [answerBytes]byte) {
	binary.LittleEndian.PutUint64(b[:], number)
	b[8] = byte(r)
	return b
}
