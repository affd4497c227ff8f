package reporter_test

import (
	"testing"
	"time"

	"lars/reactor/driver"
	"lars/system/store"
	"lars/system/store/mysql"
	"lars/system/store/mysql/mariadbtest"
)

// A real database that is killed under load: what was accepted is stored, and
// nothing twice.
func TestDatabaseIsKilledAndRestarted(t *testing.T) {
	server := mariadbtest.Start(t)
	onBackends(t, func(t *testing.T, d driver.Driver, _ store.Store) {
		config := server.NewDatabase(t)
		config.Timeout, config.ConnectTimeout = 2*time.Second, time.Second
		st, err := mysql.Open(config)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		s, _ := start(t, d, quick(), st)
		c, number := connect(t, s), uint64(0)
		some := func() {
			for range 100 {
				number++
				send(t, c, report(int32(number%7), 5, number, calls(uint32(number), 0, 1, 0)),
					report(int32(number%7), 0, 0, calls(0, uint32(number), 0, 0)))
			}
		}
		some()
		until(t, "something is stored", func() bool { return s.Stats().Stored > 0 })
		some()
		server.Kill(t)
		some()
		until(t, "a writer has met it", func() bool { return s.Stats().Failures > 0 })
		some()
		server.Start(t)
		idle(t, s, 2*number)
		ours, theirs := int64(0), int64(0)
		for cmd := range int32(7) {
			succ, err := totals(t, st, cmd)
			ours, theirs = ours+succ, theirs+err
		}
		// The original's figures of each module grew to those of its last report.
		want := int64(0)
		for n := number - 6; n <= number; n++ {
			want += int64(n)
		}
		if ours != int64(number) || theirs != want {
			t.Errorf("totals %d/%d, want %d/%d; %+v", ours, theirs, number, want, s.Stats())
		}
	})
}
