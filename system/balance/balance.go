package balance

import (
	"time"

	"lars/system/route"
)

// Balancer picks hosts of one module. Slices in Effects are valid until the
// next call. Not safe for concurrent use.
type Balancer interface {
	// Pick chooses a host for one call.
	Pick(now time.Duration, a Ask) Choice
	// Report takes in how a call went.
	Report(now time.Duration, r Result) Effects
	// Update sets the module's hosts. Hosts that stay keep their state, also
	// when weight, zone or draining change; those not named are gone. Of
	// duplicates the first counts.
	Update(now time.Duration, hosts []Host) Effects
	// Tick lets an algorithm act on time alone; call it about once a second.
	Tick(now time.Duration) Effects
	// Hint says that of so many other agents some suspect host, see
	// HostState.Suspect; 0 takes it back. A host that more agents suspect than
	// others gets fewer calls while these have room, and fewer failures of one's
	// own are enough; a hint never ejects a host by itself. Give the hints of one
	// moment together, of all hosts that have some. False: the host is unknown, or
	// the settings do not heed hints, see Settings.Hints.
	Hint(now time.Duration, host route.Host, suspectedBy, of uint32) bool
	// Len returns how many hosts there are.
	Len() int
	// AppendStates appends the state of every host to dst: those that get
	// calls first.
	AppendStates(dst []HostState) []HostState
}

// Host is a host of a route with what the balancing should know about it.
type Host struct {
	route.Host
	Weight   uint32 // share of the calls, relative to the other hosts; 0 means 1
	Zone     uint16 // where it is, by a number of the caller's choice; 0: unknown
	Draining bool   // no new calls while another host can take them
}

// Plain makes Hosts of a route that says nothing but addresses.
func Plain(list []route.Host) []Host {
	hosts := make([]Host, len(list))
	for i, h := range list {
		hosts[i].Host = h
	}
	return hosts
}

// Ask is what a pick is for. The zero value is a call about which nothing is
// known.
type Ask struct {
	// Key: calls with equal keys go to equal hosts, with the algorithm chash;
	// the others ignore it. 0: no key.
	Key uint64
	// Caller tells callers apart, as in Result.
	Caller uint32
	// Zone is where the caller is; 0: unknown, all zones are equal.
	Zone uint16
}

// Verdict is the outcome of a pick.
type Verdict uint8

const (
	// NoHost: the module has no host. The wire's retcode is NOEXIST.
	NoHost Verdict = iota
	// Overload: every host is overloaded and this call is not to probe one.
	// Only classic and elb say so; the others fail open.
	Overload
	// Picked: Choice.Host is to be called.
	Picked
)

// Choice is what Pick answers. The zero value is "no host".
type Choice struct {
	Host    route.Host // set with Picked only
	Verdict Verdict
	Probe   bool // the host is ejected, the call is to find out about it
}

// Result is how one call went.
type Result struct {
	Host    route.Host
	Outcome Outcome
	// Latency is how long the caller waited for the outcome; 0: unknown.
	Latency time.Duration
	// Caller tells callers apart, so that one whose calls fail everywhere
	// ejects nobody's hosts. 0 is a caller as well.
	Caller uint32
}

// Outcome is how a call went, as far as balancing cares.
type Outcome uint8

const (
	// OK: the host served the call.
	OK Outcome = iota
	// Soft: the host answered, with a failure; or nobody knows more.
	Soft
	// Hard: no answer came. Refused, reset, timed out, no way to the host.
	Hard
)

// Codes of reports that say how a call failed: -1000 less Linux's errno. The
// original's callers do not send them and its agents take them for failures,
// as they do with all but 0.
const (
	CodeUnreachable int32 = -1101 // network is unreachable
	CodeReset       int32 = -1104 // connection reset
	CodeTimedOut    int32 = -1110 // no answer in time
	CodeRefused     int32 = -1111 // connection refused
	CodeNoRoute     int32 = -1113 // no route to host
)

