package dns_test

import (
	"testing"
	"time"

	"lars/reactor/driver"
	"lars/system/store"
	"lars/system/store/mysql"
	"lars/system/store/mysql/mariadbtest"
)

// A real database that is killed and comes back: routes are served meanwhile,
// and what is edited afterwards is pushed on the same connections.
func TestDatabaseIsKilledAndRestarted(t *testing.T) {
	server := mariadbtest.Start(t)
	onBackends(t, func(t *testing.T, d driver.Driver) {
		config := server.NewDatabase(t)
		config.Timeout, config.ConnectTimeout = 2*time.Second, time.Second
		st, err := mysql.Open(config)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		s, log := start(t, d, quick(), st)
		loaded(t, s)
		edit := func(last int) {
			t.Helper()
			e := store.Edit{Actor: "test", Modules: []store.ModuleEdit{replace(module(1, 1), last)}}
			if _, err := st.Edit(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		p := connect(t, s)
		expect(t, "before there is one", p.ask(module(1, 1)), "1,1 ")
		edit(1)
		expect(t, "push", p.read(), "1,1 1")

		server.Kill(t)
		until(t, "noticed", func() bool { return s.Stats().Away })
		expect(t, "served on", connect(t, s).ask(module(1, 1)), "1,1 1")
		server.Start(t)
		until(t, "recovered", func() bool { return !s.Stats().Away })
		edit(2)
		expect(t, "push after the restart", p.read(), "1,1 2")
		if n := s.Stats().Alarms; n != 0 {
			t.Errorf("%d alarms:\n%s", n, log.text.String())
		}
	})
}
