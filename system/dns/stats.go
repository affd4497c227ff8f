package dns

import (
	"sync/atomic"
	"time"
)

// loopCounters are written on a loop and read from anywhere.
type loopCounters struct {
	requests, unknown, malformed, badModule, held atomic.Uint64
	refused, unsent, pushes, deferred, slow, cut  atomic.Uint64
	hintPushes                                    atomic.Uint64
	subscriptions, hintSubscriptions              atomic.Int64
}

// storeCounters are those of the watcher.
type storeCounters struct {
	polls, errors, loads, increments, changed, byHand atomic.Uint64
	alarms, confirmed, trimmed, badSettings           atomic.Uint64
	hintErrors                                        atomic.Uint64
	duplicates, garbage, hinted                       atomic.Int64
	readAt                                            atomic.Int64 // monotonic, since the service started
	away                                              atomic.Bool
}

// Stats of a Service since it started. Counters that a healthy system leaves at
// zero come after those of its work.
type Stats struct {
	Conns         int    `json:"conns"`
	Requests      uint64 `json:"requests"`
	Subscriptions int64  `json:"subscriptions"` // now
	Pushes        uint64 `json:"pushes"`

	Hinted            int64  `json:"hinted"`             // modules now with a host that agents suspect
	HintSubscriptions int64  `json:"hint_subscriptions"` // now, of agents that want to hear of it
	HintPushes        uint64 `json:"hint_pushes"`

	Loaded  bool          `json:"loaded"` // the routes have been read once
	Version int64         `json:"version"`
	Modules int           `json:"modules"`
	Routes  int           `json:"routes"`
	Age     time.Duration `json:"age_ns"` // since the store last said what the routes are
	Away    bool          `json:"store_away"`

	Polls      uint64 `json:"polls"`
	Loads      uint64 `json:"loads"`      // of everything
	Increments uint64 `json:"increments"` // loads of what the change log names
	Changed    uint64 `json:"changed"`    // modules whose route changed
	Trimmed    uint64 `json:"trimmed"`    // entries of the change log that were too old

	Unknown     uint64 `json:"unknown"`      // answers and pushes without a host
	Held        uint64 `json:"held"`         // requests that waited for the first load
	Malformed   uint64 `json:"malformed"`    // requests dropped: not the message that their id says
	BadModule   uint64 `json:"bad_module"`   // requests with a negative id
	Refused     uint64 `json:"refused"`      // subscriptions above a limit
	Unsent      uint64 `json:"unsent"`       // connections closed: an answer or push had no room
	Deferred    uint64 `json:"deferred"`     // times a subscriber had to wait until it read
	Slow        uint64 `json:"slow"`         // subscribers closed: they took nothing for long
	Cut         uint64 `json:"cut"`          // routes sent in part: longer than a message may be
	ByHand      uint64 `json:"by_hand"`      // modules changed without a change of the version
	Alarms      uint64 `json:"alarms"`       // reads that were doubtful
	Confirmed   uint64 `json:"confirmed"`    // alarms that a second read confirmed
	StoreErrors uint64 `json:"store_errors"` // calls of the store that failed
	HintErrors  uint64 `json:"hint_errors"`  // likewise, of those for what agents suspect
	Duplicates  int64  `json:"duplicates"`   // rows of the last full load that came twice
	BadSettings uint64 `json:"bad_settings"` // settings in the store that have no meaning, each counted once
	Garbage     int64  `json:"garbage"`      // rows of the last full load that make no sense
}

// Stats reads the counters without stopping anything; from any goroutine.
func (s *Service) Stats() Stats {
	snap, c := s.current.Load(), &s.counters
	t := Stats{
		Conns: s.conns.Len(), Loaded: snap != nil,
		Version: snap.Version(), Modules: snap.Modules(), Routes: snap.Routes(),
		Away:  c.away.Load(),
		Polls: c.polls.Load(), Loads: c.loads.Load(), Increments: c.increments.Load(),
		Changed: c.changed.Load(), Trimmed: c.trimmed.Load(),
		ByHand: c.byHand.Load(), Alarms: c.alarms.Load(), Confirmed: c.confirmed.Load(), BadSettings: c.badSettings.Load(),
		Hinted: c.hinted.Load(), HintErrors: c.hintErrors.Load(),
		StoreErrors: c.errors.Load(), Duplicates: c.duplicates.Load(), Garbage: c.garbage.Load(),
	}
	if snap != nil {
		t.Age = s.cfg.Wall().Sub(s.started) - time.Duration(c.readAt.Load())
	}
	for _, l := range s.loops {
		l.counters.addTo(&t)
	}
	return t
}

func (c *loopCounters) addTo(t *Stats) {
	t.Requests += c.requests.Load()
	t.Subscriptions += c.subscriptions.Load()
	t.Pushes += c.pushes.Load()
	t.HintSubscriptions += c.hintSubscriptions.Load()
	t.HintPushes += c.hintPushes.Load()
	t.Unknown += c.unknown.Load()
	t.Held += c.held.Load()
	t.Malformed += c.malformed.Load()
	t.BadModule += c.badModule.Load()
	t.Refused += c.refused.Load()
	t.Unsent += c.unsent.Load()
	t.Deferred += c.deferred.Load()
	t.Slow += c.slow.Load()
	t.Cut += c.cut.Load()
}
