package epoll

import (
	"context"
	"net/netip"
	"runtime"
	"testing"

	"lars/reactor/driver"
)

// silent is a PacketHandler of a socket that nobody uses.
type silent struct{}

func (silent) Received(netip.AddrPort, []byte) {}
func (silent) Failed(error)                    {}
func (silent) Closed(error)                    {}

// TestPacketsShareBuffers: a UDP socket has no receive buffers of its own, which
// would be 4 MiB.
func TestPacketsShareBuffers(t *testing.T) {
	e, err := Driver{}.Open(driver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(context.Background()) }()
	const sockets, bytesMax = 16, 1 << 20 // for each
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range sockets {
		p, err := e.ListenPacket(e.Loops()[0], driver.PacketOptions{Local: netip.MustParseAddrPort("127.0.0.1:0")}, silent{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Loop().Post(func() { p.Close(nil) })
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > sockets*bytesMax {
		t.Errorf("%d sockets took %d bytes of memory, want at most %d", sockets, n, sockets*bytesMax)
	}
}
