package virtual

import (
	"fmt"
	"slices"
	"time"

	"lars/backends/sim"
	"lars/simulator/check"
	"lars/simulator/fault"
	"lars/simulator/workload"
	"lars/system/store"
	"lars/system/store/memory"
)

// faults carries out a plan. What several faults do to one thing is worked out
// anew from all that are active, whenever one begins or ends.
type faults struct {
	r          *run
	random     *workload.Random
	list       []*active
	base, near sim.Link // between machines, and within one
	rolledBack bool
}

// active is a fault, and whether it is.
type active struct {
	fault.Fault
	on    bool
	down  bool // of a flap
	hosts []*hostState
	procs []*process
	near  []*process // agents, of whose callers it is
	mods  []*module
	old   *memory.Database
}

func newFaults(r *run) *faults {
	f := &faults{r: r, random: workload.NewRandom(r.seed, fault.VictimsName)}
	f.near = r.w.Link(r.dns[0].host, r.dns[0].host)
	f.base = r.w.Link(r.dns[0].host, r.reporters[0].host)
	for i := range r.plan.Faults {
		a := &active{Fault: r.plan.Faults[i]}
		f.resolve(a)
		f.list = append(f.list, a)
	}
	r.db.SetFault(f.database)
	return f
}

func (f *faults) count() int { return len(f.list) }

// resolve finds whom a fault is about.
func (f *faults) resolve(a *active) {
	r, spec := f.r, &f.r.plan.Workload
	switch a.Target.Kind {
	case fault.DNS:
		a.procs = f.choose(a, r.dns)
	case fault.Reporter:
		a.procs = f.choose(a, r.reporters)
	case fault.Agent:
		a.procs = f.choose(a, r.agentProcesses())
	case fault.Caller:
		a.near = f.choose(a, r.agentProcesses())
	case fault.Module:
		for i, is := range a.Target.Choose(len(r.modules), f.random) {
			if is {
				a.mods = append(a.mods, r.modules[i])
			}
		}
	case fault.Host:
		for i, is := range a.Target.Choose(len(r.modules)*spec.Modules.Hosts, f.random) {
			if is {
				a.hosts = append(a.hosts, r.modules[i/spec.Modules.Hosts].pool[i%spec.Modules.Hosts])
			}
		}
	case fault.Zone:
		zones := a.Target.Choose(spec.Hosts.Zones, f.random)
		for _, m := range r.modules {
			for _, h := range m.pool {
				if zones[h.zone] {
					a.hosts = append(a.hosts, h)
				}
			}
		}
	}
}

func (f *faults) choose(a *active, all []*process) (some []*process) {
	for i, is := range a.Target.Choose(len(all), f.random) {
		if is {
			some = append(some, all[i])
		}
	}
	return some
}

func (f *faults) schedule() {
	for _, a := range f.list {
		f.r.w.At(a.At, func() { f.begin(a) })
		f.r.w.At(a.End(), func() { f.end(a) })
	}
}

func (f *faults) begin(a *active) {
	f.r.note("%s of %v begins", a.Kind, a.Target)
	a.on = true
	switch a.Kind {
	case fault.Crash:
		each(a.procs, func(p *process) { p.kill(sim.Reset) })
	case fault.Off:
		each(a.procs, func(p *process) { p.kill(sim.Vanish) })
	case fault.Hang:
		each(a.procs, (*process).pause)
	case fault.Slow:
		each(a.procs, func(p *process) { p.slow(a.Delay) })
	case fault.Network, fault.Partition:
		each(a.near, (*process).part)
	case fault.Clock:
		by := a.By
		if a.Back {
			by = -by
		}
		each(a.procs, func(p *process) { p.host.SetSkew(by) })
	case fault.Flap:
		f.flap(a)
	case fault.Edits:
		f.edit(a)
	case fault.Rolling:
		each(a.mods, func(m *module) { f.roll(a, m) })
	case fault.ScaleOut, fault.ScaleIn:
		each(a.mods, func(m *module) { f.scale(a, m) })
	case fault.Rollback:
		a.old = f.r.db.Copy()
	}
	f.apply()
}

