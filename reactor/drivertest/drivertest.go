// Package drivertest is the executable contract of package driver: one
// conformance suite, one metamorphic test and one set of benchmarks that every
// backend runs from a short harness of its own:
//
//	func TestConformance(t *testing.T) {
//		drivertest.Run(t, drivertest.Harness{Driver: epoll.Driver{}})
//	}
//
//	func BenchmarkDriver(b *testing.B) {
//		drivertest.Bench(b, drivertest.Harness{Driver: epoll.Driver{}})
//	}
//
// It is for authors of backends. The peers of the driver under test are plain
// sockets of the suite, so that a driver cannot agree with itself on a mistake.
// Under every case lie the same watches: callbacks of a loop never overlap,
// nothing is received while paused or after Close, unconsumed bytes are shown
// again unchanged, Closed comes once and last, no callback follows
// Engine.Close, and goroutines and descriptors return to where they were.
//
// What a driver cannot do it declares in its Abilities; the case that needs it
// then asserts the declared error or alternative instead. No case is skipped.
//
// Every wait has a deadline of half a minute, and returns as soon as its
// condition holds. Under -short and under the race detector the numbers of
// connections, messages and bytes are smaller (see scaled); the cases are the
// same.
//
// It does not test what exists once above the seam (routing, frame time-outs,
// limits on connections, reconnecting), and it measures no times.
package drivertest

import (
	"testing"
	"time"

	"lars/reactor/driver"
)

// A Harness says how to test one driver.
type Harness struct {
	// Driver under test.
	Driver driver.Driver
	// ResetAsEOF declares that the backend's library does not tell a peer's
	// reset from its orderly close: Closed may then say io.EOF for a reset.
	// Zero asserts the error of the system.
	ResetAsEOF bool
	// Net is where the suite's peers live; nil is the kernel's network.
	Net Net
}

func (h Harness) withDefaults() Harness {
	if h.Net == nil {
		h.Net = kernelNet{}
	}
	return h
}

// patienceDefault bounds every wait of the suite; the machine may be slow and
// shared, and a wait that succeeds never takes it.
const patienceDefault = 30 * time.Second

// Run holds the harness's driver to the contract of package driver.
func Run(t *testing.T, h Harness) {
	h = h.withDefaults()
	if inChild() {
		runChild(t, h)
		return
	}
	raiseDescriptorLimit(t)
	warmUp(t, h)
	for _, c := range allCases() {
		t.Run(c.name, func(t *testing.T) { runCase(t, h, c, patienceDefault) })
	}
}

// A testCase is one part of the contract.
type testCase struct {
	name  string
	needs need
	side  side // of the connections that env.connect makes
	f     func(e *env)
}

// allCases lists the suite in the order in which it runs: what everything
// else relies on comes first.
func allCases() []testCase {
	var all []testCase
	for _, group := range [][]testCase{
		taskCases(), timerCases(),
		listenCases(), dialCases(),
		echoCases(), frameCases(), inputCases(), pauseCases(), outputCases(),
		closeCases(), resetCases(), staleCases(),
		packetCases(), spreadCases(), optionCases(),
		loadCases(), engineCases(),
	} {
		all = append(all, group...)
	}
	return all
}

// bothSides makes a case for accepted and for dialled connections.
func bothSides(name string, f func(e *env)) []testCase {
	return []testCase{
		{name: name + "/accepted", needs: needListen, side: accepted, f: f},
		{name: name + "/dialled", needs: needDial, side: dialled, f: f},
	}
}

// scaled is n, or a tenth of it (at least least) in -short and race runs.
func scaled(n, least int) int {
	if testing.Short() || raceEnabled {
		return max(n/10, least)
	}
	return n
}
