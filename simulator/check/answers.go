package check

import "time"

// Answers watches that every question to an agent comes to an end within its
// bound, and that an agent that is well answers.
type Answers struct {
	log   *Log
	bound time.Duration
	open  map[uint64]time.Duration // since when, by the number of the question
	order []uint64                 // the numbers as they came; open[order[0]] is the oldest
}

// NewAnswers makes a watcher.
func NewAnswers(l *Log, bound time.Duration) *Answers {
	return &Answers{log: l, bound: bound, open: map[uint64]time.Duration{}}
}

// Asked notes a question under a number of its own.
func (a *Answers) Asked(now time.Duration, number uint64) {
	a.open[number] = now
	a.order = append(a.order, number)
}

// Ended notes the end of a question: by an answer, or by its time. wellSince is
// since when the agent and the way to it have been.
func (a *Answers) Ended(now time.Duration, number uint64, answered bool, wellSince time.Duration) {
	since := a.open[number]
	delete(a.open, number)
	switch {
	case now-since > a.bound:
		a.log.Failf(now, "answers", "a question took %v, longer than %v", now-since, a.bound)
	case !answered && wellSince <= since:
		a.log.Failf(now, "answers", "an agent that is well gave no answer within %v", now-since)
	}
}

// Look notices questions that never end.
func (a *Answers) Look(now time.Duration) {
	for len(a.order) > 0 {
		since, open := a.open[a.order[0]]
		if open && now-since <= a.bound {
			return
		}
		if open {
			a.log.Failf(now, "answers", "a question of %v has no end", since)
			delete(a.open, a.order[0])
		}
		a.order = a.order[1:]
	}
}
