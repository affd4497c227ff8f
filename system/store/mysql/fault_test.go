package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lars/system/store"
	"lars/system/store/mysql"
	"lars/system/store/mysql/mariadbtest"
	"lars/system/store/storetest"
)

// limited is a test whose contexts end: Migrate has no limit of its own.
type limited struct {
	*testing.T
	limit time.Duration
}

func (l limited) Context() context.Context {
	ctx, cancel := context.WithTimeout(l.T.Context(), l.limit)
	l.Cleanup(cancel)
	return ctx
}

func checkAll(t *testing.T, what string, errs map[string]error, kind error) {
	t.Helper()
	for call, err := range errs {
		if !errors.Is(err, kind) {
			t.Errorf("%s: %s: %v, want %v", what, call, err, kind)
		}
	}
}

func edit(i int) store.Edit {
	return store.Edit{Actor: "tester", Key: fmt.Sprint("edit ", i), Modules: []store.ModuleEdit{{
		Module: store.Module{ModID: int32(i), CmdID: 1}, Op: store.OpAdd, Hosts: []store.Host{{IP: 1, Port: 1}},
	}}}
}

// The database is stopped, started, killed in the middle of edits, and made to
// accept and never answer. The store says so, and recovers by itself.
func TestDatabaseComesAndGoes(t *testing.T) {
	server := mariadbtest.Start(t)
	config := server.NewDatabase(t)
	st := open(t, config)
	const limit = 300 * time.Millisecond
	config.Timeout, config.LoadTimeout, config.ConnectTimeout = limit, limit, limit
	hasty := open(t, config) // has no patience with a database that does not answer
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkAll(t, "running", storetest.CallAll(t, st), nil)

	server.Pause(t)
	checkAll(t, "paused", storetest.CallAll(limited{t, limit}, hasty), store.ErrUnavailable)
	server.Resume(t)
	checkAll(t, "resumed", storetest.CallAll(t, st), nil)

	answered := killDuringEdits(t, server, st)
	checkAll(t, "killed", storetest.CallAll(limited{t, time.Second}, hasty), store.ErrUnavailable)
	server.Start(t)
	checkAll(t, "started", storetest.CallAll(t, st), nil)
	for i := range answered {
		edited, err := st.Edit(t.Context(), edit(i))
		if err != nil || !edited.Repeated {
			t.Errorf("edit %d of %d that were answered: %+v, %v", i, answered, edited, err)
		}
	}
	// The one that failed may have happened or not; sent again it happens once.
	if _, err := st.Edit(t.Context(), edit(answered)); err != nil {
		t.Error(err)
	}
	hosts, err := st.Hosts(t.Context(), store.Module{ModID: int32(answered), CmdID: 1})
	if err != nil || len(hosts) != 1 {
		t.Errorf("hosts %v, %v", hosts, err)
	}
}

// killDuringEdits returns how many edits were answered before one failed.
func killDuringEdits(t *testing.T, server *mariadbtest.Server, st store.Store) int {
	t.Helper()
	enough := make(chan struct{})
	result := make(chan error, 1)
	answered := 0
	go func() {
		for {
			if _, err := st.Edit(t.Context(), edit(answered)); err != nil {
				result <- err
				return
			}
			if answered++; answered == 50 {
				close(enough)
			}
		}
	}()
	<-enough
	server.Kill(t)
	if err := <-result; !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("the edit in flight: %v, want ErrUnavailable", err)
	}
	return answered
}

func TestErrorsByKind(t *testing.T) {
	server := mariadbtest.Start(t)
	config := server.NewDatabase(t)
	tests := []struct {
		name   string
		change func(*mysql.Config)
		kind   error
	}{
		{"not migrated", func(*mysql.Config) {}, store.ErrSchema},
		{"no such database", func(c *mysql.Config) { c.Database = "lars_none" }, store.ErrSchema},
		{"wrong password", func(c *mysql.Config) { c.Password = "wrong" }, store.ErrUnavailable},
		{"nobody listens", func(c *mysql.Config) { c.Addr = "127.0.0.1:1" }, store.ErrUnavailable},
		{"no such socket", func(c *mysql.Config) { c.Socket = filepath.Join(t.TempDir(), "none") }, store.ErrUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := config
			test.change(&c)
			_, err := open(t, c).Version(t.Context())
			if !errors.Is(err, test.kind) {
				t.Errorf("Version: %v, want %v", err, test.kind)
			}
			if err != nil && strings.Contains(err.Error(), string(config.Password)) {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestPasswordSources(t *testing.T) {
	server := mariadbtest.Start(t)
	config := server.NewDatabase(t)
	if err := open(t, config).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	password := string(config.Password)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LARS_TEST_DB_PASSWORD", password)
	t.Setenv(mysql.PasswordEnvDefault, password)
	for name, c := range map[string]mysql.Config{
		"file, before all others": {PasswordFile: file, PasswordEnv: "LARS_TEST_NONE", Password: "wrong"},
		"named variable":          {PasswordEnv: "LARS_TEST_DB_PASSWORD", Password: "wrong"},
		"default variable":        {},
	} {
		c.Addr, c.User, c.Database = config.Addr, config.User, config.Database
		if _, err := open(t, c).Version(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
