// Package lars is the client library: it asks the agent on this host which
// host of a module to call, and tells it how the call went. It is for any Go
// program that calls services, whatever its own networking.
//
//	c, err := lars.New(lars.Config{})
//	defer c.Close()
//	err = c.Call(ctx, lars.Module{ModID: 1, CmdID: 1}, func(ctx context.Context, addr netip.AddrPort) error {
//		return callMyService(ctx, addr)
//	})
//
// Call is all that most programs need. GetHost and Report are its two halves;
// Register waits until the agent knows a module; GetRoute lists its hosts, and
// Hosts tells what the agent knows of each.
//
// A Client has one socket for each of the agent's three ports, and one
// goroutine for each socket. Make one for the whole program: it is safe for
// any number of goroutines, and answers find their way by sequence number.
// UDP may lose a question or its answer: a call asks again within its time.
// Reports are not answered, so one that is lost is not noticed; on the
// loopback interface that takes a full socket.
//
// It will not cache hosts, call services by itself or start an agent.
package lars
