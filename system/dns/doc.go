// Package dns is the service that knows all routes: it answers the agents'
// GetRoute over TCP from memory and tells them when a route changes. The name
// is the original's; it has nothing to do with the domain name system.
//
//	r, err := reactor.Open(epoll.Driver{}, reactor.Config{Loops: 2})
//	s, err := dns.Start(r, dns.Default(), st)
//	...
//	err = s.Close(ctx)
//
// # Answers and pushes
//
// Each loop answers from an immutable snapshot of its own and takes the next
// one between two requests, together with the list of what changed. So a lookup
// takes no lock, and a connection that asks is either told by the answer or by
// a push, never by both. A request subscribes its connection to the module,
// also to one that does not exist; such a subscription is given up first when a
// connection has too many. A change is marked on the subscriptions and
// sent to each as soon as its connection has room: what is sent is the newest
// route, several changes merge, and one that does not read waits alone. It is
// closed when it has taken nothing for Config.SlowTimeout.
//
// # Hints
//
// Agents that ask for it are told which hosts other agents suspect, and how many
// of how many: the whole state of a module, once a second when it changes, and
// every five seconds while there is any. That is read from the store, where
// reporters put it, and pushed as routes are, in messages that the original's
// agents do not get. dns does not judge it: a hint is no order.
//
// # The store
//
// One watcher reads it, on a worker; no loop ever waits for it. It looks at the version
// every Config.Poll, takes from the change log what changed, and reads
// everything every Config.Reload, which also finds what was edited by hand. A
// version that goes backwards, or more than a third of the routes gone at once,
// is an alarm line in the log and takes effect only when a second read after
// Config.Confirm says the same. While the store is away the last routes are
// served; their age is in Stats. Nothing that others have yet to read is
// deleted: the change log is trimmed by age alone.
//
// # Before the first load
//
// The port is open at once, for the original's agents never try a failed
// connection again. Requests are held and answered when the routes are there:
// an empty answer would make agents forget routes that exist.
//
// # Bad input
//
// A body that is no GetRouteRequest is dropped, a negative id is answered with
// an empty route and not subscribed, a length above wire.BodyBytesMax closes
// the connection at once; each is counted, the last by the reactor. What the package will not do: change routes,
// judge hosts, or speak UDP.
package dns
