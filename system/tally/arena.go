package tally

// arena keeps values at places numbered from 1 and uses the places of removed
// ones again. Pointers from get are valid until the next add.
type arena[T any] struct {
	values []T
	free   []int32
}

func (a *arena[T]) get(at int32) *T { return &a.values[at-1] }

func (a *arena[T]) add(v T) int32 {
	if n := len(a.free); n > 0 {
		at := a.free[n-1]
		a.free = a.free[:n-1]
		*a.get(at) = v
		return at
	}
	a.values = append(a.values, v)
	return int32(len(a.values))
}

func (a *arena[T]) remove(at int32) { a.free = append(a.free, at) }
