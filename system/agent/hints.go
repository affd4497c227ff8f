package agent

import (
	"slices"
	"time"

	"lars/system/route"
	"lars/system/tally"
	"lars/system/wire"
)

// What an agent suspects of hosts it tells others: with its reports to the
// reporter, from there by the store and dns. What dns says that agents suspect,
// this one among them, becomes hints of the balancers. Both only for modules
// whose settings heed hints. The times fit those of package store.

const (
	// tellEvery is how often a suspicion that goes on is told again; it counts for
	// 30 s.
	tellEvery = 10 * time.Second
	// ownFor is how long one that is over may still be in what dns says.
	ownFor = 5 * time.Second
	// shareEvery is how often a report counts the agent among those that share,
	// and shareFor how long it does.
	shareEvery, shareFor = time.Minute, 150 * time.Second
	// suspectsMax bounds the hosts of a module that others are told of.
	suspectsMax = 64
	// hintsMax bounds the hosts of a module that are heard of.
	hintsMax = 1000
)

// sharing is what passes between a module and other agents.
type sharing struct {
	on    bool // the settings heed hints
	asked bool // dns was asked for hints
	// watch: some host is suspected, or a call has failed since that was seen.
	watch  bool
	told   []told
	until  time.Duration // the agent counts as one that shares
	hinted []route.Host  // that others suspect
}

// told is a host that others were told of, at a time.
type told struct {
	host route.Host
	at   time.Duration
	over bool // that it is suspected no longer
}

func (x *sharing) place(h route.Host) int {
	return slices.IndexFunc(x.told, func(t told) bool { return t.host == h })
}

// tell has other agents told what has changed, and what was told long ago.
func (s *shard) tell(now time.Duration, m *module) {
	x := &m.sharing
	if !x.watch && len(x.told) == 0 || s.out.tally == nil {
		return
	}
	suspects := s.suspectsOf(m)
	for _, h := range suspects {
		i := x.place(h)
		if i < 0 {
			i, x.told = len(x.told), append(x.told, told{host: h, over: true})
		}
		if t := &x.told[i]; t.over || now-t.at >= tellEvery {
			t.over, t.at = false, now
			s.out.say(m.name, h, tally.Suspected)
		}
	}
	left := x.told[:0]
	for _, t := range x.told {
		is := slices.Contains(suspects, t.host)
		if !is && t.over && now-t.at >= ownFor {
			continue
		}
		if !is && !t.over {
			t.over, t.at = true, now
			s.out.say(m.name, t.host, tally.Cleared)
		}
		left = append(left, t)
	}
	x.told = left
}

// suspectsOf lists the hosts to tell of, valid until the next call. Who suspects
// all hosts says nothing.
func (s *shard) suspectsOf(m *module) []route.Host {
	s.states = m.lb.AppendStates(s.states[:0])
	s.suspects = s.suspects[:0]
	for i := range s.states {
		if h := &s.states[i]; h.Suspect {
			s.suspects = append(s.suspects, h.Host.Host)
		}
	}
	m.sharing.watch = len(s.suspects) > 0
	if len(s.suspects) == len(s.states) {
		return nil
	}
	slices.SortFunc(s.suspects, route.Host.Compare) // all agents leave out the same
	return s.suspects[:min(len(s.suspects), suspectsMax)]
}

// share reports whether a report is to count the agent among those that share:
// if it says something of a host, and otherwise now and then.
func (s *shard) share(r *tally.Report) bool {
	now, m := s.loop.Now(), s.table.get(r.Module)
	is := slices.ContainsFunc(r.Results, func(x tally.Result) bool { return x.Suspect != tally.Nothing }) ||
		m != nil && m.sharing.on && now >= m.sharing.until-(shareFor-shareEvery)
	if is && m != nil {
		m.sharing.until = now + shareFor
	}
	return is
}

// hear takes what dns says that agents suspect. This one is left out.
func (s *shard) hear(name route.Module, agents uint32, hosts []wire.HostHint) {
	now, m := s.loop.Now(), s.table.get(name)
	if m == nil || m.lb == nil {
		s.count.add(Unasked)
		return
	}
	x, others := &m.sharing, max(agents, 1)
	if now < x.until {
		others = max(others-1, 1)
	}
	before := x.hinted
	x.hinted = nil
	for _, h := range hosts {
		host, err := route.MakeHost(int64(h.IP), int64(h.Port))
		by := h.Suspected
		if by > 0 && x.place(host) >= 0 {
			by--
		}
		if err != nil || h.Suspected > agents || len(x.hinted) == hintsMax || !m.lb.Hint(now, host, by, others) {
			s.count.add(BadHints)
			continue
		}
		x.hinted = append(x.hinted, host)
	}
	for _, host := range before {
		if !slices.Contains(x.hinted, host) {
			m.lb.Hint(now, host, 0, others)
		}
	}
}
