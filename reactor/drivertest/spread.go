package drivertest

import (
	"slices"

	"lars/reactor/driver"
)

func spreadCases() []testCase {
	return []testCase{
		{name: "Spread/RoundRobin", needs: needListen, f: spreadRoundRobin},
		{name: "Spread/LeastConns", needs: needListen, f: spreadLeastConns},
	}
}

// spreadRoundRobin opens connections one after the other; each loop gets its
// share. A driver without the ability must still put each on one of its loops,
// which loopOf asserts.
func spreadRoundRobin(e *env) {
	const loops, each = 3, 4
	en := e.open(driver.Config{Loops: loops})
	s := en.serve(driver.ListenOptions{}, echoHooks())
	var got [loops]int
	for i := range loops * each {
		e.rawDial(s.Addr())
		got[s.awaitConn(i).loop.Index()]++
	}
	if e.h.Driver.Abilities().Spread && slices.Max(got[:]) != each {
		e.fatalf("round robin put the connections on the loops as %v, want %d on each", got, each)
	}
}

// spreadLeastConns empties one loop: the next connections go there.
func spreadLeastConns(e *env) {
	const loops, each = 3, 3
	en := e.open(driver.Config{Loops: loops, Spread: driver.LeastConns})
	s := en.serve(driver.ListenOptions{}, echoHooks())
	var got [loops]int
	open := func(i int) int {
		e.rawDial(s.Addr())
		return s.awaitConn(i).loop.Index()
	}
	for i := range loops * each {
		got[open(i)]++
	}
	if !e.h.Driver.Abilities().Spread {
		return
	}
	if slices.Max(got[:]) != each {
		e.fatalf("least connections put them on the loops as %v, want %d on each", got, each)
	}
	const empty = 1
	for _, c := range s.conns {
		if c.loop.Index() == empty {
			c.loop.do(func() { c.Close(errCause) })
			c.awaitClosed()
		}
	}
	e.poll("the loop counts no connection", func() bool { return en.loops[empty].Stats().Conns == 0 })
	for i := range each {
		if l := open(loops*each + i); l != empty {
			e.fatalf("a connection went to loop %d while loop %d had fewer", l, empty)
		}
	}
}
