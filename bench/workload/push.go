package workload

import "lars/system/wire"

// EditsMax is how many edits of a module can be told apart.
const EditsMax = 60_000

// editHost is the number of the host that carries an edit's number as its port:
// no other host has it.
const editHost = HostsMax

// Edited is the route of module i after edit n, from 1 to EditsMax: its hosts,
// and one more that tells n.
func (r Routes) Edited(i, n int) wire.GetRouteResponse {
	a := r.Answer(i)
	a.Hosts = append(a.Hosts, wire.HostInfo{IP: r.Host(i, editHost).IP, Port: int32(n)})
	return a
}

// EditOf tells which edit of module i a route is of, 0 for the route before the
// first; false when it is no whole route of that module.
func (r Routes) EditOf(i int, a *wire.GetRouteResponse) (n int, ok bool) {
	if at, known := r.Index(a.ModID, a.CmdID); !known || at != i || a.Truncated {
		return 0, false
	}
	seen := 0
	for _, h := range a.Hosts {
		switch {
		case r.Has(i, h):
			seen++
		case h.IP == r.Host(i, editHost).IP && n == 0:
			n = int(h.Port)
		default:
			return 0, false
		}
	}
	return n, seen == r.Hosts && n >= 0 && n <= EditsMax
}
