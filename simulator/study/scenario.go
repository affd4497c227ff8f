package study

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Scenario is a workload with something that goes wrong in a window of time.
type Scenario struct {
	ID, Name string
	// Chosen is what the list that the scenarios come from left open.
	Chosen string
	// Expected is the order that the literature and a pilot predict.
	Expected string

	Agents int     // each with a Balancer
	Hosts  int     // in the route
	Spares int     // hosts that an Edit may bring
	Load   float64 // of all hosts' nominal capacity
	Rate   float64 // calls a second of each agent, instead of Load
	Crowd  float64 // factor of the rate within the window; 0 is 1
	Before time.Duration
	Window time.Duration // in which things go wrong, and calls are counted
	After  time.Duration

	Timeout time.Duration // of a call; 0 is a second
	Callers int           // of each agent; 0 is 1
	Poison  int           // callers of these whose every call fails, whatever the host
	Keys    int           // calls carry one of so many keys, 0: each its own
	Zones   int           // agents and hosts are dealt out to
	Weights []uint32      // of the hosts, in turn
	Faults  []Fault
	Edits   []Edit
	AllBad  bool          // all hosts fail alike: any ejection is wrong
	Ragged  bool          // reports are lost, doubled and late
	Clock   time.Duration // by which the wall clocks of agent 0 and 1 step, back and ahead
	Liars   int           // agents that say of hosts that these failed
	Slander int           // of so many hosts; 0: of all

	Show []Metric
}

// Fault is what is wrong with some hosts for some time, counted from the
// window's start.
type Fault struct {
	First, Count int           // hosts
	From, To     time.Duration // To 0: to the window's end
	Refuse       bool          // they crash, and then refuse
	Silent       bool          // they take calls and do not answer
	Slow         float64       // factor of the time that a call takes
	Errors       float64       // share of calls that fail at once
	Hard         bool          // and these get no answer
}

// Edit changes the route, counted from the window's start; agents know it a
// second later.
type Edit struct {
	At    time.Duration
	Host  int
	Drain bool
	Back  bool // it drains no more
	Spare int  // replaces Host, if not 0
}

// pushDelay is how long an edit takes to the agents: dns looks about twice a
// second, and pushes.
const pushDelay = time.Second

const (
	servers     = 4                     // of a host
	meanService = 20 * time.Millisecond // of a call
	capacity    = servers * int(time.Second/meanService)
	roundTrip   = time.Millisecond // within a zone
	farTrip     = 5 * time.Millisecond
	reportDelay = time.Millisecond / 2
	second      = time.Second
)

