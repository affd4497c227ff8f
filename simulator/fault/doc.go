// Package fault holds plans of what goes wrong in a simulated world, and when.
// It is for simulations in virtual time and over real sockets alike.
//
//	faults:
//	  - {fault: slow, target: host 2, at: 20s, for: 1m, factor: 10}
//	  - {fault: crash, target: dns, at: 30s, for: 10s}
//
// A plan is a file of package strictyaml's kind, one of those that are shipped,
// or drawn from a seed. What it says is checked against the world that it is
// for before anything starts, and refused with file, line and what is allowed:
// an unknown key, a number out of range, a parameter that a fault does not have
// or lacks, a host that there is not, two faults that contradict each other.
//
// The package is pure: it changes nothing. Who runs a plan carries it out.
package fault
