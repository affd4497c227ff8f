package drivertest

import (
	"fmt"
	"math/rand/v2"
)

// An action is what one step of a random script does.
type action int

const (
	actSend       action = iota // the peer sends bytes
	actPush                     // a posted function sends bytes
	actPause                    // Pause
	actResume                   // Resume
	actTimer                    // a timer
	actFinish                   // the peer closes its sending half
	actReset                    // the peer resets
	actClose                    // Close(nil)
	actAbort                    // Close with a cause
	actPushClose                // bytes and Close(nil) in one callback
	actEngineOver               // Engine.Close, the end of every script
)

var actionWeights = [...]int{actSend: 30, actPush: 12, actPause: 8, actResume: 12, actTimer: 6, actFinish: 3, actReset: 2, actClose: 2, actAbort: 2, actPushClose: 2}

// A step is an action on one of the connection places of a script. A place
// whose connection has ended gets a new one at its next step.
type step struct {
	act   action
	place int
	bytes int
}

const scriptPlaces = 4

// makeScript makes n steps from a seed.
func makeScript(seed uint64, n int) (script []step) {
	r := rand.New(rand.NewPCG(seed, seed))
	total := 0
	for _, w := range actionWeights {
		total += w
	}
	for range n {
		pick, act := r.IntN(total), action(0)
		for pick >= actionWeights[act] {
			pick -= actionWeights[act]
			act++
		}
		size := 1 + r.IntN(20)
		if r.IntN(4) == 0 {
			size = 1 + r.IntN(20_000)
		}
		script = append(script, step{act, r.IntN(scriptPlaces), size})
	}
	return append(script, step{act: actEngineOver})
}

// chunkOf is what the handlers of a place consume a multiple of: partial
// consumption is part of the game.
func chunkOf(place int) int { return []int{1, 7}[place%2] }

// A model says what one connection must come to. It is pure.
type model struct {
	chunk    int
	sent     int    // by the peer
	consumed int    // by the handler
	pending  []byte // that the peer sent and the handler has not consumed
	out      []byte // that the peer must read and has not
	paused   bool
	finished bool // the peer's sending half is closed
	over     bool
	history  []string
}

func (m *model) logf(format string, args ...any) {
	m.history = append(m.history, fmt.Sprintf(format, args...))
}

// settle consumes what the handler must have consumed when all is quiet, and
// takes in the peer's end.
func (m *model) settle() {
	if m.over || m.paused {
		return
	}
	n := len(m.pending) / m.chunk * m.chunk
	m.out = append(m.out, m.pending[:n]...)
	m.pending = m.pending[n:]
	m.consumed += n
	if m.finished {
		m.end("EOF")
	}
}

func (m *model) end(how string) {
	m.over = true
	m.logf("closed by %s after %d", how, m.consumed)
}

// apply is the effect of a step on a settled connection.
func (m *model) apply(s step, payload []byte) {
	switch s.act {
	case actSend:
		m.sent += len(payload)
		m.pending = append(m.pending, payload...)
	case actPush:
		m.out = append(m.out, payload...)
		m.logf("pushed %d after %d", len(payload), m.consumed)
	case actPause:
		m.paused = true
		m.logf("paused after %d", m.consumed)
	case actResume:
		m.logf("resumed after %d", m.consumed)
		m.paused = false
	case actTimer:
		m.logf("timer after %d", m.consumed)
	case actFinish:
		m.finished = true
	case actReset:
		m.end("reset")
	case actClose:
		m.end("nil")
	case actAbort:
		m.end("cause")
	case actPushClose:
		m.out = append(m.out, payload...)
		m.end("nil")
	case actEngineOver:
		m.end("engine")
	}
	m.settle()
}
