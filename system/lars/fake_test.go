package lars

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"lars/internal/loopback"
	"lars/reactor/frame"
	"lars/system/wire"
)

// patience bounds every wait of these tests; it is no timing of anything.
const patience = time.Minute

// question is a message that the fake agent got.
type question struct {
	port  int
	id    int32
	host  wire.GetHostRequest
	route wire.GetRouteRequest
	rep   wire.ReportRequest
}

// fakeAgent is three plain UDP sockets and a script: answer returns the
// datagrams to send back for a question.
type fakeAgent struct {
	addrs   []string
	reports chan question

	mu     sync.Mutex
	socks  []*net.UDPConn
	answer func(question) [][]byte
	asked  int
	wg     sync.WaitGroup
}

func startAgent(t testing.TB, answer func(question) [][]byte) *fakeAgent {
	a := &fakeAgent{answer: answer, reports: make(chan question, 1000)}
	ip := loopback.Own().String() // where the ports stay free while it is stopped
	for range wire.AgentPorts {
		a.addrs = append(a.addrs, ip+":0")
	}
	a.start(t)
	t.Cleanup(a.stop)
	return a
}

// start opens the sockets, on the same ports as before.
func (a *fakeAgent) start(t testing.TB) {
	t.Helper()
	for i, addr := range a.addrs {
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		if err != nil {
			t.Fatal(err)
		}
		a.addrs[i] = u.LocalAddr().String()
		a.mu.Lock()
		a.socks = append(a.socks, u)
		a.mu.Unlock()
		a.wg.Go(func() { a.serve(i, u) })
	}
}

func (a *fakeAgent) stop() {
	a.mu.Lock()
	for _, u := range a.socks {
		u.Close()
	}
	a.socks = nil
	a.mu.Unlock()
	a.wg.Wait()
}

func (a *fakeAgent) serve(port int, u *net.UDPConn) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := u.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		id, body, err := frame.Datagram(buf[:n], n)
		q := question{port: port, id: id}
		switch id {
		case wire.IDGetHostRequest:
			err = q.host.Decode(body)
		case wire.IDAPIGetRouteRequest:
			err = q.route.Decode(body)
		case wire.IDReportRequest:
			if err = q.rep.Decode(body); err == nil {
				a.reports <- q
			}
		}
		if err != nil {
			panic(err) // the client sent it
		}
		a.mu.Lock()
		a.asked++
		for _, b := range a.answer(q) {
			_, _ = u.WriteToUDPAddrPort(b, from)
		}
		a.mu.Unlock()
	}
}

func (a *fakeAgent) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// hostAnswer is an answer with a host, or with a retcode.
func hostAnswer(q question, retcode int32, n int32) []byte {
	a := wire.GetHostResponse{Seq: q.host.Seq, ModID: q.host.ModID, CmdID: q.host.CmdID, Retcode: retcode}
	if retcode == 0 {
		a.HasHost, a.Host = true, hostInfo(n)
	}
	return frame.Append(nil, wire.IDGetHostResponse, a.AppendTo(nil))
}

func hostInfo(n int32) wire.HostInfo {
	return wire.HostInfo{IP: -1062731520 + n, Port: 7000 + n} // 192.168.1.0
}

func hostAddr(n int32) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, byte(n)}), uint16(7000+n))
}

func routeAnswer(q question, hosts ...int32) []byte {
	a := wire.GetRouteResponse{ModID: q.route.ModID, CmdID: q.route.CmdID}
	for _, n := range hosts {
		a.Hosts = append(a.Hosts, hostInfo(n))
	}
	return frame.Append(nil, wire.IDAPIGetRouteResponse, a.AppendTo(nil))
}

func newClient(t testing.TB, c Config) *Client {
	t.Helper()
	cl, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cl.Close(); err != nil {
			t.Error(err)
		}
	})
	return cl
}
