package systest

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"lars/system/store"
	"lars/system/store/mysql"
	"lars/system/store/mysql/mariadbtest"
	"lars/system/up"
)

// TestDatabaseAway: a system on MariaDB goes on while the database is stopped,
// killed, or not there at the start.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	db := server.NewDatabase(t)
	st, err := mysql.Open(db)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	server.Stop(t)
	e := newEnv(t, kind{"epoll", true}, func(c *up.Config) {
		c.Store, c.StoreURL = st, storeURL(t, db)
	})
	if e.sys.Prepared().Away == nil {
		t.Error("the database is not said to be away")
	}
	server.Start(t)
	within(t, "the tables are there", st.Migrate) // as every editor does, beside the services
	modules := e.modules(t, 60, 3, 2)
	l := startLoad(t, e, modules)
	l.answered(t, 50)
	for _, away := range []struct {
		name string
		end  func()
	}{
		{"stopped", func() { server.Stop(t) }},
		{"killed", func() { server.Kill(t) }},
	} {
		away.end()
		l.answered(t, 200)
		ed := store.Edit{Actor: "systest", Modules: []store.ModuleEdit{{Module: modules[0], Op: store.OpAdd, Hosts: []store.Host{host(9)}}}}
		if _, err := st.Edit(t.Context(), ed); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("edit while the database is %s: %v", away.name, err)
		}
		server.Start(t)
		m := store.Module{ModID: 61, CmdID: int32(len(away.name))}
		e.edit(t, m, store.OpAdd, host(1))
		e.serves(t, m, host(1))
		l.served(t, "while the database was "+away.name)
	}
	l.end()
	l.served(t, "with the database back")
	e.equal(t, l.counts(), modules)
}

// storeURL names a database for --store, with its password in a file.
func storeURL(t *testing.T, c mysql.Config) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(string(c.Password)), 0o600); err != nil {
		t.Fatal(err)
	}
	return "mysql://" + c.User + "@" + c.Addr + "/" + c.Database + "?password_file=" + url.QueryEscape(file)
}
