package run

import (
	"fmt"
	"net"
	"net/netip"

	"lars/reactor/frame"
)

// loopback stands for an address that is not known yet where one is checked.
var loopback = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1)

// readFrame reads one whole frame of at most frameMax bytes, in one datagram or
// in as many segments as it takes.
func readFrame(conn net.Conn, frameMax int) ([]byte, error) {
	buf := make([]byte, frameMax)
	have := 0
	for {
		n, err := conn.Read(buf[have:])
		have += n
		_, size, bad := frame.Next(buf[:have], frameMax-frame.HeadBytes)
		switch {
		case bad != nil:
			return nil, bad
		case size > 0:
			return buf[:size], nil
		case err != nil:
			return nil, fmt.Errorf("%d bytes of a reply, then %w", have, err)
		case have == len(buf):
			return nil, fmt.Errorf("%d bytes that are no frame", have)
		}
	}
}
