package reactor

import (
	"errors"
	"syscall"

	"lars/reactor/driver"
)

// Errors of this package, beside those of package driver and of the system.
var (
	ErrClosed        = driver.ErrClosed
	ErrOutputFull    = driver.ErrOutputFull
	ErrReactorClosed = errors.New("reactor is closed")
	ErrNotConnected  = errors.New("client is not connected")
	ErrBusy          = errors.New("queue is full")
	ErrSlowPeer      = errors.New("peer does not take its output")
	ErrIdle          = errors.New("connection was idle too long")
	ErrStuck         = errors.New("virtual time: nothing is left to happen")
	ErrPartial       = errors.New("frame was not completed in time")
	ErrStalled       = errors.New("peer took none of its output for too long")
)

// isSystem reports whether err is one of the operating system, such as a
// reset by the peer.
func isSystem(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno)
}
