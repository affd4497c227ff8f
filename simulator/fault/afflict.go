package fault

import "lars/simulator/workload"

// Relieve takes all faults off a host. out: something else keeps it down.
func Relieve(h *workload.Host, out bool) {
	h.Down, h.Hung, h.Slow, h.Errors, h.RefuseAll = out, false, 0, 0, 0
}

// Afflict adds what the fault does to a host. down is the state of a flap.
func (f *Fault) Afflict(h *workload.Host, down bool) {
	switch f.Kind {
	case Crash:
		h.Down = true
	case Flap:
		h.Down = h.Down || down
	case Hang:
		h.Hung = true
	case Refuse:
		h.RefuseAll = f.Calls
	case Slow, Errors, Brownout:
		h.Slow = max(h.Slow, 1) * max(f.Factor, 1)
		h.Errors = 1 - float64((1-h.Errors)*(1-f.Rate))
	}
}

// Victims are whom a fault means, by their numbers from 0 on; nil where it means
// none of the kind. Services are agents, dns, reporters or callers, as
// the target says.
type Victims struct{ Hosts, Zones, Modules, Services []bool }

// Victims finds them. Shares of a target are drawn: to find the same ones again,
// go through the faults of a plan in order, with NewRandom(seed, VictimsName).
func (p *Plan) Victims(f *Fault, r *workload.Random) (v Victims) {
	switch n := p.Count(f.Target.Kind); f.Target.Kind {
	case Host:
		v.Hosts = f.Target.Choose(n, r)
	case Zone:
		v.Zones = f.Target.Choose(n, r)
	case Module:
		v.Modules = f.Target.Choose(n, r)
	case Agent, DNS, Reporter, Caller:
		v.Services = f.Target.Choose(n, r)
	}
	return v
}

// VictimsName is that of the stream of chance that targets are drawn from.
const VictimsName = "faults"

// Host reports whether the host at a place in the pool of a module is one. Those
// that are not in the route at first have no number of their own, but a zone.
func (v *Victims) Host(w *workload.Spec, module, place int) bool {
	if v.Zones != nil {
		return v.Zones[place%w.Hosts.Zones]
	}
	return v.Hosts != nil && place < w.Modules.Hosts && v.Hosts[module*w.Modules.Hosts+place]
}
