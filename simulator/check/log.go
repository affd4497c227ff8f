package check

import (
	"fmt"
	"time"

	"lars/system/store"
)

// Violation is a promise that was broken.
type Violation struct {
	At      time.Duration
	Checker string
	Text    string
}

// String is one line.
func (v Violation) String() string { return fmt.Sprintf("%v %s: %s", v.At, v.Checker, v.Text) }

// violationsMax bounds what a Log keeps of each checker: the first ones say most.
const violationsMax = 4

// Log keeps the first violations that each checker sees and counts all. The
// zero value is empty.
type Log struct {
	First []Violation
	Count int
	kept  map[string]int // of First, by checker
	// OnFirst, when not nil, is called at the first violation.
	OnFirst func()
}

// Failf notes a violation.
func (l *Log) Failf(now time.Duration, checker, format string, args ...any) {
	l.Count++
	if l.kept == nil {
		l.kept = map[string]int{}
	}
	if l.kept[checker]++; l.kept[checker] <= violationsMax {
		l.First = append(l.First, Violation{now, checker, fmt.Sprintf(format, args...)})
	}
	if l.Count == 1 && l.OnFirst != nil {
		l.OnFirst()
	}
}

// Never is a time that does not come: since then, nothing has been well.
const Never = time.Duration(1<<63 - 1)

// Gauge checks a figure that has a limit.
func Gauge(l *Log, now time.Duration, what string, value, limit int64) {
	if value > limit {
		l.Failf(now, "memory", "%s: %d, more than %d", what, value, limit)
	}
}

type route struct {
	module store.Module
	host   store.Host
}
