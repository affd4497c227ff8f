package serial

import "time"

// Post implements driver.Loop.
func (l *Loop) Post(f func()) bool {
	l.post.Lock()
	if l.post.closed {
		l.post.Unlock()
		return false
	}
	l.post.tasks = append(l.post.tasks, f)
	first := len(l.post.tasks) == 1
	if first {
		l.post.wakes++
	}
	l.post.Unlock()
	if first {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// After implements driver.Loop. Timers keep their exact times; the runtime's
// timer rings at the earliest of them or later, never before.
func (l *Loop) After(d time.Duration, f func()) (cancel func()) {
	// A timer without delay is due after this batch, so that one which makes
	// the next cannot hold the loop for ever.
	t := l.timers.Add(l.now+max(d, 1), f)
	l.setAlarm()
	return func() { l.timers.Cancel(t) }
}

// setAlarm makes the alarm ring no later than the earliest timer.
func (l *Loop) setAlarm() {
	at, ok := l.timers.Next()
	if !ok || l.alarmAt != 0 && l.alarmAt <= at {
		return
	}
	l.alarmAt = at
	l.alarm.Reset(at - time.Since(l.group.start))
}

// run is the loop's goroutine: posted functions and timers.
func (l *Loop) run() {
	defer close(l.done)
	for {
		select {
		case <-l.quit:
			return
		case <-l.wake:
			l.Enter()
			l.stats.Waits++
			l.runTasks()
		case <-l.alarm.C:
			l.Enter()
			l.stats.Waits++
			l.alarmAt = 0
		}
		l.runTimers()
		l.Leave()
	}
}

// runTasks runs what was posted until now; functions that those post wait for
// the next round.
func (l *Loop) runTasks() {
	l.post.Lock()
	tasks := l.post.tasks
	l.post.tasks = l.post.spare[:0]
	l.post.Unlock()
	for i, f := range tasks {
		tasks[i] = nil
		l.stats.Tasks++
		f()
		l.Settle()
	}
	l.post.Lock()
	l.post.spare = nil
	if cap(tasks) <= tasksKept {
		l.post.spare = tasks
	}
	l.post.Unlock()
}

// tasksKept is the size of a task list, in tasks, above which it is dropped
// instead of kept for the next round.
const tasksKept = 4096

func (l *Loop) runTimers() {
	for f := l.timers.PopDue(l.now); f != nil; f = l.timers.PopDue(l.now) {
		l.stats.Timers++
		f()
		l.Settle()
	}
	l.setAlarm()
}
