package dns_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"lars/reactor"
	"lars/reactor/driver"
	"lars/reactor/frame"
	"lars/system/dns"
	"lars/system/store"
	"lars/system/wire"
)

func TestAnswers(t *testing.T) {
	tests := []struct {
		name   string
		module store.Module
		want   string
	}{
		{"known", module(1, 1), "1,1 1,2"},
		{"zero ids are a module like any", module(0, 0), "0,0 9"},
		{"unknown", module(7, 7), "7,7 "},
		{"negative", module(-1, 5), "-1,5 "},
		{"both negative", module(-1, -2147483648), "-1,-2147483648 "},
		{"greatest", module(2147483647, 2147483647), "2147483647,2147483647 3"},
	}
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(1, 1), 2, 1), replace(module(0, 0), 9), replace(module(2147483647, 2147483647), 3))
		s, _ := start(t, d, quick(), db)
		loaded(t, s)
		p := connect(t, s)
		for _, test := range tests {
			expect(t, test.name, p.ask(test.module), test.want)
		}
		var all []byte
		for _, test := range tests {
			all = append(all, request(test.module)...)
		}
		for _, piece := range [][]byte{all[:3], all[3:13], all[13:]} { // cut in a head and in a body
			p.send(piece)
		}
		for _, test := range tests {
			expect(t, test.name+" in one stream", p.read(), test.want)
		}
		st := s.Stats()
		if st.Requests != uint64(2*len(tests)) || st.BadModule != 4 || st.Subscriptions != 4 {
			t.Errorf("stats: %+v", st)
		}
	})
}

// The bytes of the original's dns for module 1,1 of its sample data.
func TestAnswerBytesOfTheOriginal(t *testing.T) {
	db := newDatabase(t)
	db.edit(t, store.ModuleEdit{Module: module(1, 1), Op: store.OpAdd, Hosts: []store.Host{{IP: 3232235953, Port: 7777}}})
	onBackends(t, func(t *testing.T, d driver.Driver) {
		s, _ := start(t, d, quick(), db)
		loaded(t, s)
		p := connect(t, s)
		p.send(request(module(1, 1)))
		want, _ := hex.DecodeString("0200000014000000080110011a0e08b183a085fcffffffff0110e13c")
		got := make([]byte, len(want))
		if _, err := io.ReadFull(p.in, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %x (%v)\nwant %x", got, err, want)
		}
	})
}

// B2, B2b: in the original the first push kills or deadlocks dns.
func TestPushGoesToSubscribersOnceAndToNobodyElse(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(1, 1), 1), replace(module(2, 2), 2), replace(module(3, 3), 3))
		s, _ := start(t, d, quick(), db)
		loaded(t, s)
		both, one, other := connect(t, s), connect(t, s), connect(t, s)
		both.ask(module(1, 1))
		both.ask(module(2, 2))
		both.ask(module(1, 1)) // a second request is no second subscription
		one.ask(module(1, 1))
		other.ask(module(2, 2))
		silent := connect(t, s)
		silent.ask(module(3, 3))

		db.edit(t, replace(module(1, 1), 1, 4))
		expect(t, "subscriber", one.read(), "1,1 1,4")
		expect(t, "subscriber of two", both.read(), "1,1 1,4")

		db.edit(t, replace(module(2, 2), 5), replace(module(1, 1)))
		got := sorted(both.read(), both.read())
		if want := []string{"1,1 ", "2,2 5"}; !slices.Equal(got, want) {
			t.Errorf("subscriber of two got %q, want %q", got, want)
		}
		expect(t, "the last host is gone", one.read(), "1,1 ")
		expect(t, "subscriber of the other module", other.read(), "2,2 5")

		// Pushes of a loop keep their order, so what these get next shows that
		// nothing else was on its way.
		db.edit(t, replace(module(3, 3), 6), replace(module(1, 1), 7), replace(module(2, 2), 8))
		expect(t, "subscriber of a module that had not changed", silent.read(), "3,3 6")
		expect(t, "module that came back", one.read(), "1,1 7")
		expect(t, "subscriber of the other module", other.read(), "2,2 8")
		const pushes = 2 + (2 + 1 + 1) + (2 + 1 + 1 + 1) // of the three edits
		if n := s.Stats().Pushes; n != pushes {
			t.Errorf("%d pushes, want %d", n, pushes)
		}
	})
}

// A module that does not exist can be subscribed to, as in the original.
func TestNewModuleIsPushed(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		s, _ := start(t, d, quick(), db)
		loaded(t, s)
		p := connect(t, s)
		expect(t, "before", p.ask(module(5, 5)), "5,5 ")
		db.edit(t, replace(module(5, 5), 1))
		expect(t, "push", p.read(), "5,5 1")
	})
}

