package live

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lars/simulator/fault"
	"lars/simulator/workload"
)

// The limits of one machine.
const (
	callersMax = 50
	hostsMax   = 1000 // of all modules, with those that join
	rateMax    = 20_000
	inFlight   = 5000 // calls at once; what is due beyond fails

	minutesKeep = 7 * 24 * time.Hour // the reporter's default
)

// can are the kinds of faults that can be done live.
var can = []fault.Kind{
	fault.Crash, fault.Hang, fault.Slow, fault.Errors, fault.Flap, fault.Refuse, fault.Brownout,
	fault.Clock, fault.Network, fault.Partition, fault.Edits, fault.Rolling, fault.ScaleOut, fault.ScaleIn,
}

// Check tells everything in a plan that cannot be done live, with its place and
// what is allowed. processes says that services are to be processes.
func Check(p *fault.Plan, processes bool) error {
	var errs []error
	fail := func(at, format string, args ...any) { errs = append(errs, p.Errorf(at, format, args...)) }
	for i := range p.Faults {
		if key, why := cannot(&p.Faults[i], processes); why != "" {
			fail("faults["+itoa(i)+"]."+key, "%s", why)
		}
	}
	w := &p.Workload
	if n := w.Callers.Count; n > callersMax {
		fail("workload.callers.count", "%d is too many to run live; allowed: 1 to %d", n, callersMax)
	}
	if n := w.Modules.Count * pool(p); n > hostsMax {
		fail("workload.modules", "%d hosts, with those that join, are too many to run live; allowed: up to %d", n, hostsMax)
	}
	if rate := float64(w.Callers.Count) * w.Callers.RateMax(); w.Callers.Open() && rate > rateMax {
		fail("workload.callers.rate", "%g calls a second of all callers are too many to run live; allowed: up to %d", rate, rateMax)
	}
	if n := w.Callers.Count * w.Callers.Clients; !w.Callers.Open() && n > inFlight {
		fail("workload.callers.clients", "%d clients of all callers are too many to run live; allowed: up to %d", n, inFlight)
	}
	return errors.Join(errs...)
}

// cannot says why a fault cannot be done live, and which key of it is to blame; ""
// when it can be.
func cannot(f *fault.Fault, processes bool) (key, why string) {
	service := slices.Contains([]string{fault.DNS, fault.Reporter, fault.Agent}, f.Target.Kind)
	switch {
	case !slices.Contains(can, f.Kind):
		return "fault", fmt.Sprintf("%s cannot be done live, only by 'lars sim virtual'; allowed: %s", f.Kind, kinds())
	case (f.Kind == fault.Hang || f.Kind == fault.Slow) && service && !processes:
		return "fault", fmt.Sprintf("%s of %v needs --processes; allowed without: crash, clock, network, partition", f.Kind, f.Target)
	case f.Kind == fault.Clock && processes:
		return "fault", fmt.Sprintf("clock of %v cannot be set with --processes, which read the machine's; allowed: without --processes", f.Target)
	case f.Target.Kind == fault.Database && processes:
		return "target", "database cannot be disturbed with --processes; allowed: without --processes"
	}
	return "", ""
}

// chaosFor is the time by which drawn faults are over.
const chaosFor = 20 * time.Second

// Chaos is the plan that a seed stands for, of the faults that can be done live.
func Chaos(seed uint64, processes bool) *fault.Plan {
	return fault.Chaos(seed, workload.Any(seed), warmUp, chaosFor, func(f *fault.Fault) bool {
		_, why := cannot(f, processes)
		return why == ""
	})
}

func kinds() string {
	var all []string
	for _, k := range can {
		all = append(all, string(k))
	}
	return strings.Join(all, ", ")
}

// sparesMin are the hosts of a module beside those in its route, when a plan
// exchanges them.
const sparesMin = 8

// pool is how many hosts a module has: those in the route at first, and those
// that may join.
func pool(p *fault.Plan) int {
	spares := 0
	for i := range p.Faults {
		f := &p.Faults[i]
		if f.Kind == fault.Edits || f.Kind == fault.ScaleIn { // what leaves may be asked back
			spares = max(spares, sparesMin)
		}
		if f.Kind == fault.ScaleOut {
			spares += f.Count
		}
	}
	return p.Workload.Modules.Hosts + spares
}
