package route

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/netip"
)

// Errors of Make functions; they come wrapped with the value.
var (
	ErrModule = errors.New("route: negative module id")
	ErrHost   = errors.New("route: no host address")
)

// Module is the key of a route. A value made by MakeModule has no
// negative id.
type Module struct {
	ModID int32
	CmdID int32
}

// MakeModule checks the ids of a module. The original's agent dies of negative
// ones; here they are ErrModule, as are ids of the store above 2^31-1, which
// the wire cannot carry.
func MakeModule(modid, cmdid int64) (Module, error) {
	if modid < 0 || cmdid < 0 || modid > math.MaxInt32 || cmdid > math.MaxInt32 {
		return Module{}, fmt.Errorf("%w: %d,%d", ErrModule, modid, cmdid)
	}
	return Module{int32(modid), int32(cmdid)}, nil
}

// Valid reports whether no id is negative.
func (m Module) Valid() bool { return m.ModID >= 0 && m.CmdID >= 0 }

// Compare orders by modid, then cmdid.
func (m Module) Compare(o Module) int {
	return cmp.Compare(m.key(), o.key())
}

// String returns "modid,cmdid".
func (m Module) String() string {
	return fmt.Sprintf("%d,%d", m.ModID, m.CmdID)
}

// key packs m so that keys order as modules do.
func (m Module) key() uint64 {
	return uint64(uint32(m.ModID))<<32 | uint64(uint32(m.CmdID))
}

func moduleOf(key uint64) Module {
	return Module{int32(key >> 32), int32(key)}
}

// Host is one address of a route.
type Host struct {
	IP   uint32 // IPv4 as a number: 192.168.1.177 is 0xC0A801B1
	Port uint16 // 1 to 65535
}

// MakeHost checks an address as the wire and the store spell it: the IPv4 in
// host order, signed or not. ErrHost for a port outside 1 to 65535, for
// 0.0.0.0 (what the original's console stores for a mistyped address) and for
// what is no 32-bit number.
func MakeHost(ip, port int64) (Host, error) {
	if port < 1 || port > math.MaxUint16 || ip == 0 || ip < math.MinInt32 || ip > math.MaxUint32 {
		return Host{}, fmt.Errorf("%w: ip %d, port %d", ErrHost, ip, port)
	}
	return Host{uint32(ip), uint16(port)}, nil
}

// Valid reports whether address and port are other than 0.
func (h Host) Valid() bool { return h.IP != 0 && h.Port != 0 }

// Compare orders by address, then port.
func (h Host) Compare(o Host) int {
	return cmp.Compare(h.Key(), o.Key())
}

// Key packs h into a number, distinct for distinct hosts, in the same order.
func (h Host) Key() uint64 {
	return uint64(h.IP)<<16 | uint64(h.Port)
}

// Addr returns h in the form that package net takes.
func (h Host) Addr() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(h.IP >> 24), byte(h.IP >> 16), byte(h.IP >> 8), byte(h.IP)}), h.Port)
}

// String returns "a.b.c.d:port".
func (h Host) String() string {
	return h.Addr().String()
}

// ParseHost reads what String writes. The error wraps ErrHost.
func ParseHost(s string) (Host, error) {
	a, err := netip.ParseAddrPort(s)
	if err != nil || !a.Addr().Is4() {
		return Host{}, fmt.Errorf("%w: %q is not like 10.0.0.1:80", ErrHost, s)
	}
	ip := a.Addr().As4()
	return MakeHost(int64(ip[0])<<24|int64(ip[1])<<16|int64(ip[2])<<8|int64(ip[3]), int64(a.Port()))
}
