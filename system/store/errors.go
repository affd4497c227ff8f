package store

import "errors"

// The kinds of error. Every error of a [Store] wraps exactly one of them, except
// what a callback returned and a context that was cancelled, which come back as
// they are. Decide by errors.Is, never by text.
var (
	// ErrUnavailable: the database is away, too slow, full, read-only, or refused
	// us. Nothing is wrong with the request; the same call may work later. After
	// it, an edit or save may or may not have happened: repeat it with the same
	// [Edit].Key or [Mark].
	ErrUnavailable = errors.New("store unavailable")

	// ErrConflict: the request does not fit what is stored: a host to add is
	// there already, one to remove is not, or the hosts are not those that were
	// expected.
	ErrConflict = errors.New("conflict")

	// ErrInvalid: the request is wrong in itself; it never can work.
	ErrInvalid = errors.New("invalid")

	// ErrSchema: tables or columns are missing, or the file is no database of
	// ours. Migrate first, or look what it is.
	ErrSchema = errors.New("schema unusable")
)
