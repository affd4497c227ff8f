// Package load is the load generator of the performance lab: one implementation
// that drives every server in the same way, with its own sockets and loops, so
// that differences between results are differences between servers.
//
// It is for programs that measure a server in another process:
//
//	result, err := load.Run(ctx, load.Config{
//		Addr:     netip.MustParseAddrPort("127.0.0.1:7777"),
//		Conns:    100,
//		Rate:     20000, // 0: a closed loop of Depth requests per connection
//		Warmup:   2 * time.Second,
//		Duration: 10 * time.Second,
//	})
//
// A closed loop keeps Depth requests in flight on each connection and finds the
// throughput. An open loop sends at a rate whatever the server does: arrival k
// of a seeded schedule goes to connection k mod Conns, latency counts from the
// time it was due, and a request that cannot be sent yet stays queued with that
// time. So a server that stops for 200 ms shows 200 ms, however few requests
// were in flight.
//
// A duet drives two servers at once: an open loop sends every arrival to both, in
// an order that a coin decides; see Config.Rival.
//
// Every reply is checked. Result.Judge says whether the figures deserve belief.
//
// Each worker is a thread that waits with epoll_pwait2: its timeout has
// nanoseconds, which makes it the pacer of the open loop as well. In its steady
// state it allocates nothing, takes no lock and never spins. The package does
// not start, pin or stop the server, writes no files and prints nothing.
package load
