// Package workload says what a simulated world does when nothing is wrong:
// which callers call when, which module they want, and how hosts answer. It is
// for simulations in virtual time and over real sockets alike.
//
//	spec := workload.Default()
//	r := workload.NewRandom(7, "caller 1")
//	for at := spec.Callers.Next(0, end, r); at < end; at = spec.Callers.Next(at, end, r) {
//		module := popular.Pick(r)
//		...
//		outcome := host.Call(at, r) // how long, and how it went
//	}
//
// The package is pure: no clock, no network, no goroutine, and all chance comes
// from a Random with a seed, so a run repeats on every machine and with every
// version of Go. Times are virtual, from the start of the run on, and drawn ones
// are whole microseconds, which hides the last bits in which processors differ.
//
// It does not know the system under test: callers and hosts here are what
// stands around it. What goes wrong is package fault's.
package workload
