package drivertest

import (
	"context"
	"io"
	"sync"
	"time"

	"lars/reactor/driver"
)

// A reporter is the part of testing.TB that a case needs; the suite's own
// tests put a recorder in its place.
type reporter interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	FailNow()
}

// An env is the world of one running case: a monitor for what the callbacks
// saw, the engines and sockets to clean up, and the way to fail.
//
// State that callbacks share with the case's own goroutine is changed in note
// and read in await. The functions given to both must not fail the case.
type env struct {
	reporter
	h        Harness
	side     side
	patience time.Duration

	mu      sync.Mutex
	changed *sync.Cond
	failed  bool
	ended   bool
	sockets []io.Closer // of the suite; closed at the end and at the first failure
	engines []*engine
}

func newEnv(r reporter, h Harness, s side, patience time.Duration) *env {
	e := &env{reporter: r, h: h.withDefaults(), side: s, patience: patience}
	e.changed = sync.NewCond(&e.mu)
	return e
}

// runCase runs one case and checks that it left nothing behind.
func runCase(r reporter, h Harness, c testCase, patience time.Duration) {
	e := newEnv(r, h, c.side, patience)
	before := countResources()
	defer e.finish(before)
	if !c.needs.has(h.Driver.Abilities()) {
		c.needs.assertUnsupported(e)
		return
	}
	c.f(e)
}

// finish closes what the case opened, also when the case was ended by FailNow.
func (e *env) finish(before resources) {
	e.closeSockets()
	for _, en := range e.engines {
		en.close()
	}
	if !e.hasFailed() {
		e.awaitResources(before)
	}
	e.mu.Lock()
	e.ended = true
	e.mu.Unlock()
}

func (e *env) hasFailed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}

// errorf fails the case and wakes everything that waits in it. From any
// goroutine; callbacks of loops use only this.
func (e *env) errorf(format string, args ...any) {
	e.Helper()
	e.mu.Lock()
	first, ended := !e.failed, e.ended
	e.failed = true
	e.mu.Unlock()
	if !ended {
		e.Errorf(format, args...)
	}
	e.changed.Broadcast()
	if first {
		e.closeSockets()
	}
}

// fatalf fails the case and ends it. Only on the case's own goroutine.
func (e *env) fatalf(format string, args ...any) {
	e.Helper()
	e.errorf(format, args...)
	e.FailNow()
}

// note changes shared state and wakes await.
func (e *env) note(change func()) {
	e.mu.Lock()
	change()
	e.mu.Unlock()
	e.changed.Broadcast()
}

// look reads shared state.
func (e *env) look(read func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	read()
}

// await returns when cond holds, and ends the case when it does not in time or
// when the case failed meanwhile. Only on the case's own goroutine.
func (e *env) await(what string, cond func() bool) {
	e.Helper()
	ok, failed := e.awaitAny(cond)
	switch {
	case failed:
		e.FailNow()
	case !ok:
		e.fatalf("did not happen within %v: %s", e.patience, what)
	}
}

// awaitAny waits for cond, the deadline or a failure. From any goroutine.
func (e *env) awaitAny(cond func() bool) (ok, failed bool) {
	late := false
	timer := time.AfterFunc(e.patience, func() { e.note(func() { late = true }) })
	defer timer.Stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	for !cond() && !e.failed && !late {
		e.changed.Wait()
	}
	return cond(), e.failed
}

// poll is await for what gives no sign of changing, such as counters of the
// process or of the driver.
func (e *env) poll(what string, cond func() bool) {
	e.Helper()
	if !e.pollAny(cond) {
		e.fatalf("did not happen within %v: %s", e.patience, what)
	}
}

func (e *env) pollAny(cond func() bool) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(e.patience); !cond(); <-tick.C {
		if time.Now().After(deadline) || e.hasFailed() {
			return false
		}
	}
	return true
}

// parallel runs f(0) to f(n-1) on goroutines of their own, fails the case with
// their errors and returns when all have.
func (e *env) parallel(n int, f func(i int) error) {
	e.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := f(i); err != nil {
				e.errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if e.hasFailed() {
		e.FailNow()
	}
}

// keep closes a socket of the suite at the end of the case.
func (e *env) keep(c io.Closer) {
	e.mu.Lock()
	e.sockets = append(e.sockets, c)
	failed := e.failed
	e.mu.Unlock()
	if failed {
		c.Close()
	}
}

func (e *env) closeSockets() {
	e.mu.Lock()
	list := e.sockets
	e.sockets = nil
	e.mu.Unlock()
	for _, c := range list {
		c.Close()
	}
}

// within is a context that ends with the case's patience.
func (e *env) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), e.patience)
}

// open starts an engine of the driver under test.
func (e *env) open(c driver.Config) *engine {
	e.Helper()
	start := time.Now()
	eng, err := e.h.Driver.Open(c)
	if err != nil {
		e.fatalf("Open: %v", err)
	}
	en := newEngine(e, eng, start)
	e.mu.Lock()
	e.engines = append(e.engines, en)
	e.mu.Unlock()
	if got, want := len(en.loops), max(c.Loops, 1); got != want {
		e.fatalf("the engine has %d loops, want %d", got, want)
	}
	return en
}
