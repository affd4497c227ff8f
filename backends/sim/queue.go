package sim

import "time"

// An event is something that will happen in a world. It is part of the thing
// that it happens to, which has a place for it once, so queueing allocates
// nothing and a thing's event can be moved.
type event struct {
	what happening
	slot int // in the queue, from 1; 0 when it is not in it
}

// A happening is what an event does. It is called with the world locked.
type happening interface{ happen(w *World) }

// queue is the events of a world: a 4-ary heap ordered by time, then by the
// order in which they were set.
type queue struct {
	heap []entry
	made uint64
}

type entry struct {
	at  time.Duration
	seq uint64
	ev  *event
}

func (a *entry) before(b *entry) bool {
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

// set queues ev for the time at, or moves it there.
func (q *queue) set(ev *event, at time.Duration) {
	q.made++
	e := entry{at, q.made, ev}
	if ev.slot == 0 {
		q.heap = append(q.heap, e)
		q.up(len(q.heap)-1, e)
		return
	}
	i := ev.slot - 1
	if e.before(&q.heap[i]) {
		q.up(i, e)
	} else {
		q.down(i, e)
	}
}

// at is the time of a queued event.
func (q *queue) at(ev *event) (at time.Duration, queued bool) {
	if ev.slot == 0 {
		return 0, false
	}
	return q.heap[ev.slot-1].at, true
}

// unset takes ev out, if it is in.
func (q *queue) unset(ev *event) {
	if ev.slot == 0 {
		return
	}
	i, last := ev.slot-1, len(q.heap)-1
	ev.slot = 0
	e := q.heap[last]
	q.heap[last] = entry{}
	q.heap = q.heap[:last]
	if i == last {
		return
	}
	if i > 0 && e.before(&q.heap[(i-1)/4]) {
		q.up(i, e)
	} else {
		q.down(i, e)
	}
}

// pop takes the first event out.
func (q *queue) pop() (*event, time.Duration) {
	e := q.heap[0]
	q.unset(e.ev)
	return e.ev, e.at
}

// up puts e at i or nearer to the top.
func (q *queue) up(i int, e entry) {
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q.heap[parent]) {
			break
		}
		q.put(i, q.heap[parent])
		i = parent
	}
	q.put(i, e)
}

// down puts e at i or further from the top.
func (q *queue) down(i int, e entry) {
	for {
		first := 4*i + 1
		if first >= len(q.heap) {
			break
		}
		least := first
		for k := first + 1; k < min(first+4, len(q.heap)); k++ {
			if q.heap[k].before(&q.heap[least]) {
				least = k
			}
		}
		if !q.heap[least].before(&e) {
			break
		}
		q.put(i, q.heap[least])
		i = least
	}
	q.put(i, e)
}

func (q *queue) put(i int, e entry) {
	q.heap[i] = e
	e.ev.slot = i + 1
}
