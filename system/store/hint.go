package store

import (
	"cmp"
	"time"
)

// Word is what an agent says of a host.
type Word uint8

// The words.
const (
	Nothing   Word = iota
	Suspected      // the agent suspects it, for SuspectKeep from the report on
	Cleared        // it does so no longer
)

const (
	// SuspectKeep is how long a suspicion lasts that its agent does not tell again.
	SuspectKeep = 30 * time.Second

	// SharingKeep is how long an agent counts that does not report again.
	SharingKeep = 150 * time.Second

	// SuspicionsMax bounds what Suspicions returns, in hosts.
	SuspicionsMax = 100_000
)

// Suspicion is one host with the number of agents that suspect it. An agent is a
// Mark.Boot.
type Suspicion struct {
	Module Module
	Host   Host
	By     uint32 // agents that suspect it
	Of     uint32 // agents that tell what they suspect of the module's hosts, By at least
}

// Compare orders by module and host.
func (s Suspicion) Compare(other Suspicion) int {
	return cmp.Or(s.Module.Compare(other.Module), s.Host.Compare(other.Host))
}
