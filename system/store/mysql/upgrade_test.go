package mysql_test

import (
	"database/sql"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	schema "lars/sql"
	"lars/system/store"
	"lars/system/store/mysql/mariadbtest"
)

// originalTables are the tables of the original with their columns, after
// larsWeb's first login added its own.
var originalTables = map[string]string{
	"RouteData":        "id, modid, cmdid, serverip, serverport, ip_string",
	"RouteVersion":     "id, version",
	"RouteChange":      "id, modid, cmdid, version",
	"ServerCallStatus": "modid, cmdid, ip, port, caller, succ_cnt, err_cnt, ts, overload, time, caller_string, ip_string",
	"ModIDConfig":      "id, modid, content",
	"CmdIDConfig":      "id, cmdid, content",
}

// originalDatabase makes what years of the original leave behind.
func originalDatabase(t *testing.T, db *sql.DB) {
	t.Helper()
	migrations, err := schema.Migrations(schema.MySQL)
	if err != nil {
		t.Fatal(err)
	}
	statements := append([]string{}, migrations[1].Statements...)
	statements = append(statements,
		"ALTER TABLE RouteData ADD ip_string varchar(255)",
		"ALTER TABLE ServerCallStatus ADD time datetime",
		"ALTER TABLE ServerCallStatus ADD caller_string varchar(255)",
		"ALTER TABLE ServerCallStatus ADD ip_string varchar(255)",
		"UPDATE RouteVersion SET version = 1574000000 WHERE id = 1",
		"INSERT INTO RouteData (modid, cmdid, serverip, serverport) VALUES (1, 1, 3232235953, 7777), (1, 1, 3232235953, 7777), (1, 2, 0, 7776), (4294967295, 1, 1, 99999)",
		"INSERT INTO RouteChange (modid, cmdid, version) VALUES (1, 1, 1574000000)",
		"INSERT INTO ServerCallStatus VALUES (1, 1, 3232235953, 7777, 2130706433, 180, 5, 1574000001, '0', '2019-11-17 14:13:21', '127.0.0.1', '192.168.1.177')",
		"INSERT INTO ServerCallStatus (modid, cmdid, ip, port, caller, succ_cnt, err_cnt, ts, overload) VALUES (-1, 1, 0, 0, 0, -1, 2147483647, -1, '1')",
		"INSERT INTO ModIDConfig (modid, content) VALUES (1, '订单'), (1, 'twice')",
		"INSERT INTO CmdIDConfig (cmdid, content) VALUES (1, 'list')")
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func dump(t *testing.T, db *sql.DB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for table, columns := range originalTables {
		rows, err := db.Query("SELECT CONCAT_WS('|', " + strings.ReplaceAll(columns, ", ", ", ") + ") FROM " + table + " ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			all[table] = append(all[table], line)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestOriginalIsUpgradedWithoutLoss(t *testing.T) {
	server := mariadbtest.Start(t)
	config := server.NewDatabase(t)
	raw := server.OpenRaw(t, config)
	originalDatabase(t, raw)
	before := dump(t, raw)

	var group sync.WaitGroup
	for range 4 {
		st := open(t, config)
		group.Go(func() {
			if err := st.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if after := dump(t, raw); !reflect.DeepEqual(after, before) {
		t.Errorf("before: %v\nafter: %v", before, after)
	}

	st := open(t, config)
	loaded, err := st.Load(t.Context(), func(r store.Route) error {
		if r != store.SampleRoutes()[0] {
			t.Errorf("loaded %v", r)
		}
		return nil
	})
	want := store.Loaded{Version: 1574000000, Routes: 1, Duplicates: 1, Garbage: 2}
	if err != nil || loaded != want {
		t.Errorf("loaded %+v, %v; want %+v", loaded, err, want)
	}
	names, err := st.Names(t.Context(), store.ModNames)
	if err != nil || names[1] != "订单" {
		t.Errorf("names %v, %v", names, err)
	}
	originalGoesOn(t, raw, st)
}

// originalGoesOn executes the statements of lars_dns, lars_reporter and larsWeb
// (as gorm writes them) on the upgraded database.
func originalGoesOn(t *testing.T, raw *sql.DB, st store.Store) {
	t.Helper()
	for _, statement := range []string{
		"INSERT INTO RouteData (modid, cmdid, serverip, serverport, ip_string) VALUES (7, 7, 3232235777, 80, '192.168.1.1')",
		"INSERT INTO RouteChange (modid, cmdid, version) VALUES (7, 7, 1574000100)",
		"UPDATE RouteVersion SET version = 1574000100 WHERE id = 1",
		"INSERT INTO ServerCallStatus(modid,cmdid,ip,port,caller,succ_cnt,err_cnt,ts,overload) VALUES (7,7,1,1,1,1,1,1574000100,0) ON DUPLICATE KEY UPDATE succ_cnt=1, err_cnt=1, ts=1574000100, overload=0",
		"INSERT INTO ModIDConfig (modid, content) VALUES (7, 'seven')",
		"DELETE FROM RouteChange WHERE version <= 1574000100",
	} {
		if _, err := raw.Exec(statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	changes, err := st.Changes(t.Context(), 1574000000)
	if err != nil || changes.Complete || changes.Version != 1574000100 {
		t.Errorf("changes %+v, %v", changes, err)
	}
	hosts, err := st.Hosts(t.Context(), store.Module{ModID: 7, CmdID: 7})
	if err != nil || len(hosts) != 1 {
		t.Errorf("hosts %v, %v", hosts, err)
	}
	edited, err := st.Edit(t.Context(), store.Edit{Actor: "us", Modules: []store.ModuleEdit{
		{Module: store.Module{ModID: 7, CmdID: 7}, Op: store.OpReplace},
	}})
	if err != nil || edited.Version != 1574000101 || edited.Removed != 1 {
		t.Errorf("edited %+v, %v", edited, err)
	}
	var version int64
	if err := raw.QueryRow("SELECT version from RouteVersion WHERE id = 1").Scan(&version); err != nil || version != edited.Version {
		t.Errorf("lars_dns reads version %d, %v", version, err)
	}
}

var autoIncrement = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

func tables(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, table := range []string{
		"RouteData", "RouteVersion", "RouteChange", "ServerCallStatus", "ModIDConfig", "CmdIDConfig",
		"CallStat1m", "ReportSeen", "ModulePolicy", "HostPolicy", "HostSuspect", "SharingAgent", "SchemaMigration",
	} {
		var name, text string
		if err := db.QueryRow("SHOW CREATE TABLE "+table).Scan(&name, &text); err != nil {
			t.Fatal(err)
		}
		all[table] = autoIncrement.ReplaceAllString(text, "")
	}
	return all
}

// A migration that was killed after any of its statements is completed by the
// next start, and gives the same tables.
func TestInterruptedMigrationIsCompleted(t *testing.T) {
	server := mariadbtest.Start(t)
	config := server.NewDatabase(t)
	if err := open(t, config).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := tables(t, server.OpenRaw(t, config))
	var statements []string
	migrations, err := schema.Migrations(schema.MySQL)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range migrations {
		statements = append(statements, m.Statements...)
	}
	for done := 1; done <= len(statements); done += 3 {
		t.Run(fmt.Sprint(done), func(t *testing.T) {
			config := server.NewDatabase(t)
			raw := server.OpenRaw(t, config)
			for _, statement := range statements[:done] {
				if _, err := raw.Exec(statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
			if err := open(t, config).Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := tables(t, raw); !reflect.DeepEqual(got, want) {
				t.Errorf("tables\n%v\nwant\n%v", got, want)
			}
		})
	}
}
