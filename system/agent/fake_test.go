package agent

import (
	"cmp"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"lars/backends"
	"lars/internal/loopback"
	"lars/reactor"
	"lars/reactor/driver"
	"lars/reactor/frame"
	"lars/system/route"
	"lars/system/wire"
)

// patience bounds every wait of these tests; it is no timing of anything.
const patience = time.Minute

// eachBackend runs a test on every backend.
func eachBackend(t *testing.T, f func(t *testing.T, open func(loops int) *reactor.Reactor)) {
	for _, name := range backends.Names() {
		t.Run(name, func(t *testing.T) {
			d, err := backends.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			f(t, func(loops int) *reactor.Reactor { return openReactor(t, d, loops) })
		})
	}
}

func mustOpen(t testing.TB, name string) driver.Driver {
	t.Helper()
	d, err := backends.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func openReactor(t testing.TB, d driver.Driver, loops int) *reactor.Reactor {
	t.Helper()
	r, err := reactor.Open(d, reactor.Config{Loops: loops})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// start runs an agent until the test ends. Unless a test says otherwise it
// balances as the original does, which is what most of them are about.
func start(t testing.TB, r *reactor.Reactor, c Config) *Service {
	t.Helper()
	c.Balance = cmp.Or(c.Balance, "algorithm=classic")
	s, err := Start(r, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t testing.TB, s *Service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error("Close:", err)
	}
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}

// linked waits until the agent is connected to dns. A module that is asked for
// just then may be pulled twice: by its caller, and with all others.
func linked(t testing.TB, s *Service) {
	t.Helper()
	eventually(t, "connected to dns", func() bool { return s.Stats().Count(Resyncs) >= wire.AgentPorts })
}

func counted(t testing.TB, s *Service, k Kind, n uint64) {
	t.Helper()
	eventually(t, k.String(), func() bool { return s.Stats().Count(k) >= n })
	if got := s.Stats().Count(k); got != n {
		t.Fatalf("%v: %d, want %d", k, got, n)
	}
}

func mod(modid, cmdid int32) route.Module { return route.Module{ModID: modid, CmdID: cmdid} }

// addr is the n-th host of these tests, with an address that is negative on
// the wire.
func addr(n int) route.Host { return route.Host{IP: 0xC0A80100 + uint32(n), Port: uint16(7000 + n)} }

func addrs(from, to int) (hosts []route.Host) {
	for n := from; n <= to; n++ {
		hosts = append(hosts, addr(n))
	}
	return hosts
}

func info(h route.Host) wire.HostInfo { return wire.HostInfo{IP: int32(h.IP), Port: int32(h.Port)} }

func routeOf(m route.Module, hosts []route.Host) *wire.GetRouteResponse {
	r := &wire.GetRouteResponse{ModID: m.ModID, CmdID: m.CmdID}
	for _, h := range hosts {
		r.Hosts = append(r.Hosts, info(h))
	}
	return r
}

// peer is a server on a plain socket that stands in for dns or the reporter.
// It can be stopped and started again on its port.
type peer struct {
	t     testing.TB
	serve func(net.Conn) // until the connection ends

	mu    sync.Mutex
	at    string
	ln    net.Listener
	conns map[net.Conn]bool
	all   int // connections there have been
	wg    sync.WaitGroup
}

func (p *peer) start() {
	p.t.Helper()
	at := p.at
	if at == "" {
		at = loopback.Own().String() + ":0" // where the port stays free while it is stopped
	}
	ln, err := net.Listen("tcp", at)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.ln, p.conns = ln.Addr().String(), ln, map[net.Conn]bool{}
	p.wg.Add(1)
	go p.accept(ln)
}

func (p *peer) accept(ln net.Listener) {
	defer p.wg.Done()
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		stopped := p.ln != ln
		if !stopped {
			p.conns[c] = true
			p.all++
		}
		p.mu.Unlock()
		if stopped {
			c.Close()
			return
		}
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			defer c.Close()
			p.serve(c)
			p.mu.Lock()
			delete(p.conns, c)
			p.mu.Unlock()
		}()
	}
}

// stop closes the listener and all connections.
func (p *peer) stop() {
	p.mu.Lock()
	if p.ln != nil {
		p.ln.Close()
	}
	p.ln = nil
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// connections tells how many there have been.
func (p *peer) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all
}

// reserve takes a port without listening on it.
func (p *peer) reserve() {
	p.start()
	p.stop()
}

func readFrame(c io.Reader) (id int32, body []byte, err error) {
	var head [frame.HeadBytes]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, nil, err
	}
	body = make([]byte, binary.LittleEndian.Uint32(head[4:]))
	_, err = io.ReadFull(c, body)
	return int32(binary.LittleEndian.Uint32(head[:])), body, err
}

// fakeDNS answers pulls from a table.
type fakeDNS struct {
	peer
	mu     sync.Mutex
	routes map[route.Module][]route.Host
	policy map[route.Module]*wire.Policy // as far as something is said
	pulled map[route.Module]int
	hints  map[route.Module]bool // they were asked for, last
	mute   bool                  // it reads, and answers nothing
}

