package virtual

import (
	"fmt"
	"time"

	"lars/reactor"
	"lars/simulator/check"
	"lars/simulator/outcome"
	"lars/simulator/workload"
	"lars/system/store"
	"lars/system/wire"
)

// hop is how long a call travels to its host, and back.
const hop = 200 * time.Microsecond

// caller is the program beside an agent. It asks as the client library does.
type caller struct {
	r      *run
	agent  *agentProcess
	zone   int
	spec   *workload.Callers
	random *workload.Random
	socks  [wire.AgentPorts]*reactor.Packet
	seq    uint32
	open   map[uint32]*call
	final  map[store.Module]bool // routes that are to be the newest
	body   []byte
}

// call is one from the question to the report.
type call struct {
	seq    uint32
	module store.Module
	began  time.Duration
	tries  int
	next   func() // of a closed loop, when it is over
	host   store.Host
}

func callerName(i int) string { return fmt.Sprintf("caller-%d", i+1) }

func newCaller(r *run, i int, a *agentProcess) *caller {
	name := callerName(i)
	c := &caller{
		r: r, agent: a, zone: i % r.plan.Workload.Hosts.Zones, spec: &r.plan.Workload.Callers,
		random: workload.NewRandom(r.seed, name), open: map[uint32]*call{}, final: map[store.Module]bool{},
	}
	rc, err := reactor.Open(r.w.Driver(name), reactor.Config{Seed: r.seedOf(name, 1)})
	if err != nil {
		panic(err)
	}
	r.w.Join(r.w.Host(name), a.host, r.faults.near) // as if they were one machine
	router := reactor.NewRouter()
	router.Handle(wire.IDGetHostResponse, c.onHost, nil)
	router.Handle(wire.IDAPIGetRouteResponse, c.onRoute, nil)
	for k := range c.socks {
		if c.socks[k], err = rc.DialPacket(a.addr(wire.AgentPort+k).String(), reactor.PacketConfig{Router: router}); err != nil {
			panic(err)
		}
	}
	c.begin()
	return c
}

// begin starts the loops of calls.
func (c *caller) begin() {
	if c.spec.Open() {
		c.arrive(warmUp)
		return
	}
	for range c.spec.Clients {
		var again func()
		again = func() { c.later(c.spec.Pause(c.random), func() { c.call(again) }) }
		c.r.w.At(warmUp, again)
	}
}

// arrive sets the next call of an open loop.
func (c *caller) arrive(after time.Duration) {
	at := c.spec.Next(after, c.r.end, c.random)
	if at >= c.r.end {
		return
	}
	c.r.w.At(at, func() {
		c.call(nil)
		c.arrive(at)
	})
}

func (c *caller) later(d time.Duration, f func()) { c.r.w.At(c.r.w.Now()+d, f) }

// send sends a message to the agent's port for a module.
func (c *caller) send(m store.Module, id int32) {
	port, _ := wire.PortFor(m.ModID, m.CmdID)
	if err := c.socks[port].Send(c.socks[port].LocalAddr(), id, c.body); err != nil {
		panic(err)
	}
}

func (c *caller) call(next func()) {
	now := c.r.w.Now()
	if now >= c.r.end {
		return
	}
	c.seq++
	q := &call{seq: c.seq, module: c.r.modules[c.r.popular.Pick(c.random)].name, began: now, next: next}
	c.open[q.seq] = q
	c.r.calls.Asked++
	c.r.answers.Asked(now, c.number(q))
	c.ask(q)
}

// number of a question among those of all callers.
func (c *caller) number(q *call) uint64 { return uint64(c.agent.index)<<32 | uint64(q.seq) }

func (c *caller) ask(q *call) {
	q.tries++
	m := wire.GetHostRequest{Seq: q.seq, ModID: q.module.ModID, CmdID: q.module.CmdID}
	c.body = m.AppendTo(c.body[:0])
	c.send(q.module, wire.IDGetHostRequest)
	c.later(c.spec.Timeout, func() {
		switch {
		case c.open[q.seq] != q:
		case q.tries < workload.Tries:
			c.ask(q)
		default:
			c.answered(q, false)
			c.over(q, &c.r.calls.NoAnswer, "no answer")
		}
	})
}

func (c *caller) answered(q *call, is bool) {
	delete(c.open, q.seq)
	c.r.answers.Ended(c.r.w.Now(), c.number(q), is, c.agent.since)
}

// over ends a call.
func (c *caller) over(q *call, count *int, how string) {
	*count++
	if f := c.r.cfg.Observe; f != nil {
		f(outcome.Call{At: q.began, Took: c.r.w.Now() - q.began, Module: int(q.module.ModID) - 1, Host: c.r.numberOfHost(q.host), Result: how})
	}
	if q.began >= c.r.calm {
		c.r.errors.Call(how)
	}
	if q.next != nil {
		q.next()
	}
}

