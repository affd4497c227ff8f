package drivertest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"lars/reactor/driver"
)

// seedVariable names the environment variable that replays a seed.
const seedVariable = "LARS_SEED"

// Metamorphic plays one random script, made from seed (LARS_SEED replaces it),
// on the driver of every harness: connections are opened by either side, sent to in pieces,
// paused, resumed, pushed to, half closed, reset and closed. What happened on
// each connection must be what a pure model says, and therefore the same on
// all drivers. The seed is printed first and is the whole report of a failure.
func Metamorphic(t *testing.T, seed uint64, harnesses ...Harness) {
	if s := os.Getenv(seedVariable); s != "" {
		n, err := strconv.ParseUint(s, 0, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
		seed = n
	}
	t.Logf("%s=%d", seedVariable, seed)
	raiseDescriptorLimit(t)
	for _, h := range harnesses {
		t.Run(h.Driver.Name(), func(t *testing.T) {
			warmUp(t, h)
			runCase(t, h, metamorphicCase(seed), patienceDefault)
		})
	}
}

func metamorphicCase(seed uint64) testCase {
	return testCase{name: "Metamorphic", f: func(e *env) {
		p := &play{e: e, seed: seed, en: e.open(driver.Config{Loops: 2})}
		for i, s := range makeScript(seed, scaled(1000, 300)) {
			p.index = i
			p.step(s)
		}
	}}
}

// A play is a script on one driver.
type play struct {
	e      *env
	en     *engine
	seed   uint64
	index  int // of the step
	opened int
	places [scriptPlaces]*actor
}

// An actor is one connection of a play, its peer and its model.
type actor struct {
	e       *env
	m       model
	r       *raw
	c       *conn
	in      *stream  // of the peer
	history []string // as it happened; under env.mu
}

func (p *play) step(s step) {
	if s.act == actEngineOver {
		p.finish()
		return
	}
	a := p.places[s.place]
	if a == nil || a.m.over {
		a = p.open(s.place)
		p.places[s.place] = a
	}
	if !a.allows(s.act) {
		return
	}
	p.settle(a)
	payload := a.in.next(s.bytes)
	a.m.apply(s, payload)
	p.do(a, s, payload)
	if a.m.over {
		p.settle(a)
		p.compare(a)
	}
}

// allows says whether an action makes sense, and has one outcome only.
func (a *actor) allows(act action) bool {
	switch act {
	case actResume:
		return a.m.paused
	case actPause, actFinish, actReset, actClose, actPushClose:
		// A driver may tell a paused connection of its peer's end at once or
		// after Resume. Input that waits at a closing socket makes the kernel
		// reset, and a reset drops input: what is then seen depends on time.
		return !a.m.paused
	}
	return true
}

func (p *play) open(place int) *actor {
	a := &actor{e: p.e, in: newStream(p.seed + uint64(p.opened)), m: model{chunk: chunkOf(place)}}
	able := p.e.h.Driver.Abilities()
	p.e.side = accepted
	if able.Dial && (p.opened%2 == 1 || !able.Listen) {
		p.e.side = dialled
	}
	p.opened++
	a.r, a.c = p.en.connect(driver.ConnOptions{}, hooks{
		received: func(c *conn, view []byte) int { return c.echo(view[:len(view)/a.m.chunk*a.m.chunk]) },
		closed: func(c *conn, err error) {
			a.logf("closed by %s after %d", p.nameEnd(err), c.receivedBytes)
		},
	})
	return a
}

// nameEnd makes the errors of drivers alike. A reset may look like an end.
func (p *play) nameEnd(err error) string {
	switch {
	case err == nil:
		return "nil"
	case err == errCause:
		return "cause"
	case errors.Is(err, driver.ErrEngineClosed):
		return "engine"
	case errors.Is(err, io.EOF):
		return "EOF"
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		return "reset"
	}
	return err.Error()
}

func (a *actor) logf(format string, args ...any) {
	a.e.note(func() { a.history = append(a.history, fmt.Sprintf(format, args...)) })
}

// settle waits until the connection is where its model is.
func (p *play) settle(a *actor) {
	e, where := p.e, p.where()
	if out := a.m.out; len(out) > 0 {
		if err := a.r.tryExpect(out); err != nil {
			e.fatalf("%s: the peer: %v; model %v", where, err, a.m.history)
		}
		a.m.out = nil
	}
	e.await(fmt.Sprintf("%s: %d bytes consumed, over %v", where, a.m.consumed, a.m.over), func() bool {
		return a.c.receivedBytes == a.m.consumed && a.c.isClosed == a.m.over
	})
}

func (p *play) where() string {
	return fmt.Sprintf("%s=%d, step %d", seedVariable, p.seed, p.index)
}

// do performs a step on the driver or at the peer. A peer that has nothing
// unread resets for sure.
func (p *play) do(a *actor, s step, payload []byte) {
	c := a.c
	switch s.act {
	case actSend:
		a.r.send(payload)
	case actFinish:
		a.r.CloseWrite()
	case actReset:
		a.r.reset()
	case actTimer:
		p.timer(a)
	case actPush:
		c.loop.do(func() {
			a.logf("pushed %d after %d", len(payload), c.receivedBytes)
			c.write(payload)
			c.Flush()
		})
	case actPause:
		c.loop.do(func() { a.logf("paused after %d", c.receivedBytes); c.Pause() })
	case actResume:
		c.loop.do(func() { a.logf("resumed after %d", c.receivedBytes); c.Resume() })
	case actClose:
		c.loop.do(func() { c.Close(nil) })
	case actAbort:
		c.loop.do(func() { c.Close(errCause) })
	case actPushClose:
		c.loop.do(func() { c.write(payload); c.Close(nil) })
	}
}

func (p *play) timer(a *actor) {
	ran := false
	a.c.loop.do(func() {
		a.c.loop.after(time.Millisecond, func() {
			a.logf("timer after %d", a.c.receivedBytes)
			p.e.note(func() { ran = true })
		})
	})
	p.e.await(p.where()+": a timer", func() bool { return ran })
}

// finish closes the engine under the connections that are left.
func (p *play) finish() {
	var left []*actor
	for _, a := range p.places {
		if a != nil && !a.m.over {
			p.settle(a)
			a.m.apply(step{act: actEngineOver}, nil)
			left = append(left, a)
		}
	}
	p.en.close()
	for _, a := range left {
		p.settle(a)
		p.compare(a)
	}
}

func (p *play) compare(a *actor) {
	var got []string
	p.e.look(func() { got = slices.Clone(a.history) })
	want := a.m.history
	if n := len(got); n > 0 && len(want) == n && p.endsAlike(got[n-1], want[n-1]) {
		got[n-1] = want[n-1]
	}
	if !slices.Equal(got, want) {
		p.e.fatalf("%s: a connection's history is\n%q, the model says\n%q", p.where(), got, want)
	}
}

// endsAlike accepts a reset that a library reports as an end of file.
func (p *play) endsAlike(got, want string) bool {
	var g, w string
	var a, b int
	fmt.Sscanf(got, "closed by %s after %d", &g, &a)
	fmt.Sscanf(want, "closed by %s after %d", &w, &b)
	return w == "reset" && g == "EOF" && a == b
}
