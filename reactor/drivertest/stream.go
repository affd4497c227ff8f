package drivertest

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// patternBytes is prime, so that a lost, doubled or moved chunk of any usual
// size shows.
const patternBytes = 65521

// A stream is an endless sequence of bytes, made from a seed, with a place in
// it: what one end of a connection sends and the other one checks.
type stream struct {
	pattern []byte
	pos     int
}

func newStream(seed uint64) *stream {
	s := &stream{pattern: make([]byte, patternBytes)}
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range s.pattern {
		s.pattern[i] = byte(r.Uint32())
	}
	return s
}

// next returns the following n bytes.
func (s *stream) next(n int) []byte {
	b := make([]byte, n)
	for done := 0; done < n; {
		k := copy(b[done:], s.pattern[s.pos%patternBytes:])
		s.pos += k
		done += k
	}
	return b
}

// check compares got with the following bytes.
func (s *stream) check(got []byte) error {
	at := s.pos
	if want := s.next(len(got)); string(got) != string(want) {
		return fmt.Errorf("in the stream from byte %d: %s", at, describeDifference(got, want))
	}
	return nil
}

// echo sends back what it can and returns how many bytes that was; when the
// output is full it pauses until Drained. Its allocations are small, so that
// one view makes several.
func (c *conn) echo(view []byte) (done int) {
	for done < len(view) {
		b, err := c.Alloc(min(len(view)-done, 16<<10))
		if errors.Is(err, driver.ErrOutputFull) || errors.Is(err, buffer.ErrPool) {
			c.Pause()
			return done
		}
		if err != nil {
			c.en.e.errorf("Alloc in an echo: %v", err)
			return len(view)
		}
		done += copy(b, view[done:])
	}
	return done
}

// echoHooks echo with back pressure: nothing is lost, however slow the peer.
func echoHooks() hooks {
	return hooks{
		received: (*conn).echo,
		drained:  (*conn).Resume,
	}
}
