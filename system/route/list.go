package route

// Lists and tables inside a Subscriptions: slices and numbers instead of
// pointers, so that millions of subscriptions cost the collector nothing.

// slab keeps values at fixed places, numbered from 1, and uses the places of
// removed ones again. Pointers from get are valid until the next add.
type slab[T any] struct {
	values []T
	free   []int32
}

func (s *slab[T]) get(at int32) *T { return &s.values[at-1] }

func (s *slab[T]) add(v T) int32 {
	if n := len(s.free); n > 0 {
		at := s.free[n-1]
		s.free = s.free[:n-1]
		*s.get(at) = v
		return at
	}
	s.values = append(s.values, v)
	return int32(len(s.values))
}

func (s *slab[T]) remove(at int32) {
	var zero T
	*s.get(at) = zero // a connection's pointer must not be kept alive
	s.free = append(s.free, at)
}

// table is a slab of nodes that are found by key.
type table[K comparable] struct {
	slab[node[K]]
	at map[K]int32
}

// node is a connection or a module with its subscriptions.
type node[K comparable] struct {
	key    K
	all    list
	marked list // connections only
}

// place returns the place of key, a new one if it has none.
func (t *table[K]) place(key K) int32 {
	at, ok := t.at[key]
	if !ok {
		at = t.add(node[K]{key: key})
		t.at[key] = at
	}
	return at
}

func (t *table[K]) remove(at int32) {
	delete(t.at, t.get(at).key)
	t.slab.remove(at)
}

// linked gives access to the links of an edge.
type linked interface {
	links(e int32, w which) *links
}

// list is a doubly linked list of edges; the links are in the edges.
type list struct {
	first, last int32
	n           int
}

func (l *list) push(in linked, e int32, w which) {
	*in.links(e, w) = links{prev: l.last}
	if l.last == 0 {
		l.first = e
	} else {
		in.links(l.last, w).next = e
	}
	l.last = e
	l.n++
}

func (l *list) remove(in linked, e int32, w which) {
	at := *in.links(e, w)
	if at.prev == 0 {
		l.first = at.next
	} else {
		in.links(at.prev, w).next = at.next
	}
	if at.next == 0 {
		l.last = at.prev
	} else {
		in.links(at.next, w).prev = at.prev
	}
	*in.links(e, w) = links{}
	l.n--
}
