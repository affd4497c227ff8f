// Package workload holds the loads of the scheduling system for package load:
// each makes the requests of one kind of client and checks every reply against
// the routes that the server was given.
//
// It is for commands that measure a dns, an agent or a reporter. All of it is pure: it opens
// nothing, and is safe for use from several goroutines.
//
//	name         requests                       server     network   what is checked
//	gethost      GetHostRequest                 agent      UDP       number, module, return code, a host of its route
//	getroute     GetRouteRequest                dns        TCP       module, exactly the hosts of its route
//	report       ReportRequest, one way         agent      UDP       the agent's own count, at its end
//	reportstore  ReportStatusRequest, one way   reporter   TCP       the reporter's count and the totals in its store
//	mixed        all three of an agent's        agent      UDP       as gethost and report; exactly the hosts of a route
//	push         edits of a module's route      dns        TCP       every subscriber gets each edit, once
//
// The workload echo is load.Echo, or Sizes with several lengths; the subscribers of push are package run/push,
// and their routes are made and judged here (Routes.Edited, Routes.EditOf).
//
// What it will not do: start the servers, or give them their routes. Whoever
// does that takes the routes from Routes.All.
package workload