func (f *faults) end(a *active) {
	f.r.note("%s of %v ends", a.Kind, a.Target)
	a.on, a.down = false, false
	switch a.Kind {
	case fault.Crash, fault.Off:
		each(a.procs, (*process).revive)
		each(a.hosts, func(h *hostState) { h.model.Restart() })
	case fault.Hang:
		each(a.procs, (*process).resume)
	case fault.Slow:
		each(a.procs, (*process).quick)
	case fault.Network, fault.Partition:
		each(a.near, func(p *process) { p.rejoin(a.Delay + a.Jitter) })
	case fault.Clock:
		each(a.procs, func(p *process) { p.host.SetSkew(0) })
	case fault.Refuse:
		each(a.hosts, func(h *hostState) { h.model.Restart() })
	case fault.Rollback:
		f.rolledBack = true
		f.r.db.Become(a.old)
		f.r.editor.forget()
	}
	f.apply()
}

func each[T any](all []T, f func(T)) {
	for _, x := range all {
		f(x)
	}
}

// apply works out the state of hosts, links and database.
func (f *faults) apply() {
	for _, m := range f.r.modules {
		for _, h := range m.pool {
			fault.Relieve(h.model, h.out)
		}
	}
	delay := time.Duration(0)
	for _, a := range f.list {
		if !a.on {
			continue
		}
		for _, h := range a.hosts {
			a.Afflict(h.model, a.down)
		}
		if a.Kind == fault.Slow && a.Target.Kind == fault.Database {
			delay += a.Delay
		}
	}
	for _, m := range f.r.modules {
		each(m.pool, f.settle)
	}
	each(slices.Concat(f.r.dns, f.r.reporters), func(p *process) { p.host.SetWorkDelay(delay) })
	f.links()
	f.nearLinks()
}

// settle notes when a host dies.
func (f *faults) settle(h *hostState) {
	if h.model.Down && !h.down {
		h.died = f.r.w.Now()
	}
	h.down = h.model.Down
}

// links sets those between all machines of the system.
func (f *faults) links() {
	all := slices.Concat(f.r.dns, f.r.reporters, f.r.agentProcesses())
	for i, x := range all {
		for _, y := range all[:i] {
			l := f.base
			for _, a := range f.list {
				for _, p := range a.procs {
					if a.on && (p == x || p == y) {
						a.disturb(&l)
					}
				}
			}
			f.r.w.Join(x.host, y.host, l)
		}
	}
}

// nearLinks sets those between callers and their agents.
func (f *faults) nearLinks() {
	for i, c := range f.r.callers {
		l := f.near
		for _, a := range f.list {
			if a.on && slices.Contains(a.near, c.agent.process) {
				a.disturb(&l)
			}
		}
		f.r.w.Join(f.r.w.Host(callerName(i)), c.agent.host, l)
	}
}

// disturb adds what a fault does to a link.
func (a *active) disturb(l *sim.Link) {
	switch a.Kind {
	case fault.Network:
		l.Delay += a.Delay
		l.Jitter += a.Jitter
		l.Loss = 1 - float64((1-l.Loss)*(1-a.Loss))
		l.Duplicate, l.Reorder = max(l.Duplicate, a.Duplicate), max(l.Reorder, a.Reorder)
	case fault.Partition:
		l.Cut = true
	}
}

var (
	errAway = fmt.Errorf("%w: simulated", store.ErrUnavailable)
	errLost = fmt.Errorf("%w: simulated, the answer is lost", store.ErrUnavailable)
)

// database is what a call of the store meets.
func (f *faults) database(string) (met memory.Fault) {
	if f.r.peeking {
		return met
	}
	for _, a := range f.list {
		if !a.on || a.Target.Kind != fault.Database {
			continue
		}
		switch a.Kind {
		case fault.Crash:
			met.Before = errAway
		case fault.Errors:
			if f.random.Chance(a.Rate) {
				met.After = errLost
			}
		}
	}
	return met
}

func (f *faults) flap(a *active) {
	if !a.on {
		return
	}
	a.down = !a.down
	if !a.down {
		each(a.hosts, func(h *hostState) { h.model.Restart() })
	}
	f.apply()
	f.later(a.Every, func() { f.flap(a) })
}

func (f *faults) later(d time.Duration, g func()) { f.r.w.At(f.r.w.Now()+d, g) }

// edit exchanges a host of one of the modules for one that is not in the route.
func (f *faults) edit(a *active) {
	if !a.on {
		return
	}
	m := a.mods[f.random.Intn(len(a.mods))]
	f.r.editor.replace(m, func(hosts []store.Host) []store.Host {
		if spare := f.spare(m, hosts); spare != (store.Host{}) {
			hosts[f.random.Intn(len(hosts))] = spare
		}
		return hosts
	})
	f.later(a.Every, func() { f.edit(a) })
}

