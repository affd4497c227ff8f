package agent

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"lars/reactor"
	"lars/system/balance"
	"lars/system/internal/service"
	"lars/system/larspb"
	"lars/system/wire"
)

// Questions for counters and for the states of hosts are asked by people, so they
// may allocate.

// onStats answers on any of the three ports.
func (s *shard) onStats(q *reactor.Request) {
	a, err := service.StatsAnswer(q.Body, "agent", func() any { return s.service.Stats() }, s.service.reactor)
	if err != nil {
		s.count.add(Malformed)
		return
	}
	if q.Reply(wire.IDStatsResponse, a) != nil {
		s.count.add(Unanswered)
	}
}

// statesPerAnswer bounds the hosts of one answer, and so its size: some 150
// bytes for each.
const statesPerAnswer = 200

// hostsQuestion is a HostsRequest.
type hostsQuestion struct {
	seq, first   uint32
	modid, cmdid int32
}

func (s *shard) onHosts(q *reactor.Request) {
	var r larspb.HostsRequest
	err := proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(q.Body, &r)
	h := hostsQuestion{seq: r.GetSeq(), first: r.GetFirst(), modid: r.GetModid(), cmdid: r.GetCmdid()}
	o := s.owner(h.modid, h.cmdid, err)
	switch {
	case o == nil:
	case o.loop != s.loop:
		s.forward(o, letter{peer: q.Peer(), id: q.ID, hosts: h})
	default:
		if q.Reply(wire.IDHostsResponse, o.hostStates(&h)) != nil {
			s.count.add(Unanswered)
		}
	}
}

// hostStates is the encoded answer: a part of the module's hosts, in the order
// of their addresses.
func (s *shard) hostStates(q *hostsQuestion) []byte {
	s.count.add(States)
	a := &larspb.HostsResponse{Seq: q.seq, Modid: q.modid, Cmdid: q.cmdid, Retcode: wire.RetNoExist, First: q.first}
	now := s.loop.Now()
	if m := s.want(now, q.modid, q.cmdid); m != nil && m.lb != nil {
		a.Retcode, a.Settings, a.Version = wire.RetSucc, m.inForce, m.said.version
		s.states = m.lb.AppendStates(s.states[:0])
		slices.SortFunc(s.states, func(x, y balance.HostState) int { return x.Host.Host.Compare(y.Host.Host) })
		a.Total = uint32(len(s.states))
		from := min(int(q.first), len(s.states))
		for _, h := range s.states[from:min(from+statesPerAnswer, len(s.states))] {
			a.Host = append(a.Host, statusOf(now, &h))
		}
	}
	body, _ := proto.Marshal(a) // fails only for text that is not UTF-8
	return body
}

// statusOf makes times ages: the asker has another clock.
func statusOf(now time.Duration, h *balance.HostState) *larspb.HostStatus {
	a := &larspb.HostStatus{
		Ip: int32(h.Host.IP), Port: int32(h.Host.Port), State: h.State.String(), Reason: h.Why.String(),
		SinceUs: (now - h.Since).Microseconds(), Ejections: h.Ejections,
		Doubtful: h.Doubtful,
		Weight:   max(h.Host.Weight, 1), Zone: uint32(h.Host.Zone), Draining: h.Host.Draining,
		InFlight: h.InFlight, LatencyUs: h.Latency.Microseconds(),
		Succ: h.Succ, Err: h.Err, WindowUs: (now - h.Window).Microseconds(),
	}
	if h.State.Out() && h.Until > now {
		a.UntilUs = (h.Until - now).Microseconds()
	}
	if h.Ejections > 0 {
		a.EjectedUs, a.EjectedReason = (now - h.EjectedAt).Microseconds(), h.EjectedWhy.String()
	}
	return a
}
