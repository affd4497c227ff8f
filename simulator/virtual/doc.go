// Package virtual runs the whole system (dns, reporter, agents and their store)
// with callers and hosts around it in virtual time: in one goroutine, on the
// backend sim, with faults from a plan, watched by the checkers of package
// check. The same seed and plan give the same run, event by event, and the same
// hash; so whatever a run finds can be seen again.
//
//	result, err := virtual.Run(ctx, virtual.Config{Seed: 7, Plan: plan})
//	if len(result.Violations) > 0 { ... result.Trace ... }
//
// It is for the command "lars sim virtual" and for tests. The services are the
// real ones, with the reactor under them and their real messages on a simulated
// network; callers speak the protocol as the client library does. What hosts do
// with a call is package workload's model, and the database is store/memory.
//
// A run has phases: faults; a time to settle; a time in which all must be well;
// and the orderly end of all services, after which the books are balanced.
// What it does not do: measure. A callback takes no virtual time.
package virtual
