package live

import (
	"fmt"
	"strings"
	"time"

	"lars/simulator/fault"
	"lars/simulator/relay"
	"lars/simulator/workload"
)

// link is a relay on the way between an agent and a dns or reporter, or between
// a caller and its agent. There are only those that the plan disturbs.
type link struct {
	*relay.Relay
	agent int
	kind  string // of the other end
	other int    // which one of that kind
}

// bad reports whether a fault is of the network.
func bad(f *fault.Fault) bool { return f.Kind == fault.Network || f.Kind == fault.Partition }

// meets reports whether a fault is one of this way.
func (l *link) meets(a *active) bool {
	switch {
	case !bad(a.Fault):
		return false
	case a.Target.Kind == l.kind:
		return a.victims.Services[l.other]
	}
	return a.Target.Kind == fault.Agent && l.kind != fault.Caller && a.victims.Services[l.agent]
}

// between is the address under which one end finds another, which is at addr.
func (s *services) between(r *run, agent int, kind string, other int, addr string) (string, error) {
	needed := false
	for i := range r.cfg.Plan.Faults {
		f := &r.cfg.Plan.Faults[i]
		caller := f.Target.Kind == fault.Caller
		needed = needed || bad(f) && caller == (kind == fault.Caller)
	}
	if !needed {
		return addr, nil
	}
	open := relay.TCP
	if kind == fault.Caller {
		open = relay.UDP
	}
	re, err := open(addr, workload.NewRandom(r.cfg.Seed, fmt.Sprint("link ", len(s.links))).Uint64())
	if err != nil {
		return "", err
	}
	s.links = append(s.links, &link{re, agent, kind, other})
	return re.Addr(), nil
}

// peers are the addresses of a kind of service for an agent, which begins with
// one of its own.
func (s *services) peers(r *run, agent int, kind string, all []*service) (string, error) {
	var list []string
	for i := range all {
		other := (agent + i) % len(all)
		addr, err := s.between(r, agent, kind, other, all[other].system.Addrs(all[other].name)[0])
		if err != nil {
			return "", err
		}
		list = append(list, addr)
	}
	return strings.Join(list, ","), nil
}

// network works out the state of all links.
func (s *script) network() {
	for _, l := range s.r.services.links {
		var c relay.Conditions
		for _, a := range s.list {
			if a.on && l.meets(a) {
				c.Cut = c.Cut || a.Kind == fault.Partition
				c.Delay += a.Delay
				c.Jitter += a.Jitter
				c.Loss = 1 - (1-c.Loss)*(1-a.Loss)
				c.Duplicate, c.Reorder = max(c.Duplicate, a.Duplicate), max(c.Reorder, a.Reorder)
			}
		}
		l.Set(c)
	}
}

// apart reports whether what a caller and its agent send each other may be lost,
// come twice, or late.
func (s *script) apart(agent int, now time.Duration) bool {
	for _, a := range s.list {
		if bad(a.Fault) && a.Target.Kind == fault.Caller && a.victims.Services[agent] && a.At <= now && now <= a.End()+a.Delay+a.Jitter+time.Second {
			return true
		}
	}
	return false
}
