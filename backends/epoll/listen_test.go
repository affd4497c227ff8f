package epoll

import (
	"context"
	"testing"

	"golang.org/x/sys/unix"

	"lars/reactor/driver"
)

// TestAcceptErrorsBackOff: accept that fails for ever, with whatever error, does not
// keep its loop busy.
func TestAcceptErrorsBackOff(t *testing.T) {
	opened, err := Driver{}.Open(driver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	e := opened.(*engine)
	defer func() { _ = e.Close(context.Background()) }()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0) // which does not listen
	if err != nil {
		t.Fatal(err)
	}
	a := &acceptor{ln: &listener{eng: e}, loop: e.loops[0], fd: fd}
	done := make(chan struct{})
	a.loop.Post(func() {
		defer close(done)
		a.start()
		for _, want := range []uint64{acceptErrorsMax, acceptErrorsMax + 1} {
			before := a.backoff
			a.ready(0)
			if n := a.ln.errors.Load(); n != want || a.backoff <= before {
				t.Errorf("%d accepts failed, and a pause of %v; want %d and one longer than %v", n, a.backoff, want, before)
			}
		}
		a.abort(nil)
	})
	<-done
}
