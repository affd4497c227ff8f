package lars

import (
	"errors"
	"fmt"

	"lars/system/wire"
)

// Errors of a Client. Those of a context come as they are.
var (
	// ErrOverload: every host of the module is overloaded, and this call is
	// not to probe one.
	ErrOverload = errors.New("lars: all hosts of the module are overloaded")
	// ErrNotExist: the module has no host, or the agent has only just asked
	// for its route.
	ErrNotExist = errors.New("lars: no host of the module is known")
	// ErrTimeout: the agent did not answer, however often it was asked.
	ErrTimeout = errors.New("lars: the agent does not answer")
	// ErrSystem: a socket failed, for instance because no agent runs. The
	// system's error is wrapped in it too.
	ErrSystem = errors.New("lars: no way to the agent")
	// ErrInvalid: a negative module id, or an address that cannot be one of a
	// host. Nothing was sent.
	ErrInvalid = errors.New("lars: not a module or host")
	// ErrBusy: too many calls of this Client wait for an answer.
	ErrBusy = errors.New("lars: too many calls wait for the agent")
	// ErrClosed: the Client is closed.
	ErrClosed = errors.New("lars: client is closed")
)

// system makes an error of the operating system one of ours.
func system(err error) error { return fmt.Errorf("%w: %w", ErrSystem, err) }

// ofRetcode is the error that an answer's retcode stands for.
func ofRetcode(code int32) error {
	switch code {
	case wire.RetSucc:
		return nil
	case wire.RetOverload:
		return ErrOverload
	case wire.RetNoExist:
		return ErrNotExist
	}
	return fmt.Errorf("%w: the agent answered with retcode %d", ErrSystem, code)
}

// Retcode is the number that the original's API returns for an error of this
// package: 0, 1 overload, 3 not exist, and 2 for all else.
func Retcode(err error) int {
	switch {
	case err == nil:
		return int(wire.RetSucc)
	case errors.Is(err, ErrOverload):
		return int(wire.RetOverload)
	case errors.Is(err, ErrNotExist):
		return int(wire.RetNoExist)
	}
	return int(wire.RetSystemError)
}
