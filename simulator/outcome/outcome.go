package outcome

import (
	"time"

	"lars/bench/hist"
	"lars/simulator/fault"
	"lars/simulator/workload"
)

// Call is one that came to an end.
type Call struct {
	At     time.Duration // when it was due, in the time of the plan
	Took   time.Duration // from then to its end
	Module int           // from 0 on
	Host   int           // its place in the pool of the module; -1: none was picked
	Result string        // "" is served; else what went wrong
}

// The phases.
const (
	Baseline = "baseline"
	Faults   = "fault"
	Recovery = "recovery"
)

// Phase is what calls that were due in it saw.
type Phase struct {
	Name    string         `json:"name"`
	From    time.Duration  `json:"from_ns"`
	To      time.Duration  `json:"to_ns"`
	Calls   int            `json:"calls"`
	Errors  int            `json:"errors"`
	Results map[string]int `json:"results,omitempty"` // of the errors
	P50     time.Duration  `json:"p50_ns"`            // of those served, from the time due
	P99     time.Duration  `json:"p99_ns"`
	served  *hist.Recorder
}

// ErrorShare is the share of calls that went wrong; 0 of none.
func (p *Phase) ErrorShare() float64 { return share(p.Errors, p.Calls) }

// Afflicted is what one fault of hosts did.
type Afflicted struct {
	Fault string        `json:"fault"` // "slow of host 2"
	From  time.Duration `json:"from_ns"`
	To    time.Duration `json:"to_ns"`
	// Picks are those of the modules that have afflicted hosts, while it lasted;
	// Bad of them were of such hosts, which are Fair of the modules' hosts.
	Picks int     `json:"picks"`
	Bad   int     `json:"bad"`
	Fair  float64 `json:"fair"`
	// Eject and Recover are the median of how long agents took to take an
	// afflicted host out, and back in after the end; of so many pairs of an agent
	// and a host. Some never do: it is nil for none.
	Eject     *time.Duration `json:"eject_ns,omitempty"`
	Ejected   int            `json:"ejected"`
	Recover   *time.Duration `json:"recover_ns,omitempty"`
	Recovered int            `json:"recovered"`
	Still     int            `json:"still_out"` // pairs that were out in the end

	victims fault.Victims
	modules []bool
	pairs   map[pair]*held
}

// BadShare is the share of picks that went to afflicted hosts.
func (a *Afflicted) BadShare() float64 { return share(a.Bad, a.Picks) }

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// Summary is all of it.
type Summary struct {
	Phases    []Phase      `json:"phases"`
	Afflicted []*Afflicted `json:"afflicted"`
}

// Phase finds one by its name; a plan without faults has the first alone.
func (s *Summary) Phase(name string) *Phase {
	for i := range s.Phases {
		if s.Phases[i].Name == name {
			return &s.Phases[i]
		}
	}
	return nil
}

// Tally adds up. Not for concurrent use.
type Tally struct {
	plan      *fault.Plan
	phases    []Phase
	afflicted []*Afflicted
}

// New begins with none, for a run that lasts until end.
func New(p *fault.Plan, seed uint64, end time.Duration) *Tally {
	t := &Tally{plan: p}
	first := end
	r := workload.NewRandom(seed, fault.VictimsName)
	for i := range p.Faults {
		f := &p.Faults[i]
		first = min(first, f.At)
		v := p.Victims(f, r)
		if v.Hosts != nil || v.Zones != nil {
			t.afflicted = append(t.afflicted, newAfflicted(p, f, v))
		}
	}
	last := max(p.End(), first)
	for _, x := range []Phase{{Name: Baseline, To: first}, {Name: Faults, From: first, To: last}, {Name: Recovery, From: last, To: end}} {
		if x.To > x.From {
			x.Results, x.served = map[string]int{}, hist.New()
			t.phases = append(t.phases, x)
		}
	}
	return t
}

func newAfflicted(p *fault.Plan, f *fault.Fault, v fault.Victims) *Afflicted {
	a := &Afflicted{
		Fault: string(f.Kind) + " of " + f.Target.String(), From: f.At, To: f.End(), victims: v,
		modules: make([]bool, p.Workload.Modules.Count), pairs: map[pair]*held{},
	}
	bad, all := 0, 0
	for m := range a.modules {
		n := 0
		for k := range p.Workload.Modules.Hosts {
			if v.Host(&p.Workload, m, k) {
				n++
			}
		}
		if a.modules[m] = n > 0; n > 0 {
			bad, all = bad+n, all+p.Workload.Modules.Hosts
		}
	}
	a.Fair = share(bad, all)
	return a
}

// Add notes a call.
func (t *Tally) Add(c Call) {
	for i := range t.phases {
		if p := &t.phases[i]; p.From <= c.At && c.At < p.To {
			p.add(c)
		}
	}
	if c.Host < 0 {
		return
	}
	for _, a := range t.afflicted {
		if a.From <= c.At && c.At < a.To && a.modules[c.Module] {
			a.Picks++
			if a.victims.Host(&t.plan.Workload, c.Module, c.Host) {
				a.Bad++
			}
		}
	}
}

func (p *Phase) add(c Call) {
	p.Calls++
	if c.Result == "" {
		p.served.Record(int64(c.Took))
		return
	}
	p.Errors++
	p.Results[c.Result]++
}

// Summary is what was added so far.
func (t *Tally) Summary() Summary {
	s := Summary{Phases: append([]Phase(nil), t.phases...), Afflicted: t.afflicted}
	for i := range s.Phases {
		p := &s.Phases[i]
		const confidence = 0.95 // of bounds that are not told
		p.P50 = time.Duration(p.served.Percentile(50, confidence).Value)
		p.P99 = time.Duration(p.served.Percentile(99, confidence).Value)
	}
	for _, a := range t.afflicted {
		a.sum()
	}
	return s
}

// PhaseAt is the name of the phase of a time; the last one's when it is after.
func (t *Tally) PhaseAt(at time.Duration) (name string) {
	for i := range t.phases {
		if p := &t.phases[i]; i == 0 || at >= p.From {
			name = p.Name
		}
	}
	return name
}
