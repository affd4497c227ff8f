// Package balance decides which host of a module gets the next call. It is for
// the agent, which holds one [Balancer] per module.
//
// A Balancer is pure: time comes in as an argument, what happened goes out as
// [Effects], and the caller does the rest.
//
//	b, err := balance.Open(settings, seed)
//	b.Update(now, hosts)                // the route, whenever it changes
//	c := b.Pick(now, balance.Ask{})     // c.Verdict, c.Host
//	b.Report(now, balance.Result{Host: c.Host, Outcome: balance.OutcomeOf(retcode)})
//
// now is monotonic: any clock that never goes back, from any origin. With the
// wall clock that the original uses, a step back freezes its windows, a step
// forward frees every overloaded host. Chance comes from the seed.
//
// The algorithm classic is that of the original C++ Lars: two lists of hosts,
// idle and overloaded, a fixed share of calls to probe the overloaded ones. It
// is kept exactly, weaknesses included, since agents of both kinds run side by
// side; its bugs are not.
//
// The package does not pull routes, count statistics for the reporter (package
// tally does; the counters here are reset by windows), or know ports and
// packets. A Balancer is not safe for concurrent use.
package balance
