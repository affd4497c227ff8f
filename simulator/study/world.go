package study

import (
	"fmt"
	"time"

	"lars/simulator/workload"
	"lars/system/balance"
	"lars/system/route"
)

// Kinds of events.
const (
	served   uint8 = iota // a server is done with a request
	reported              // the agent learns how a request went
	ticked                // an agent's second is over; it tells what it suspects
	told                  // hints reach the agents
	broke                 // a fault begins
	mended                // a fault ends
	edited                // agents know an edit
	stepped               // wall clocks step
)

// States of a request.
const (
	waiting uint8 = iota // the caller waits
	done                 // it has its answer, or gave up
	dead                 // the host lost it while it worked on it
)

// epoch is the time at which a run begins: far from 0, so that a wall clock
// can go back.
const epoch = 2 * time.Hour

// stepAfter is how long after the window's start clocks step: late enough for
// hosts to be out.
const stepAfter = 10 * second

const firstIP = 0x0a000001

// server is a host.
type server struct {
	refuse, silent bool
	hard           bool // errors are
	slow, errors   float64
	faultyUntil    time.Duration // while a fault is under way: for ever
	busy           [servers]int32
	free           int
	queue          []uint32
	head           int
}

// state of a request in a run.
type outcome struct {
	latency int32 // µs
	host    int16
	state   uint8
	how     balance.Outcome
}

// world is one run.
type world struct {
	s        *Scenario
	requests []request
	outcomes []outcome
	q        queue
	now      time.Duration
	agents   []balance.Balancer
	clocks   []time.Duration // by which an agent's clock is off
	wall     bool
	hints    bool
	route    []balance.Host
	hosts    []server
	chance   *workload.Random // of reports
	suspects [][]bool         // agent, host
	told     []uint32         // agents that suspect each host, as told
	states   []balance.HostState
	m        *meter
}

// run plays the requests to a policy.
func run(s *Scenario, p Policy, seed uint64, requests []request) (*meter, error) {
	w := &world{
		s: s, requests: requests, outcomes: make([]outcome, len(requests)), hints: p.Hints, wall: p.Wall,
		hosts: make([]server, s.Hosts+s.Spares), chance: workload.NewRandom(seed, "study reports"),
		clocks: make([]time.Duration, s.Agents), told: make([]uint32, s.Hosts+s.Spares),
	}
	for h := range w.hosts {
		w.hosts[h].free, w.hosts[h].slow = servers, 1
		for k := range w.hosts[h].busy {
			w.hosts[h].busy[k] = -1
		}
	}
	for h := range s.Hosts {
		w.route = append(w.route, w.host(h))
	}
	w.m = newMeter(w)
	for a := range s.Agents {
		b, err := p.open(seed*1_000_003 + uint64(a))
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", p.Name, err)
		}
		b.Update(w.clock(a), w.route)
		w.agents = append(w.agents, b)
		w.suspects = append(w.suspects, make([]bool, len(w.hosts)))
		w.q.push(second+second*time.Duration(a)/time.Duration(s.Agents), ticked, uint32(a))
	}
	if err := w.m.shadow.open(s, p, w.route); err != nil {
		return nil, err
	}
	if w.hints {
		w.q.push(second, told, 0)
	}
	for i, f := range s.Faults {
		w.q.push(s.Before+f.From, broke, uint32(i))
		w.q.push(s.Before+f.To, mended, uint32(i))
	}
	if s.Clock != 0 && w.wall {
		w.q.push(s.Before+stepAfter, stepped, 0)
	}
	for i, e := range s.Edits {
		w.q.push(s.Before+e.At+pushDelay, edited, uint32(i))
	}
	w.play()
	w.m.finish()
	return w.m, nil
}

// host as the route has it.
func (w *world) host(h int) balance.Host {
	b := balance.Host{Host: route.Host{IP: firstIP + uint32(h), Port: 8000}}
	if n := len(w.s.Weights); n > 0 {
		b.Weight = w.s.Weights[h%n]
	}
	if w.s.Zones > 0 {
		b.Zone = uint16(w.zone(h))
	}
	return b
}

// zone of a host: the first ones are in zone 1.
func (w *world) zone(h int) int { return 1 + h*w.s.Zones/w.s.Hosts }

func (w *world) agentZone(a int) int { return 1 + a*w.s.Zones/w.s.Agents }

