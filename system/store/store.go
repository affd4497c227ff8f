package store

import (
	"context"
	"time"

	"lars/system/route"
)

// Store is a database of Lars. All methods may be called from many goroutines.
// Each returns when ctx ends at the latest; except for Migrate, the
// implementations also set a time limit of their own, so that a database that
// accepts and never answers counts as [ErrUnavailable].
type Store interface {
	// Migrate brings the tables up to date, in place and without loss. It may be
	// called any number of times, by several processes at once; opening a store
	// touches nothing, so this is the first call that meets the database. It has
	// no time limit of its own, since a large table takes its time to change.
	Migrate(ctx context.Context) error

	RouteReader
	RouteEditor
	ReportWriter
	HintReader
	StatReader
	Names

	// Trim deletes what is older than the limits say, in small transactions. It
	// may be stopped at any point by ctx; what was deleted until then is counted.
	Trim(ctx context.Context, limits TrimLimits) (Trimmed, error)

	// Close waits for running calls and frees the store. Calls after it fail
	// with ErrUnavailable.
	Close() error
}

// RouteReader is what dns needs.
type RouteReader interface {
	// Version reads the route version: one cheap read, meant to be polled. A
	// missing row reads as 0.
	Version(ctx context.Context) (int64, error)

	// Load gives every route to yield, ordered by module and host, each once, as
	// of one moment: the returned version. Rows are streamed. An error of yield
	// ends the load and is returned as it is.
	Load(ctx context.Context, yield func(Route) error) (Loaded, error)

	// Changes tells what changed after version since, or that only a Load can
	// tell. All of it is as of one moment.
	Changes(ctx context.Context, since int64) (Changes, error)

	// Hosts returns the hosts of one module in order; none for an unknown one.
	Hosts(ctx context.Context, m Module) ([]Host, error)

	// Policies returns how modules are balanced, in their order, as of one
	// moment, not before any read that has returned; those of which nothing is
	// said are left out. No modules named means all. Settings come as they are
	// stored: see [ParseSettings]. Host rows that make no sense are left out.
	Policies(ctx context.Context, modules ...Module) ([]Policy, error)
}

// RouteEditor changes routes.
type RouteEditor interface {
	// Edit makes all changes of e or none. See [Edit] for its errors.
	Edit(ctx context.Context, e Edit) (Edited, error)

	// ChangeLog returns who changed what and when, newest first.
	ChangeLog(ctx context.Context, q ChangeQuery) ([]Change, error)
}

// ReportWriter is what the reporter needs.
type ReportWriter interface {
	// SaveReports writes reports in their order, in transactions of about
	// [SaveRowsMax] results. On an error, the first Saved.Reports of them are
	// stored; the others are not, or (ErrUnavailable only) perhaps the next few.
	SaveReports(ctx context.Context, reports []Report) (Saved, error)
}

// HintReader tells dns what agents suspect.
type HintReader interface {
	// Suspicions returns the hosts that agents suspect at a time, in order, at most
	// SuspicionsMax. What was reported at a time that is far ahead of now says
	// nothing: the clock of who took the report is wrong, or the reader's.
	Suspicions(ctx context.Context, now time.Time) ([]Suspicion, error)
}

// StatReader reads call statistics.
type StatReader interface {
	// Latest returns the latest figures per (module, host, caller), in the order
	// of their keys.
	Latest(ctx context.Context, q LatestQuery) ([]CallStat, error)

	// Minutes returns the totals per minute, by rising minute and host.
	Minutes(ctx context.Context, q MinuteQuery) ([]MinuteStat, error)
}

// Names keeps a person's words for ids (tables ModIDConfig and CmdIDConfig).
type Names interface {
	// Names returns all names of a kind by id.
	Names(ctx context.Context, kind NameKind) (map[int32]string, error)

	// SetName stores the name of an id; an empty one removes it.
	SetName(ctx context.Context, kind NameKind, id int32, name string) error
}

// NameKind says what a name is for.
type NameKind int

// The kinds of names.
const (
	ModNames NameKind = iota // of modids
	CmdNames                 // of cmdids
)

// NameCharsMax is the longest name, in characters: the width of the column.
const NameCharsMax = 255

// Loaded is the outcome of a Load.
type Loaded struct {
	Version    int64 // the routes are those of this version
	Routes     int   // given to yield
	Duplicates int   // rows left out because an equal one was given
	Garbage    int   // rows left out because they make no sense
}

// Changes is what happened after a version.
type Changes struct {
	Version int64 // the present version

	// Complete says that Modules tells everything. False means: Load. It is false
	// when the log was trimmed or has gaps, when more than ChangedModulesMax
	// modules changed, and when the version went backwards (Version < since).
	Complete bool

	// Modules are the changed modules in order, each with all its present hosts;
	// a module without hosts is gone.
	Modules []ModuleHosts

	Garbage int // rows left out because they make no sense
}

// ModuleHosts is the whole route of one module, hosts in order.
type ModuleHosts = route.Route

// ChangedModulesMax is the most modules that Changes tells one by one.
const ChangedModulesMax = 10_000

// TrimLimits says what to delete. A zero time deletes nothing of that kind.
type TrimLimits struct {
	// Changes: log entries of edits made before. Only a whole beginning of the
	// log goes; readers that are further behind will see Complete = false.
	Changes time.Time

	// Minutes: per-minute totals of minutes that began before.
	Minutes time.Time

	// Marks: marks of reports first saved before. A report that arrives again
	// after its mark is gone counts again, so keep marks for longer than an
	// agent goes on repeating a report.
	Marks time.Time

	// Hints: suspicions, and agents that tell them, which were over before.
	Hints time.Time
}

// Trimmed counts the rows that Trim deleted.
type Trimmed struct {
	Changes, Minutes, Marks, Hints int
}
