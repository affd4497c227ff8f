// Package balance decides which host of a module gets the next call. It is for
// the agent, which holds one [Balancer] per module, and for the simulator.
//
// A Balancer is pure: time comes in as an argument, what happened goes out as
// [Effects], chance comes from a seed, and the caller does the rest.
//
//	b, err := balance.Open(settings, seed)
//	b.Update(now, hosts)                // the route, whenever it changes
//	c := b.Pick(now, balance.Ask{})     // c.Verdict, c.Host
//	b.Report(now, balance.Result{Host: c.Host, Outcome: balance.OutcomeOf(retcode)})
//
// now is monotonic: any clock that never goes back, from any origin. With the
// wall clock that the original uses, a step back freezes its windows, a step
// forward frees every overloaded host.
//
// # Choosing an algorithm
//
// The zero [Settings] are the default policy: ewma with ejection of hosts that
// fail. Take something else when you know why:
//
//	ewma      the default: avoids slow hosts and full ones; wants latencies in reports
//	p2c       as ewma, when there are none, or they depend on the request and not the host
//	leastreq  as p2c with more choices: fairer with few agents, worse with many
//	prequal   as ewma, with twenty hosts and more that differ much
//	wrr, rr   even counts matter more than even load: tests, batch jobs, quotas by host
//	wrandom, random  as those, with nothing to keep in step
//	chash     equal keys should meet equal hosts: caches, sharded state
//	classic   what the original does, exactly: for agents of both kinds side by side
//	elb       what its ancestor did: to compare with
//
// classic and elb bring their own way to take hosts out of use: one call of
// eleven goes to a dead host for as long as it is dead, slow hosts are not
// seen, and when all hosts fail alike they make it worse. With all others there
// is the outlier layer, on or off.
//
// # When hosts are taken out, and come back
//
// A host goes out for calls without an answer in a row, for failures of any
// kind in a longer row, for a large share of failures, or for more failures
// than its peers; but only as far as that surprises in the light of how its
// callers fare elsewhere, and when more than one caller has seen it, unless
// there is but one. So neither a brown-out nor a caller that sends poison costs
// a host its place. Old callers tell of a failure only that it was one: their
// dead hosts go out by the longer row. Caps limit how many are out, one always
// stays, and when none is left that works, all are used.
//
// After its time, which grows with each ejection in succession, a host gets one
// call at a time; three good ones bring it back, with a share that grows. What
// other agents suspect comes by [Balancer.Hint]: such a host gets fewer calls,
// and fewer failures are enough, never none.
//
// [Knobs] lists everything that can be set, with defaults; the files outlier.go,
// hint.go, callers.go, latency.go and those named after algorithms name their sources,
// and where they depart from them.
//
// # Costs
//
// Picks take constant time and allocate nothing. A report takes constant time,
// but for one that ejects a host or brings it back, which costs as much as a
// look at each host; so does the first call of each second. go test -bench .
// measures all of it, for 10, 100 and 1,000 hosts.
//
// The package does not pull routes, count statistics for the reporter (package
// tally does; the counters here are aged), or know ports and packets. A
// Balancer is not safe for concurrent use.
package balance