func (c *caller) onHost(req *reactor.Request) {
	var a wire.GetHostResponse
	if a.Decode(req.Body) != nil {
		c.r.log.Failf(c.r.w.Now(), "answers", "%s sent what is no answer", c.agent.name)
		return
	}
	q := c.open[a.Seq]
	if q == nil {
		return // the answer to an earlier try came, too
	}
	if t := c.r.cfg.Tamper.Answer; t != nil && t(c.agent.index, &a) {
		return
	}
	c.answered(q, true)
	switch a.Retcode {
	case wire.RetSucc:
		c.picked(q, store.Host{IP: uint32(a.Host.IP), Port: uint16(a.Host.Port)})
	case wire.RetOverload:
		c.r.quota.Refused(c.agent.name, q.module)
		c.over(q, &c.r.calls.Overload, "overload")
	default:
		if c.agent.since != check.Never { // else it may be an early answer that comes late
			c.r.known.Unknown(c.r.w.Now(), c.agent.name, q.module)
		}
		c.over(q, &c.r.calls.NoHost, "no host")
	}
}

// picked calls the host.
func (c *caller) picked(q *call, h store.Host) {
	now := c.r.w.Now()
	c.r.known.Known(now, c.agent.name, q.module)
	q.host = h
	c.r.picks.Picked(now, q.module, h, c.r.faults.routesSince(c.agent, now))
	if c.agent.classic() && c.agent.apart == 0 { // else only some of its picks arrive
		c.r.quota.Picked(now, c.agent.name, q.module, h)
	}
	if q.began >= c.r.calm {
		c.r.share.Picked(q.module, h)
	}
	out := workload.Outcome{Result: workload.Refused}
	host := c.r.host(h)
	if host != nil {
		out = host.model.Call(now+hop, c.random)
	}
	out.After += 2 * hop
	if out.Result == workload.Silent || out.After > c.spec.Patience {
		out = workload.Outcome{Result: workload.Silent, After: c.spec.Patience}
	}
	c.later(out.After, func() {
		if host != nil && host.died > now+hop { // and took the calls with it that it had
			out.Result = workload.Refused
		}
		c.report(q, h, out)
	})
}

// code is what a report says of a result: with the client library how a call
// failed, with the original's that it did.
func (c *caller) code(r workload.Result) int32 {
	if c.agent.classic() && r != workload.Served {
		return 1
	}
	return r.Retcode()
}

// report tells the agent how a call went. Beside the original's agent stands one
// of its callers, which knows no times.
func (c *caller) report(q *call, h store.Host, out workload.Outcome) {
	now := c.r.w.Now()
	m := wire.ReportRequest{
		ModID: q.module.ModID, CmdID: q.module.CmdID, HasHost: true, Host: wire.HostInfo{IP: int32(h.IP), Port: int32(h.Port)},
		Retcode: c.code(out.Result),
	}
	if !c.agent.classic() {
		m.LatencyUS = uint32(out.After.Microseconds())
	}
	c.body = m.AppendTo(c.body[:0])
	c.send(q.module, wire.IDReportRequest)
	c.agent.sending(now)
	switch out.Result {
	case workload.Served:
		c.r.times.Record(int64(now - q.began))
		c.over(q, &c.r.calls.Served, "")
	case workload.Failed:
		c.over(q, &c.r.calls.Failed, "failed")
	case workload.Refused:
		c.over(q, &c.r.calls.Refused, "refused")
	default:
		c.over(q, &c.r.calls.Late, "late")
	}
}

func (c *caller) askRoute(m store.Module) {
	q := wire.GetRouteRequest{ModID: m.ModID, CmdID: m.CmdID}
	c.body = q.AppendTo(c.body[:0])
	c.send(m, wire.IDAPIGetRouteRequest)
}

func (c *caller) onRoute(req *reactor.Request) {
	var a wire.GetRouteResponse
	now := c.r.w.Now()
	if a.Decode(req.Body) != nil {
		c.r.log.Failf(now, "answers", "%s sent what is no route", c.agent.name)
		return
	}
	m := store.Module{ModID: a.ModID, CmdID: a.CmdID}
	var hosts []store.Host
	for _, h := range a.Hosts {
		hosts = append(hosts, store.Host{IP: uint32(h.IP), Port: uint16(h.Port)})
	}
	if t := c.r.cfg.Tamper.Route; t != nil {
		hosts = t(c.agent.index, m, hosts)
	}
	if c.agent.since != check.Never { // else it may be an early answer that comes late
		c.r.routes.Saw(now, c.agent.name, m, hosts)
	}
	if c.final[m] {
		delete(c.final, m)
		c.r.final--
		c.r.routes.Final(now, c.agent.name, m, hosts)
	}
}
