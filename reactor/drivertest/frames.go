package drivertest

import (
	"encoding/binary"
	"errors"

	"lars/reactor/driver"
	"lars/reactor/frame"
)

func frameCases() []testCase {
	var all []testCase
	all = append(all, bothSides("Frames/ManyInOneSegment", framesManyInOneSegment)...)
	all = append(all, bothSides("Frames/OneInManySegments", framesOneInManySegments)...)
	all = append(all, bothSides("Frames/Large", framesLarge)...)
	all = append(all, bothSides("Frames/Hostile", framesHostile)...)
	return all
}

// framer is the smallest user of the codec: it consumes whole frames, sends
// each one back, and closes on a head that is invalid.
func framer(c *conn, view []byte) (consumed int) {
	for {
		rest := view[consumed:]
		_, size, err := frame.Next(rest, frame.BodyBytesMax)
		if err != nil {
			c.Close(err)
			return consumed
		}
		if size == 0 {
			return consumed
		}
		c.write(rest[:size])
		consumed += size
	}
}

// numbered makes n frames whose id and body carry their number; the bodies
// have 0 to 40 bytes.
func numbered(n int) (all []byte) {
	body := make([]byte, 40)
	for i := range n {
		binary.LittleEndian.PutUint32(body, uint32(i))
		all = frame.Append(all, int32(i), body[:i%41])
	}
	return all
}

func framesManyInOneSegment(e *env) {
	r, _ := e.open(driver.Config{}).connect(driver.ConnOptions{}, hooks{received: framer})
	m := numbered(2000)
	r.send(m)
	r.expect(m)
}

// framesOneInManySegments sends a frame byte by byte, each once the one before
// has been shown: the frame must stay whole, whatever the driver keeps.
func framesOneInManySegments(e *env) {
	r, c := e.open(driver.Config{}).connect(driver.ConnOptions{}, hooks{received: framer})
	first := frame.Append(nil, 1, newStream(8).next(60))
	for i := range first {
		r.send(first[i : i+1])
		c.awaitShown(i + 1)
	}
	r.expect(first)
	// A whole frame with the beginning of the next one, then its rest.
	two := numbered(40)[8:]
	for cut := 1; cut < 80; cut += 13 {
		r.send(two[:len(two)-cut])
		r.send(two[len(two)-cut:])
		r.expect(two)
	}
}

// framesLarge sends a frame as large as frames get; what is not complete is
// shown again with each arrival.
func framesLarge(e *env) {
	size := frame.BodyBytesMax
	if raceEnabled {
		size = 2 << 20
	}
	r, _ := e.open(driver.Config{}).connect(driver.ConnOptions{OutputBytesMax: size + frame.HeadBytes}, hooks{received: framer})
	m := frame.Append(nil, 77, newStream(9).next(size))
	e.parallel(2, func(i int) error {
		if i == 0 {
			_, err := r.Write(m)
			return err
		}
		return r.tryExpect(m)
	})
}

func framesHostile(e *env) {
	en := e.open(driver.Config{})
	for _, c := range []struct {
		length uint32
		want   error
	}{{0xffffffff, frame.ErrNegative}, {0x80000000, frame.ErrNegative}, {1<<24 + 1, frame.ErrTooLarge}} {
		r, conn := en.connect(driver.ConnOptions{}, hooks{received: framer})
		r.send(binary.LittleEndian.AppendUint32([]byte{1, 0, 0, 0}, c.length))
		if err := conn.awaitClosed(); !errors.Is(err, c.want) {
			e.fatalf("length %#x: closed with %v, want %v", c.length, err, c.want)
		}
		r.expectEnd()
	}
}
