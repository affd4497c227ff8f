// Package timer is the timer queue of a loop: a binary heap ordered by time,
// then by making. It is pure: it never reads a clock, takes now as an
// argument, and is not safe for concurrent use.
package timer

import (
	"container/heap"
	"time"
)

// A Queue of timers. The zero value is empty.
type Queue struct {
	heap entries
	made uint64
}

// A Timer is one entry of a Queue.
type Timer struct {
	at    time.Duration
	seq   uint64
	index int // in the heap; -1 when not queued
	f     func()
}

// Add queues f for time at.
func (q *Queue) Add(at time.Duration, f func()) *Timer {
	q.made++
	t := &Timer{at: at, seq: q.made, f: f}
	heap.Push(&q.heap, t)
	return t
}

// Cancel removes t; a timer that ran or was cancelled before is ignored.
func (q *Queue) Cancel(t *Timer) {
	if t.index >= 0 {
		heap.Remove(&q.heap, t.index)
	}
}

// Next returns the time of the earliest timer.
func (q *Queue) Next() (at time.Duration, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

// Len is the number of timers queued.
func (q *Queue) Len() int { return len(q.heap) }

// PopDue removes the earliest timer that is due at now and returns its
// function, or nil. Timers added while due ones run are due only if their time
// is not after now, so a caller that reads now once cannot loop for ever on
// timers with a positive delay.
func (q *Queue) PopDue(now time.Duration) func() {
	if len(q.heap) == 0 || q.heap[0].at > now {
		return nil
	}
	return heap.Pop(&q.heap).(*Timer).f
}

type entries []*Timer

func (e entries) Len() int { return len(e) }

func (e entries) Less(i, j int) bool {
	if e[i].at != e[j].at {
		return e[i].at < e[j].at
	}
	return e[i].seq < e[j].seq
}

func (e entries) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].index, e[j].index = i, j
}

func (e *entries) Push(x any) {
	t := x.(*Timer)
	t.index = len(*e)
	*e = append(*e, t)
}

func (e *entries) Pop() any {
	last := len(*e) - 1
	t := (*e)[last]
	(*e)[last] = nil
	*e = (*e)[:last]
	t.index = -1
	return t
}
