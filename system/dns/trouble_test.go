package dns_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"lars/reactor/driver"
	"lars/system/dns"
	"lars/system/store"
)

// With the database away at start, requests wait: an empty answer would make
// agents forget routes that exist.
func TestStoreAwayAtStart(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(1, 1), 1))
		f := &faulty{Store: db}
		f.away.Store(true)
		s, log := start(t, d, quick(), f)
		p := connect(t, s)
		p.send(request(module(1, 1)))
		p.send(request(module(1, 1)))
		p.send(request(module(2, 2)))
		until(t, "requests are held and the store was tried", func() bool { st := s.Stats(); return st.Held == 3 && st.StoreErrors > 2 })
		if st := s.Stats(); st.Loaded || !st.Away {
			t.Errorf("stats: %+v", st)
		}
		if n := log.count("no routes yet"); n != 1 {
			t.Errorf("%d log lines, want 1: they are limited", n)
		}
		f.away.Store(false)
		expect(t, "first answer", p.read(), "1,1 1")
		expect(t, "second answer", p.read(), "2,2 ")
		db.edit(t, replace(module(2, 2), 2))
		expect(t, "push", p.read(), "2,2 2")
		if log.count("store is back") != 1 {
			t.Error("no line that says so")
		}
	})
}

func TestStoreAwayLater(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(1, 1), 1))
		f := &faulty{Store: db}
		s, log := start(t, d, quick(), f)
		loaded(t, s)
		p := connect(t, s)
		p.ask(module(1, 1))
		f.away.Store(true)
		until(t, "noticed", func() bool { return s.Stats().StoreErrors > 1 })
		expect(t, "served on", connect(t, s).ask(module(1, 1)), "1,1 1")
		before := s.Stats().Age
		until(t, "the age grows", func() bool { return s.Stats().Age > before })
		db.edit(t, replace(module(1, 1), 2)) // meanwhile, by someone who reaches it
		f.away.Store(false)
		expect(t, "after recovery", p.read(), "1,1 2")
		until(t, "recovered", func() bool { return !s.Stats().Away })
		if log.count("serving the last routes") != 1 || log.count(" age=") != 1 {
			t.Errorf("want one line that states the age:\n%s", log.text.String())
		}
	})
}

// A broken read does not take hosts away from everybody.
func TestOneBadReadWithdrawsNothing(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(1, 1), 1), replace(module(2, 2), 2), replace(module(3, 3), 3))
		f := &faulty{Store: db}
		s, log := start(t, d, quick(), f)
		loaded(t, s)
		p := connect(t, s)
		p.ask(module(1, 1))
		p.ask(module(3, 3))
		none := func(r store.Route) bool { return r.ModID == 3 }
		f.spoil.Store(&none)
		until(t, "alarm and its end", func() bool { return s.Stats().Alarms == 1 && log.count("alarm over") == 1 })
		expect(t, "answer", p.ask(module(1, 1)), "1,1 1")
		db.edit(t, replace(module(3, 3), 4))
		expect(t, "nothing else was pushed", p.read(), "3,3 4")
		if st := s.Stats(); st.Confirmed != 0 || st.Changed != 1 {
			t.Errorf("stats: %+v", st)
		}
	})
}

func TestShrinkAndRegressionAreConfirmed(t *testing.T) {
	tests := []struct {
		name string
		sql  []string
		gone bool // it is said that there is no version
	}{
		{"shrink by hand", []string{"DELETE FROM RouteData WHERE modid = 1"}, false},
		{"version backwards and shrink", []string{"UPDATE RouteVersion SET version = 1", "DELETE FROM RouteData WHERE modid = 1"}, false},
		{"no version and shrink", []string{"DELETE FROM RouteVersion", "DELETE FROM RouteData WHERE modid = 1"}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, d driver.Driver) {
				db := newDatabase(t)
				db.edit(t, replace(module(1, 1), 1))
				db.edit(t, replace(module(2, 2), 2))
				s, log := start(t, d, quick(), db)
				loaded(t, s)
				p := connect(t, s)
				p.ask(module(1, 1))
				tx, err := db.raw.Begin()
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range test.sql {
					if _, err := tx.Exec(text); err != nil {
						t.Fatal(err)
					}
				}
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}
				expect(t, "push after the second read", p.read(), "1,1 ")
				st := s.Stats()
				if st.Alarms != 1 || st.Confirmed != 1 {
					t.Errorf("alarms %d, confirmed %d, want 1 and 1", st.Alarms, st.Confirmed)
				}
				if log.count("ALARM: ") != 1 || log.count("ALARM confirmed") != 1 {
					t.Error("want one line for each")
				}
				if told := log.count("RouteVersion has no row with id 1") > 0; told != test.gone {
					t.Errorf("that the row is gone is said: %v", told)
				}
				db.edit(t, replace(module(1, 1), 3))
				expect(t, "push of the next edit", p.read(), "1,1 3")
			})
		})
	}
}

