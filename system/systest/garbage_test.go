package systest

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"lars/reactor/frame"
	"lars/system/store"
	"lars/system/up"
	"lars/system/wire"
)

// garbage on every port, and the services go on.
func garbage(t *testing.T, e *env) {
	r := seed(t)
	m := store.Module{ModID: 33, CmdID: 0}
	e.edit(t, m, store.OpAdd, host(1))
	e.serves(t, m, host(1))
	for range 150 {
		for _, name := range []string{up.DNS, up.Reporter} {
			throw(t, "tcp", e.sys.Addrs(name)[0], junk(r), junk(r))
		}
		for _, at := range e.sys.Addrs(up.Agent) {
			throw(t, "udp", at, junk(r), junk(r), lie(r, m))
		}
	}
	// Reports are not answered, so what was thrown at the agent may wait still.
	e.serves(t, m, host(1))
	if h, err := e.gethost(t, m); err != nil || h != host(1) {
		t.Errorf("host %v, %v", h, err)
	}
	e.edit(t, m, store.OpAdd, host(2))
	e.serves(t, m, host(1), host(2))
}

// throw sends and does not look; the peer may have closed by the second part.
func throw(t *testing.T, network, addr string, parts ...[]byte) {
	t.Helper()
	c, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	for _, b := range parts {
		_, _ = c.Write(b)
	}
}

// junk is random bytes, or a frame around some, or one whose length lies.
func junk(r *rand.Rand) []byte {
	body := make([]byte, r.IntN(300))
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	id := int32(r.IntN(10))
	if r.IntN(2) == 0 {
		id = wire.IDHostsRequest + int32(r.IntN(10)) // ours, and some beyond
	}
	switch r.IntN(4) {
	case 0:
		return body
	case 1:
		head := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(id)), r.Uint32())
		return append(head, body...)
	case 2:
		whole := frame.Append(nil, id, body)
		return whole[:r.IntN(len(whole)+1)]
	default:
		return frame.Append(nil, id, body)
	}
}

// lie is a well-formed report about what does not exist, or with values that
// make no sense. None of it may show in the module's own figures.
func lie(r *rand.Rand, m store.Module) []byte {
	q := wire.ReportRequest{ModID: m.ModID, CmdID: m.CmdID, HasHost: true, Retcode: 1, Host: wire.HostInfo{IP: int32(r.Uint32()) | 1, Port: int32(r.Uint32())}}
	switch r.IntN(3) {
	case 0:
		q.ModID = -q.ModID
	case 1:
		q.HasHost = false
	}
	return frame.Append(nil, wire.IDReportRequest, q.AppendTo(nil))
}
