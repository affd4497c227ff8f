// Package live runs the real system under a plan of faults over real sockets:
// dns, reporter, an agent for each caller, callers and hosts on the loopback
// interface, all on one backend. It is for the command "lars sim live" and for
// tests.
//
//	err := live.Check(plan, false)   // what cannot be done live, before anything starts
//	result, err := live.Run(ctx, live.Config{Plan: plan, Open: backends.Open, Backend: "epoll"})
//	bundle := live.Record(results, live.Labels{})   // in the lab's result format
//
// Callers are open or closed loops of package workload that use the client
// library; times count from when a call was due. Hosts are servers on the
// backend under test whose answers take what workload's model says. Services are
// package up's, in this process or as processes of their own, on a database in
// a folder that is removed afterwards. What goes wrong is package fault's, what
// must not happen package check's, and what became of the calls package
// outcome's: the same as in virtual time.
//
// Networks are made bad by relays (package relay), which are on a way only in
// plans that disturb it. What it does not do: loss of power and fail-overs, which
// are virtual time's; and repeat. The seed gives the same calls due at the
// same times and the same faults, but the machine decides the rest.
package live
