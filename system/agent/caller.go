package agent

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"time"

	"lars/reactor"
)

// lookupMax bounds the look-up of the host's own name.
const lookupMax = time.Second

// localIPv4 is the number under which the agent reports: the IPv4 address that
// the host's name stands for, and 127.0.0.1 when it stands for none, as in the
// original; or fixed, where that is not empty.
func localIPv4(fixed string) uint32 {
	if a, err := netip.ParseAddr(fixed); err == nil && a.Unmap().Is4() {
		return number(a)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupMax)
	defer cancel()
	if name, err := os.Hostname(); err == nil {
		addrs, _ := net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
		if len(addrs) > 0 {
			return number(addrs[0])
		}
	}
	return number(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
}

// callerOf tells the senders of datagrams apart, by address and port: the
// balancing holds failures against callers that have them everywhere. A program
// that uses the client library has one port for each of the agent's.
func callerOf(p reactor.Peer) uint32 {
	a := p.Addr()
	b := a.Addr().As16()
	return binary.LittleEndian.Uint32(b[12:])*0x9E3779B1 ^ uint32(a.Port())*0x85EBCA77
}

func number(a netip.Addr) uint32 {
	b := a.Unmap().As4()
	return binary.BigEndian.Uint32(b[:])
}
