package store

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Module names a service: its two ids, both 0 or more.
type Module struct {
	ModID, CmdID int32
}

// String gives "modid,cmdid".
func (m Module) String() string { return fmt.Sprintf("%d,%d", m.ModID, m.CmdID) }

// Valid reports whether both ids are 0 or more.
func (m Module) Valid() bool { return m.ModID >= 0 && m.CmdID >= 0 }

// Compare orders modules by modid, then cmdid.
func (m Module) Compare(other Module) int {
	return cmp.Or(cmp.Compare(m.ModID, other.ModID), cmp.Compare(m.CmdID, other.CmdID))
}

// Host is one address of a module.
type Host struct {
	IP   uint32 // IPv4 in host order: 192.168.1.177 is 3232235953; 0 is no address
	Port uint16 // 0 is no port
}

// String gives "ip:port".
func (h Host) String() string {
	return strconv.Itoa(int(h.IP>>24)) + "." + strconv.Itoa(int(h.IP>>16&255)) + "." +
		strconv.Itoa(int(h.IP>>8&255)) + "." + strconv.Itoa(int(h.IP&255)) + ":" + strconv.Itoa(int(h.Port))
}

// Valid reports whether address and port are other than 0.
func (h Host) Valid() bool { return h.IP != 0 && h.Port != 0 }

// Compare orders hosts by address, then port.
func (h Host) Compare(other Host) int {
	return cmp.Or(cmp.Compare(h.IP, other.IP), cmp.Compare(h.Port, other.Port))
}

// ParseHost reads "ip:port"; the error is of kind [ErrInvalid].
func ParseHost(text string) (Host, error) {
	addrPort, err := netip.ParseAddrPort(text)
	if err != nil || !addrPort.Addr().Is4() {
		return Host{}, fmt.Errorf("%w host %q: want IPv4:port", ErrInvalid, text)
	}
	b := addrPort.Addr().As4()
	h := Host{
		IP:   uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]),
		Port: addrPort.Port(),
	}
	if !h.Valid() {
		return Host{}, fmt.Errorf("%w host %q: address 0 or port 0", ErrInvalid, text)
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
		{Module{1, 1}, Host{3232235953, 7777}},
		{Module{1, 2}, Host{3232235954, 7776}},
		{Module{2, 1}, Host{3232235955, 7778}},
		{Module{2, 2}, Host{3232235956, 7779}},
	}
}