// spare draws a host of a module that is not in its route; none is the zero one.
func (f *faults) spare(m *module, hosts []store.Host) store.Host {
	var out []store.Host
	in := map[store.Host]bool{}
	for _, h := range hosts {
		in[h] = true
	}
	for _, h := range m.pool {
		if !in[h.addr] {
			out = append(out, h.addr)
		}
	}
	if len(out) == 0 {
		return store.Host{}
	}
	return out[f.random.Intn(len(out))]
}

// scale lets hosts join a module, or leave it.
func (f *faults) scale(a *active, m *module) {
	f.r.editor.replace(m, func(hosts []store.Host) []store.Host {
		for range a.Count {
			if a.Kind == fault.ScaleIn && len(hosts) > 1 {
				i := f.random.Intn(len(hosts))
				hosts = append(hosts[:i], hosts[i+1:]...)
			}
			if spare := f.spare(m, hosts); a.Kind == fault.ScaleOut && spare != (store.Host{}) {
				hosts = append(hosts, spare)
			}
		}
		return hosts
	})
}

// roll takes each host of a module out of the route, down, up, and back.
func (f *faults) roll(a *active, m *module) {
	step := a.For / time.Duration(len(m.known)+1)
	for i, h := range m.known {
		state := f.r.host(h)
		at := step * time.Duration(i)
		f.later(at, func() {
			f.r.editor.replace(m, func(hosts []store.Host) []store.Host { return without(hosts, h) })
		})
		f.later(at+step/2, func() { state.out = true; f.apply() })
		f.later(at+step*3/4, func() {
			state.out = false
			state.model.Restart()
			f.apply()
			f.r.editor.replace(m, func(hosts []store.Host) []store.Host {
				if slices.Contains(hosts, h) { // it was the last one
					return hosts
				}
				return append(hosts, h)
			})
		})
	}
}

// without leaves one host out, unless it is the only one.
func without(hosts []store.Host, h store.Host) []store.Host {
	var rest []store.Host
	for _, x := range hosts {
		if x != h {
			rest = append(rest, x)
		}
	}
	if len(rest) == 0 {
		return hosts
	}
	return rest
}

// disturbs reports whether a fault is between the database and an agent, by way
// of a kind of service: of any of them, for the agent may use each.
func (a *active) disturbs(way string, agent *process) bool {
	switch a.Target.Kind {
	case fault.Database:
		return true
	case way:
		return a.Kind != fault.Clock
	}
	return a.Kind != fault.Clock && (slices.Contains(a.procs, agent) || slices.Contains(a.near, agent))
}

// routesSince is since when routes have come to an agent in time: since what
// disturbed them last was over, and some time for all to be connected again.
func (f *faults) routesSince(agent *agentProcess, now time.Duration) (since time.Duration) {
	if now < warmUp {
		return check.Never
	}
	for _, a := range f.list {
		if a.At <= now && a.Kind == fault.ScaleIn {
			since = max(since, a.At) // where a third of all routes is gone, dns doubts, and anew with each such edit
		}
		if a.At > now || !a.disturbs(fault.DNS, agent.process) {
			continue
		}
		end := a.End() + settleFor
		if f.spared(a, now) {
			end = a.At + changeWithin
		}
		if end > now {
			return check.Never
		}
		since = max(since, end)
	}
	return since
}

// spared reports whether a fault kills some of several dns while another one is
// well: agents change over to that.
func (f *faults) spared(a *active, now time.Duration) bool {
	if a.Kind != fault.Crash || a.Target.Kind != fault.DNS {
		return false
	}
	return slices.ContainsFunc(f.r.dns, func(p *process) bool {
		return !slices.ContainsFunc(f.list, func(b *active) bool {
			return slices.Contains(b.procs, p) && b.At <= now && now < b.End()+settleFor
		})
	})
}

// savingUntil is until when statistics of an agent were saved in time; of all
// agents, when it is negative.
func (f *faults) savingUntil(agent int, now time.Duration) time.Duration {
	var of *process
	if agent >= 0 {
		of = f.r.agents[agent].process
	}
	for moved := true; moved; {
		moved = false
		for _, a := range f.list {
			// What kills the agent now disturbs nothing before.
			if a.At < now && now < a.End()+settleFor && (a.disturbs(fault.Reporter, of) || of == nil && a.Target.Kind == fault.Agent) {
				now, moved = a.At, true
			}
		}
	}
	return now
}
