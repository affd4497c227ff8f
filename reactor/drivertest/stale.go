package drivertest

import (
	"errors"

	"lars/reactor/driver"
)

func staleCases() []testCase {
	return bothSides("Stale/NeverReachesNewConnection", staleNeverReaches)
}

// staleNeverReaches keeps the Conn of a closed connection and uses it while
// new connections have its descriptor: it must answer ErrClosed and touch
// nobody. Package reactor guards users against this; the driver is the second
// wall.
func staleNeverReaches(e *env) {
	en := e.open(driver.Config{})
	var stale []*conn
	for i := range 10 {
		old, oc := en.connect(driver.ConnOptions{}, echoHooks())
		oc.loop.do(func() { oc.Close([]error{nil, errCause}[i%2]) })
		oc.awaitClosed()
		old.Close()
		stale = append(stale, oc)

		r, c := en.connect(driver.ConnOptions{}, echoHooks())
		for k, s := range stale {
			s.loop.do(func() { s.misuse(k) })
		}
		c.loop.passLoop()
		r.send([]byte("mine"))
		r.expect([]byte("mine"))
		if c.isOver() {
			e.fatalf("a stale reference closed a new connection: %v", c.err)
		}
		c.loop.do(func() { c.Close(nil) })
		r.expectEOF()
		c.awaitClosed()
	}
}

// misuse uses a connection after Closed, past the watch of conn.
func (c *conn) misuse(k int) {
	b, err := c.Conn.Alloc(5)
	if !errors.Is(err, driver.ErrClosed) {
		c.en.e.errorf("Alloc on a stale reference returned %v, want ErrClosed", err)
	}
	copy(b, "stale")
	c.Conn.Flush()
	c.Conn.Pause()
	if n := c.Conn.Buffered(); n != 0 {
		c.en.e.errorf("Buffered of a stale reference is %d", n)
	}
	c.Conn.Close([]error{errCause, nil}[k%2])
}
