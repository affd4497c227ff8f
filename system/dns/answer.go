package dns

import (
	"lars/system/route"
	"lars/system/store"
	"lars/system/wire"
)

const (
	// hostBytesMax is the most that one host takes of a GetRouteResponse: tag
	// and length, an address of a tag and ten bytes, a port of a tag and three.
	hostBytesMax = 2 + 1 + 10 + 1 + 3
	// hostsMax is how many hosts certainly fit the longest message that
	// clients of dns accept; the 32 bytes are for the ids and the flag.
	hostsMax = (wire.RouteBodyBytesMax - 32) / hostBytesMax

	// hostPolicyBytesMax is the most that is said of one of them: tag and length,
	// address, port, a weight and a zone of a tag and three bytes, and a flag.
	hostPolicyBytesMax = hostBytesMax + 4 + 4 + 2
	// tunedHostsMax is how many hosts certainly fit with all that can be said.
	tunedHostsMax = (wire.RouteBodyBytesMax - 64 - store.SettingsBytesMax) / (hostBytesMax + hostPolicyBytesMax)

	// slotsPerLoop and slotBytesMax bound the encoded answers that a loop keeps,
	// to 512 KiB.
	slotsPerLoop = 256 // a power of two
	slotBytesMax = 2048
	// longKeptBytes and hostsKept bound what is kept for routes beyond that.
	longKeptBytes = 256 << 10
	hostsKept     = longKeptBytes / hostBytesMax
)

// answer is an encoded route.
type answer struct {
	age    uint64 // answers.age when it was encoded
	module route.Module
	hosts  int
	cut    bool // it had too many hosts for a message
	body   []byte
}

// answers encodes routes and keeps some of the encoded ones: a push sends the
// same to thousands, and agents ask for few modules again and again. Only on
// its loop.
type answers struct {
	age   uint64 // one more with each snapshot; 0 before the first
	slots [slotsPerLoop]answer
	long  answer // the last one that is too long for a slot
	msg   wire.GetRouteResponse
}

// forget makes all that is kept of an earlier snapshot.
func (a *answers) forget() { a.age++ }

// encode returns the answer for a module, valid until the next call. snap is the
// one in force since the last call of forget.
func (a *answers) encode(snap *route.Snapshot, m route.Module) *answer {
	slot := &a.slots[(uint32(m.ModID)*0x9E3779B1+uint32(m.CmdID)*0x85EBCA77)>>16%slotsPerLoop]
	if slot.is(m, a.age) {
		return slot
	}
	if a.long.is(m, a.age) {
		return &a.long
	}
	a.fill(m, snap.Lookup(m), snap.Policies()[m])
	if a.msg.Size() > slotBytesMax {
		slot = &a.long
		if cap(slot.body) > longKeptBytes {
			slot.body = nil
		}
	}
	*slot = answer{a.age, m, len(a.msg.Hosts), a.msg.Truncated, a.msg.AppendTo(slot.body[:0])}
	return slot
}

// is tells whether it is the module's present answer. A zero answer is none.
func (s *answer) is(m route.Module, age uint64) bool {
	return s.module == m && s.age == age && s.body != nil
}

func (a *answers) fill(m route.Module, hosts []route.Host, p *route.Policy) {
	a.msg.ModID, a.msg.CmdID = m.ModID, m.CmdID
	limit := hostsMax
	if a.msg.HasPolicy = p != nil && len(hosts) > 0; a.msg.HasPolicy {
		limit = tunedHostsMax
	}
	a.msg.Truncated = len(hosts) > limit
	if a.msg.Truncated {
		hosts = hosts[:limit]
	}
	if a.msg.HasPolicy {
		a.fillPolicy(hosts, p)
	}
	if cap(a.msg.Hosts) > hostsKept {
		a.msg.Hosts = nil
	}
	a.msg.Hosts = a.msg.Hosts[:0]
	for _, h := range hosts {
		a.msg.Hosts = append(a.msg.Hosts, wire.HostInfo{IP: int32(h.IP), Port: int32(h.Port)})
	}
}

// fillPolicy takes over what is said of the module and of those hosts.
func (a *answers) fillPolicy(hosts []route.Host, p *route.Policy) {
	to := &a.msg.Policy
	if cap(to.Hosts) > hostsKept {
		to.Hosts = nil
	}
	to.Settings, to.Version, to.Hosts = append(to.Settings[:0], p.Settings...), p.Version, to.Hosts[:0]
	said := p.Hosts
	for _, h := range hosts { // both ascending
		for len(said) > 0 && said[0].Compare(h) < 0 {
			said = said[1:]
		}
		if len(said) > 0 && said[0].Host == h {
			to.Hosts = append(to.Hosts, wire.HostPolicy{
				HostInfo: wire.HostInfo{IP: int32(h.IP), Port: int32(h.Port)},
				Weight:   said[0].Weight, Zone: uint32(said[0].Zone), Draining: said[0].Draining,
			})
		}
	}
}
