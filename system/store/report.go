package store

import (
	"cmp"
	"time"
)

// SaveRowsMax is about how many results go into one transaction. A single report
// is never cut in two.
const SaveRowsMax = 1_000

// Mark makes a report count once, however often it is saved: by this process, by
// another, or again after an answer was lost.
type Mark struct {
	Boot   uint64 // one run of an agent (or of a reporter); 0: the report is not marked
	Number uint64 // of the report within the run
}

// Report is one message about one module, as far as the store is concerned.
type Report struct {
	Mark   Mark // zero: not marked, and counted whenever it is saved
	Module Module
	Caller uint32 // IPv4 in host order; may be 0

	// At is when the report came, by the clock of who took it: it selects the
	// minute. A report from before 1970 (so also a zero At) is skipped.
	At time.Time
	// Sent is when, by the agent's clock, for the column ts; that column of the
	// original's agents' rows is theirs. The zero time: as At.
	Sent    time.Time
	Results []Result

	// Sharing counts Mark.Boot, for SharingKeep from At on, among the agents that
	// tell what they suspect of the module's hosts. Of a report that is not marked
	// it counts for nothing, nor does Result.Suspect.
	Sharing bool
}

// Result is about one host.
type Result struct {
	Host Host

	// Succ and Err replace the figures that (module, host, caller) has, as the
	// original does. They stop at 2,147,483,647: the width of the column.
	Succ, Err uint32

	// AddSucc and AddErr are added to the host's totals of the minute.
	AddSucc, AddErr uint32

	Overload bool // the caller's agent holds the host for overloaded
	Suspect  Word // what it says for other agents
}

// Saved is the outcome of SaveReports.
type Saved struct {
	Reports  int // taken care of, repeated and skipped ones included
	Repeated int // reports whose mark was known: nothing of them was written
	Skipped  int // results (or whole reports, as one each) that make no sense
}

// CallStat is the latest figures of one (module, host, caller): a row of
// ServerCallStatus.
type CallStat struct {
	Module    Module
	Host      Host
	Caller    uint32
	Succ, Err uint32
	At        time.Time // the column ts: Report.Sent, to the second
	Overload  bool
}

// CompareKey orders by module, host and caller.
func (s CallStat) CompareKey(other CallStat) int {
	return cmp.Or(s.Module.Compare(other.Module), s.Host.Compare(other.Host), cmp.Compare(s.Caller, other.Caller))
}

// LatestQuery selects rows of ServerCallStatus.
type LatestQuery struct {
	Module *Module   // nil: of all modules
	Host   *Host     // nil: of all hosts
	After  *CallStat // only keys after this one's, for paging; nil: from the first
	Limit  int       // at most that many; 0 or too many: QueryRowsMax
}

// MinuteStat is the totals of one host of one module in one minute.
type MinuteStat struct {
	Minute    time.Time // when the minute began
	Module    Module
	Host      Host
	Succ, Err int64
	Overload  int64 // results that said overloaded
}

// MinuteQuery selects per-minute totals of one module.
type MinuteQuery struct {
	Module   Module
	Host     *Host       // nil: all hosts
	From, To time.Time   // minutes that began at From or later and before To; zero: no limit
	After    *MinuteStat // only what comes after this one, for paging; nil: from the first
	Limit    int         // at most that many; 0 or too many: QueryRowsMax
}
