package live

import (
	"container/heap"
	"context"
	"slices"
	"syscall"
	"time"

	"lars/simulator/check"
	"lars/simulator/fault"
	"lars/simulator/workload"
	"lars/system/store"
)

// script carries out the plan, on one goroutine. What several faults do to one
// host is worked out anew from all that are active, whenever one begins or ends.
type script struct {
	r      *run
	random *workload.Random
	list   []*active
	queue  events
	count  int // of events ever, which keeps those of one time in order
}

// active is a fault, and whether it is.
type active struct {
	*fault.Fault
	on      bool
	down    bool // of a flap
	victims fault.Victims
}

func newScript(r *run) *script {
	s := &script{r: r, random: workload.NewRandom(r.cfg.Seed, fault.VictimsName)}
	p := r.cfg.Plan
	for i := range p.Faults {
		a := &active{Fault: &p.Faults[i], victims: p.Victims(&p.Faults[i], s.random)}
		s.list = append(s.list, a)
		s.at(a.At, func() { s.begin(a) })
		s.at(a.End(), func() { s.finish(a) })
	}
	return s
}

// event is something to do at a time.
type event struct {
	at    time.Duration
	order int
	do    func()
}

type events []event

// Len implements heap.Interface.
func (e events) Len() int { return len(e) }

// Less implements heap.Interface.
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}

// Swap implements heap.Interface.
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push implements heap.Interface.
func (e *events) Push(x any) { *e = append(*e, x.(event)) }

// Pop implements heap.Interface.
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (s *script) at(at time.Duration, do func()) {
	s.count++
	heap.Push(&s.queue, event{at, s.count, do})
}

func (s *script) play(ctx context.Context) {
	for len(s.queue) > 0 {
		e := heap.Pop(&s.queue).(event)
		if !s.r.sleepUntil(ctx, e.at) {
			break
		}
		e.do()
	}
	for _, v := range s.services(nil) { // of a run that was stopped
		v.signal(syscall.SIGCONT)
	}
}

// services are those that a fault means; of nil all.
func (s *script) services(a *active) (all []*service) {
	sv := s.r.services
	for kind, of := range map[string][]*service{fault.DNS: sv.dns, fault.Reporter: sv.reporters, fault.Agent: sv.agents} {
		for i, v := range of {
			if a == nil || a.Target.Kind == kind && a.victims.Services[i] {
				all = append(all, v)
			}
		}
	}
	return all
}

func (s *script) begin(a *active) {
	a.on = true
	switch a.Kind {
	case fault.Crash:
		for _, v := range s.services(a) {
			v.kill()
		}
	case fault.Hang:
		for _, v := range s.services(a) {
			v.signal(syscall.SIGSTOP)
		}
	case fault.Slow:
		if all := s.services(a); len(all) > 0 {
			s.brake(a, all, a.At, false)
		}
	case fault.Clock:
		by := a.By
		if a.Back {
			by = -by
		}
		s.skew(a, by)
	case fault.Flap:
		s.flap(a, a.At)
	case fault.Edits:
		s.edit(a, a.At)
	case fault.Rolling:
		for m, is := range a.victims.Modules {
			if is {
				s.roll(a, m)
			}
		}
	case fault.ScaleOut, fault.ScaleIn:
		for m, is := range a.victims.Modules {
			if is {
				s.scale(a, m)
			}
		}
	}
	s.apply()
}

func (s *script) finish(a *active) {
	a.on, a.down = false, false
	switch a.Kind {
	case fault.Crash:
		for i, v := range s.services(a) {
			if a.Target.Kind == fault.Agent {
				s.r.killed(slices.Index(s.r.services.agents, v), a.At)
			}
			v.revive(func(err error) { s.r.failf("end", "service %d of %v does not start again: %v", i+1, a.Target, err) })
		}
		s.restart(a)
	case fault.Hang, fault.Slow:
		for _, v := range s.services(a) {
			v.signal(syscall.SIGCONT)
		}
	case fault.Clock:
		s.skew(a, 0)
	case fault.Refuse:
		s.restart(a)
	}
	s.apply()
}

func (s *script) skew(a *active, by time.Duration) {
	for _, v := range s.services(a) {
		v.skew.Store(int64(by))
	}
}

// restart empties the hosts that a fault means.
func (s *script) restart(a *active) {
	for _, h := range s.r.hosts.all {
		if a.victims.Host(&s.r.cfg.Plan.Workload, h.module, h.place) {
			h.mu.Lock()
			h.model.Restart()
			h.mu.Unlock()
		}
	}
}