// clog makes dns owe a connection more than the kernel's buffers hold, and
// returns once a push to it has to wait.
func clog(t *testing.T, s *dns.Service, db *database, p *peer, watched store.Module) {
	t.Helper()
	const requests = 60 // of 150 KB each
	_ = p.SetReadBuffer(64 << 10)
	db.edit(t, many(module(99, 99), 1, 9000))
	p.send(request(module(99, 99)))
	for hosts := 0; hosts == 0; { // the answer, or else the push
		msg, err := p.message()
		if err != nil {
			t.Fatal(err)
		}
		hosts = len(msg.Hosts)
	}
	p.send(bytes.Repeat(request(module(99, 99)), requests))
	for i := 0; s.Stats().Deferred == 0; i++ {
		if i == 1000 {
			t.Fatalf("nothing waits: %+v", s.Stats())
		}
		changed := s.Stats().Changed
		db.edit(t, replace(watched, i%2+1))
		until(t, "the edit is seen", func() bool { return s.Stats().Changed > changed })
	}
}

// A subscriber that does not read waits alone, and what it gets at last is the
// newest of each module, not every version.
func TestSlowSubscriber(t *testing.T) {
	const modules, edits = 8, 20
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(50, 50), 1, 2, 3))
		s, _ := start(t, d, quick(), db)
		loaded(t, s)
		slow, fast := connect(t, s), connect(t, s)
		slow.ask(module(50, 50))
		for m := range int32(modules) {
			slow.ask(module(m, 1))
			fast.ask(module(m, 1))
		}
		clog(t, s, db, slow, module(50, 50))
		for e := range edits {
			var all []store.ModuleEdit
			for m := range int32(modules) {
				all = append(all, replace(module(m, 1), 100+e))
			}
			db.edit(t, all...)
			for range modules {
				if got := fast.read(); !strings.HasSuffix(got, fmt.Sprintf(",1 %d", 100+e)) {
					t.Fatalf("edit %d: the other subscriber got %q", e, got)
				}
			}
		}
		_ = slow.SetReadBuffer(4 << 20)
		pushes := map[int32]int{}
		for len(pushes) < modules {
			msg, err := slow.message()
			if err != nil {
				t.Fatal(err)
			}
			if msg.CmdID != 1 {
				continue
			}
			if pushes[msg.ModID]++; pushes[msg.ModID] > 1 || uint32(msg.Hosts[0].IP)&255 != 100+edits-1 {
				t.Errorf("module %d: push %d is of host %d", msg.ModID, pushes[msg.ModID], uint32(msg.Hosts[0].IP)&255)
			}
		}
		if n := s.Stats().Pushes; n < modules*(edits+1) || n > modules*(edits+1)+1000 {
			t.Errorf("%d pushes: not what was merged", n)
		}
	})
}

func TestSubscriberThatNeverReadsIsClosed(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(50, 50), 1, 2, 3))
		cfg := quick()
		cfg.SlowTimeout = 100 * time.Millisecond
		s, _ := start(t, d, cfg, db)
		loaded(t, s)
		p := connect(t, s)
		p.ask(module(50, 50))
		clog(t, s, db, p, module(50, 50))
		until(t, "it is closed", func() bool { st := s.Stats(); return st.Slow == 1 && st.Subscriptions == 0 })
	})
}

func TestRestartServesOn(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		for i := range 3 {
			s, _ := start(t, d, quick(), db.open(t))
			p := connect(t, s)
			if i > 0 { // an answer waits for the first load
				expect(t, "kept", p.ask(module(1, 1)), fmt.Sprintf("1,1 %d", i-1))
			}
			p.ask(module(1, 1))
			db.edit(t, replace(module(1, 1), i))
			expect(t, "push", p.read(), fmt.Sprintf("1,1 %d", i))
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
