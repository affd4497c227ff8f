package driver

import "errors"

// Errors that every backend returns alike. Errors of the system are passed on
// as they are (wrapped syscall.Errno).
var (
	ErrUnsupported  = errors.New("not supported by this backend")
	ErrClosed       = errors.New("connection is closed")
	ErrEngineClosed = errors.New("engine is closed")
	ErrOutputFull   = errors.New("output limit of the connection reached")
	ErrInputFull    = errors.New("input limit of the connection reached")
	ErrTooLong      = errors.New("datagram too long")
	ErrDialTimeout  = errors.New("dial timed out")
	ErrForeignLoop  = errors.New("loop belongs to another engine")
	ErrAccept       = errors.New("listener failed to accept")
)
