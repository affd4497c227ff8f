// Package sim is a backend without a kernel: an in-memory network with a
// virtual clock, for programs that want to run whole systems in one goroutine,
// fast and exactly repeatable.
//
//	w := sim.New(sim.Config{Seed: 7})
//	server, err := reactor.Open(w.Driver("server"), reactor.Config{})
//	client, err := reactor.Open(w.Driver("client"), reactor.Config{})
//	...                                // listen, dial, set timers
//	w.At(2*time.Second, func() { w.Host("server").Crash(sim.Vanish) })
//	w.Run(time.Minute)                 // a minute of theirs
//	fmt.Printf("%016x\n", w.Hash())    // the same for the same seed, anywhere
//
// # Time
//
// A World holds one queue of events ordered by time, then by the order in which
// they were made. Run and Step take the next event, set the clock to its time
// and let it happen, in the caller's goroutine; the package starts none and
// reads no clock. What the callbacks of a loop compute costs no virtual time
// beyond a microsecond per turn of the loop: a host that works is modelled by
// its timers.
//
// # Network
//
// Hosts have addresses and are joined by links with delay, jitter, loss,
// reordering, duplication, bandwidth and cuts, each direction apart, changed at
// any time. TCP is a real, small one: three-way handshake, acknowledgements,
// windows from finite socket buffers, go-back-N retransmission with
// exponential back-off (RFC 6298, without its estimate of the round-trip time,
// which a link knows), FIN, RST and keepalive. It has no congestion control.
// UDP loses, doubles and reorders, and reports unreachable ports to connected
// sockets.
//
// # Faults
//
// A host can pause (as by SIGSTOP: its kernel goes on), be slow, crash with resets (the
// process is killed), vanish (the machine is off) and restart, run out of
// descriptors, and have its wall clock set apart. Its monotonic clock is the
// world's.
//
// # Who may call what
//
// A World belongs to one goroutine: the one that runs it, in callbacks and
// between runs. Only what package driver allows "from any goroutine" may be
// called from others, and doing so gives up repeatability.
//
// The package measures no performance and cannot be opened by name: a driver
// here is a host of some world. It does not resolve names; dial addresses.
package sim
