package drivertest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

func outputCases() []testCase {
	var all []testCase
	all = append(all, bothSides("Output/Allocs", outputAllocs)...)
	all = append(all, bothSides("Output/OneLargeAlloc", outputOneLargeAlloc)...)
	all = append(all, bothSides("Output/PushToSlowPeer", outputPushToSlowPeer)...)
	all = append(all, bothSides("Output/Drained", outputDrained)...)
	all = append(all, bothSides("Output/DrainedLowMark", outputDrainedLowMark)...)
	all = append(all, bothSides("Output/DrainedAtOnce", outputDrainedAtOnce)...)
	all = append(all, bothSides("Output/PoolLimit", outputPoolLimit)...)
	all = append(all, bothSides("Output/PoolReturned", outputPoolReturned)...)
	return all
}

// small buffers of the kernel, so that little output fills them.
func smallBuffers(o driver.ConnOptions) driver.ConnOptions {
	o.SendBufferBytes, o.RecvBufferBytes = 16<<10, 16<<10
	return o
}

// stuff fills the connection's output from its stream until it is refused, and
// returns how many bytes that took. The peer must not read. On the loop.
func (c *conn) stuff(s *stream, chunk int) (bytes int) {
	const bytesMax = 256 << 20 // far above what a limit and the kernel can hold
	for bytes < bytesMax {
		b, err := c.Alloc(chunk)
		if errors.Is(err, driver.ErrOutputFull) {
			return bytes
		}
		if err != nil {
			c.en.e.errorf("Alloc: %v", err)
			return bytes
		}
		bytes += copy(b, s.next(chunk))
		c.Flush()
	}
	c.en.e.errorf("%d bytes were accepted for a peer that does not read; the limit is %d", bytes, c.opts.OutputBytesMax)
	return bytes
}

// outputAllocs makes several allocations of odd sizes before a Flush, in a
// task and in Received.
func outputAllocs(e *env) {
	s := newStream(30)
	burst := func(c *conn) {
		for n := range 60 {
			c.write(s.next(n * 17 % 301))
		}
	}
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{}, hooks{
		received: func(c *conn, view []byte) int { burst(c); return len(view) }, // flushed on return
	})
	in := newStream(30)
	size := 0
	for n := range 60 {
		size += n * 17 % 301
	}
	for range 3 {
		c.awaitSent()
		c.loop.do(func() {
			c.write(s.next(10))
			if n := c.Buffered(); n != 10 {
				e.errorf("Buffered is %d after Alloc(10) and before Flush", n)
			}
			burst(c)
			c.Flush()
			c.Flush() // with nothing to send
		})
		r.send([]byte("go"))
		if err := r.tryStream(in, 10+2*size); err != nil {
			r.fatal("read", err)
		}
	}
}

// awaitSent waits until the kernel has all output.
func (c *conn) awaitSent() {
	e := c.en.e
	e.Helper()
	e.poll("the output is empty", func() bool {
		n := 0
		c.loop.do(func() { n = c.Buffered() })
		return n == 0
	})
}

// outputOneLargeAlloc: one allocation of any size is accepted when nothing is
// buffered, and none after it.
func outputOneLargeAlloc(e *env) {
	const limit, large = 10_000, 1 << 20
	r, c := e.open(driver.Config{}).connect(smallBuffers(driver.ConnOptions{OutputBytesMax: limit}), hooks{})
	m := newStream(31).next(large)
	c.loop.do(func() {
		c.write(m)
		if _, err := c.Alloc(1); !errors.Is(err, driver.ErrOutputFull) {
			e.errorf("Alloc(1) above the limit returned %v, want ErrOutputFull", err)
		}
		c.Flush()
	})
	r.expect(m)
}

// outputPushToSlowPeer pushes numbered records from several goroutines through
// Post while the peer does not read, then lets it read: each goroutine's
// records arrive whole and in order, and the output stayed within its limit.
func outputPushToSlowPeer(e *env) {
	const goroutines, recordBytes, limit = 4, 64, 64 << 10
	each := scaled(20_000, 4_000)
	full := 0
	pool := buffer.New(buffer.Config{})
	en := e.open(driver.Config{Pool: pool})
	r, c := en.connect(smallBuffers(driver.ConnOptions{OutputBytesMax: limit, OutputBytesLow: limit / 2}), hooks{
		drained: func(*conn) {},
	})
	push := func(g int) error {
		for i := 0; i < each && !e.hasFailed(); {
			drains, ok := c.pushRecord(g, i, recordBytes, &full)
			if ok {
				i++
				continue
			}
			if ok, failed := e.awaitAny(func() bool { return c.drains > drains }); !ok && !failed {
				return fmt.Errorf("after ErrOutputFull there was no Drained; record %d of goroutine %d", i, g)
			}
		}
		return nil
	}
	e.parallel(goroutines+1, func(g int) error {
		if g < goroutines {
			return push(g)
		}
		if ok, _ := e.awaitAny(func() bool { return full > 0 }); !ok {
			return errors.New("ErrOutputFull was never returned although the peer did not read")
		}
		return readRecords(r, goroutines, each, recordBytes)
	})
	if peak := pool.Stats().Peak; peak > 8*limit {
		e.fatalf("the pool's peak was %d bytes for one connection with an output limit of %d", peak, limit)
	}
}

