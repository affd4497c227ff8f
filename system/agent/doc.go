// Package agent is the process that runs on every host beside the programs
// that call services: it answers them, from memory and at once, which host of
// a module to call next, and takes in how the call went. It is for the command
// "lars agent" and for whoever embeds an agent in another process.
//
//	r, err := reactor.Open(driver, reactor.Config{Loops: 3})
//	s, err := agent.Start(r, agent.Config{DNS: agent.Peer{IP: "127.0.0.1", Port: 7778}})
//	...
//	err = s.Close(ctx)
//
// # How it is built
//
// There are three UDP sockets, as the original's callers expect, and three
// shards: shard i owns the modules with (modid + cmdid) mod 3 = i, its socket,
// the balancers of its modules (package balance) and its statistics (package
// tally), all on one loop. So a request touches one loop's memory, takes no
// lock and allocates nothing. One that reached another shard's socket is
// answered all the same: directly when the two share a loop, else through the
// owner's inbox, and always from the socket that it was sent to.
//
// One TCP client pulls routes from dns, which pushes changes of what was
// pulled once; another sends statistics to the reporter. Each has a loop, and
// they exchange messages with the shards by posting. Everything that is
// pulled again, sent again or kept on disk is described where it is done:
// table.go, dns.go, reporter.go, hints.go, disk.go.
//
// # What it will not do
//
// It keeps no list of all modules: it knows those that were asked for. It does
// not authenticate callers; listen on 127.0.0.1 or mind the firewall. It does
// not check hosts by calling them.
package agent
