package store

import (
	"cmp"
	"fmt"
	"strings"

	"lars/system/route"
)

// Module names a service, Host is one address of it: the words of package route.
type (
	Module = route.Module
	Host   = route.Host
)

// ParseHost reads "ip:port"; the error is of kind [ErrInvalid].
func ParseHost(text string) (Host, error) {
	h, err := route.ParseHost(text)
	if err != nil {
		return Host{}, fmt.Errorf("%w host %q: want IPv4:port, neither address 0 nor port 0", ErrInvalid, text)
	}
	return h, nil
}

// FormatHosts joins hosts as "ip:port,ip:port", the form of the change log.
func FormatHosts(hosts []Host) string {
	var text strings.Builder
	for i, h := range hosts {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(h.String())
	}
	return text.String()
}

// Route is one host of one module: a row of RouteData.
type Route struct {
	Module
	Host
}

// String gives "modid,cmdid ip:port".
func (r Route) String() string { return r.Module.String() + " " + r.Host.String() }

// Valid reports whether module and host are.
func (r Route) Valid() bool { return r.Module.Valid() && r.Host.Valid() }

// Compare orders routes by module, then host: the order of [Store].Load.
func (r Route) Compare(other Route) int {
	return cmp.Or(r.Module.Compare(other.Module), r.Host.Compare(other.Host))
}

// SampleRoutes returns the original's four sample routes.
func SampleRoutes() []Route {
	return []Route{
		{Module{ModID: 1, CmdID: 1}, Host{IP: 3232235953, Port: 7777}},
		{Module{ModID: 1, CmdID: 2}, Host{IP: 3232235954, Port: 7776}},
		{Module{ModID: 2, CmdID: 1}, Host{IP: 3232235955, Port: 7778}},
		{Module{ModID: 2, CmdID: 2}, Host{IP: 3232235956, Port: 7779}},
	}
}
