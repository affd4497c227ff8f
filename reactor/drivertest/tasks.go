package drivertest

import (
	"runtime"
	"sync"
	"sync/atomic"

	"lars/reactor/driver"
)

func taskCases() []testCase {
	return []testCase{
		{name: "Tasks/Order", f: tasksOrder},
		{name: "Tasks/ManyGoroutines", f: tasksManyGoroutines},
		{name: "Tasks/NotInsidePost", f: tasksNotInsidePost},
		{name: "Tasks/OnTheirLoop", f: tasksOnTheirLoop},
		{name: "Tasks/PostNeverBlocks", f: tasksPostNeverBlocks},
		{name: "Tasks/AfterClose", f: tasksAfterClose},
		{name: "Tasks/PostWhileClosing", f: tasksPostWhileClosing},
	}
}

// tasksOrder posts from one goroutine and wants the same order.
func tasksOrder(e *env) {
	l := e.open(driver.Config{}).loops[0]
	const n = 1000
	var got []int
	for i := range n {
		l.post(func() { e.note(func() { got = append(got, i) }) })
	}
	e.await("all posted functions run", func() bool { return len(got) >= n })
	l.do(func() {})
	for i := range n {
		if len(got) != n || got[i] != i {
			e.fatalf("posted functions ran in the order %v", got)
		}
	}
}

// tasksManyGoroutines wants each goroutine's functions in its order, each one
// once, and never two at a time (see loop.run).
func tasksManyGoroutines(e *env) {
	en := e.open(driver.Config{Loops: 2})
	const goroutines, each = 8, 300
	var ran [goroutines]int
	e.parallel(goroutines, func(g int) error {
		l := en.loops[g%2]
		for i := range each {
			l.post(func() {
				e.note(func() { ran[g]++ })
				if ran[g] != i+1 {
					e.errorf("function %d of goroutine %d ran as number %d", i, g, ran[g]-1)
				}
			})
		}
		return nil
	})
	e.await("all posted functions run", func() bool {
		for _, n := range ran {
			if n != each {
				return false
			}
		}
		return true
	})
}

func tasksNotInsidePost(e *env) {
	l := e.open(driver.Config{}).loops[0]
	ran, inside := false, false
	l.do(func() {
		l.post(func() { e.note(func() { ran = true }) })
		e.look(func() { inside = ran })
	})
	if inside {
		e.fatalf("a posted function ran inside Post")
	}
	e.await("a function posted by the loop itself runs", func() bool { return ran })
}

// tasksOnTheirLoop holds one loop: what is posted to it must wait, what is
// posted to the other must not.
func tasksOnTheirLoop(e *env) {
	en := e.open(driver.Config{Loops: 2})
	for i, l := range en.loops {
		g := l.hold()
		waited, early := false, false
		l.post(func() { e.note(func() { waited = true }) })
		en.loops[1-i].passLoop()
		e.look(func() { early = waited })
		if early {
			e.fatalf("a function posted to loop %d ran while that loop was held", i)
		}
		g.release()
		e.await("the waiting function runs", func() bool { return waited })
	}
}

// tasksPostNeverBlocks posts much more than any fixed queue holds to a loop
// that does not run.
func tasksPostNeverBlocks(e *env) {
	l := e.open(driver.Config{}).loops[0]
	g := l.hold()
	n := scaled(100_000, 20_000)
	var ran atomic.Int64
	posted := false
	go func() {
		for range n {
			l.Post(func() { ran.Add(1) })
		}
		e.note(func() { posted = true })
	}()
	e.await("Post returns while the loop is held", func() bool { return posted })
	g.release()
	l.do(func() {})
	if got := ran.Load(); got != int64(n) {
		e.fatalf("%d of %d posted functions ran before one posted after them", got, n)
	}
}

func tasksAfterClose(e *env) {
	en := e.open(driver.Config{Loops: 2})
	en.close()
	for i, l := range en.loops {
		if l.post(func() {}) {
			e.errorf("Post on loop %d of a closed engine reported true", i)
		}
	}
}

// tasksPostWhileClosing races Post with Close: a function whose Post reported
// false must never run, and none may run afterwards.
func tasksPostWhileClosing(e *env) {
	for range 5 {
		en := e.open(driver.Config{Loops: 2})
		var wg sync.WaitGroup
		for g := range 4 {
			l := en.loops[g%2]
			wg.Go(func() { postUntilRefused(e, l) })
		}
		for _, l := range en.loops {
			l.passLoop()
		}
		en.close()
		wg.Wait()
	}
}

// postUntilRefused posts until the engine closes. It never runs far ahead of
// the loop, which would else have ever more to do before it can close.
func postUntilRefused(e *env, l *loop) {
	const aheadMax = 100
	var ahead atomic.Int64
	for !e.hasFailed() {
		if ahead.Load() > aheadMax && !l.en.closed.Load() {
			runtime.Gosched()
			continue
		}
		var refused, ran atomic.Bool
		ahead.Add(1)
		ok := l.post(func() {
			ahead.Add(-1)
			ran.Store(true)
			if refused.Load() {
				e.errorf("a function ran although its Post had reported false")
			}
		})
		if ok {
			continue
		}
		refused.Store(true)
		if ran.Load() {
			e.errorf("a function ran although its Post reported false")
		}
		return
	}
}
