// Package relay stands between two parts of a running system and does to what
// they send each other what a bad network does. It is for live simulations on a
// machine whose network cannot be made bad, and for tests.
//
//	r, err := relay.TCP("127.0.0.1:7778", seed)   // or UDP
//	... clients use r.Addr() ...
//	r.Set(relay.Conditions{Delay: 20 * time.Millisecond, Loss: 0.1})
//	r.Set(relay.Conditions{Cut: true})            // a partition; the zero value heals it
//
// Of datagrams each is delayed, lost, doubled or held back for others to
// overtake it. Of a TCP connection one sees what the kernel leaves of that: what
// is lost comes late, as if sent again, and nothing is doubled or out of order.
// While the network is cut, connections stand still, half-open: also the end of
// one is told only when the cut is over.
//
// What it does not do: refuse. A connection is taken before it is known whether
// there is a server, and reset when there is none; while the network is cut it
// seems to stand, where a real one would not come about. Nobody is told that a
// datagram found no server. And it does not repeat: its draws do, but the order
// in which packets meet them is the machine's.
package relay