// The original's versions are seconds: of two edits in one the second is lost.
func TestTwoEditsInOneSecond(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		cfg := quick()
		cfg.Reload = time.Hour // by the change log alone
		s, _ := start(t, d, cfg, db)
		loaded(t, s)
		p := connect(t, s)
		p.ask(module(1, 1))
		for i := 1; i <= 20; i++ {
			db.edit(t, replace(module(1, 1), i))
			expect(t, "edit", p.read(), replaceText(i))
		}
		if st := s.Stats(); st.Increments != 20 || st.Loads != 1 || st.Pushes != 20 {
			t.Errorf("want 20 increments and pushes, 1 load: %+v", st)
		}
	})
}

func replaceText(last int) string { return fmt.Sprintf("1,1 %d", last) }

// An edit that commits late is not passed over by one that was quicker.
func TestLateCommit(t *testing.T) {
	db := newDatabase(t)
	cfg := quick()
	cfg.Reload = time.Hour
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db.edit(t, replace(module(1, 1), 1), replace(module(2, 2), 2))
		s, _ := start(t, d, cfg, db)
		loaded(t, s)
		p := connect(t, s)
		p.ask(module(1, 1))
		p.ask(module(2, 2))
		late, err := db.raw.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer late.Rollback()
		for _, text := range []string{
			"UPDATE RouteVersion SET version = version + 1 WHERE id = 1",
			"DELETE FROM RouteData WHERE modid = 1",
			"INSERT INTO RouteData (modid, cmdid, serverip, serverport) VALUES (1, 1, 3232235786, 80)",
			"INSERT INTO RouteChange (modid, cmdid, version, prev) SELECT 1, 1, version, version - 1 FROM RouteVersion WHERE id = 1",
		} {
			if _, err := late.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
		polled := s.Stats().Polls
		until(t, "dns has looked meanwhile", func() bool { return s.Stats().Polls > polled+2 })
		second := make(chan error, 1)
		go func() {
			_, err := db.Edit(t.Context(), store.Edit{Actor: "second", Modules: []store.ModuleEdit{replace(module(2, 2), 20)}})
			second <- err
		}()
		if err := late.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := <-second; err != nil {
			t.Fatal(err)
		}
		got := sorted(p.read(), p.read())
		if want := []string{"1,1 10", "2,2 20"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// What the original's console and a person with a database client do.
func TestEditsByHand(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(1, 1), 1), replace(module(2, 2), 2, 3))
		s, log := start(t, d, quick(), db)
		loaded(t, s)
		p := connect(t, s)
		p.ask(module(1, 1))
		p.ask(module(2, 2))

		db.exec(t, "INSERT INTO RouteData (modid, cmdid, serverip, serverport) VALUES (1, 1, 3232235786, 80)")
		expect(t, "inserted without a version", p.read(), "1,1 1,10")
		db.exec(t, "DELETE FROM RouteData WHERE modid = 2 AND serverip = 3232235778")
		expect(t, "deleted without a version", p.read(), "2,2 3")
		if n := s.Stats().ByHand; n < 2 {
			t.Errorf("%d modules counted as changed by hand", n)
		}
		if log.count("without a new version") < 2 {
			t.Error("no log lines")
		}

		now := time.Now().Unix()
		db.exec(t, "INSERT INTO RouteData (modid, cmdid, serverip, serverport) VALUES (2, 2, 3232235787, 80)")
		db.exec(t, "INSERT INTO RouteChange (modid, cmdid, version) VALUES (2, 2, ?)", now)
		db.exec(t, "UPDATE RouteVersion SET version = ? WHERE id = 1", now)
		expect(t, "the original's way", p.read(), "2,2 3,11")

		db.exec(t, "DELETE FROM RouteChange") // the original's dns does
		db.edit(t, replace(module(1, 1), 30, 31))
		expect(t, "ours, after the original's", p.read(), "1,1 30,31")
		db.exec(t, "INSERT INTO RouteData (modid, cmdid, serverip, serverport) VALUES (1, 1, 0, 80), (1, 1, 3232235786, 70000), (-1, 1, 5, 5), (1, 1, 3232235806, 80)")
		until(t, "rows that make no sense are counted", func() bool { st := s.Stats(); return st.Garbage == 3 && st.Duplicates == 1 })
	})
}

func TestSeveralDNSOnOneDatabase(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		cfg := quick()
		cfg.Reload = time.Hour // so that all depends on the change log
		var peers []*peer
		for range 3 {
			s, _ := start(t, d, cfg, db.open(t))
			loaded(t, s)
			p := connect(t, s)
			p.ask(module(1, 1))
			peers = append(peers, p)
		}
		for _, last := range []int{1, 2, 3} {
			db.edit(t, replace(module(1, 1), last))
			for _, p := range peers {
				expect(t, "each of them", p.read(), replaceText(last))
			}
		}
	})
}

