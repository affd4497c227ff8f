package dns_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"lars/reactor/driver"
	"lars/reactor/frame"
	"lars/system/dns"
	"lars/system/store"
	"lars/system/wire"
)

// says is an agent's report of now: what it says of 192.168.1.last:80.
func says(agent, number uint64, m store.Module, last int, w store.Word) store.Report {
	return store.Report{
		Mark: store.Mark{Boot: agent, Number: number}, Module: m, At: time.Now(), Sharing: true,
		Results: []store.Result{{Host: replace(m, last).Hosts[0], Suspect: w}},
	}
}

func (db *database) save(t testing.TB, reports ...store.Report) {
	t.Helper()
	if _, err := db.SaveReports(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
}

// wantsHints is a request for a route and for hints.
func wantsHints(m store.Module) []byte {
	q := wire.GetRouteRequest{ModID: m.ModID, CmdID: m.CmdID, Hints: true}
	return frame.Append(nil, wire.IDGetRouteRequest, q.AppendTo(nil))
}

// hints reads messages of hints until one says "modid,cmdid agents last:by".
func (p *peer) hints(want string) {
	p.t.Helper()
	for end := time.Now().Add(patience); ; {
		var msg wire.Hints
		body, err := p.body(wire.IDHints)
		if err != nil || msg.Decode(body) != nil {
			p.t.Fatalf("no hints %q: %v", want, err)
		}
		got := fmt.Sprintf("%d,%d %d", msg.ModID, msg.CmdID, msg.Agents)
		for _, h := range msg.Hosts {
			got += fmt.Sprintf(" %d:%d", h.IP&255, h.Suspected)
		}
		if got == want {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("hints %q, want %q", got, want)
		}
	}
}

// What agents suspect reaches those that asked for it, and nobody else.
func TestHintsArePushed(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db, m := newDatabase(t), module(1, 1)
		db.edit(t, replace(m, 1, 2, 3), replace(module(2, 2), 9))
		s, _ := start(t, d, quick(), db)
		loaded(t, s)
		old, p, other := connect(t, s), connect(t, s), connect(t, s)
		expect(t, "an old agent", old.ask(m), "1,1 1,2,3")
		p.send(wantsHints(m))
		expect(t, "one that wants hints", p.read(), "1,1 1,2,3")
		other.send(wantsHints(module(2, 2)))
		expect(t, "one of another module", other.read(), "2,2 9")
		if n := s.Stats().HintSubscriptions; n != 2 {
			t.Errorf("%d want hints", n)
		}

		// Of a host that is in no route nothing is told.
		db.save(t, says(7, 1, m, 2, store.Suspected), says(8, 1, m, 2, store.Suspected), says(9, 1, m, 77, store.Suspected))
		p.hints("1,1 3 2:2")
		p.hints("1,1 3 2:2") // again, before it is old
		db.save(t, says(7, 2, m, 2, store.Cleared), says(7, 3, m, 3, store.Suspected))
		p.hints("1,1 3 2:1 3:1")
		db.save(t, says(8, 2, m, 2, store.Cleared), says(7, 4, m, 3, store.Cleared))
		p.hints("1,1 0")
		until(t, "none", func() bool { return s.Stats().Hinted == 0 })

		db.edit(t, replace(m, 5), replace(module(2, 2), 6))
		expect(t, "an old agent's next message", old.read(), "1,1 5")
		expect(t, "that of another module's", other.read(), "2,2 6")

		// Who asks without, wants no more of it.
		p.send(request(m))
		until(t, "unsubscribed", func() bool { return s.Stats().HintSubscriptions == 1 })
	})
}

// unsuspecting is a store of which that part fails when it is told to.
type unsuspecting struct {
	dns.Store
	away atomic.Bool
}

func (u *unsuspecting) Suspicions(ctx context.Context, now time.Time) ([]store.Suspicion, error) {
	if u.away.Load() {
		return nil, fmt.Errorf("%w: switched off by the test", store.ErrUnavailable)
	}
	return u.Store.Suspicions(ctx, now)
}

// Without hints, routes go on; and hints do, later.
func TestHintsMayFail(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db, m := newDatabase(t), module(1, 1)
		db.edit(t, replace(m, 1, 2))
		db.save(t, says(7, 1, m, 2, store.Suspected))
		st := &unsuspecting{Store: db}
		st.away.Store(true)
		s, log := start(t, d, quick(), st)
		loaded(t, s)
		p := connect(t, s)
		p.send(wantsHints(m))
		expect(t, "route", p.read(), "1,1 1,2")
		until(t, "failures", func() bool { return s.Stats().HintErrors > 2 })
		db.edit(t, replace(m, 2, 3))
		expect(t, "push", p.read(), "1,1 2,3")
		if n := log.count("what agents suspect is not told"); n != 1 {
			t.Errorf("%d lines", n)
		}
		st.away.Store(false)
		p.hints("1,1 1 2:1")
	})
}
