package mariadbtest

import (
	"os"
	"testing"

	driver "github.com/go-sql-driver/mysql"
)

func TestServerLivesStopsAndLeavesNothing(t *testing.T) {
	var server *Server
	t.Run("live", func(t *testing.T) {
		server = Start(t)
		c := server.NewDatabase(t)
		db := server.OpenRaw(t, c)
		if _, err := db.Exec("CREATE TABLE kept (n INT PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		port := server.port
		server.Stop(t)
		if err := db.Ping(); err == nil {
			t.Error("a stopped server answers")
		}
		server.Start(t)
		if server.port != port {
			t.Errorf("port %d after a restart, was %d", server.port, port)
		}
		server.Kill(t)
		server.Start(t)
		if _, err := db.Exec("INSERT INTO kept VALUES (1)"); err != nil {
			t.Error("the table did not survive: ", err)
		}
	})
	if server == nil {
		t.Skip("no server")
	}
	if _, err := os.Stat(server.folder); !os.IsNotExist(err) {
		t.Errorf("folder %s is still there", server.folder)
	}
}

func TestRootHasNoAccess(t *testing.T) {
	server := Start(t)
	c := driver.NewConfig()
	c.User, c.Net, c.Addr = "root", "unix", server.folder+"/socket"
	c.Logger = &driver.NopLogger{}
	connector, err := driver.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := connector.Connect(t.Context()); err == nil {
		_ = conn.Close()
		t.Error("root got in without a password")
	}
}