// B1 and its like: whatever comes, the service lives and others are served.
func TestGarbage(t *testing.T) {
	long := make([]byte, wire.BodyBytesMax+1)
	tests := []struct {
		name   string
		bytes  []byte
		closes bool
		then   func(dns.Stats) bool
	}{
		{"negative length", []byte{1, 0, 0, 0, 255, 255, 255, 255}, true, nil},
		{"huge length", []byte{1, 0, 0, 0, 255, 255, 255, 127}, true, nil},
		{"body longer than the original takes", frame.Append(nil, 1, long)[:frame.HeadBytes], true, nil},
		{"the same of an unknown id", frame.Append(nil, 77, long), true, nil},
		{"empty body", frame.Append(nil, 1, nil), false, func(s dns.Stats) bool { return s.Requests == 3 && s.Malformed == 0 }},
		{"garbage body", frame.Append(nil, 1, []byte{0xff, 0xff, 0xff}), false, func(s dns.Stats) bool { return s.Malformed == 1 }},
		{"cut body", frame.Append(nil, 1, []byte{8, 1, 16}), false, func(s dns.Stats) bool { return s.Malformed == 1 }},
		{"unknown id", frame.Append(nil, 99, []byte("x")), false, nil},
		{"longest body", frame.Append(nil, 1, long[:wire.BodyBytesMax]), false, func(s dns.Stats) bool { return s.Malformed == 1 }},
		{"text", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), true, nil},
	}
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(1, 1), 1))
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				s, _ := start(t, d, quick(), db)
				loaded(t, s)
				p := connect(t, s)
				p.send(test.bytes)
				if test.name == "empty body" {
					expect(t, "all fields zero", p.read(), "0,0 ")
				}
				if test.closes {
					if _, err := p.tryRead(); err == nil {
						t.Error("the connection lives")
					}
				} else {
					expect(t, "the next request", p.ask(module(1, 1)), "1,1 1")
				}
				expect(t, "another connection", connect(t, s).ask(module(1, 1)), "1,1 1")
				if test.then != nil && !test.then(s.Stats()) {
					t.Errorf("not counted: %+v", s.Stats())
				}
			})
		}
	})
}

func TestRouteLongerThanTheOriginalsLimit(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, many(module(1, 1), 1, 9000))
		s, _ := start(t, d, quick(), db)
		loaded(t, s)
		p := connect(t, s)
		p.send(request(module(1, 1)))
		msg, err := p.message()
		if err != nil || len(msg.Hosts) != 9000 || msg.Truncated {
			t.Errorf("%d hosts, truncated %v, %v", len(msg.Hosts), msg.Truncated, err)
		}
	})
}

func TestClose(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		s, _ := start(t, d, quick(), db)
		p := connect(t, s)
		p.ask(module(1, 1))
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := p.tryRead(); !errors.Is(err, io.EOF) {
			t.Errorf("the connection ends with %v, want EOF", err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("a second Close: %v", err)
		}
		if n := s.Stats().Subscriptions; n != 0 {
			t.Errorf("%d subscriptions left", n)
		}
	})
}

func TestPortInUse(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		s, _ := start(t, d, quick(), db)
		cfg := quick()
		cfg.Port = int(s.Addr().Port())
		r, err := reactor.Open(d, reactor.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := dns.Start(r, cfg, db); err == nil {
			t.Error("two services on one port")
		}
	})
}

func TestSubscriptionLimit(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(1, 1), 1), replace(module(2, 2), 2), replace(module(3, 3), 3))
		cfg := quick()
		cfg.PerConnMax = 2
		s, _ := start(t, d, cfg, db)
		loaded(t, s)
		p := connect(t, s)
		p.ask(module(1, 1))
		p.ask(module(2, 2))
		expect(t, "answered all the same", p.ask(module(3, 3)), "3,3 3")
		if st := s.Stats(); st.Refused != 1 || st.Subscriptions != 2 {
			t.Errorf("stats: %+v", st)
		}
	})
}

// An agent that was asked for many modules that do not exist still hears of those
// that do.
func TestModulesThatDoNotExistMakeRoom(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(1, 1), 1))
		cfg := quick()
		cfg.PerConnMax = 2
		s, _ := start(t, d, cfg, db)
		loaded(t, s)
		p := connect(t, s)
		for n := range int32(5) {
			p.ask(module(7, n))
		}
		p.ask(module(1, 1))
		p.ask(module(7, 9))
		if st := s.Stats(); st.Refused != 0 || st.Subscriptions != 2 {
			t.Errorf("stats: %+v", st)
		}
		db.edit(t, replace(module(1, 1), 1, 2))
		expect(t, "pushed", p.read(), "1,1 1,2")
	})
}

// head of a message, to check that tests see real frames.
func TestFrameOfRequest(t *testing.T) {
	b := request(module(1, 2))
	if id := binary.LittleEndian.Uint32(b); id != 1 || len(b) != 8+4 {
		t.Errorf("%x", b)
	}
}