// apply works out the state of hosts and database.
func (s *script) apply() {
	w := &s.r.cfg.Plan.Workload
	for _, h := range s.r.hosts.all {
		h.mu.Lock()
		fault.Relieve(h.model, h.rolling)
		for _, a := range s.list {
			if a.on && a.victims.Host(w, h.module, h.place) {
				a.Afflict(h.model, a.down)
			}
		}
		h.mu.Unlock()
		if err := h.settle(); err != nil {
			s.r.failf("end", "host %v does not listen again: %v", h.addr, err)
		}
	}
	s.network()
	away, delay, lost := false, time.Duration(0), 0.0
	for _, a := range s.list {
		if a.on && a.Target.Kind == fault.Database {
			away = away || a.Kind == fault.Crash
			delay += a.Delay
			if a.Kind == fault.Errors {
				lost = 1 - (1-lost)*(1-a.Rate)
			}
		}
	}
	s.r.services.store.set(away, delay, lost, workload.NewRandom(s.r.cfg.Seed, "lost answers"))
}

// brake lets slow services stand still for the fault's delay, run for a tenth of
// it, and so on: what they are asked waits for up to the delay.
func (s *script) brake(a *active, all []*service, at time.Duration, stands bool) {
	if !a.on {
		return
	}
	sig, next := syscall.SIGSTOP, a.Delay
	if stands {
		sig, next = syscall.SIGCONT, a.Delay/10
	}
	for _, v := range all {
		v.signal(sig)
	}
	at += max(next, time.Millisecond)
	s.at(at, func() { s.brake(a, all, at, !stands) })
}

func (s *script) flap(a *active, at time.Duration) {
	if !a.on {
		return
	}
	if a.down = !a.down; !a.down {
		s.restart(a)
	}
	s.apply()
	s.at(at+a.Every, func() { s.flap(a, at+a.Every) })
}

// edit exchanges a host of one of the modules for one that is not in the route.
func (s *script) edit(a *active, at time.Duration) {
	if !a.on {
		return
	}
	var modules []int
	for m, is := range a.victims.Modules {
		if is {
			modules = append(modules, m)
		}
	}
	m := modules[s.random.Intn(len(modules))]
	pick, draw := s.random.Uint64(), workload.NewRandom(s.random.Uint64(), "spare")
	s.r.editor.replace(m, func(hosts []store.Host) []store.Host {
		if spare, ok := s.spare(m, hosts, draw); ok {
			hosts[pick%uint64(len(hosts))] = spare
		}
		return hosts
	})
	s.at(at+a.Every, func() { s.edit(a, at+a.Every) })
}

// spare draws a host of a module that is not in its route.
func (s *script) spare(m int, hosts []store.Host, random *workload.Random) (h store.Host, ok bool) {
	var out []store.Host
	for k := range s.r.hosts.pool {
		if h := s.r.hosts.at(m, k).name(); !slices.Contains(hosts, h) {
			out = append(out, h)
		}
	}
	if len(out) == 0 {
		return h, false
	}
	return out[random.Intn(len(out))], true
}

// scale lets hosts join a module, or leave it.
func (s *script) scale(a *active, m int) {
	draw := workload.NewRandom(s.random.Uint64(), "scale")
	s.r.editor.replace(m, func(hosts []store.Host) []store.Host {
		for range a.Count {
			if a.Kind == fault.ScaleIn && len(hosts) > 1 {
				i := draw.Intn(len(hosts))
				hosts = slices.Delete(hosts, i, i+1)
			}
			if spare, ok := s.spare(m, hosts, draw); ok && a.Kind == fault.ScaleOut {
				hosts = append(hosts, spare)
			}
		}
		return hosts
	})
}

// roll takes each host of a module out of the route, down, up, and back.
func (s *script) roll(a *active, m int) {
	n := s.r.cfg.Plan.Workload.Modules.Hosts
	step := a.For / time.Duration(n+1)
	for k := range n {
		h := s.r.hosts.at(m, k)
		at := a.At + step*time.Duration(k)
		s.at(at, func() {
			s.r.editor.replace(m, func(hosts []store.Host) []store.Host {
				if len(hosts) == 1 {
					return hosts
				}
				return slices.DeleteFunc(hosts, func(x store.Host) bool { return x == h.name() })
			})
		})
		s.at(at+step/2, func() { s.roll1(h, true) })
		s.at(at+step*3/4, func() {
			s.roll1(h, false)
			s.r.editor.replace(m, func(hosts []store.Host) []store.Host {
				if slices.Contains(hosts, h.name()) { // it was the last one
					return hosts
				}
				return append(hosts, h.name())
			})
		})
	}
}

// roll1 ends a host, or starts it.
func (s *script) roll1(h *host, down bool) {
	h.mu.Lock()
	h.rolling = down
	h.model.Restart()
	h.mu.Unlock()
	s.apply()
}

// routesSince is since when routes have come to an agent in time: since what
// disturbed them last was over, and some time for all to be connected again.
func (s *script) routesSince(agent int, now time.Duration) (since time.Duration) {
	for _, a := range s.list {
		way := a.Target.Kind == fault.Database || a.Target.Kind == fault.DNS || a.Target.Kind == fault.Agent && a.victims.Services[agent]
		if a.At > now || !way {
			continue
		}
		end := a.End() + settleFor
		if bad(a.Fault) {
			end += silenceFor
		}
		if end > now {
			return check.Never
		}
		since = max(since, end)
	}
	return since
}