func newDNS(t testing.TB) *fakeDNS {
	d := &fakeDNS{routes: map[route.Module][]route.Host{}, pulled: map[route.Module]int{}, hints: map[route.Module]bool{}, policy: map[route.Module]*wire.Policy{}}
	d.peer.t, d.peer.serve = t, d.answer
	return d
}

func startDNS(t testing.TB) *fakeDNS {
	d := newDNS(t)
	d.start()
	t.Cleanup(d.stop)
	return d
}

func (d *fakeDNS) answer(c net.Conn) {
	for {
		id, body, err := readFrame(c)
		var r wire.GetRouteRequest
		if err != nil || id != wire.IDGetRouteRequest || r.Decode(body) != nil {
			return
		}
		m := mod(r.ModID, r.CmdID)
		d.mu.Lock()
		d.pulled[m]++
		d.hints[m] = r.Hints
		mute, answer := d.mute, d.frame(m)
		d.mu.Unlock()
		if !mute {
			_, _ = c.Write(answer)
		}
	}
}

// frame is the answer for a module. Call it with d locked.
func (d *fakeDNS) frame(m route.Module) []byte {
	a := routeOf(m, d.routes[m])
	if p := d.policy[m]; p != nil {
		a.HasPolicy, a.Policy = true, *p
	}
	return frame.Append(nil, wire.IDGetRouteResponse, a.AppendTo(nil))
}

// pushPolicy says something of a module's balancing.
func (d *fakeDNS) pushPolicy(m route.Module, settings string, version int64, hosts ...wire.HostPolicy) {
	d.mu.Lock()
	d.policy[m] = &wire.Policy{Settings: []byte(settings), Version: version, Hosts: hosts}
	b := d.frame(m)
	d.mu.Unlock()
	d.push(b)
}

func (d *fakeDNS) set(m route.Module, hosts []route.Host) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.routes[m] = hosts
}

func (d *fakeDNS) silence(mute bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mute = mute
}

// pulls tells how often a module was pulled.
func (d *fakeDNS) pulls(m route.Module) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pulled[m]
}

func (d *fakeDNS) allPulls() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.pulled {
		n += k
	}
	return n
}

// push sends bytes on every connection.
func (p *peer) push(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_, _ = c.Write(b)
	}
}

func (d *fakeDNS) pushRoute(m route.Module, hosts []route.Host) {
	d.set(m, hosts)
	d.push(frame.Append(nil, wire.IDGetRouteResponse, routeOf(m, hosts).AppendTo(nil)))
}

func (p *peer) where() Peer { return Peer{Addrs: p.at} }

// fakeReporter keeps what it is told.
type fakeReporter struct {
	peer
	mu      sync.Mutex
	reports []wire.ReportStatusRequest
	seen    map[[2]uint64]bool // boot and number
	again   int
	calls   int                  // of all totals
	totals  map[string][2]uint32 // "module host": increments, each mark once
	last    map[string]wire.HostCallResult
}

func newReporter(t testing.TB) *fakeReporter {
	p := &fakeReporter{seen: map[[2]uint64]bool{}, totals: map[string][2]uint32{}, last: map[string]wire.HostCallResult{}}
	p.peer.t, p.peer.serve = t, p.take
	return p
}

func startReporter(t testing.TB) *fakeReporter {
	p := newReporter(t)
	p.start()
	t.Cleanup(p.stop)
	return p
}

func (p *fakeReporter) take(c net.Conn) {
	for {
		id, body, err := readFrame(c)
		var r wire.ReportStatusRequest
		if err != nil || id != wire.IDReportStatusRequest || r.Decode(body) != nil {
			return
		}
		p.mu.Lock()
		p.enter(r)
		p.mu.Unlock()
	}
}

func (p *fakeReporter) enter(r wire.ReportStatusRequest) {
	if mark := [2]uint64{r.Boot, r.Number}; p.seen[mark] {
		p.again++
		return
	} else {
		p.seen[mark] = true
	}
	p.reports = append(p.reports, r)
	for _, x := range r.Results {
		k := statusKey(mod(r.ModID, r.CmdID), route.Host{IP: uint32(x.IP), Port: uint16(x.Port)})
		sum := p.totals[k]
		p.calls += int(x.SuccAdd + x.ErrAdd)
		p.totals[k] = [2]uint32{sum[0] + x.SuccAdd, sum[1] + x.ErrAdd}
		p.last[k] = x
	}
}

func statusKey(m route.Module, h route.Host) string { return m.String() + " " + h.String() }

// total tells the calls of a host, each mark counted once.
func (p *fakeReporter) total(m route.Module, h route.Host) (succ, err uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := p.totals[statusKey(m, h)]
	return sum[0], sum[1]
}

func (p *fakeReporter) latest(m route.Module, h route.Host) (wire.HostCallResult, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, ok := p.last[statusKey(m, h)]
	return x, ok
}

func (p *fakeReporter) messages() []wire.ReportStatusRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]wire.ReportStatusRequest(nil), p.reports...)
}

