package route

import "slices"

// Policy is how a module is balanced, as far as the store says. nil: nothing is
// said. It must not change.
type Policy struct {
	Settings string       // package balance's text form; "" leaves it to the agents
	Version  int64        // of the edit that set it
	Hosts    []HostPolicy // of which something is said, ascending; not all need be in the route
}

// HostPolicy is what is said of one host.
type HostPolicy struct {
	Host
	Weight   uint32 // share of the calls, relative to the other hosts; 0 means 1
	Zone     uint16 // where it is; 0: not known
	Draining bool   // to get no new calls
}

// Equal reports whether two policies say the same.
func (p *Policy) Equal(o *Policy) bool {
	if p == nil || o == nil {
		return p == o
	}
	return p.Settings == o.Settings && p.Version == o.Version && slices.Equal(p.Hosts, o.Hosts)
}

// Policies are those of all modules of which something is said.
type Policies map[Module]*Policy

// Policies returns those of the snapshot: do not write to them.
func (s *Snapshot) Policies() Policies {
	if s == nil {
		return nil
	}
	return s.policies
}

// WithPolicies returns a snapshot with the same routes and other policies, which
// belong to it from now on.
func (s *Snapshot) WithPolicies(p Policies) *Snapshot {
	next := *s
	next.policies = p
	return &next
}

// diff calls f for the modules whose policies are not the same.
func (p Policies) diff(before Policies, f func(Module)) {
	for m, after := range p {
		if !after.Equal(before[m]) {
			f(m)
		}
	}
	for m := range before {
		if _, stays := p[m]; !stays {
			f(m)
		}
	}
}
