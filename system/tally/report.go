package tally

import (
	"math"

	"lars/system/route"
)

// Report carries figures of hosts of one module from one agent.
type Report struct {
	Module route.Module
	Caller uint32 // the agent's IPv4 in host order; a Tally leaves it 0
	// TS is when the agent says that it sent, At when the reporter took the
	// report in, both in UNIX seconds; a Tally leaves them 0.
	TS uint32
	At int64
	// Boot names the run of the agent; 0: an original agent.
	Boot uint64
	// Number counts the reports of one Boot from 1; 0 when Boot is.
	Number uint64
	// Sharing counts the agent among those that tell what they suspect of the
	// module's hosts; a Tally leaves it false.
	Sharing bool
	Results []Result
}

// Result holds the figures of one host.
type Result struct {
	Host route.Host
	// Succ and Err replace older figures of the host. They stop at their
	// greatest value.
	Succ, Err uint32
	// SuccAdd and ErrAdd are the calls since the host's last report.
	SuccAdd, ErrAdd uint32
	Overload        bool // the agent's balancer holds the host for overloaded
	Suspect         Word // what the agent says of the host to other agents
}

// Word is what an agent says of a host to others. The numbers are those of the
// wire.
type Word uint8

// The words.
const (
	Nothing   Word = iota
	Suspected      // the agent suspects it, or does so still
	Cleared        // it does so no longer
)

// absorb makes r what it is after newer has been reported as well.
func (r *Result) absorb(newer Result) {
	newer.SuccAdd = add(r.SuccAdd, newer.SuccAdd)
	newer.ErrAdd = add(r.ErrAdd, newer.ErrAdd)
	if newer.Suspect == Nothing {
		newer.Suspect = r.Suspect
	}
	*r = newer
}

// add stops at the greatest value.
func add(a, b uint32) uint32 {
	if sum := a + b; sum >= a {
		return sum
	}
	return math.MaxUint32
}
