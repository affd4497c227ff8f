package agent

import (
	"math/rand/v2"
	"time"

	"lars/reactor"
	"lars/system/balance"
	"lars/system/route"
	"lars/system/wire"
)

// shard owns a third of the modules, with the socket that their callers
// should use. Everything in it is used on its loop only, unless it says
// otherwise.
type shard struct {
	service *Service
	index   int
	loop    *reactor.Loop
	socket  *reactor.Packet
	timers  []*reactor.Timer
	table   table
	inbox   inbox // from any loop
	out     outbox

	count  counters // read from anywhere
	gauge  gauges   // read from anywhere
	logged int      // lines that this second still has room for
	resync int      // number of the last one that began
	random *rand.Rand
	zone   uint16 // of callers that tell none
	hints  bool   // the agent's own settings heed them

	// Messages are decoded to and encoded from here.
	hostRequest  wire.GetHostRequest
	hostAnswer   wire.GetHostResponse
	routeRequest wire.GetRouteRequest
	routeAnswer  wire.GetRouteResponse
	report       wire.ReportRequest
	states       []balance.HostState
	suspects     []route.Host
	body         []byte // of an answer to a letter
}

// linesPerSecondMax bounds the log lines about hosts that a shard writes.
const linesPerSecondMax = 20

func newShard(s *Service, index int, loop *reactor.Loop) (*shard, error) {
	c := s.config
	sh := &shard{
		service: s, index: index, loop: loop, logged: linesPerSecondMax,
		table:  newTable(c.ModulesMax/wire.AgentPorts, c.UnknownMax/wire.AgentPorts, c.NegativeTTL),
		random: rand.New(rand.NewPCG(c.Seed, uint64(index))),
		zone:   uint16(c.Zone),
	}
	own, _ := c.settings("") // was checked
	sh.hints = own.Hints()
	sh.inbox.drain = sh.readInbox
	return sh, sh.out.init(sh)
}

// router is that of the shard's socket.
func (s *shard) router() *reactor.Router {
	r := reactor.NewRouter()
	r.Handle(wire.IDGetHostRequest, s.onGetHost, nil)
	r.Handle(wire.IDReportRequest, s.onReport, nil)
	r.Handle(wire.IDAPIGetRouteRequest, s.onGetRoute, nil)
	r.Handle(wire.IDHostsRequest, s.onHosts, nil)
	r.Handle(wire.IDStatsRequest, s.onStats, nil)
	return r
}

// owner finds the shard of a module; nil, and counted, when the request is to
// be dropped.
func (s *shard) owner(modid, cmdid int32, err error) *shard {
	if err != nil {
		s.count.add(Malformed)
		return nil
	}
	i, ok := wire.PortFor(modid, cmdid)
	if !ok {
		s.count.add(NegativeID)
		return nil
	}
	if i == s.index {
		return s
	}
	s.count.add(Misrouted)
	return s.service.shards[i]
}

// forward passes a request to its owner on another loop.
func (s *shard) forward(to *shard, l letter) {
	if !to.inbox.put(l, to.loop) {
		s.count.add(InboxFull)
	}
}

func (s *shard) onGetHost(q *reactor.Request) {
	r := &s.hostRequest
	err := r.Decode(q.Body)
	o := s.owner(r.ModID, r.CmdID, err)
	switch {
	case o == nil:
	case o.loop != s.loop:
		s.forward(o, letter{peer: q.Peer(), id: q.ID, host: *r})
	default:
		a := o.getHost(r, callerOf(q.Peer()))
		b, err := q.ReplyAlloc(wire.IDGetHostResponse, a.Size())
		if err != nil {
			s.count.add(Unanswered)
			return
		}
		a.AppendTo(b[:0])
	}
}

func (s *shard) onGetRoute(q *reactor.Request) {
	r := &s.routeRequest
	err := r.Decode(q.Body)
	o := s.owner(r.ModID, r.CmdID, err)
	switch {
	case o == nil:
	case o.loop != s.loop:
		s.forward(o, letter{peer: q.Peer(), id: q.ID, route: *r})
	default:
		a := o.getRoute(r)
		b, err := q.ReplyAlloc(wire.IDAPIGetRouteResponse, a.Size())
		if err != nil {
			s.count.add(Unanswered)
			return
		}
		a.AppendTo(b[:0])
	}
}

func (s *shard) onReport(q *reactor.Request) {
	r := &s.report
	err := r.Decode(q.Body)
	o := s.owner(r.ModID, r.CmdID, err)
	switch {
	case o == nil:
	case o.loop != s.loop:
		s.forward(o, letter{peer: q.Peer(), id: q.ID, report: *r})
	default:
		o.takeReport(r, callerOf(q.Peer()))
	}
}

// readInbox serves the requests that reached another shard's socket.
func (s *shard) readInbox() {
	letters := s.inbox.take()
	for i := range letters {
		l := &letters[i]
		var err error
		switch l.id {
		case wire.IDGetHostRequest:
			s.body = s.getHost(&l.host, callerOf(l.peer)).AppendTo(s.body[:0])
			err = l.peer.Send(wire.IDGetHostResponse, s.body)
		case wire.IDAPIGetRouteRequest:
			s.body = s.getRoute(&l.route).AppendTo(s.body[:0])
			err = l.peer.Send(wire.IDAPIGetRouteResponse, s.body)
		case wire.IDReportRequest:
			s.takeReport(&l.report, callerOf(l.peer))
		case wire.IDHostsRequest:
			err = l.peer.Send(wire.IDHostsResponse, s.hostStates(&l.hosts))
		}
		if err != nil {
			s.count.add(Unanswered)
		}
	}
	s.inbox.give(letters)
}