// caller is a business program: a UDP socket for each of the agent's ports.
type caller struct {
	t     testing.TB
	socks []*net.UDPConn
	seq   uint32
}

func newCaller(t testing.TB, ports []netip.AddrPort) *caller {
	t.Helper()
	c := &caller{t: t}
	for _, p := range ports {
		u, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(p))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { u.Close() })
		c.socks = append(c.socks, u)
	}
	return c
}

func (c *caller) write(port int, b []byte) {
	c.t.Helper()
	if _, err := c.socks[port].Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) send(port int, id int32, body []byte) {
	c.t.Helper()
	c.write(port, frame.Append(nil, id, body))
}

// read waits for a datagram of an id.
func (c *caller) read(port int, id int32) []byte {
	c.t.Helper()
	buf := make([]byte, 1<<16)
	_ = c.socks[port].SetReadDeadline(time.Now().Add(patience))
	n, err := c.socks[port].Read(buf)
	if err != nil {
		c.t.Fatal(err)
	}
	got, body, err := frame.Datagram(buf[:n], len(buf))
	if err != nil || got != id {
		c.t.Fatalf("datagram with id %d, %v; want id %d", got, err, id)
	}
	return body
}

// silent sends a get_host of a module that is known and expects its answer to
// be the first thing that comes: nothing that was sent before was answered.
func (c *caller) silent(port int, m route.Module) {
	c.t.Helper()
	c.getHostAt(port, m)
}

func own(m route.Module) int {
	i, _ := wire.PortFor(m.ModID, m.CmdID)
	return i
}

// getHostAt asks a certain port; the answer must be for this very request.
func (c *caller) getHostAt(port int, m route.Module) wire.GetHostResponse {
	c.t.Helper()
	c.seq++
	q := wire.GetHostRequest{Seq: c.seq, ModID: m.ModID, CmdID: m.CmdID}
	c.send(port, wire.IDGetHostRequest, q.AppendTo(nil))
	var a wire.GetHostResponse
	if err := a.Decode(c.read(port, wire.IDGetHostResponse)); err != nil {
		c.t.Fatal(err)
	}
	if a.Seq != c.seq || a.ModID != m.ModID || a.CmdID != m.CmdID || a.HasHost != (a.Retcode == wire.RetSucc) {
		c.t.Fatalf("answer %+v to seq %d of %v", a, c.seq, m)
	}
	return a
}

func (c *caller) getHost(m route.Module) wire.GetHostResponse {
	c.t.Helper()
	return c.getHostAt(own(m), m)
}

// host waits until a module has one, and returns it.
func (c *caller) host(m route.Module) (h route.Host) {
	c.t.Helper()
	eventually(c.t, m.String()+" has a host", func() bool {
		a := c.getHost(m)
		h = route.Host{IP: uint32(a.Host.IP), Port: uint16(a.Host.Port)}
		return a.Retcode == wire.RetSucc
	})
	return h
}

// retcode waits until get_host answers with it.
func (c *caller) retcode(m route.Module, code int32) {
	c.t.Helper()
	eventually(c.t, m.String()+" answers as wanted", func() bool { return c.getHost(m).Retcode == code })
}

func (c *caller) report(m route.Module, h route.Host, retcode int32) {
	c.t.Helper()
	c.reportAt(own(m), m, h, retcode)
}

func (c *caller) reportAt(port int, m route.Module, h route.Host, retcode int32) {
	c.t.Helper()
	q := wire.ReportRequest{ModID: m.ModID, CmdID: m.CmdID, Host: info(h), HasHost: true, Retcode: retcode}
	c.send(port, wire.IDReportRequest, q.AppendTo(nil))
}

// reported sends n reports and waits until the agent has taken them in, so
// that none is lost in the socket.
func (c *caller) reported(s *Service, n int, m route.Module, h route.Host, retcode int32) {
	c.t.Helper()
	before := s.Stats().Count(Reports)
	for range n {
		c.report(m, h, retcode)
	}
	counted(c.t, s, Reports, before+uint64(n))
}

func (c *caller) getRouteAt(port int, m route.Module) wire.GetRouteResponse {
	c.t.Helper()
	q := wire.GetRouteRequest{ModID: m.ModID, CmdID: m.CmdID}
	c.send(port, wire.IDAPIGetRouteRequest, q.AppendTo(nil))
	var a wire.GetRouteResponse
	if err := a.Decode(c.read(port, wire.IDAPIGetRouteResponse)); err != nil {
		c.t.Fatal(err)
	}
	if a.ModID != m.ModID || a.CmdID != m.CmdID {
		c.t.Fatalf("route of %d,%d, want %v", a.ModID, a.CmdID, m)
	}
	return a
}

func (c *caller) getRoute(m route.Module) (hosts []route.Host) {
	c.t.Helper()
	for _, h := range c.getRouteAt(own(m), m).Hosts {
		hosts = append(hosts, route.Host{IP: uint32(h.IP), Port: uint16(h.Port)})
	}
	return hosts
}
