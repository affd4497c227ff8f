package lars

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"lars/system/route"
	"lars/system/wire"
)

// Module names what is called. Neither id may be negative.
type Module = route.Module

// Config of a Client. The zero value is that for an agent on this host with
// the original's ports.
type Config struct {
	// Addrs are the agent's three UDP addresses as "ip:port"; that at i is
	// asked about the modules with (modid + cmdid) mod 3 = i. None means
	// 127.0.0.1, ports 8888 to 8890.
	Addrs []string
	// Timeout is how long one question waits for its answer before it is
	// asked again. 0 means 50 ms.
	Timeout time.Duration
	// Tries is how often a question is asked, the first time included. 0
	// means 3.
	Tries int
}

// Client talks to one agent. All methods are safe for concurrent use.
type Client struct {
	config  Config
	sockets [wire.AgentPorts]*socket
	seq     atomic.Uint32
	calls   sync.Pool // of *call
	reading sync.WaitGroup
	counts  struct{ asked, again, late, garbage, reports atomic.Uint64 }
}

// Stats of a Client since it was made.
type Stats struct {
	Asked   uint64 // questions, each counted once
	Again   uint64 // times that one was asked again
	Late    uint64 // answers that nobody waited for (any more), discarded
	Garbage uint64 // datagrams that were no answer
	Reports uint64 // reports sent
}

// New opens the sockets. It does not wait for an agent.
func New(c Config) (*Client, error) {
	c.Timeout, c.Tries = cmp.Or(c.Timeout, 50*time.Millisecond), cmp.Or(c.Tries, 3)
	if len(c.Addrs) == 0 {
		for i := range wire.AgentPorts {
			c.Addrs = append(c.Addrs, fmt.Sprintf("127.0.0.1:%d", wire.AgentPort+i))
		}
	}
	if len(c.Addrs) != wire.AgentPorts || c.Timeout < 0 || c.Tries < 0 {
		return nil, fmt.Errorf("lars: %d addresses, timeout %v, %d tries: want 3 addresses and nothing negative",
			len(c.Addrs), c.Timeout, c.Tries)
	}
	cl := &Client{config: c}
	cl.calls.New = func() any { return newCall() }
	for i, a := range c.Addrs {
		if err := cl.open(i, a); err != nil {
			cl.Close()
			return nil, err
		}
	}
	return cl, nil
}

func (c *Client) open(i int, addr string) error {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || at.Port() == 0 {
		return fmt.Errorf("lars: agent at %q: want ip:port, such as 127.0.0.1:8888", addr)
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return system(err)
	}
	s := newSocket(c, conn)
	c.sockets[i] = s
	c.reading.Go(s.read)
	return nil
}

// Close closes the sockets. Calls that wait return ErrClosed.
func (c *Client) Close() error {
	var all error
	for _, s := range c.sockets {
		if s != nil {
			all = errors.Join(all, s.conn.Close())
		}
	}
	c.reading.Wait()
	if errors.Is(all, net.ErrClosed) {
		return nil // a second Close
	}
	return all
}

// Stats reads the counters.
func (c *Client) Stats() Stats {
	n := &c.counts
	return Stats{n.asked.Load(), n.again.Load(), n.late.Load(), n.garbage.Load(), n.reports.Load()}
}

// socketOf finds the socket of a module's owner.
func (c *Client) socketOf(m Module) (*socket, error) {
	i, ok := wire.PortFor(m.ModID, m.CmdID)
	if !ok {
		return nil, fmt.Errorf("%w: module %v", ErrInvalid, m)
	}
	return c.sockets[i], nil
}
