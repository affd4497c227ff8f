package workload

import (
	"errors"
	"fmt"
	"iter"

	"lars/system/wire"
)

// Routes are the modules that a server knows while it is measured: Modules of
// them, each with Hosts hosts. The ids are chosen so that every request of a
// workload is equally long, and every reply; and so that all modules belong to
// the first of an agent's three ports. The zero value has no module: see Check.
type Routes struct {
	Modules int
	Hosts   int // of each module
}

// Limits of Routes: within them no id needs another byte.
const (
	ModulesMax = 15_000
	HostsMax   = 250
)

// ErrRoutes says that Routes are out of their limits.
var ErrRoutes = errors.New("workload: routes")

// Check returns ErrRoutes, with what is wrong, or nil.
func (r Routes) Check() error {
	switch {
	case r.Modules < 1 || r.Modules > ModulesMax:
		return fmt.Errorf("%w: %d modules: choose 1 to %d", ErrRoutes, r.Modules, ModulesMax)
	case r.Hosts < 1 || r.Hosts > HostsMax:
		return fmt.Errorf("%w: %d hosts of a module: choose 1 to %d", ErrRoutes, r.Hosts, HostsMax)
	}
	return nil
}

// The first ids, address and port. Up to ModulesMax and HostsMax, a modid, a
// cmdid and a port take two bytes as a varint, and an address four.
const (
	modidFirst = 1000
	cmdidFirst = 200
	ipFirst    = 10 << 24
	portFirst  = 1000
	ipsEach    = 256 // addresses set aside for a module
)

// Module gives the ids of module i, from 0 to Modules-1.
func (Routes) Module(i int) (modid, cmdid int32) {
	modid = int32(modidFirst + i)
	sum := (modid + cmdidFirst) % wire.AgentPorts
	return modid, cmdidFirst + (wire.AgentPorts-sum)%wire.AgentPorts
}

// Index is the number of a module; false when it is none of r.
func (r Routes) Index(modid, cmdid int32) (i int, ok bool) {
	i = int(modid) - modidFirst
	if i < 0 || i >= r.Modules {
		return 0, false
	}
	_, want := r.Module(i)
	return i, cmdid == want
}

// Host gives host j, from 0 to Hosts-1, of module i. They rise with j.
func (Routes) Host(i, j int) wire.HostInfo {
	return wire.HostInfo{IP: int32(ipFirst + i*ipsEach + j + 1), Port: int32(portFirst + j)}
}

// Has tells whether h is a host of module i.
func (r Routes) Has(i int, h wire.HostInfo) bool {
	j := int(h.IP) - ipFirst - i*ipsEach - 1
	return j >= 0 && j < r.Hosts && h == r.Host(i, j)
}

// Answer is the GetRouteResponse with the whole route of module i.
func (r Routes) Answer(i int) wire.GetRouteResponse {
	var a wire.GetRouteResponse
	a.ModID, a.CmdID = r.Module(i)
	for j := range r.Hosts {
		a.Hosts = append(a.Hosts, r.Host(i, j))
	}
	return a
}

// All yields the whole route of each module.
func (r Routes) All() iter.Seq[wire.GetRouteResponse] {
	return func(yield func(wire.GetRouteResponse) bool) {
		for i := range r.Modules {
			if !yield(r.Answer(i)) {
				return
			}
		}
	}
}

// asks is the module that request seq of a connection is about: all in turn,
// each connection from another one on.
func (r Routes) asks(conn int, seq uint64) int {
	return int((uint64(conn) + seq) % uint64(r.Modules))
}
