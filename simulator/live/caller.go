package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"lars/simulator/outcome"
	"lars/simulator/workload"
	"lars/system/lars"
	"lars/system/store"
)

// caller is the program beside an agent.
type caller struct {
	r      *run
	index  int
	client *lars.Client
	spec   *workload.Callers

	mu     sync.Mutex
	idle   map[netip.AddrPort][]net.Conn
	number uint64
	sent   int64 // reports
	apart  int64 // of those, through a bad network
}

func newCaller(r *run, i int) (*caller, error) {
	c := &caller{r: r, index: i, spec: &r.cfg.Plan.Workload.Callers, idle: map[netip.AddrPort][]net.Conn{}}
	var err error
	c.client, err = lars.New(lars.Config{Addrs: r.services.ways[i], Timeout: c.spec.Timeout, Tries: workload.Tries})
	return c, err
}

func (c *caller) close() {
	c.client.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conns := range c.idle {
		for _, conn := range conns {
			conn.Close()
		}
	}
	c.idle = map[netip.AddrPort][]net.Conn{}
}

// loops calls until the end of the run, or until ctx ends, and waits for the
// calls to end.
func (c *caller) loops(ctx context.Context) {
	var calls sync.WaitGroup
	defer calls.Wait()
	if !c.spec.Open() {
		for k := range c.spec.Clients {
			calls.Go(func() { c.closed(ctx, k) })
		}
		return
	}
	due := workload.NewRandom(c.r.cfg.Seed, fmt.Sprint("caller-", c.index+1))
	for at := c.spec.Next(warmUp, c.r.end, due); at < c.r.end; at = c.spec.Next(at, c.r.end, due) {
		module := c.r.popular.Pick(due)
		if !c.r.sleepUntil(ctx, at) {
			return
		}
		select {
		case c.r.slots <- struct{}{}:
			calls.Go(func() {
				c.call(at, module)
				<-c.r.slots
			})
		default:
			c.r.ended(c, outcome.Call{At: at, Took: c.r.now() - at, Module: module, Host: -1, Result: "too many at once"}, 0)
		}
	}
}

// closed is one client of a closed loop.
func (c *caller) closed(ctx context.Context, k int) {
	random := workload.NewRandom(c.r.cfg.Seed, fmt.Sprintf("caller-%d, client %d", c.index+1, k+1))
	for at := warmUp + c.spec.Pause(random); at < c.r.end; at = c.r.now() + c.spec.Pause(random) {
		if !c.r.sleepUntil(ctx, at) {
			return
		}
		c.call(at, c.r.popular.Pick(random))
	}
}

// call makes one that is due at a time.
func (c *caller) call(at time.Duration, module int) {
	x := outcome.Call{At: at, Module: module, Host: -1}
	m := lars.Module(c.r.names[module])
	began, number := c.r.asked(c)
	addr, err := c.client.GetHost(context.Background(), m)
	asked := c.r.answered(number, err == nil || errors.Is(err, lars.ErrOverload) || errors.Is(err, lars.ErrNotExist))
	switch {
	case errors.Is(err, lars.ErrOverload):
		x.Result = "overload"
	case errors.Is(err, lars.ErrNotExist):
		x.Result = "no host"
		c.r.noHost(c, module)
	case err != nil:
		x.Result = "no answer"
	default:
		h := c.r.picked(c, module, addr)
		if h != nil {
			x.Host = h.place
		}
		picked := c.r.now()
		result := c.try(addr, time.Now().Add(c.spec.Patience))
		x.Result = map[workload.Result]string{workload.Failed: "failed", workload.Refused: "refused", workload.Silent: "late"}[result]
		c.report(m, addr, result, c.r.now()-picked)
	}
	x.Took = c.r.now() - at
	c.r.ended(c, x, asked-began)
}

// report tells the agent how a call went, and how long it took, as
// lars.Client.Call does.
func (c *caller) report(m lars.Module, addr netip.AddrPort, result workload.Result, took time.Duration) {
	if c.client.ReportCall(context.Background(), m, addr, result.Retcode(), took) != nil {
		return // an agent that is down: nothing was sent
	}
	apart := c.r.script.apart(c.index, c.r.now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent++; apart {
		c.apart++
	}
}

// try calls a host. A connection that was idle may have ended meanwhile: that
// says nothing yet, and a new one is tried.
func (c *caller) try(addr netip.AddrPort, deadline time.Time) workload.Result {
	conn, number := c.take(addr)
	if conn != nil {
		result, ok, _ := exchange(conn, number, deadline)
		if ok || result == workload.Silent {
			c.give(addr, conn, ok)
			return result
		}
		conn.Close()
	}
	d := net.Dialer{Deadline: deadline}
	conn, err := d.Dial(c.r.cfg.Network, addr.String())
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return workload.Silent
		}
		return workload.Refused
	}
	result, ok, _ := exchange(conn, number, deadline)
	c.give(addr, conn, ok)
	return result
}

// take is an idle connection to a host, or nil, and the number of a call.
func (c *caller) take(addr netip.AddrPort) (conn net.Conn, number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number++
	if all := c.idle[addr]; len(all) > 0 {
		conn, c.idle[addr] = all[len(all)-1], all[:len(all)-1]
	}
	return conn, c.number
}

// idleMax bounds the idle connections to each host.
const idleMax = 64

func (c *caller) give(addr netip.AddrPort, conn net.Conn, usable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !usable || len(c.idle[addr]) >= idleMax {
		conn.Close()
		return
	}
	c.idle[addr] = append(c.idle[addr], conn)
}

// route asks the agent for the hosts of a module; nil when it does not answer.
func (c *caller) route(ctx context.Context, module int) []store.Host {
	got, err := c.client.GetRoute(ctx, lars.Module(c.r.names[module]))
	if err != nil {
		return nil
	}
	var all []store.Host
	for _, a := range got.Hosts {
		all = append(all, store.Host{IP: ipOf(a.Addr()), Port: a.Port()})
	}
	return all
}
