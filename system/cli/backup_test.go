package cli

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"lars/system/store"
	"lars/system/store/mysql"
	"lars/system/store/mysql/mariadbtest"
	"lars/system/store/sqlite"
)

// mysqlURL is a value for --store.
func mysqlURL(t *testing.T, db mysql.Config) string {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(string(db.Password)), 0o600); err != nil {
		t.Fatal(err)
	}
	return "mysql://" + db.User + "@" + db.Addr + "/" + db.Database + "?password_file=" + url.QueryEscape(password)
}

// What is exported of one kind of store comes back from the other, by either
// form: routes, settings, weights, zones and drains.
func TestBackupGoesFromStoreToStore(t *testing.T) {
	folder := t.TempDir()
	first, last := filepath.Join(folder, "first.db"), filepath.Join(folder, "last.db")
	want := fill(t, first)

	db := mariadbtest.Start(t).NewDatabase(t)
	between := mysqlURL(t, db)

	var files []string
	export := func(db, name string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if _, _, err := command(t, Route().Run, "export", "--store", db, "--output", path); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(text))
		return path
	}
	load := func(db, path string, flags ...string) string {
		t.Helper()
		out, _, err := command(t, Route().Run, append([]string{"import", "--store", db, "--input", path, "--actor", "ann"}, flags...)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	load(between, export("sqlite:"+first, "first.csv"))
	st, err := mysql.Open(db)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	wantContent(t, "in MySQL", st, want)

	load("sqlite:"+last, export(between, "between.json"))
	back, err := sqlite.Open(sqlite.Config{Path: last})
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	wantContent(t, "back in SQLite", back, want)
	if export("sqlite:"+last, "last.csv"); files[2] != files[0] {
		t.Errorf("exported at first\n%s\nat last\n%s", files[0], files[2])
	}

	// What a hand did since is taken back; and then there is nothing to do.
	yes := true
	for _, e := range []store.ModuleEdit{
		{Module: store.Module{ModID: 1, CmdID: 1}, Op: store.OpTune, Hosts: []store.Host{{IP: 10<<24 | 5, Port: 1}}, Tune: store.Tune{Draining: &yes}},
		{Module: store.Module{ModID: 9, CmdID: 9}, Op: store.OpEnsure, Hosts: []store.Host{{IP: 1, Port: 1}}},
		{Module: store.Module{ModID: 2, CmdID: 2}, Op: store.OpSettings, Settings: "algorithm=rr"},
		{Module: store.Module{ModID: 1, CmdID: 1}, Op: store.OpSettings},
	} {
		if _, err := back.Edit(t.Context(), store.Edit{Actor: "bob", Modules: []store.ModuleEdit{e}}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "between.json")
	if got, want := load("sqlite:"+last, path, "--replace"), "0 added, 1 removed, 3 changed\n"; got[len(got)-len(want):] != want {
		t.Errorf("restored: %s", got)
	}
	wantContent(t, "restored", back, want)
	before, _ := back.Version(t.Context())
	load("sqlite:"+last, path, "--replace")
	if after, err := back.Version(t.Context()); err != nil || after != before {
		t.Errorf("the same again: version %d, was %d, %v", after, before, err)
	}
	log, err := back.ChangeLog(t.Context(), store.ChangeQuery{})
	if err != nil || len(log) == 0 || log[0].Actor != "ann" {
		t.Errorf("log %+v, %v", log, err)
	}
}

// content is all that a backup is about, as one text for each module.
func content(t *testing.T, st store.Store) map[store.Module]string {
	t.Helper()
	all := map[store.Module]string{}
	_, err := st.Load(t.Context(), func(r store.Route) error {
		all[r.Module] += r.Host.String() + " "
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	policies, err := st.Policies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range policies {
		all[p.Module] += fmt.Sprint(p.Settings, p.Hosts)
	}
	return all
}

func wantContent(t *testing.T, what string, st store.Store, want map[store.Module]string) {
	t.Helper()
	if got := content(t, st); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// fill makes a database with more routes than fit one transaction of an import.
func fill(t *testing.T, path string) map[store.Module]string {
	t.Helper()
	st, err := sqlite.Open(sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	edit := func(e store.ModuleEdit) {
		t.Helper()
		if _, err := st.Edit(t.Context(), store.Edit{Actor: "ann", Modules: []store.ModuleEdit{e}}); err != nil {
			t.Fatal(err)
		}
	}
	for modid := range int32(3) {
		m := store.Module{ModID: modid, CmdID: modid}
		var hosts []store.Host
		for i := range uint32(300) {
			hosts = append(hosts, store.Host{IP: 10<<24 | i, Port: 1}, store.Host{IP: 200<<24 | i, Port: 65535})
		}
		edit(store.ModuleEdit{Module: m, Op: store.OpAdd, Hosts: hosts})
		for i := range uint32(8) {
			weight, zone, yes := i*70+1, uint16(i*8000), i%3 == 0
			edit(store.ModuleEdit{Module: m, Op: store.OpTune, Hosts: hosts[i*70 : i*70+3], Tune: store.Tune{Weight: &weight, Zone: &zone, Draining: &yes}})
		}
	}
	edit(store.ModuleEdit{Module: store.Module{ModID: 1, CmdID: 1}, Op: store.OpSettings, Settings: "algorithm=p2c base=10s"})
	edit(store.ModuleEdit{Module: store.Module{ModID: 7, CmdID: 7}, Op: store.OpSettings, Settings: "algorithm=chash bound=1.5"}) // no hosts yet
	return content(t, st)
}