func (w *world) trip(agent, host int) time.Duration {
	if w.s.Zones > 0 && w.zone(host) != w.agentZone(agent) {
		return farTrip
	}
	return roundTrip
}

func (w *world) clock(a int) time.Duration { return epoch + w.now + w.clocks[a] }

// play takes what comes next: a request, one that is given up, or an event.
func (w *world) play() {
	const never = time.Duration(1<<63 - 1)
	arrival, deadline := 0, 0
	end := w.s.Before + w.s.Window + w.s.After
	for {
		next, give, event := never, never, never
		if arrival < len(w.requests) {
			next = w.requests[arrival].at
		}
		for deadline < arrival && w.outcomes[deadline].state != waiting {
			deadline++
		}
		if deadline < arrival {
			give = w.requests[deadline].at + w.s.Timeout
		}
		if len(w.q.heap) > 0 {
			event = w.q.heap[0].at
		}
		switch {
		case event <= min(next, give):
			if w.now = event; w.now > end && arrival == len(w.requests) && deadline == arrival {
				return
			}
			w.happen(w.q.pop())
		case give <= next:
			w.now = give
			w.answer(uint32(deadline), w.s.Timeout, balance.Hard, 0)
		case next < never:
			w.now = next
			w.arrive(uint32(arrival))
			arrival++
		default:
			return
		}
	}
}

func (w *world) happen(e event) {
	switch e.kind {
	case served:
		w.served(e.arg)
	case reported:
		w.report(e.arg)
	case ticked:
		w.tick(int(e.arg))
	case told:
		w.tell()
	case broke:
		w.fault(&w.s.Faults[e.arg], true)
	case mended:
		w.fault(&w.s.Faults[e.arg], false)
	case stepped:
		w.clocks[0], w.clocks[1] = -w.s.Clock, w.s.Clock
	case edited:
		w.edit(&w.s.Edits[e.arg])
	}
}

// arrive lets an agent pick, and the host take the call.
func (w *world) arrive(n uint32) {
	r, o := &w.requests[n], &w.outcomes[n]
	a := int(r.agent)
	ask := balance.Ask{Key: uint64(r.key), Caller: uint32(r.caller)}
	if w.s.Zones > 0 {
		ask.Zone = uint16(w.agentZone(a))
	}
	c := w.agents[a].Pick(w.clock(a), ask)
	if c.Verdict != balance.Picked {
		o.state, o.host = done, -1
		w.m.count(r, -1, false, 0)
		return
	}
	h := int(c.Host.IP - firstIP)
	o.host = int16(h)
	w.m.picked(r, h, c.Probe)
	s, trip := &w.hosts[h], w.trip(a, h)
	switch {
	case s.refuse:
		w.answer(n, trip, balance.Hard, trip)
	case r.poison || float64(r.luck) < s.errors:
		how := balance.Soft
		if s.hard && !r.poison {
			how = balance.Hard
		}
		w.answer(n, trip, how, trip)
	case s.silent:
	case s.free > 0:
		w.start(s, n)
	default:
		s.queue = append(s.queue, n)
	}
}

// start gives a request to a server that is free.
func (w *world) start(s *server, n uint32) {
	for k := range s.busy {
		if s.busy[k] < 0 {
			s.busy[k] = int32(n)
			break
		}
	}
	s.free--
	d := time.Duration(float64(w.requests[n].work) * s.slow * float64(meanService))
	w.q.push(w.now+d, served, n)
}

// served ends a request's work, and takes the next of those that somebody
// still waits for.
func (w *world) served(n uint32) {
	o := &w.outcomes[n]
	if o.state == dead {
		return
	}
	s := &w.hosts[o.host]
	for k := range s.busy {
		if s.busy[k] == int32(n) {
			s.busy[k] = -1
			s.free++
			break
		}
	}
	if o.state == waiting {
		r := &w.requests[n]
		trip := w.trip(int(r.agent), int(o.host))
		if took := w.now + trip - r.at; took <= w.s.Timeout {
			w.answer(n, took, balance.OK, trip)
		}
	}
	for s.head < len(s.queue) && s.free > 0 {
		next := s.queue[s.head]
		s.head++
		if w.outcomes[next].state == waiting {
			w.start(s, next)
		}
	}
	if s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
	}
}

