// Package loopback gives a test's servers an address of their own. Linux has
// 127.0.0.0/8 on its loopback, and a port that is in use at one address of it is
// free at the others: so a server that is stopped and started again finds its
// port free, whatever other tests, and connections of this machine, which come
// from 127.0.0.1, take meanwhile. It is for tests; it listens on nothing.
package loopback

import (
	"math/rand/v2"
	"net/netip"
)

// Own is one of 16 million addresses, at random: never 127.0.0.1, and hardly
// ever one that it has told anybody else.
func Own() netip.Addr {
	part := func() byte { return byte(1 + rand.IntN(254)) }
	return netip.AddrFrom4([4]byte{127, part(), part(), part()})
}
