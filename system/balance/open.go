package balance

import "time"

// Algorithm describes an algorithm for people.
type Algorithm struct {
	Name    string // in Settings
	Summary string // one line
	Source  string // where it comes from
}

// algorithm is a row of the table of all algorithms. open gets resolved
// Settings.
type algorithm struct {
	Algorithm
	open func(s Settings, seed uint64) Balancer
}

// algorithms is a function and not a variable: Settings.Check, which the rows'
// open functions reach, looks into it.
func algorithms() []algorithm {
	return []algorithm{
		{
			Algorithm{"classic", "idle hosts in turn, every 11th call probes an overloaded one", "the original Lars, load_balance.cpp"},
			func(s Settings, _ uint64) Balancer { return newClassic(s.Classic) },
		},
		{
			Algorithm{"elb", "classic with slow calls weighed as several errors and slower recovery", "Easy-Load-Balancer, the ancestor of Lars"},
			func(s Settings, _ uint64) Balancer { return newELB(s.Classic) },
		},
		{
			Algorithm{"rr", "hosts in turn, weights ignored", "round robin"},
			func(s Settings, seed uint64) Balancer { return newPool(s, seed, false, roundRobin{}) },
		},
		{
			Algorithm{"wrr", "hosts in turn, by weight", "gRPC's static stride scheduler (A58)"},
			func(s Settings, seed uint64) Balancer { return newPool(s, seed, true, roundRobin{}) },
		},
		{
			Algorithm{"random", "any host, weights ignored", "uniform choice"},
			func(s Settings, seed uint64) Balancer { return newPool(s, seed, false, random{}) },
		},
		{
			Algorithm{"wrandom", "any host, by weight", "choice by rejection"},
			func(s Settings, seed uint64) Balancer { return newPool(s, seed, true, random{}) },
		},
		{
			Algorithm{"p2c", "of two hosts the one with fewer calls in flight", "Mitzenmacher, the power of two choices"},
			func(s Settings, seed uint64) Balancer { return newPool(s, seed, true, p2c{}) },
		},
		{
			Algorithm{"leastreq", "of several hosts the one with the fewest calls in flight", "Envoy's least request"},
			func(s Settings, seed uint64) Balancer { return newPool(s, seed, true, leastRequest{}) },
		},
		{
			Algorithm{"ewma", "of two hosts the one with lower latency times calls in flight", "Finagle's peak EWMA"},
			func(s Settings, seed uint64) Balancer { return newPool(s, seed, true, ewma{}) },
		},
		{
			Algorithm{"prequal", "of a pool of hosts the fastest that is not hot; for twenty hosts and more", "Prequal (Google, NSDI 2024)"},
			func(s Settings, seed uint64) Balancer { return newPool(s, seed, true, &prequal{}) },
		},
		{
			Algorithm{"chash", "equal keys to equal hosts, up to a bound of their load", "consistent hashing with bounded loads"},
			func(s Settings, seed uint64) Balancer { return newPool(s, seed, true, &chash{}) },
		},
	}
}

// Algorithms lists all algorithms.
func Algorithms() []Algorithm {
	var list []Algorithm
	for _, a := range algorithms() {
		list = append(list, a.Algorithm)
	}
	return list
}

// Open makes a balancer without hosts. Equal settings, seeds and calls give
// equal picks; agents should differ in their seeds, or they march in step. The
// error says which setting has no meaning.
func Open(s Settings, seed uint64) (Balancer, error) {
	s, err := s.resolve()
	if err != nil {
		return nil, err
	}
	return find(s.Algorithm).open(s, seed), nil
}

// Reopen is Open for a module that is balanced by old, which may be nil and is
// not to be used any more: it takes other settings without forgetting the hosts.
// Next, as after Open, comes an Update.
//
// Between the algorithms of the outlier layer, all but classic and elb, what is
// known of hosts stays, since they all keep it alike: ejections with their
// times, reasons and number, the evidence, counts, calls in flight, latencies.
// What an algorithm keeps for itself, such as a ring or a pool, begins anew when
// the algorithm is another. An ejection lasts no longer than the new eject_max
// from now; with outlier=off those who are out come back, as new hosts do.
//
// From, to and between classic and elb all begins anew: their counts start from
// credits and windows that the settings give. So it does when the module has
// more hosts than the new hosts_max.
func Reopen(now time.Duration, old Balancer, s Settings, seed uint64) (Balancer, error) {
	b, err := Open(s, seed)
	if err != nil {
		return nil, err
	}
	was, known := old.(*pool)
	is, layered := b.(*pool)
	if !known || !layered || was.Len() > is.cfg.Classic.HostsMax {
		return b, nil
	}
	was.adopt(now, is)
	return was, nil
}

func find(name string) *algorithm {
	for _, a := range algorithms() {
		if a.Name == name {
			return &a
		}
	}
	return nil
}

func names() []string {
	var list []string
	for _, a := range algorithms() {
		list = append(list, a.Name)
	}
	return list
}
