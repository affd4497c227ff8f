package agent

import (
	"sync/atomic"
	"time"
)

// Kind of something that an agent counts.
type Kind int

// The kinds.
const (
	Picked          Kind = iota // get_host answered with a host
	Overload                    // get_host answered: all hosts are overloaded
	NoExist                     // get_host answered: no host
	Routes                      // get_route answered
	RoutesCut                   // of those, cut to fit a datagram
	Reports                     // reports taken in
	UnknownModule               // report dropped: no such module, or without hosts
	UnknownHost                 // report dropped: the module has no such host (any more)
	BadHost                     // report dropped, or host of a route left out: no address, or port not 1 to 65535
	NegativeID                  // request dropped: a negative modid or cmdid
	Malformed                   // message dropped: not the protobuf that its id says
	Misrouted                   // request that reached the wrong one of the three ports, and was answered
	InboxFull                   // of those, dropped: too many waited for the owning loop
	Unanswered                  // answer dropped: the socket took no more
	Refused                     // module not added: a limit is reached
	HostsRefused                // host not added: the module has too many
	Uncounted                   // report whose statistics found no room
	Pulls                       // pulls sent to dns
	PullsLost                   // pulls not sent: not connected to dns, or it takes no more
	Answers                     // routes received from dns, answers and pushes
	Unasked                     // of those, or of hints, dropped: the module is not known here (any more)
	Emptied                     // modules that lost their last host
	Resyncs                     // times that all modules were set to be pulled again
	Silences                    // connections given up because dns did not answer or the reporter took nothing
	StatusSent                  // status reports handed to the reporter's connection
	StatusAgain                 // of those, repeated after a reconnect
	StatusLost                  // status reports that the connection did not take; those kept are sent again
	StatusEarly                 // status reports that room could not be kept for until all doubt was over: lost, if their connection was
	Overloads                   // hosts that became overloaded
	Recoveries                  // hosts that became idle again
	BadSettings                 // settings of a module from dns that have no meaning here; those before stay in force
	SettingsChanged             // times that a module got other settings
	Hints                       // messages from dns of what agents suspect
	BadHints                    // hosts in them left out: unknown, no address, more suspects than agents, or too many
	Told                        // words for other agents: that a host is suspected, or no longer
	States                      // questions for the states of hosts, answered
	SavesFailed                 // attempts to write the routes file that failed
	kinds
)

var kindNames = [kinds]string{
	"picked", "overload", "no_exist", "routes", "routes_cut", "reports", "unknown_module", "unknown_host",
	"bad_host", "negative_id", "malformed", "misrouted", "inbox_full", "unanswered", "refused", "hosts_refused",
	"uncounted", "pulls", "pulls_lost", "answers", "unasked", "emptied", "resyncs", "silences", "status_sent",
	"status_again", "status_lost", "status_early", "overloads", "recoveries", "bad_settings", "settings_changed", "hints", "bad_hints", "told",
	"states", "saves_failed",
}

// String is the kind's name in statistics.
func (k Kind) String() string { return kindNames[k] }

// counters of one shard or link: written on its loop, read from anywhere.
type counters [kinds]atomic.Uint64

func (c *counters) add(k Kind) { c[k].Add(1) }

// gauges of one shard, kept up on its loop.
type gauges struct {
	modules, unknown, hosts atomic.Int64
	disk                    atomic.Int64 // modules whose route still is that of the file
}

// Stats of an agent since it started.
type Stats struct {
	Counts map[string]uint64 `json:"counts"` // by Kind, those above zero

	Modules int64 `json:"modules"` // known now
	Unknown int64 `json:"unknown"` // of those, without a route
	Hosts   int64 `json:"hosts"`   // of all modules
	// FromDisk is how many modules still have the route of the file, dns not
	// having spoken of them since the start.
	FromDisk int64 `json:"from_disk"`

	DNS      string `json:"dns"`      // state of the connection
	Reporter string `json:"reporter"` // likewise
	// RoutesAge is how long ago the agent last was connected to dns: 0 while
	// it is, negative when it never was and had no file.
	RoutesAge time.Duration `json:"routes_age_ns"`
	// Saved is when the routes file was last written; zero: not by this run.
	Saved time.Time `json:"saved"`
}

// Stats reads the counters without stopping the loops.
func (s *Service) Stats() Stats {
	st := Stats{
		Counts: map[string]uint64{}, DNS: s.dns.state(), Reporter: s.reporter.state(),
		RoutesAge: s.dns.age(s.config.Wall()), Saved: s.keeper.savedAt(),
	}
	all := []*counters{&s.dns.count, &s.reporter.count, &s.keeper.count}
	for _, sh := range s.shards {
		all = append(all, &sh.count)
		st.Modules += sh.gauge.modules.Load()
		st.Unknown += sh.gauge.unknown.Load()
		st.Hosts += sh.gauge.hosts.Load()
		st.FromDisk += sh.gauge.disk.Load()
	}
	for _, c := range all {
		for k := range kinds {
			if n := c[k].Load(); n > 0 {
				st.Counts[k.String()] += n
			}
		}
	}
	return st
}

// Count is one figure of Counts.
func (st Stats) Count(k Kind) uint64 { return st.Counts[k.String()] }
