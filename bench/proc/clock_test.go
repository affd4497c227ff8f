package proc

import (
	"testing"
	"time"
)

// TestMonotonicClock: it never leaves what the system says around it, but for
// the time of a call.
func TestMonotonicClock(t *testing.T) {
	c, err := NewMonotonicClock()
	if err != nil {
		t.Fatal(err)
	}
	const slack = time.Millisecond // a busy machine between two of the calls that made it
	for range 100 {
		before, err1 := Monotonic()
		now := c.Now()
		after, err2 := Monotonic()
		if err1 != nil || err2 != nil || now < before-slack || now > after+slack {
			t.Fatalf("%v is not between %v and %v (%v, %v)", now, before, after, err1, err2)
		}
	}
	at := time.Now()
	if d := c.At(at.Add(time.Hour)) - c.At(at); d != time.Hour {
		t.Errorf("an hour is %v", d)
	}
}
