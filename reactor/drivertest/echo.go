package drivertest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"lars/reactor/driver"
)

func echoCases() []testCase {
	var all []testCase
	all = append(all, bothSides("Echo/SplitEverywhere", echoSplitEverywhere)...)
	all = append(all, bothSides("Echo/Sizes", echoSizes)...)
	all = append(all, bothSides("Echo/OneByteWrites", echoOneByteWrites)...)
	all = append(all, bothSides("Echo/Many", echoMany)...)
	all = append(all, bothSides("Echo/BothEndsOfTheDriver", echoDriverToDriver)[1])
	return all
}

// echoSplitEverywhere sends a message in two segments, split at every place:
// the second is sent once the first has been received, so the kernel cannot
// join them.
func echoSplitEverywhere(e *env) {
	en := e.open(driver.Config{})
	r, c := en.connect(driver.ConnOptions{}, echoHooks())
	s, sent := newStream(1), 0
	for _, n := range []int{2, 24, 40} {
		for cut := 1; cut < n; cut++ {
			m := s.next(n)
			r.send(m[:cut])
			c.awaitBytes(sent + cut)
			r.send(m[cut:])
			r.expect(m)
			sent += n
		}
	}
}

// echoSizes sends 1 byte to 16 MiB, about every power of two, in chunks that
// are cut at random and near the sizes that buffers have.
func echoSizes(e *env) {
	en := e.open(driver.Config{})
	r, _ := en.connect(driver.ConnOptions{}, echoHooks())
	random := rand.New(rand.NewPCG(3, 4))
	sizes := []int{1, 2, 3, 7, 8, 9, 20, 28, 63, 64, 65}
	for p := 1 << 8; p <= 1<<17; p <<= 1 {
		sizes = append(sizes, p-1, p, p+1)
	}
	sizes = append(sizes, 1<<20, 1<<20+1, 16<<20)
	out, in := newStream(5), newStream(5)
	for _, n := range sizes {
		e.parallel(2, func(i int) error {
			if i == 0 {
				return sendChunks(r, out.next(n), random)
			}
			return r.tryStream(in, n)
		})
	}
}

// sendChunks writes p in chunks of random sizes.
func sendChunks(w io.Writer, p []byte, random *rand.Rand) error {
	edges := []int{1, 1024, 4095, 4096, 4097, 16384, 65535, 65536, 65537, 1 << 20}
	for len(p) > 0 {
		n := min(len(p), edges[random.IntN(len(edges))]+random.IntN(3), 1+random.IntN(2<<20))
		if _, err := w.Write(p[:n]); err != nil {
			return fmt.Errorf("the peer's send: %w", err)
		}
		p = p[n:]
	}
	return nil
}

// tryStream reads n bytes and compares them with the stream as they come.
func (r *raw) tryStream(s *stream, n int) error {
	b := make([]byte, min(n, 64<<10))
	for n > 0 {
		k, err := r.Read(b[:min(n, len(b))])
		if err := s.check(b[:k]); err != nil {
			return err
		}
		n -= k
		if err != nil && n > 0 {
			return fmt.Errorf("the peer's read at byte %d of the stream, %d to come: %w", s.pos, n, err)
		}
	}
	return nil
}

func echoOneByteWrites(e *env) {
	en := e.open(driver.Config{})
	r, _ := en.connect(driver.ConnOptions{}, echoHooks())
	m := newStream(6).next(500)
	for i := range m {
		r.send(m[i : i+1])
	}
	r.expect(m)
}

// echoMany has several connections busy at once, on two loops, each with a
// stream of its own.
func echoMany(e *env) {
	en := e.open(driver.Config{Loops: 2})
	const conns = 8
	bytes := scaled(1<<20, 128<<10)
	var peers []*raw
	if e.side == accepted {
		s := en.serve(driver.ListenOptions{}, echoHooks())
		for range conns {
			peers = append(peers, e.rawDial(s.Addr()))
		}
	} else {
		l, addr := e.rawListen()
		for i := range conns {
			en.dial(en.loops[i%2], addr, driver.DialOptions{}, echoHooks())
			peers = append(peers, e.rawAccept(l))
		}
	}
	e.parallel(2*conns, func(i int) error {
		r, s := peers[i/2], newStream(uint64(i/2))
		if i%2 == 1 {
			return r.tryStream(s, bytes)
		}
		return sendChunks(r, s.next(bytes), rand.New(rand.NewPCG(uint64(i), 1)))
	})
}

// echoDriverToDriver has the driver at both ends, on one loop: neither end may
// wait for the other inside a callback.
func echoDriverToDriver(e *env) {
	if !e.h.Driver.Abilities().Listen {
		needListen.assertUnsupported(e)
		return
	}
	en := e.open(driver.Config{})
	s := en.serve(driver.ListenOptions{}, echoHooks())
	size := scaled(4<<20, 512<<10)
	out, in, sent := newStream(7), newStream(7), 0
	fill := func(c *conn) {
		for sent < size {
			n := min(size-sent, 10_000)
			b, err := c.Alloc(n)
			if errors.Is(err, driver.ErrOutputFull) {
				break
			}
			if err != nil {
				e.errorf("Alloc: %v", err)
				break
			}
			copy(b, out.next(n))
			sent += n
		}
		c.Flush()
	}
	c := en.dial(en.loops[0], s.Addr(), driver.DialOptions{Conn: driver.ConnOptions{OutputBytesMax: 100_000}}, hooks{
		opened:  fill,
		drained: fill,
		received: func(_ *conn, view []byte) int {
			if err := in.check(view); err != nil {
				e.errorf("%v", err)
			}
			return len(view)
		},
	})
	c.awaitBytes(size)
}