// pushRecord posts one record and waits for the post. It returns false, and
// the number of Drained calls before, when the output was full.
func (c *conn) pushRecord(g, i, size int, full *int) (drains int, ok bool) {
	e := c.en.e
	var result struct { // under env.mu
		done, ok bool
		drains   int
	}
	c.loop.post(func() {
		b, err := c.Alloc(size)
		if err == nil {
			binary.LittleEndian.PutUint64(b, uint64(g)<<32|uint64(i))
			for k := 8; k < size; k++ {
				b[k] = byte(i + k)
			}
			c.Flush()
		} else if !errors.Is(err, driver.ErrOutputFull) {
			e.errorf("Alloc: %v", err)
		}
		e.note(func() {
			if err != nil {
				*full++
			}
			result.done, result.ok, result.drains = true, err == nil, c.drains
		})
	})
	e.awaitAny(func() bool { return result.done })
	e.look(func() { drains, ok = result.drains, result.ok })
	return drains, ok
}

func readRecords(r io.Reader, goroutines, each, size int) error {
	next := make([]int, goroutines)
	b := make([]byte, size)
	for n := range goroutines * each {
		if _, err := io.ReadFull(r, b); err != nil {
			return fmt.Errorf("record %d of %d: %w", n, goroutines*each, err)
		}
		head := binary.LittleEndian.Uint64(b)
		g, i := int(head>>32), int(uint32(head))
		if g >= goroutines || i != next[g] || b[size-1] != byte(i+size-1) {
			return fmt.Errorf("record %d is %x, want one of numbers %v", n, b, next)
		}
		next[g]++
	}
	return nil
}

// outputDrained fills the output, reads it, and wants Drained when all is sent.
func outputDrained(e *env) {
	stats := []int{}
	s, in := newStream(32), newStream(32)
	r, c := e.open(driver.Config{}).connect(smallBuffers(driver.ConnOptions{OutputBytesMax: 100_000}), hooks{
		drained: func(c *conn) { stats = append(stats, c.Buffered()) },
	})
	for range 3 {
		sent, before := 0, 0
		c.loop.do(func() { sent = c.stuff(s, 3000); before = c.drains })
		if err := r.tryStream(in, sent); err != nil {
			r.fatal("read", err)
		}
		e.await("Drained after all was read", func() bool { return c.drains > before })
		c.loop.do(func() {})
	}
	if slices.Max(stats) > 0 {
		e.fatalf("at Drained, with a low mark of zero, Buffered was %v", stats)
	}
}

func outputDrainedLowMark(e *env) {
	const limit, low = 200_000, 50_000
	at := -1
	s, in := newStream(33), newStream(33)
	r, c := e.open(driver.Config{}).connect(smallBuffers(driver.ConnOptions{OutputBytesMax: limit, OutputBytesLow: low}), hooks{
		drained: func(c *conn) { at = c.Buffered() },
	})
	sent := 0
	c.loop.do(func() { sent = c.stuff(s, 3000) })
	early := 0
	e.look(func() { early = c.drains })
	if early != 0 {
		e.fatalf("Drained was called while the output was full")
	}
	if err := r.tryStream(in, sent); err != nil {
		r.fatal("read", err)
	}
	e.await("Drained", func() bool { return c.drains > 0 })
	c.loop.do(func() {})
	if at > low || c.drains != 1 {
		e.fatalf("Drained was called %d times, the latest with %d bytes buffered; want once, with at most %d", c.drains, at, low)
	}
}

// outputDrainedAtOnce: the output was above the mark and a Flush sends all of
// it; whoever was refused still waits for Drained.
func outputDrainedAtOnce(e *env) {
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{OutputBytesMax: 1000}, hooks{})
	for i := range 5 {
		before := 0
		c.loop.do(func() {
			before = c.drains
			c.write(make([]byte, 1000))
			if _, err := c.Alloc(1); !errors.Is(err, driver.ErrOutputFull) {
				e.errorf("Alloc(1) at the limit returned %v, want ErrOutputFull", err)
			}
			c.Flush()
		})
		r.expect(make([]byte, 1000))
		e.await(fmt.Sprintf("Drained after round %d", i), func() bool { return c.drains > before })
	}
}

// outputPoolLimit fills a pool that is smaller than the connection's limit:
// Alloc says so, nothing that was accepted is lost, and it works again after.
func outputPoolLimit(e *env) {
	pool := buffer.New(buffer.Config{BytesMax: 256 << 10})
	en := e.open(driver.Config{Pool: pool})
	r, c := en.connect(smallBuffers(driver.ConnOptions{OutputBytesMax: 2 << 20}), hooks{})
	s, in, sent := newStream(34), newStream(34), 0
	c.loop.do(func() {
		for {
			b, err := c.Alloc(4000)
			if errors.Is(err, buffer.ErrPool) || errors.Is(err, driver.ErrOutputFull) {
				return
			}
			if err != nil {
				e.errorf("Alloc: %v", err)
				return
			}
			sent += copy(b, s.next(4000))
			c.Flush()
		}
	})
	if err := r.tryStream(in, sent); err != nil {
		r.fatal("read", err)
	}
	c.awaitSent()
	c.loop.do(func() { c.write(s.next(4000)); c.Flush() })
	if err := r.tryStream(in, 4000); err != nil {
		r.fatal("read", err)
	}
}

// outputPoolReturned: an idle connection, and a closed one, hold no buffer.
func outputPoolReturned(e *env) {
	pool := buffer.New(buffer.Config{})
	en := e.open(driver.Config{Pool: pool})
	s, in := newStream(35), newStream(35)
	r, c := en.connect(smallBuffers(driver.ConnOptions{OutputBytesMax: 300_000}), echoHooks())
	sent := 0
	c.loop.do(func() { sent = c.stuff(s, 5000) })
	if err := r.tryStream(in, sent); err != nil {
		r.fatal("read", err)
	}
	empty := func() bool { return pool.Stats().InUse == 0 }
	e.poll("an idle connection holds no buffer of the pool", empty)
	c.loop.do(func() { c.stuff(s, 5000); c.Close(errCause) })
	c.awaitClosed()
	e.poll("a closed connection holds no buffer of the pool", empty)
}