// Scenarios is the list, in its order.
func Scenarios() []Scenario {
	eject := []Metric{Errors, Leak, Eject, ErrorsToEject, Recover, P99, FalsePositives, Probes, Messages}
	list := []Scenario{
		{
			ID: "S0", Name: "steady, equal hosts", Agents: 10, Hosts: 10, Load: .7, Window: 40 * second,
			Expected: "rr ≈ p2c ≈ ewma < prequal",
			Show:     []Metric{Errors, P50, P99, P999, CV, Jain, Herd, FlightMean, FlightP99, FlightMax, FalsePositives},
		},
		{
			ID: "S1", Name: "a third of the hosts half as fast", Agents: 10, Hosts: 9, Load: .6, Window: 40 * second,
			Chosen:   "load is of the nominal capacity, so an even share is 1.2 of what a slow host can do; nobody is told by weights",
			Faults:   []Fault{{Count: 3, Slow: 2}},
			Expected: "prequal < ewma < p2c ≪ rr+outlier < elb < classic < rr",
			Show:     []Metric{Errors, P50, P99, P999, Herd, FlightMean, FlightP99, FlightMax, FalsePositives},
		},
		{
			ID: "S1w", Name: "as S1, the weights tell", Agents: 10, Hosts: 9, Load: .6, Window: 40 * second,
			Chosen:  "not in the list: weights 1 and 2, for the algorithms that heed them",
			Faults:  []Fault{{Count: 3, Slow: 2}},
			Weights: []uint32{1, 1, 1, 2, 2, 2, 2, 2, 2},
			Show:    []Metric{Errors, P50, P99, P999, Herd, FlightMean, FlightP99, FlightMax, FalsePositives},
		},
		{
			ID: "S2", Name: "1 of 10 refuses", Agents: 10, Hosts: 10, Load: .5, Window: 50 * second, After: 30 * second,
			Faults:   []Fault{{Count: 1, Refuse: true}},
			Expected: "prequal < ewma ≈ p2c+outlier ≈ rr+outlier ≪ elb ≈ classic < rr < p2c",
			Show:     eject,
		},
		{
			ID: "S3", Name: "1 of 50 refuses", Agents: 10, Hosts: 50, Load: .3, Window: 50 * second, After: 20 * second,
			Chosen:   "a load of 0.3, 6 calls a second of each agent to each host",
			Faults:   []Fault{{Count: 1, Refuse: true}},
			Expected: "as S2, but rr beats classic and elb",
			Show:     eject,
		},
		{
			ID: "S4", Name: "1 of 20 takes calls and never answers", Agents: 10, Hosts: 20, Load: .5, Window: 50 * second, After: 20 * second,
			Faults:   []Fault{{Count: 1, Silent: true}},
			Expected: "p2c itself avoids it",
			Show:     eject,
		},
		{
			ID: "S5", Name: "1 of 20 fails a fifth of its calls", Agents: 10, Hosts: 20, Load: .5, Window: 60 * second, After: 10 * second,
			Faults:   []Fault{{Count: 1, Errors: .2}},
			Expected: "success rate against the peers is needed",
			Show:     eject,
		},
		{
			ID: "S6", Name: "1 of 11 slow by 20, no errors", Agents: 10, Hosts: 11, Load: .5, Window: 50 * second, Timeout: 2 * second,
			Faults:   []Fault{{Count: 1, Slow: 20}},
			Expected: "prequal ≈ ewma < p2c ≪ rr+outlier < classic = rr",
			Show:     []Metric{Errors, Leak, P50, P99, P999, Herd, FlightMean, FlightP99, FlightMax},
		},
		{
			ID: "S7", Name: "all hosts fail 15 %", Agents: 10, Hosts: 10, Load: .5, Window: 50 * second, AllBad: true,
			Faults:   []Fault{{Count: 10, Errors: .15}},
			Expected: "all ≥ 1",
			Show:     []Metric{Errors, Amplification, FalsePositives, P99},
		},
		{
			ID: "S7b", Name: "all hosts fail 30 %", Agents: 10, Hosts: 10, Load: .5, Window: 50 * second, AllBad: true,
			Faults:   []Fault{{Count: 10, Errors: .3}},
			Expected: "fail open = 1; classic, elb < 1",
			Show:     []Metric{Errors, Amplification, FalsePositives, P99},
		},
		{
			ID: "S8", Name: "6 of 10 die", Agents: 10, Hosts: 10, Load: .3, Window: 50 * second, After: 20 * second,
			Faults:   []Fault{{Count: 6, Refuse: true}},
			Expected: "prequal < outlier, cap 90 % < elb < classic < outlier, cap 50 % < rr < p2c",
			Show:     eject,
		},
		{
			ID: "S9", Name: "few calls: 1 of 5 dead", Agents: 20, Hosts: 5, Rate: 1, Before: 20 * second, Window: 50 * second, After: 60 * second,
			Chosen:   "20 agents, one call a second each, one host of five refuses",
			Faults:   []Fault{{Count: 1, Refuse: true}},
			Expected: "sharing > outlier > elb > classic > rr",
			Show:     eject,
		},
		{
			ID: "S10", Name: "2 of 10 restart, then are cold", Agents: 10, Hosts: 10, Load: .5, Window: 25 * second,
			Chosen:   "down for 5 s, then slow by 5 for 5 s",
			Faults:   []Fault{{Count: 2, Refuse: true, To: 5 * second}, {Count: 2, Slow: 5, From: 5 * second, To: 10 * second}},
			Expected: "slow start + outlier < classic < rr < p2c",
			Show:     []Metric{Errors, P99, P999, FalsePositives},
		},
		rolling("S11a", "rolling restart, announced", true),
		rolling("S11b", "rolling restart, not announced", false),
		{
			ID: "S12", Name: "1000 agents start together", Agents: 1000, Hosts: 20, Rate: .1, Before: -1, Window: 10 * second,
			Chosen:   "counted from the first call on",
			Expected: "random start < classic (heads aligned)",
			Show:     []Metric{HotSpot, CV, Jain, Herd, FlightMax},
		},
		{
			ID: "S13", Name: "flash crowd: three times the calls for 10 s", Agents: 10, Hosts: 10, Load: .5, Crowd: 3, Window: 10 * second, After: 20 * second,
			Chosen:   "no host fails, so any ejection is wrong; callers do not hold back",
			Expected: "deadlines and throttling > none",
			Show:     []Metric{Goodput, Recovery, P99, FlightMean, FlightP99, FlightMax, FalsePositives},
		},
		{
			ID: "S14", Name: "a host flaps, 5 s up and down", Agents: 10, Hosts: 10, Load: .5, Window: 60 * second,
			Chosen:   "1 of 10",
			Faults:   flaps(6, 10*second),
			Expected: "growing ejections < Envoy's base < classic",
			Show:     []Metric{Errors, Flips, P99, FalsePositives, Probes, Messages},
		},
		{
			ID: "S15", Name: "1 of 3 zones is lost", Agents: 9, Hosts: 12, Load: .5, Before: 20 * second, Window: 40 * second, Zones: 3,
			Chosen:   "its hosts refuse, its agents stay; a round trip takes 1 ms in the zone, 5 ms between two",
			Faults:   []Fault{{Count: 4, Refuse: true}},
			Expected: "zones with spill-over",
			Show:     []Metric{CrossZone, Errors, P50, P99},
		},
		churn(),
		{
			ID: "S17", Name: "one caller in five sends poison", Agents: 10, Hosts: 10, Load: .5, Window: 50 * second, Callers: 5, Poison: 1, AllBad: true,
			Chosen:   "each agent has five callers, calls of one of them fail at once on any host; errors are those of the others",
			Expected: "accounts for each caller isolate them",
			Show:     []Metric{Errors, FalsePositives, P99, CV},
		},
		{
			ID: "S17h", Name: "six agents of ten lie about all hosts", Agents: 10, Hosts: 10, Load: .5, Window: 50 * second, Liars: 6, AllBad: true,
			Faults:   []Fault{{Count: 10, Errors: .01, Hard: true}},
			Chosen:   "not in the list: what poisoned hints can do, while one call of a hundred is refused by any host",
			Expected: "a hint is never an order",
			Show:     []Metric{Errors, FalsePositives, P99, CV},
		},
		{
			ID: "S17t", Name: "six agents of ten lie about three hosts", Agents: 10, Hosts: 10, Load: .6, Window: 50 * second, Liars: 6, Slander: 3, AllBad: true,
			Faults:   []Fault{{Count: 10, Errors: .01, Hard: true}},
			Chosen:   "not in the list: as S17h, aimed at hosts that the others need, at a load of 0.6",
			Expected: "a hint is never an order",
			Show:     []Metric{Errors, FalsePositives, P99, CV},
		},
		{
			ID: "S18a", Name: "as S2, reports lost, doubled, late", Agents: 10, Hosts: 10, Load: .5, Window: 50 * second, After: 30 * second, Ragged: true,
			Chosen:   "10 % lost, 5 % doubled, each late by up to 200 ms",
			Faults:   []Fault{{Count: 1, Refuse: true}},
			Expected: "gracefully worse than S2",
			Show:     eject,
		},
		{
			ID: "S18b", Name: "as S5, reports lost, doubled, late", Agents: 10, Hosts: 20, Load: .5, Window: 60 * second, After: 10 * second, Ragged: true,
			Chosen:   "as S18a",
			Faults:   []Fault{{Count: 1, Errors: .2}},
			Expected: "gracefully worse than S5",
			Show:     eject,
		},
		{
			ID: "S19", Name: "as S2, clocks of two agents step by an hour", Agents: 10, Hosts: 10, Load: .5, Window: 50 * second, After: 120 * second, Clock: time.Hour,
			Chosen:   "10 s into the fault one agent's wall clock goes back, another's ahead; classic and elb see it, as theirs did; all else has monotonic time",
			Faults:   []Fault{{Count: 1, Refuse: true}},
			Expected: "monotonic time is unaffected",
			Show:     []Metric{Errors, StepErrors, KeptOut, Recover},
		},
		{
			ID: "S20", Name: "stale route: dns down for 10 min, a host replaced", Agents: 10, Hosts: 10, Load: .1, Window: 600 * second, After: 30 * second, Spares: 1,
			Chosen:   "2 calls a second of each agent to each host; the address that is gone refuses, the new host is known when dns is back. Hints need dns, too, but go on in the model: read ewma+outlier for the default",
			Faults:   []Fault{{Count: 1, Refuse: true, To: time.Hour}},
			Edits:    []Edit{{At: 600 * second, Host: 0, Spare: 10}},
			Expected: "ejection hides the dead host, the snapshot works",
			Show:     []Metric{Errors, Leak, Eject, P99},
		},
	}
	for i := range list {
		s := &list[i]
		if s.Before == 0 {
			s.Before = 10 * second
		}
		s.Before = max(s.Before, 0)
		if s.Timeout == 0 {
			s.Timeout = second
		}
		if s.Crowd == 0 {
			s.Crowd = 1
		}
		s.Callers = max(s.Callers, 1)
		if s.Rate == 0 {
			s.Rate = s.Load * float64(capacity*s.Hosts) / float64(s.Agents)
		}
		for k := range s.Faults {
			if s.Faults[k].To == 0 {
				s.Faults[k].To = s.Window
			}
		}
	}
	return list
}

