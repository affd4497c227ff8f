package fault

import (
	"fmt"
	"slices"
	"strings"
)

// Kind of a fault.
type Kind string

// The kinds.
const (
	Crash     Kind = "crash"     // the process is killed, or the database gone, and comes back
	Off       Kind = "off"       // the machine loses its power: nobody is told
	Hang      Kind = "hang"      // it does nothing, and goes on
	Slow      Kind = "slow"      // calls take longer
	Errors    Kind = "errors"    // calls fail; of the database, answers of calls that happened are lost
	Flap      Kind = "flap"      // a host is down and up in turn
	Refuse    Kind = "refuse"    // a host refuses after so many calls
	Brownout  Kind = "brownout"  // hosts are slow and fail
	Clock     Kind = "clock"     // the wall clock steps, and steps back
	Edits     Kind = "edits"     // hosts of the routes are exchanged
	Rolling   Kind = "rolling"   // each host of a module leaves, restarts and returns
	ScaleOut  Kind = "scale-out" // hosts join a module, and stay
	ScaleIn   Kind = "scale-in"  // hosts leave a module, and stay away
	Network   Kind = "network"   // packets are delayed, lost, doubled, reordered
	Partition Kind = "partition" // nothing reaches it, and nothing comes from it
	Rollback  Kind = "rollback"  // a replica falls behind, and takes over in the end
)

// shape is what a kind of fault may have.
type shape struct {
	kind    Kind
	targets []string
	needs   []string
	takes   []string // beside needs
	about   string
}

// shapes is in the order of the constants.
var shapes = [...]shape{
	{Crash, []string{Host, Zone, Agent, DNS, Reporter, Database}, []string{"for"}, nil, "killed, and back after for"},
	{Off, []string{Agent, DNS, Reporter}, []string{"for"}, nil, "the machine is off, and nobody is told, until for is over"},
	{Hang, []string{Host, Zone, Agent, DNS, Reporter}, []string{"for"}, nil, "does nothing, and goes on after for"},
	{Slow, []string{Host, Zone, Database, Agent, DNS, Reporter}, []string{"for"}, []string{"factor", "delay"}, "calls of a host take factor as long; of the database, and each turn of a service, delay longer"},
	{Errors, []string{Host, Zone, Database}, []string{"for", "rate"}, nil, "a share of calls fails; of the database, the answers get lost"},
	{Flap, []string{Host, Zone}, []string{"for", "every"}, nil, "down and up in turn"},
	{Refuse, []string{Host, Zone}, []string{"for", "calls"}, nil, "refuses after so many calls"},
	{Brownout, []string{Zone, Host}, []string{"for", "factor", "rate"}, nil, "slow and failing"},
	{Clock, []string{Agent, DNS, Reporter}, []string{"for", "by"}, []string{"back"}, "the wall clock is off"},
	{Edits, []string{Module}, []string{"for", "every"}, nil, "a host of the route is exchanged, again and again"},
	{Rolling, []string{Module}, []string{"for"}, nil, "each host leaves, restarts and returns, within for"},
	{ScaleOut, []string{Module}, []string{"count"}, nil, "hosts join"},
	{ScaleIn, []string{Module}, []string{"count"}, nil, "hosts leave, but one stays"},
	{Network, []string{Agent, DNS, Reporter, Caller}, []string{"for"}, []string{"delay", "jitter", "loss", "duplicate", "reorder"}, "of all packets to and from it; of a caller, of those to and from its agent"},
	{Partition, []string{Agent, DNS, Reporter, Caller}, []string{"for"}, nil, "cut off from all others; a caller, from its agent"},
	{Rollback, []string{Database}, []string{"for"}, nil, "what is written meanwhile is lost"},
}

func (k Kind) shape() *shape {
	for i := range shapes {
		if shapes[i].kind == k {
			return &shapes[i]
		}
	}
	return nil
}

// Words are all kinds, for the schema of plans.
func (Kind) Words() (all []string) {
	for _, s := range shapes {
		all = append(all, string(s.kind))
	}
	return all
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(text []byte) error {
	if Kind(text).shape() == nil {
		return fmt.Errorf("allowed: %s", strings.Join(k.Words(), ", "))
	}
	*k = Kind(text)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k), nil }

// set returns the parameters that a fault has.
func (f *Fault) set() (keys []string) {
	for _, p := range []struct {
		key string
		is  bool
	}{
		{"for", f.For != 0},
		{"factor", f.Factor != 0},
		{"rate", f.Rate != 0},
		{"every", f.Every != 0},
		{"calls", f.Calls != 0},
		{"by", f.By != 0},
		{"back", f.Back},
		{"count", f.Count != 0},
		{"delay", f.Delay != 0},
		{"jitter", f.Jitter != 0},
		{"loss", f.Loss != 0},
		{"duplicate", f.Duplicate != 0},
		{"reorder", f.Reorder != 0},
	} {
		if p.is {
			keys = append(keys, p.key)
		}
	}
	return keys
}

// check tells what is wrong with a fault in itself.
func (f *Fault) check(fail func(key, format string, args ...any)) {
	s := f.Kind.shape()
	if !slices.Contains(s.targets, f.Target.Kind) {
		fail("target", "%s has no %s; allowed: %s", f.Target.Kind, f.Kind, strings.Join(s.targets, ", "))
	}
	set := f.set()
	for _, key := range s.needs {
		if !slices.Contains(set, key) {
			fail(key, "missing; %s needs %s", f.Kind, strings.Join(s.needs, ", "))
		}
	}
	for _, key := range set {
		if !slices.Contains(s.needs, key) && !slices.Contains(s.takes, key) {
			fail(key, "%s does not have it; allowed: %s", f.Kind, strings.Join(slices.Concat(s.needs, s.takes), ", "))
		}
	}
	one := "delay"
	if f.Target.Kind == Host || f.Target.Kind == Zone {
		one = "factor"
	}
	if f.Kind == Slow && (!slices.Contains(set, one) || f.Factor != 0 && f.Delay != 0) {
		fail(one, "slow of %s needs %s alone", f.Target.Kind, one)
	}
	if f.Kind == Network && len(set) < 2 {
		fail("loss", "missing; network needs one of %s", strings.Join(s.takes, ", "))
	}
}
