package virtual

import (
	"context"
	"time"

	"lars/simulator/workload"
	"lars/system/store"
)

const (
	// sparesMin are the hosts of a module that are not in its route at first.
	sparesMin = 8
	setUpMax  = 1000                    // hosts, of one module at least, that go into the database at once
	hostsMax  = 1000 + sparesMin + 1000 // of a plan's module, and what joins it
)

// module is one that is called.
type module struct {
	name  store.Module
	pool  []*hostState // those in the route at first, then spares
	known []store.Host // in the route, as last seen
}

// hostState is a host with its model.
type hostState struct {
	addr  store.Host
	zone  int
	model *workload.Host
	out   bool // a rolling deployment restarts it
	down  bool
	died  time.Duration // last
}

// makeModules makes all modules with their hosts, and fills the database.
func (r *run) makeModules() {
	w := &r.plan.Workload
	r.popular = w.Modules.Popularity()
	edit := store.Edit{Actor: "setup", At: r.w.Host("database").Now()}
	for i := range w.Modules.Count {
		m := &module{name: store.Module{ModID: int32(i + 1), CmdID: int32(i%3 + 1)}}
		for k := range w.Modules.Hosts + sparesMin + r.joining() {
			zone := k % w.Hosts.Zones
			m.pool = append(m.pool, &hostState{
				addr: store.Host{IP: 0x0B000001 + uint32(i)<<11 + uint32(k), Port: 7000}, zone: zone, model: w.Hosts.NewHost(zone),
			})
		}
		me := store.ModuleEdit{Module: m.name, Op: store.OpAdd}
		for _, h := range m.pool[:w.Modules.Hosts] {
			me.Hosts = append(me.Hosts, h.addr)
		}
		edit.Modules = append(edit.Modules, me)
		r.modules = append(r.modules, m)
		if (len(edit.Modules)+1)*w.Modules.Hosts > setUpMax || i == w.Modules.Count-1 {
			r.setUp(&edit)
		}
	}
	for _, m := range r.modules {
		r.noteRoute(0, m)
	}
}

func (r *run) setUp(edit *store.Edit) {
	if _, err := r.truth.Edit(context.Background(), *edit); err != nil {
		panic(err)
	}
	edit.Modules = nil
}

// joining is how many hosts may join a module.
func (r *run) joining() (n int) {
	for i := range r.plan.Faults {
		n += r.plan.Faults[i].Count
	}
	return min(n, 1000)
}

func (r *run) module(name store.Module) *module { return r.modules[name.ModID-1] }

// host finds a host by its address; nil when there is none.
func (r *run) host(h store.Host) *hostState {
	i, k := int(h.IP-0x0B000001)>>11, int(h.IP-0x0B000001)&(1<<11-1)
	if i < 0 || i >= len(r.modules) || k >= len(r.modules[i].pool) {
		return nil
	}
	return r.modules[i].pool[k]
}

// numberOfHost is the place of a host in its module's pool; -1 of none.
func (r *run) numberOfHost(h store.Host) int {
	if r.host(h) == nil {
		return -1
	}
	return int(h.IP-0x0B000001) & (1<<11 - 1)
}

// noteRoute tells the checkers what the database's route of a module has
// become.
func (r *run) noteRoute(now time.Duration, m *module) {
	hosts := r.hostsOf(m.name)
	is := map[store.Host]bool{}
	for _, h := range hosts {
		is[h] = true
	}
	changed := len(hosts) != len(m.known)
	for _, h := range m.known {
		if !is[h] {
			changed = true
			r.picks.Left(now, m.name, h)
			r.quota.Gone(m.name, h)
		}
		delete(is, h)
	}
	for h := range is { // in any order: nothing follows from it
		changed = true
		r.picks.Joined(m.name, h)
	}
	if changed {
		r.routes.Is(m.name, hosts)
		m.known = hosts
	}
}
