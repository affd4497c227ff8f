// Package outcome adds up what became of the calls of a simulated run: by phase
// of its plan (before, during and after the faults), and for each fault of hosts
// how many calls still went to the afflicted ones. It is for runs in virtual
// time and over real sockets alike, so that the two can be compared.
//
//	t := outcome.New(plan, seed, end)
//	t.Add(outcome.Call{At: due, Took: took, Module: 0, Host: 2})
//	s := t.Summary()
//
// The package is pure: no clock, no network. It judges nothing: package check
// says what must not happen.
package outcome