// getHost answers from memory. The answer is valid until the next call.
func (s *shard) getHost(r *wire.GetHostRequest, caller uint32) *wire.GetHostResponse {
	a := &s.hostAnswer
	*a = wire.GetHostResponse{Seq: r.Seq, ModID: r.ModID, CmdID: r.CmdID, Retcode: wire.RetNoExist}
	now := s.loop.Now()
	m := s.want(now, r.ModID, r.CmdID)
	if m == nil || m.lb == nil {
		s.count.add(NoExist)
		return a
	}
	ask := balance.Ask{Key: r.Key, Caller: caller, Zone: s.zone}
	if r.Zone != 0 {
		ask.Zone = uint16(r.Zone)
	}
	switch c := m.lb.Pick(now, ask); c.Verdict {
	case balance.Picked:
		s.count.add(Picked)
		a.Retcode, a.HasHost = wire.RetSucc, true
		a.Host = wire.HostInfo{IP: int32(c.Host.IP), Port: int32(c.Host.Port)}
	case balance.Overload:
		s.count.add(Overload)
		a.Retcode = wire.RetOverload
	default:
		s.count.add(NoExist)
	}
	return a
}

// getRoute answers with all hosts: idle ones first, then overloaded ones.
func (s *shard) getRoute(r *wire.GetRouteRequest) *wire.GetRouteResponse {
	a := &s.routeAnswer
	*a = wire.GetRouteResponse{ModID: r.ModID, CmdID: r.CmdID, Hosts: a.Hosts[:0]}
	s.count.add(Routes)
	m := s.want(s.loop.Now(), r.ModID, r.CmdID)
	if m == nil || m.lb == nil {
		return a
	}
	s.states = m.lb.AppendStates(s.states[:0])
	for _, h := range s.states {
		a.Hosts = append(a.Hosts, wire.HostInfo{IP: int32(h.Host.IP), Port: int32(h.Host.Port)})
	}
	if a.Fit(wire.DatagramBodyBytesMax) > 0 {
		s.count.add(RoutesCut)
	}
	return a
}

// want finds a module that is asked for, and pulls its route when that is due.
// nil when it is new and there is no room for it.
func (s *shard) want(now time.Duration, modid, cmdid int32) *module {
	m := s.table.modules[key(modid, cmdid)]
	if m == nil {
		if m = s.table.add(now, route.Module{ModID: modid, CmdID: cmdid}); m == nil {
			s.count.add(Refused)
			return nil
		}
		m.sharing.on = s.hints
		s.measure()
	}
	if m.lb == nil {
		s.table.touch(now, m)
	}
	if now >= m.nextPull {
		_ = s.pull(now, m) // counted; asking again will try again
	}
	return m
}

// pull asks dns for a module's route, which also subscribes to its changes.
func (s *shard) pull(now time.Duration, m *module) error {
	m.nextPull = now + s.service.config.NegativeTTL
	if err := s.service.dns.pull(now, m.name, m.sharing.on); err != nil {
		s.count.add(PullsLost)
		return err
	}
	m.sharing.asked = m.sharing.on
	s.count.add(Pulls)
	return nil
}

// takeReport takes in how a call went.
func (s *shard) takeReport(r *wire.ReportRequest, caller uint32) {
	host, err := route.MakeHost(int64(r.Host.IP), int64(r.Host.Port))
	if err != nil {
		s.count.add(BadHost)
		return
	}
	m := s.table.modules[key(r.ModID, r.CmdID)]
	if m == nil || m.lb == nil {
		s.count.add(UnknownModule)
		return
	}
	failed := r.Retcode != wire.RetSucc
	e := m.lb.Report(s.loop.Now(), balance.Result{
		Host: host, Outcome: balance.OutcomeOf(r.Retcode), Caller: caller, Latency: time.Duration(r.LatencyUS) * time.Microsecond,
	})
	if e.Unknown {
		s.count.add(UnknownHost)
		return
	}
	s.count.add(Reports)
	m.sharing.watch = m.sharing.watch || failed && m.sharing.on
	for _, c := range e.Changes {
		s.moved(m, c)
	}
	s.out.call(m.name, host, failed)
}

// moved notes that reports changed the state of a host.
func (s *shard) moved(m *module, c balance.Change) {
	switch out := c.To.Out(); {
	case out == c.From.Out(): // half-open is out still, warming is not
	case out:
		m.overloaded++
		s.count.add(Overloads)
		s.out.overload(m.name, c.Host, true)
	default:
		m.overloaded--
		s.count.add(Recoveries)
		s.out.overload(m.name, c.Host, false)
	}
	if s.logged > 0 {
		s.logged--
		s.service.config.Log.Info("host is "+c.To.String(), "module", m.name, "host", c.Host, "why", c.Why.String())
	}
}

// second is the shard's housekeeping.
func (s *shard) second() {
	now := s.loop.Now()
	s.logged = linesPerSecondMax
	s.table.expire(now - unknownKeep*s.service.config.NegativeTTL)
	for _, m := range s.table.all {
		if m.lb != nil {
			for _, c := range m.lb.Tick(now).Changes {
				s.moved(m, c)
			}
			s.tell(now, m)
		}
	}
	s.measure()
}

// measure publishes how much is known.
func (s *shard) measure() {
	s.gauge.modules.Store(int64(len(s.table.modules)))
	s.gauge.unknown.Store(int64(s.table.unknown))
}