// OutcomeOf reads the retcode of a report. All that old callers tell is
// whether it is 0, so a code that is not one of the above is a Soft failure; a
// long row of those counts as hard, see package comment.
func OutcomeOf(retcode int32) Outcome {
	switch retcode {
	case 0:
		return OK
	case CodeUnreachable, CodeReset, CodeTimedOut, CodeRefused, CodeNoRoute:
		return Hard
	}
	return Soft
}

// Effects is what a call did besides.
type Effects struct {
	// Changes lists the hosts whose state changed, oldest first. What a Pick
	// changed is in the Effects of the next call that has some.
	Changes []Change
	// Unknown says that a Report named a host which the module does not have,
	// or no longer has; nothing else happened.
	Unknown bool
	// Refused is how many hosts of an Update did not fit into HostsMax.
	Refused int
}

// Change is one host going from one state to another.
type Change struct {
	Host     route.Host
	From, To State // a new host comes from Gone
	Why      Reason
	At       time.Duration
	Until    time.Duration // of an ejection: when its time is up; 0: not set in advance
}

// HostState is the readable state of one host. Times are as Pick's now.
type HostState struct {
	Host  Host
	State State
	Why   Reason        // what brought it there
	Since time.Duration // when

	Until      time.Duration // Overloaded: when its time is up; 0: not set in advance
	Ejections  uint32        // how often it was ejected since it came
	EjectedAt  time.Duration // the last time, if Ejections is not 0
	EjectedWhy Reason

	// Suspect: out, or its last calls got no answer while its callers' calls to
	// others did. That is what other agents may be told, see Balancer.Hint.
	Suspect bool
	// Doubtful: others suspect it, so it gets fewer calls.
	Doubtful bool

	InFlight uint32        // calls picked and not yet reported, as far as known
	Latency  time.Duration // estimate used for picks, failures included; with classic and elb 0

	// Succ and Err are calls reported since Window began: with classic and elb
	// their window, otherwise when the host came.
	Window    time.Duration
	Succ, Err uint64
	// SuccStreak and ErrStreak are successes and failures in a row.
	SuccStreak, ErrStreak uint32
	// RateSucc and RateErr are what classic and elb call vsucc and verr, with
	// their initial values.
	RateSucc, RateErr uint32
}

// State is where a host stands.
type State uint8

const (
	Idle       State = iota // gets calls
	Overloaded              // ejected; gets no calls, with classic and elb probes
	Gone                    // left the route; in Change only
	HalfOpen                // ejected, its time is up; gets one call at a time
	Warming                 // gets a growing share of calls
)

// Out says whether the host is ejected.
func (s State) Out() bool { return s == Overloaded || s == HalfOpen }

// Reason is why a host changed its state.
type Reason uint8

const (
	Added           Reason = iota // the route gained it
	Removed                       // the route lost it
	ErrorRate                     // too many errors, weighed against the initial successes
	ErrorStreak                   // too many errors in a row
	WindowErrors                  // too many errors in the window just ended
	SuccessRate                   // enough successes while overloaded
	SuccessStreak                 // enough successes in a row while overloaded
	OverloadTimeout               // overloaded for long enough
	HardStreak                    // too many calls without an answer in a row
	FailureShare                  // most calls fail, more than elsewhere
	WorseThanPeers                // more calls fail than elsewhere
	ProbeFailed                   // the call that was to find out failed
	TimeUp                        // the time of the ejection, or of warming, is over
	SwitchedOff                   // ejection was, by other settings
)

// String returns a word for people.
func (s State) String() string {
	names := [...]string{"idle", "overloaded", "gone", "half-open", "warming"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown state"
}

// String returns a few words for people.
func (r Reason) String() string {
	names := [...]string{
		"added", "removed", "error rate", "error streak",
		"window errors", "success rate", "success streak", "overload timeout",
		"no answers in a row", "failure share", "worse than peers", "probe failed", "time up", "ejection switched off",
	}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown reason"
}

// String returns a word for people.
func (o Outcome) String() string {
	names := [...]string{"ok", "soft", "hard"}
	if int(o) < len(names) {
		return names[o]
	}
	return "unknown outcome"
}
