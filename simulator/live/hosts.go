package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"lars/reactor"
	"lars/reactor/driver"
	"lars/simulator/fault"
	"lars/simulator/workload"
	"lars/system/store"
)

// hosts are the servers that callers call, each at an address of its own of the
// loopback network, all at the same port and on one reactor.
type hosts struct {
	reactor *reactor.Reactor
	network string // tcp or udp
	pool    int    // of each module
	all     []*host
	now     func() time.Duration
}

// host is one of them.
type host struct {
	of     *hosts
	module int
	place  int // in the pool
	addr   netip.AddrPort
	router *reactor.Router

	mu      sync.Mutex
	model   *workload.Host
	random  *workload.Random
	rolling bool // restarted by a deployment
	server  *reactor.Server
	packet  *reactor.Packet
	conns   map[*reactor.Conn]struct{}
}

// base is the address before the first host's: away from 127.0.0.1, where
// clients have theirs.
const base = 0x7F400000 // 127.64.0.0

// Their port is below those that the kernel gives to connections.
const (
	portMin   = 10_000
	portMax   = 32_000
	portTries = 10
)

// openHosts starts them all.
func openHosts(d driver.Driver, network string, p *fault.Plan, seed uint64, now func() time.Duration) (h *hosts, err error) {
	for range portTries {
		if h, err = tryHosts(d, network, p, seed, now, portMin+rand.IntN(portMax-portMin)); err == nil {
			return h, nil
		}
	}
	return nil, err
}

func tryHosts(d driver.Driver, network string, p *fault.Plan, seed uint64, now func() time.Duration, port int) (*hosts, error) {
	rc, err := reactor.Open(d, reactor.Config{})
	if err != nil {
		return nil, err
	}
	w := &p.Workload
	h := &hosts{reactor: rc, network: network, pool: pool(p), now: now}
	for i := range w.Modules.Count * h.pool {
		ip := uint32(base + 1 + i)
		x := &host{
			of: h, module: i / h.pool, place: i % h.pool,
			addr:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)}), uint16(port)),
			random: workload.NewRandom(seed, fmt.Sprint("host ", i)), conns: map[*reactor.Conn]struct{}{}, router: reactor.NewRouter(),
		}
		x.model = w.Hosts.NewHost(x.place % w.Hosts.Zones)
		x.router.Handle(idCall, x.onCall, nil)
		h.all = append(h.all, x)
		if err := x.listen(); err != nil {
			rc.Close()
			return nil, err
		}
	}
	return h, nil
}

func (h *hosts) close() { h.reactor.Close() }

// at is the host at a place of a module's pool.
func (h *hosts) at(module, place int) *host { return h.all[module*h.pool+place] }

// find is the host at an address; nil when there is none.
func (h *hosts) find(a netip.AddrPort) *host {
	i := int(ipOf(a.Addr())) - base - 1
	if i < 0 || i >= len(h.all) || h.all[i].addr != a {
		return nil
	}
	return h.all[i]
}

func ipOf(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// name is how the store has it.
func (x *host) name() store.Host { return store.Host{IP: ipOf(x.addr.Addr()), Port: x.addr.Port()} }

// listen opens the socket, with mu held or before anybody knows the host.
func (x *host) listen() (err error) {
	if x.of.network == "udp" {
		x.packet, err = x.of.reactor.ListenPacket(x.addr.String(), reactor.PacketConfig{Router: x.router})
		return err
	}
	x.server, err = x.of.reactor.Listen(x.addr.String(), reactor.ServerConfig{Endpoint: reactor.Endpoint{
		Router: x.router, OnOpen: x.onOpen, OnClose: x.onClose,
	}})
	return err
}

var errDown = errors.New("the host is down")

func (x *host) onOpen(c *reactor.Conn) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.server == nil && x.model.Down { // it came while the socket closed
		c.Close(errDown)
	}
	x.conns[c] = struct{}{}
}

func (x *host) onClose(c *reactor.Conn, _ error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.conns, c)
}

// A socket that was just closed may take a moment until its address is free.
const (
	listenTries = 100
	listenPause = 20 * time.Millisecond
)

// settle makes the sockets what the model says, after faults have changed it.
func (x *host) settle() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	open := x.server != nil || x.packet != nil
	switch {
	case x.model.Down && open:
		x.shut()
	case !x.model.Down && !open:
		for try := 1; ; try++ {
			err := x.listen()
			if err == nil || try == listenTries {
				return err
			}
			x.mu.Unlock() // for connections that still close
			time.Sleep(listenPause)
			x.mu.Lock()
		}
	}
	return nil
}

// shut closes the socket and all connections.
func (x *host) shut() {
	if x.packet != nil {
		x.packet.Close()
	}
	if x.server != nil {
		_ = x.server.Close() // it stops accepting in any case
	}
	for c := range x.conns {
		c.Shut(errDown)
	}
	x.server, x.packet = nil, nil
}

// onCall answers as the model says.
func (x *host) onCall(q *reactor.Request) {
	if len(q.Body) != callBytes {
		return
	}
	number := binary.LittleEndian.Uint64(q.Body)
	x.mu.Lock()
	out := x.model.Call(x.of.now(), x.random)
	x.mu.Unlock()
	b := answer(number, out.Result)
	switch out.Result {
	case workload.Silent:
	case workload.Refused:
		_ = q.Reply(idAnswer, b[:]) // counted by the reactor; the caller waits in vain
	default:
		peer := q.Peer()
		q.Loop().After(out.After, func() { _ = peer.Send(idAnswer, b[:]) })
	}
}
