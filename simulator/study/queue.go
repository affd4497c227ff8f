package study

import "time"

// event is something that will happen: to a request, by its number, or to all.
type event struct {
	at   time.Duration
	n    uint32 // of making, among those of one time
	arg  uint32
	kind uint8
}

// queue is a binary heap of events, those of equal time in the order of
// making.
type queue struct {
	heap []event
	made uint32
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.n < o.n }

func (q *queue) push(at time.Duration, kind uint8, arg uint32) {
	q.made++
	e := event{at, q.made, arg, kind}
	h := append(q.heap, e)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(&h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i], q.heap = e, h
}

func (q *queue) pop() event {
	h := q.heap
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	q.heap = h
	i := 0
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1].before(&h[c]) {
			c++
		}
		if !h[c].before(&last) {
			break
		}
		h[i] = h[c]
		i = c
	}
	if len(h) > 0 {
		h[i] = last
	}
	return top
}
