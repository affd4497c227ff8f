package check

import "time"

// Books are the counts of calls of one agent's life, from its start to its end.
type Books struct {
	Who      string
	Sent     int64 // reports that callers sent it
	Exposed  int64 // of those, sent when it could not take them, or was killed before it had
	Doubled  int64 // of those, sent when the network may have delivered them twice
	Received int64 // reports that it read, of any fate
	Counted  int64 // of those, the calls in its statistics
	// Due of those must be in the database: all of them after an orderly end, and
	// what is old enough when it was killed.
	Due int64
	// Latest is what the database has of it, in the table of the latest figures.
	Latest int64
}

// Check balances them (I6).
func (b *Books) Check(l *Log, now time.Duration) {
	switch {
	case b.Received > b.Sent+b.Doubled:
		l.Failf(now, "calls", "%s received %d reports of %d that were sent, when at most %d could be doubled", b.Who, b.Received, b.Sent, b.Doubled)
	case b.Received < b.Sent-b.Exposed:
		l.Failf(now, "calls", "%s received %d reports of %d that were sent, when at most %d could be lost",
			b.Who, b.Received, b.Sent, b.Exposed)
	}
	switch {
	case b.Latest > b.Counted:
		l.Failf(now, "calls", "the database has %d calls of %s, which counted %d", b.Latest, b.Who, b.Counted)
	case b.Latest < b.Due:
		l.Failf(now, "calls", "the database has %d calls of %s, which counted %d; at least %d had to arrive",
			b.Latest, b.Who, b.Counted, b.Due)
	}
}

// CheckTotals balances the two tables of the database: what is added up, minute
// by minute, and the latest figures of all agents.
func CheckTotals(l *Log, now time.Duration, minutes, latest int64) {
	if minutes != latest {
		l.Failf(now, "calls", "the totals per minute say %d calls, the latest figures %d", minutes, latest)
	}
}
