package hist

// Exchange hands what one worker has recorded to one reader, while the worker
// goes on recording into another: no lock, and nothing on the path of a
// sample. T is a Recorder or a group of them.
//
// The worker alone calls Active, Swap and MustSwap; the reader alone receives
// from Full and calls Return.
type Exchange[T any] struct {
	active *T
	full   chan *T
	free   chan *T
}

// NewExchange starts with active and at least one spare.
func NewExchange[T any](active *T, spares ...*T) *Exchange[T] {
	n := 1 + len(spares)
	e := &Exchange[T]{active: active, full: make(chan *T, n), free: make(chan *T, n)}
	for _, s := range spares {
		e.free <- s
	}
	return e
}

// Active is what the worker records into; it changes only in Swap and MustSwap.
func (e *Exchange[T]) Active() *T { return e.active }

// Swap passes the active one to the reader and takes a spare. It never blocks:
// when the reader has not returned one yet, it does nothing and reports false,
// and the interval simply goes on.
func (e *Exchange[T]) Swap() bool {
	select {
	case spare := <-e.free:
		e.pass(spare)
		return true
	default:
		return false
	}
}

// MustSwap is Swap where the interval cannot go on: it waits for a spare.
func (e *Exchange[T]) MustSwap() { e.pass(<-e.free) }

func (e *Exchange[T]) pass(spare *T) {
	e.full <- e.active // never blocks: there is a place for each of them
	e.active = spare
}

// Full delivers what was swapped out, in order.
func (e *Exchange[T]) Full() <-chan *T { return e.full }

// Return gives one back, emptied by the reader, as a spare.
func (e *Exchange[T]) Return(t *T) { e.free <- t }
