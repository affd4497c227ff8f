package fault

// The limits of a world: a run of one at its limits takes gigabytes and hours,
// one beyond them never ends.
const (
	hostsMax = 100_000   // of all modules, with those that join
	callsMax = 1_000_000 // a second, of all callers at their most
)

// checkWorld tells what is wrong with a workload beyond the range of each key.
func (p *Plan) checkWorld(fail func(path, format string, args ...any)) {
	m, c := &p.Workload.Modules, &p.Workload.Callers
	each := m.Hosts
	for i := range p.Faults {
		each += p.Faults[i].Count
	}
	if n := m.Count * each; n > hostsMax {
		fail("workload.modules", "%d hosts of all modules, with those that join, are too many; allowed: up to %d", n, hostsMax)
	}
	if n := float64(c.Count) * c.RateMax(); c.Open() && n > callsMax {
		fail("workload.callers", "%g calls a second of all callers are too many; allowed: up to %d", n, callsMax)
	}
	if is := c.Arrivals == "steps"; is != (len(c.Steps) > 0) {
		fail("workload.callers.steps", "%d steps with arrivals: %s; allowed: some with arrivals: steps, none without", len(c.Steps), c.Arrivals)
	}
	for i := 1; i < len(c.Steps); i++ {
		if c.Steps[i].At <= c.Steps[i-1].At {
			fail("workload.callers.steps", "the step at %v comes after that at %v; allowed: in order of their times", c.Steps[i].At, c.Steps[i-1].At)
		}
	}
}