// rolling is S11: ten hosts restart, one after the other.
func rolling(id, name string, announced bool) Scenario {
	s := Scenario{
		ID: id, Name: name, Agents: 10, Hosts: 10, Load: .5, Window: 100 * second,
		Chosen:   "each is down for 3 s, one every 10 s; announced: it drains from 3 s before until it is back",
		Expected: "drain = 0 errors",
		Show:     []Metric{RestartErrors, Errors, P99, FalsePositives},
	}
	for h := range s.Hosts {
		at := time.Duration(h)*10*second + 4*second
		s.Faults = append(s.Faults, Fault{First: h, Count: 1, Refuse: true, From: at, To: at + 3*second})
		if announced {
			s.Edits = append(s.Edits, Edit{At: at - 3*second, Host: h, Drain: true}, Edit{At: at + 3*second, Host: h, Back: true})
		}
	}
	return s
}

func flaps(n int, period time.Duration) (list []Fault) {
	for i := range n {
		at := time.Duration(i) * period
		list = append(list, Fault{Count: 1, Refuse: true, From: at, To: at + period/2})
	}
	return list
}

// churn is S16: a tenth of the hosts is replaced each minute.
func churn() Scenario {
	s := Scenario{
		ID: "S16", Name: "a tenth of the hosts replaced each minute, with keys", Agents: 5, Hosts: 20, Spares: 6, Load: .25, Window: 180 * second, Keys: 2000,
		Chosen:   "one of 20 every 30 s, drained first; 2000 keys, equally often",
		Expected: "a ring moves about 1/N of the keys",
		Show:     []Metric{Remapped, Moved, Errors, P99, CV},
	}
	for n := range s.Spares {
		at := time.Duration(n)*30*second + 5*second
		s.Edits = append(s.Edits, Edit{At: at, Host: n, Spare: s.Hosts + n})
	}
	return s
}

// PickScenarios finds scenarios by their names; none means all.
func PickScenarios(ids []string) ([]Scenario, error) {
	all := Scenarios()
	if len(ids) == 0 {
		return all, nil
	}
	var list []Scenario
	for _, id := range ids {
		i := slices.IndexFunc(all, func(s Scenario) bool { return strings.EqualFold(s.ID, id) })
		if i < 0 {
			var known []string
			for _, s := range all {
				known = append(known, s.ID)
			}
			return nil, fmt.Errorf("no scenario %q; there are %s", id, strings.Join(known, ", "))
		}
		list = append(list, all[i])
	}
	return list, nil
}
