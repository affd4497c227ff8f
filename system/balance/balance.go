package balance

import (
	"time"

	"lars/system/route"
)

// Balancer picks hosts of one module. Slices in Effects are valid until the
// next call. Not safe for concurrent use.
type Balancer interface {
	// Pick chooses a host for one call. key says what the call is about, for
	// algorithms that send equal keys to equal hosts; others ignore it.
	Pick(now time.Duration, key uint64) Choice
	// Report takes in how a call went.
	Report(now time.Duration, r Result) Effects
	// Update sets the module's hosts. Hosts that stay keep their state, those
	// not named are gone; duplicates count once.
	Update(now time.Duration, hosts []route.Host) Effects
	// Tick lets an algorithm act on time alone; call it about once a second.
	Tick(now time.Duration) Effects
	// Len returns how many hosts there are.
	Len() int
	// AppendStates appends the state of every host to dst: idle ones first,
	// in the order in which they are due to be picked.
	AppendStates(dst []HostState) []HostState
}

// Verdict is the outcome of a pick.
type Verdict uint8

const (
	// NoHost: the module has no host. The wire's retcode is NOEXIST.
	NoHost Verdict = iota
	// Overload: every host is overloaded and this call is not to probe one.
	Overload
	// Picked: Choice.Host is to be called.
	Picked
)

// Choice is what Pick answers. The zero value is "no host".
type Choice struct {
	Host    route.Host // set with Picked only
	Verdict Verdict
	Probe   bool // the host is overloaded, the call is to find out about it
}

// Result is how one call went.
type Result struct {
	Host   route.Host
	Failed bool // the retcode was not 0
}

// Effects is what a call did besides.
type Effects struct {
	// Changes lists the hosts whose state changed, oldest first.
	Changes []Change
	// Unknown says that a Report named a host which the module does not have,
	// or no longer has; nothing else happened.
	Unknown bool
	// Refused is how many hosts of an Update did not fit into HostsMax.
	Refused int
}

// Change is one host going from one state to another.
type Change struct {
	Host route.Host
	To   State
	Why  Reason
	At   time.Duration
}

// HostState is the readable state of one host.
type HostState struct {
	Host  route.Host
	State State         // Idle or Overloaded
	Why   Reason        // what brought it there
	Since time.Duration // when
	// Window is when the counters below began. They are those that the
	// original calls vsucc, verr (with their initial values, for the rates),
	// rsucc, rerr (calls really reported), contin_succ and contin_err.
	Window                time.Duration
	RateSucc, RateErr     uint32
	Succ, Err             uint32
	SuccStreak, ErrStreak uint32
}

// State is where a host stands.
type State uint8

const (
	Idle       State = iota // gets calls
	Overloaded              // gets probes only
	Gone                    // left the route; in Change only
)

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
)

// String returns a word for people.
func (s State) String() string {
	names := [...]string{"idle", "overloaded", "gone"}
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
	}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown reason"
}
