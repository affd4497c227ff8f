package drivertest

import (
	"errors"
	"time"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

func inputCases() []testCase {
	var all []testCase
	all = append(all, bothSides("Input/PartialConsumption", inputPartialConsumption)...)
	all = append(all, bothSides("Input/Full", inputFull)...)
	all = append(all, bothSides("Input/NotFullWhenConsumed", inputNotFullWhenConsumed)...)
	all = append(all, bothSides("Input/PoolLimit", inputPoolLimit)...)
	all = append(all, bothSides("Input/AheadWhilePaused", inputAheadWhilePaused)...)
	all = append(all, bothSides("Input/AheadWhileBusy", inputAheadWhileBusy)...)
	return all
}

// inputPartialConsumption consumes an odd part of every view: what is left
// must be shown again, unchanged, with the next input (see conn.checkView).
func inputPartialConsumption(e *env) {
	s, shown := newStream(11), 0
	total := scaled(300_000, 100_000)
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{}, hooks{
		received: func(c *conn, view []byte) int {
			shown++
			n := len(view) * (shown % 4) / 4
			if c.receivedBytes+len(view) == total {
				n = len(view) // no further input will come
			}
			if err := s.check(view[:n]); err != nil {
				e.errorf("%v", err)
			}
			return n
		},
	})
	out := newStream(11)
	for sent := 0; sent < total; {
		n := min(1+sent%2999, total-sent)
		r.send(out.next(n))
		sent += n
	}
	c.awaitBytes(total)
}

// inputFull leaves everything unconsumed.
func inputFull(e *env) {
	const limit = 5000
	for _, segment := range []int{limit, 1000, 3 * limit} {
		r, c := e.open(driver.Config{}).connect(driver.ConnOptions{InputBytesMax: limit}, hooks{
			received: func(*conn, []byte) int { return 0 },
		})
		for sent := 0; sent < limit-1; {
			n := min(segment, limit-1-sent)
			r.send(make([]byte, n))
			sent += n
		}
		c.awaitShown(limit - 1)
		if c.isOver() {
			e.fatalf("closed with %v one byte under the limit", c.err)
		}
		r.send(make([]byte, 1))
		if err := c.awaitClosed(); !errors.Is(err, driver.ErrInputFull) {
			e.fatalf("closed with %v, want ErrInputFull", err)
		}
		r.expectEnd()
	}
}

// inputNotFullWhenConsumed sends much more than the limit to a handler that
// consumes: the limit is on what is left.
func inputNotFullWhenConsumed(e *env) {
	const limit = 1000
	size := 200_000
	r, _ := e.open(driver.Config{}).connect(driver.ConnOptions{InputBytesMax: limit}, echoHooks())
	out, in := newStream(12), newStream(12)
	e.parallel(2, func(i int) error {
		if i == 0 {
			_, err := r.Write(out.next(size))
			return err
		}
		return r.tryStream(in, size)
	})
}

// inputPoolLimit leaves input unconsumed while the pool has nothing to keep it
// in. A driver may have other space for it; else it closes with ErrPool. It
// never loses bytes in silence, and never the other connections.
func inputPoolLimit(e *env) {
	pool := buffer.New(buffer.Config{BytesMax: 64 << 10})
	en := e.open(driver.Config{Pool: pool})
	good, _ := en.connect(driver.ConnOptions{}, echoHooks())
	m := newStream(13).next(30_000)
	r, c := en.connect(driver.ConnOptions{}, hooks{
		received: func(c *conn, view []byte) int {
			if len(view) < len(m) {
				return 0
			}
			if string(view) != string(m) {
				e.errorf("%s", describeDifference(view, m))
			}
			return len(view)
		},
	})
	all, err := pool.Get(64 << 10)
	if err != nil {
		e.fatalf("the pool's own limit: %v", err)
	}
	r.send(m[:10_000])
	e.await("the first part is shown, or Closed", func() bool { return c.isClosed || c.shownBytes >= 10_000 })
	r.Write(m[10_000:]) // may be reset already
	e.await("the input is received, or Closed", func() bool { return c.isClosed || c.receivedBytes == len(m) })
	if c.isClosed && !errors.Is(c.err, buffer.ErrPool) {
		e.fatalf("the pool had nothing for unconsumed input: closed with %v, want ErrPool", c.err)
	}
	pool.Put(all)
	good.send([]byte("healthy"))
	good.expect([]byte("healthy"))
}

const (
	aheadBuffer    = 256 << 10
	aheadBytesMax  = 8 << 20 // above what the kernel holds at both ends, with aheadBuffer
	aheadBytesSent = 2 * aheadBytesMax
)

func inputAheadWhilePaused(e *env) {
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{RecvBufferBytes: aheadBuffer}, hooks{})
	c.loop.do(c.Pause)
	n := r.sendUntilFull()
	c.loop.do(c.Resume)
	c.awaitBytes(n)
}

func inputAheadWhileBusy(e *env) {
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{RecvBufferBytes: aheadBuffer}, hooks{})
	g := c.loop.hold()
	n := r.sendUntilFull()
	g.release()
	c.awaitBytes(n)
}

// sendUntilFull sends until nothing is taken for a while, which must be before
// aheadBytesMax, and returns how much was.
func (r *raw) sendUntilFull() (sent int) {
	r.e.Helper()
	s := newStream(22)
	for n := 1; n > 0 && sent < aheadBytesSent; sent += n {
		r.SetDeadline(time.Now().Add(100 * time.Millisecond))
		n, _ = r.Write(s.next(64 << 10))
	}
	if sent > aheadBytesMax {
		r.e.fatalf("a connection was read ahead of its handler: the peer sent %d bytes, want at most %d", sent, aheadBytesMax)
	}
	return sent
}
