package drivertest

import (
	"math/rand/v2"
	"time"

	"lars/reactor/driver"
)

func timerCases() []testCase {
	return []testCase{
		{name: "Timers/Order", f: timersOrder},
		{name: "Timers/OrderWhenLate", f: timersOrderWhenLate},
		{name: "Timers/NotEarly", f: timersNotEarly},
		{name: "Timers/Cancel", f: timersCancel},
		{name: "Timers/InsideTimers", f: timersInsideTimers},
		{name: "Timers/ZeroDelayDoesNotStarve", f: timersZeroDelayDoesNotStarve},
		{name: "Timers/OnTheirLoop", f: timersOnTheirLoop},
		{name: "Timers/NowIsSteady", f: timersNowIsSteady},
	}
}

// timersOrder makes many timers in one callback.
func timersOrder(e *env) {
	random := rand.New(rand.NewPCG(1, 2))
	delays := make([]time.Duration, 300)
	for i := range delays {
		delays[i] = time.Duration(random.IntN(20)) * time.Millisecond
	}
	timersInOrder(e, delays, 0)
}

// timersOrderWhenLate holds the loop until several timers are due at once.
func timersOrderWhenLate(e *env) {
	const ms = time.Millisecond
	timersInOrder(e, []time.Duration{9 * ms, 3 * ms, 6 * ms, 3 * ms, 0, 12 * ms}, 20*ms)
}

// timersInOrder makes timers in one callback, which then keeps the loop busy
// for hold. They must run by time, then by making. Each is due its delay after
// it was made, or after the loop's Now, and the goroutine that makes them may
// be held up in between, so the order of two is asked for only where it is the
// same either way.
func timersInOrder(e *env, delays []time.Duration, hold time.Duration) {
	l := e.open(driver.Config{}).loops[0]
	type timer struct{ delay, earliest, latest time.Duration } // due between the two
	var made []timer
	var got []int // positions in made
	l.do(func() {
		start := time.Now()
		for i, d := range delays {
			earliest := time.Since(start) + d
			l.after(d, func() { e.note(func() { got = append(got, i) }) })
			made = append(made, timer{d, earliest, time.Since(start) + d})
		}
		for held := time.Now(); time.Since(held) < hold; {
			continue // the loop is busy, as a slow callback would keep it
		}
	})
	e.await("all timers run", func() bool { return len(got) >= len(delays) })
	for i, j := range got {
		second := made[j]
		for _, k := range got[i+1:] {
			first := made[k]
			if first.delay <= second.delay && (k < j || first.latest < second.earliest) {
				e.fatalf("the order is wrong: timer %d (after %v, due at %v at the latest) ran after timer %d (after %v, due at %v at the earliest)",
					k, first.delay, first.latest, j, second.delay, second.earliest)
			}
		}
	}
}

// timersNotEarly compares the loop's own clock: a timer may be late, never early.
func timersNotEarly(e *env) {
	l := e.open(driver.Config{}).loops[0]
	ran, waits := 0, []time.Duration{
		-time.Second, 0, 1, time.Microsecond, 999 * time.Microsecond, time.Millisecond,
		1500 * time.Microsecond, 10*time.Millisecond + 1, 30 * time.Millisecond,
	}
	for _, d := range waits {
		l.do(func() {
			at, real, running := l.Now(), time.Now(), true
			l.after(d, func() {
				if running {
					e.errorf("After(%v) ran its function inside itself", d)
				}
				// Now may be older than the real time by the batch so far, so
				// only the loop's clock is exact.
				if got := l.Now() - at; got < d {
					e.errorf("After(%v) ran after %v by the loop's clock (%v in fact)", d, got, time.Since(real))
				}
				e.note(func() { ran++ })
			})
			running = false
		})
	}
	e.await("all timers run", func() bool { return ran == len(waits) })
}

func timersCancel(e *env) {
	l := e.open(driver.Config{}).loops[0]
	done := false
	never := func(what string) func() {
		return func() { e.errorf("a timer ran that was cancelled %s", what) }
	}
	l.do(func() {
		l.after(time.Millisecond, never("at once"))()
		var later func()
		l.after(2*time.Millisecond, func() { later() })
		later = l.after(2*time.Millisecond, never("by an earlier one of the same time"))
		var self func()
		self = l.after(3*time.Millisecond, func() { self(); self() }) // harmless, in itself and twice
		l.after(5*time.Millisecond, func() { later(); e.note(func() { done = true }) })
	})
	e.await("the last timer runs", func() bool { return done })
}

// timersInsideTimers makes each timer in the one before it.
func timersInsideTimers(e *env) {
	l := e.open(driver.Config{}).loops[0]
	depth := 0
	var next func()
	next = func() {
		e.note(func() { depth++ })
		if depth < 30 {
			l.after(time.Duration(depth%3)*time.Millisecond, next)
		}
	}
	l.do(func() { l.after(0, next) })
	e.await("a chain of 30 timers runs", func() bool { return depth == 30 })
}

// timersZeroDelayDoesNotStarve makes a timer that always makes another one
// without a delay: posted functions and connections must still have their turn.
func timersZeroDelayDoesNotStarve(e *env) {
	l := e.open(driver.Config{}).loops[0]
	stop, stopped := false, false
	var again func()
	again = func() {
		if stop || e.hasFailed() {
			e.note(func() { stopped = true })
			return
		}
		l.after(0, again)
	}
	l.do(func() { l.after(0, again) })
	l.passLoop()
	l.do(func() { stop = true })
	e.await("the chain of timers ends", func() bool { return stopped })
}

// timersOnTheirLoop holds one loop: its timers must wait, the other's must not.
func timersOnTheirLoop(e *env) {
	en := e.open(driver.Config{Loops: 2})
	waited, other, early := false, false, false
	en.loops[0].do(func() {
		en.loops[0].after(20*time.Millisecond, func() { e.note(func() { waited = true }) })
	})
	g := en.loops[0].hold()
	already := false
	e.look(func() { already = waited })
	en.loops[1].do(func() {
		en.loops[1].after(25*time.Millisecond, func() { e.note(func() { other = true }) })
	})
	e.await("the timer of the loop that is not held runs", func() bool { return other })
	e.look(func() { early = waited })
	if early && !already {
		e.fatalf("a timer ran while its loop was held")
	}
	g.release()
	e.await("the held loop's timer runs", func() bool { return waited })
}

// timersNowIsSteady: Now is read once per batch, so it stands still within a
// callback, and it does go on.
func timersNowIsSteady(e *env) {
	l := e.open(driver.Config{}).loops[0]
	var first time.Duration
	l.do(func() {
		first = l.Now()
		for start := time.Now(); time.Since(start) < 3*time.Millisecond; {
			continue // real time must pass
		}
		if again := l.Now(); again != first {
			e.errorf("Now went from %v to %v within one callback", first, again)
		}
	})
	e.poll("Now goes on", func() bool {
		var now time.Duration
		l.do(func() { now = l.Now() })
		return now > first
	})
}