// answer tells a request's caller how it went, and the agent after a delay.
func (w *world) answer(n uint32, took time.Duration, how balance.Outcome, trip time.Duration) {
	r, o := &w.requests[n], &w.outcomes[n]
	o.state, o.how, o.latency = done, how, int32(took/time.Microsecond)
	w.m.count(r, int(o.host), how == balance.OK, took)
	delay := trip + reportDelay
	if w.s.Ragged {
		delay += w.chance.Between(0, 200*time.Millisecond)
		switch x := w.chance.Float(); {
		case x < .1:
			return
		case x < .15:
			w.q.push(w.now+delay+w.chance.Between(0, 200*time.Millisecond), reported, n)
		}
	}
	w.q.push(w.now+delay, reported, n)
}

func (w *world) report(n uint32) {
	r, o := &w.requests[n], &w.outcomes[n]
	a := int(r.agent)
	e := w.agents[a].Report(w.clock(a), balance.Result{
		Host: route.Host{IP: firstIP + uint32(o.host), Port: 8000}, Outcome: o.how,
		Latency: time.Duration(o.latency) * time.Microsecond, Caller: uint32(r.caller),
	})
	w.m.changes(a, e.Changes)
}

// tick is an agent's second; with hints it tells what it suspects.
func (w *world) tick(a int) {
	w.m.changes(a, w.agents[a].Tick(w.clock(a)).Changes)
	if w.now < w.s.Before+w.s.Window+w.s.After {
		w.q.push(w.now+second, ticked, uint32(a))
	}
	if !w.hints {
		return
	}
	w.states = w.agents[a].AppendStates(w.states[:0])
	says := 0
	for i := range w.states {
		s := &w.states[i]
		h := int(s.Host.IP - firstIP)
		is := s.Suspect || a < w.s.Liars && (w.s.Slander == 0 || h < w.s.Slander)
		if is != w.suspects[a][h] {
			w.suspects[a][h], says = is, 1
		}
	}
	w.m.said(says)
}

// tell gives each agent what the others suspect.
func (w *world) tell() {
	if w.now < w.s.Before+w.s.Window+w.s.After {
		w.q.push(w.now+second, told, 0)
	}
	pushes := 0
	for h := range w.hosts {
		all := uint32(0)
		for a := range w.agents {
			if w.suspects[a][h] {
				all++
			}
		}
		if all == 0 && w.told[h] == 0 {
			continue
		}
		if all != w.told[h] {
			w.told[h], pushes = all, len(w.agents)
		}
		for a, b := range w.agents {
			others := all
			if w.suspects[a][h] {
				others--
			}
			b.Hint(w.clock(a), w.host(h).Host, others, uint32(len(w.agents)-1))
		}
	}
	w.m.said(pushes)
}

// fault begins or ends one.
func (w *world) fault(f *Fault, begins bool) {
	for h := f.First; h < f.First+f.Count; h++ {
		s := &w.hosts[h]
		s.refuse, s.silent, s.slow, s.errors = false, false, 1, 0
		s.faultyUntil = w.now
		if !begins {
			continue
		}
		s.faultyUntil = 1 << 62
		s.refuse, s.silent, s.errors, s.hard = f.Refuse, f.Silent, f.Errors, f.Hard
		if f.Slow > 0 {
			s.slow = f.Slow
		}
		if f.Refuse {
			w.crash(s)
		}
	}
}

// crash loses what a host has; its callers see the connection reset.
func (w *world) crash(s *server) {
	lose := func(n uint32, working bool) {
		if o := &w.outcomes[n]; o.state == waiting {
			w.answer(n, w.now-w.requests[n].at+roundTrip/2, balance.Hard, roundTrip/2)
		}
		if working {
			w.outcomes[n].state = dead
		}
	}
	for k, n := range s.busy {
		if n >= 0 {
			lose(uint32(n), true)
			s.busy[k] = -1
		}
	}
	for _, n := range s.queue[s.head:] {
		lose(n, false)
	}
	s.queue, s.head, s.free = s.queue[:0], 0, servers
}

func (w *world) edit(e *Edit) {
	for i := range w.route {
		if int(w.route[i].IP-firstIP) != e.Host {
			continue
		}
		w.route[i].Draining = e.Drain
		if e.Spare > 0 {
			w.route[i] = w.host(e.Spare)
		}
	}
	for a, b := range w.agents {
		w.m.changes(a, b.Update(w.clock(a), w.route).Changes)
	}
	w.m.shadow.edit(w.route)
}
