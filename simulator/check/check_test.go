package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lars/system/store"
)

const s = time.Second

var (
	m1     = store.Module{ModID: 1, CmdID: 1}
	a1, a2 = store.Host{IP: 1, Port: 80}, store.Host{IP: 2, Port: 80}
)

// want checks what a log has: the first words of each violation.
func want(t *testing.T, l *Log, texts ...string) {
	t.Helper()
	ok := len(texts) == l.Count && len(texts) == len(l.First)
	for i := 0; ok && i < len(texts); i++ {
		ok = strings.Contains(l.First[i].String(), texts[i])
	}
	if !ok {
		t.Errorf("%v\nwant %q", l.First, texts)
	}
}

func TestAnswers(t *testing.T) {
	var l Log
	a := NewAnswers(&l, s)
	for n := range uint64(6) {
		a.Asked(0, n)
	}
	a.Ended(s, 0, true, Never)   // in time
	a.Ended(s, 1, false, s/2)    // the agent was ill at the time
	a.Ended(2*s, 2, true, 0)     // late
	a.Ended(s, 3, false, 0)      // no answer
	a.Look(s)                    // 4 and 5 may still end
	a.Ended(s, 4, true, 0)       // and one does
	a.Look(s + time.Millisecond) // the other does not
	a.Look(10 * s)               // told once
	want(t, &l, "took 2s, longer than 1s", "gave no answer", "has no end")
}

func TestPicks(t *testing.T) {
	var l Log
	p := NewPicks(&l, 2*s)
	p.Joined(m1, a1)
	p.Picked(0, m1, a1, 0)
	p.Left(10*s, m1, a1)
	p.Picked(12*s, m1, a1, 0)     // just in time
	p.Picked(13*s, m1, a1, Never) // all is ill
	p.Picked(13*s, m1, a1, 12*s)  // well again for too short
	p.Picked(13*s, m1, a1, 0)
	p.Joined(m1, a1)
	p.Picked(14*s, m1, a1, 0)
	p.Picked(14*s, m1, a2, Never)
	want(t, &l, "3s after it had left", "never was in the route")
}

func TestKnown(t *testing.T) {
	var l Log
	k := NewKnown(&l, 3*s)
	k.Unknown(0, "agent", m1)
	k.Known(1*s, "agent", m1)
	k.Known(9*s, "agent", m1)
	k.Killed(3*s, "agent") // not yet kept
	k.Unknown(4*s, "agent", m1)
	k.Known(5*s, "agent", m1)
	k.Killed(9*s, "agent")
	k.Unknown(9*s, "other", m1)
	want(t, &l)
	k.Unknown(9*s, "agent", m1)
	want(t, &l, "known: agent has no host for module 1,1, which it has known since 5s")
}

func TestRoutes(t *testing.T) {
	var l Log
	r := NewRoutes(&l)
	r.Is(m1, []store.Host{a1})
	r.Is(m1, []store.Host{a1, a2})
	r.Is(m1, []store.Host{a1}) // as before
	r.Saw(1*s, "agent", m1, []store.Host{a1})
	r.Saw(2*s, "agent", m1, nil)
	r.Saw(3*s, "agent", m1, []store.Host{a2, a1}) // in any order
	r.Saw(4*s, "agent", m1, []store.Host{a1})     // the newest
	r.Final(4*s, "agent", m1, []store.Host{a1})
	want(t, &l)
	r.Saw(5*s, "agent", m1, []store.Host{a1, a2}) // back
	r.Saw(5*s, "other", m1, []store.Host{a2})     // never was
	r.Final(5*s, "agent", m1, []store.Host{a1, a2})
	r.Restarted("agent")
	r.Saw(6*s, "agent", m1, []store.Host{a1, a2}) // anew
	want(t, &l, "versions: agent has", "versions: other has", "converge: agent has")
}

func TestBooks(t *testing.T) {
	good := Books{Who: "agent", Sent: 10, Exposed: 3, Doubled: 2, Received: 8, Counted: 7, Due: 5, Latest: 6}
	for what, change := range map[string]func(*Books){
		"":                        func(*Books) {},
		"received 13":             func(b *Books) { b.Received = 13 },
		"at most 3 could be lost": func(b *Books) { b.Received = 6 },
		"which counted 7":         func(b *Books) { b.Latest = 8 },
		"at least 5 had to":       func(b *Books) { b.Latest = 4 },
	} {
		var l Log
		b := good
		change(&b)
		if b.Check(&l, 0); what == "" {
			want(t, &l)
		} else {
			want(t, &l, what)
		}
	}
	var l Log
	CheckTotals(&l, 0, 5, 5)
	CheckTotals(&l, 0, 5, 6)
	want(t, &l, "the totals per minute say 5")
}

func TestShare(t *testing.T) {
	var l Log
	sh := NewShare(&l)
	for range 59 {
		sh.Picked(m1, a1)
	}
	sh.Final(0, m1, []store.Host{a1, a2}) // too few to tell
	want(t, &l)
	sh.Picked(m1, a1)
	sh.Final(0, m1, []store.Host{a1, a2})
	want(t, &l, "0.0.0.2:80 of module 1,1 starves")
}

func TestQuota(t *testing.T) {
	var l Log
	q := NewQuota(&l, 10)
	for range 100 {
		q.Picked(0, "agent", m1, a1) // nobody is overloaded
	}
	q.Changed("agent", m1, a1, true)
	for i := range 40 { // one in ten, and three while it became so
		if i%10 == 0 || i < 3 {
			q.Picked(0, "agent", m1, a1)
		} else if i%2 == 0 {
			q.Picked(0, "agent", m1, a2)
		} else {
			q.Refused("agent", m1)
		}
	}
	want(t, &l)
	for range 2 {
		q.Picked(0, "agent", m1, a1)
	}
	want(t, &l, "quota: agent has picked overloaded hosts")
	q.Changed("agent", m1, a1, false)
	q.Changed("agent", m1, a2, true)
	q.Gone(m1, a2)
	q.Changed("agent", m1, a2, true) // nobody knows
	for range 100 {
		q.Picked(0, "agent", m1, a1)
		q.Picked(0, "agent", m1, a2)
	}
	want(t, &l, "quota")
}

func TestErrors(t *testing.T) {
	var l Log
	NewErrors(&l).Final(0, 0.1, callsMin-1)
	want(t, &l)
	NewErrors(&l).Final(0, 0.1, callsMin)
	e := NewErrors(&l)
	for range 90 {
		e.Call("")
	}
	for range 13 {
		e.Call("late")
	}
	e.Final(0, 0.1, callsMin)
	want(t, &l, "no calls")
	e.Call("refused")
	e.Final(0, 0.1, callsMin)
	want(t, &l, "no calls", "14 of 104 calls failed after the last fault ([late refused])")
}

func TestGaugeAndLog(t *testing.T) {
	var l Log
	first := 0
	l.OnFirst = func() { first++ }
	Gauge(&l, s, "letters", 5, 5)
	for range 2 * violationsMax {
		Gauge(&l, s, "letters", 6, 5)
	}
	if first != 1 || l.Count != 2*violationsMax || len(l.First) != violationsMax {
		t.Errorf("%d %d %d", first, l.Count, len(l.First))
	}
	if !slices.Contains(l.First, Violation{s, "memory", "letters: 6, more than 5"}) {
		t.Errorf("%v", l.First[0])
	}
}
