package reactor

import (
	"errors"
	"syscall"

	"lars/reactor/driver"
)

// Errors that methods return, beside those of package driver and of the system.
var (
	ErrClosed        = driver.ErrClosed     // the connection or socket has ended, or is closing
	ErrOutputFull    = driver.ErrOutputFull // the output limit of the connection or socket
	ErrReactorClosed = errors.New("reactor is closed")
	ErrNotConnected  = errors.New("client is not connected")
	ErrBusy          = errors.New("queue is full") // a loop's mailbox, or the workers'
	ErrStuck         = errors.New("virtual time: nothing is left to happen")
)

// Causes that the reactor closes a connection for, as its OnClose hears them.
var (
	ErrSlowPeer = errors.New("peer does not take its output")             // with DropConn
	ErrIdle     = errors.New("connection was idle too long")              // IdleTimeout
	ErrPartial  = errors.New("frame was not completed in time")           // PartialTimeout
	ErrStalled  = errors.New("peer took none of its output for too long") // WriteTimeout
)

// isSystem reports whether err is one of the operating system, such as a
// reset by the peer.
func isSystem(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno)
}
