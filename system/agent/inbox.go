package agent

import (
	"sync"

	"lars/reactor"
	"lars/system/wire"
)

// lettersMax bounds the requests that wait for a shard's loop after they
// reached another's socket.
const lettersMax = 4096

// letter is a request that reached the socket of another shard on another
// loop. The field that is set says what it asks.
type letter struct {
	peer   reactor.Peer // answered from the socket that it reached
	id     int32        // of the message
	host   wire.GetHostRequest
	route  wire.GetRouteRequest
	report wire.ReportRequest
	hosts  hostsQuestion
}

// inbox takes such requests to the owning loop. Its two lists take turns, so
// that it allocates nothing once they have grown. Well-behaved callers send
// none, and those that share the loop never come here: the lock is off the
// beaten path.
type inbox struct {
	drain func() // reads the inbox, on the owning loop

	mu      sync.Mutex
	letters []letter
	spare   []letter
}

// put hands a letter over. False: too many wait, or the loop is gone.
func (b *inbox) put(l letter, loop *reactor.Loop) bool {
	b.mu.Lock()
	n := len(b.letters)
	if n >= lettersMax {
		b.mu.Unlock()
		return false
	}
	b.letters = append(b.letters, l)
	b.mu.Unlock()
	return n > 0 || loop.Post(b.drain)
}

// take returns what has come. Give it back.
func (b *inbox) take() []letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.letters
	b.letters, b.spare = b.spare[:0], nil
	return l
}

func (b *inbox) give(l []letter) {
	clear(l)
	b.mu.Lock()
	b.spare = l[:0]
	b.mu.Unlock()
}
