package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"lars/internal/cli"
	"lars/system/store"
)

// command runs a command as from a shell and returns what it printed.
func command(t *testing.T, run cli.Func, args ...string) (stdout string, code int, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	err = run(t.Context(), &out, &errOut, args)
	return out.String(), cli.Code(err), err
}

func TestRouteCommands(t *testing.T) {
	db := "--store=sqlite:" + filepath.Join(t.TempDir(), "lars.db")
	steps := []struct {
		args string
		want string // of the output, or of the error
		code int
	}{
		{"add --module 1,1 --host 192.168.1.177:7777,10.0.0.1:80 --actor ann", "version 1: 2 added, 0 removed\n", 0},
		{"add --module 1,1 --host 10.0.0.1:80", "conflict", 1},
		{"add --module 2,5 --host 10.0.0.9:65535 --actor bob --json", `{"version":2,"added":1,"removed":0}` + "\n", 0},
		{"list", "1,1  10.0.0.1:80\n1,1  192.168.1.177:7777\n2,5  10.0.0.9:65535\n", 0},
		{"list --module 2,5 --json", "[\n  {\"modid\":2,\"cmdid\":5,\"ip\":\"10.0.0.9\",\"port\":65535,\"weight\":1,\"zone\":0,\"drain\":false}\n]\n", 0},
		{"list --module 9,9 --json", "[\n]\n", 0},
		{"remove --module 1,1 --host 10.0.0.2:80", "conflict", 1},
		{"remove --module 1,1 --host 10.0.0.1:80 --actor cid", "version 3: 0 added, 1 removed\n", 0},
		{"remove --module 2,5 --all --actor cid", "version 4: 0 added, 1 removed\n", 0},
		{"export", "modid,cmdid,ip,port,weight,zone,drain,settings\n1,1,192.168.1.177,7777,1,0,off,\n", 0},
		{"export --format json", "[\n  {\"modid\":1,\"cmdid\":1,\"ip\":\"192.168.1.177\",\"port\":7777,\"weight\":1,\"zone\":0,\"drain\":false}\n]\n", 0},
		{"export --format xml", `unknown format "xml"`, 2},
		{"add --module 1 --host 10.0.0.1:80", "want modid,cmdid", 2},
		{"add --module -1,1 --host 10.0.0.1:80", "want modid,cmdid", 2},
		{"add --module 1,1 --host 10.0.0.1:0", "port 0", 2},
		{"add --module 1,1 --host 10.0.0.1:70000", "10.0.0.1:70000", 2},
		{"add --module 1,1 --host localhost:80", "localhost:80", 2},
		{"add --module 1,1", "want --module and --host", 2},
		{"remove --module 1,1", "either --host or --all", 2},
		{"remove --module 1,1 --all --host 1.1.1.1:1", "either --host or --all", 2},
		{"log --limit 0", "allowed are 1 to", 2},
		{"log --limit 2 --module 1,1", "cid", 0},
		{"import", "want --input", 2},
		{"import --input /nonexistent.csv", "no such file", 1},
		{"paint", "unknown command", 2},
		{"add --help", "Examples:", 0},
	}
	for _, s := range steps {
		t.Run(s.args, func(t *testing.T) {
			args := strings.Fields(s.args)
			args = append(args[:1:1], append([]string{db}, args[1:]...)...)
			got, code, err := command(t, Route().Run, args...)
			if err != nil {
				got = err.Error()
			}
			if code != s.code || !strings.Contains(got, s.want) || (s.want == "" && got != "") {
				t.Errorf("code %d, want %d; got %q, want %q", code, s.code, got, s.want)
			}
		})
	}
	got, _, _ := command(t, Route().Run, "log", db)
	for _, want := range []string{"ann", "bob", "cid", "192.168.1.177:7777", "remove"} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %s:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n"); n != 5 {
		t.Errorf("%d lines of log, want a head and 4", n)
	}
}

func TestImportAndExport(t *testing.T) {
	folder := t.TempDir()
	db := "--store=sqlite:" + filepath.Join(folder, "lars.db")
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	steps := []struct {
		name string
		args []string
		want string
		code int
	}{
		{"csv", []string{"import", "--input", file("a.csv", "modid,cmdid,ip,port\n1,1,10.0.0.1,80\n1,1,10.0.0.1,80\n1,2,3232235953,7777\n")}, "2 added, 0 removed", 0},
		{"again", []string{"import", "--input", file("a2.csv", "\ufeff\"modid\",cmdid,ip,port\r\n\"1\",1,10.0.0.1,80\r\n")}, "0 added, 0 removed", 0},
		{"a mistake changes nothing", []string{"import", "--input", file("b.csv", "5,5,10.0.0.5,80\n5,5,10.0.0.5,0\n")}, "line 2: port 0", 1},
		{"negative id", []string{"import", "--input", file("c.csv", "-5,5,10.0.0.5,80\n")}, "line 1: module -5,5", 1},
		{"no address", []string{"import", "--input", file("d.csv", "5,5,10.0.0,80\n")}, `ip "10.0.0"`, 1},
		{"json, replacing", []string{"import", "--replace", "--input", file("e.json", `[{"modid":1,"cmdid":2,"ip":"192.168.1.177","port":7777},{"modid":3,"cmdid":3,"ip":"10.0.0.3","port":1}]`)}, "1 added, 1 removed", 0},
		{"json with a hole", []string{"import", "--input", file("f.json", `[{"modid":1,"ip":"1.1.1.1","port":1}]`)}, "route 1: want modid", 1},
		{"json with a word too many", []string{"import", "--input", file("g.json", `[{"modid":1,"cmdid":1,"ip":"1.1.1.1","port":1,"x":1}]`)}, "unknown field", 1},
		{"json cut", []string{"import", "--input", file("h.json", `[{"modid":1,"cmdid":1,"ip":"1.1.1.1","port":1}`)}, "after the last route", 1},
		{"a host that drains", []string{"import", "--input", file("j.csv", "modid,cmdid,ip,port,weight,zone,drain\n3,3,10.0.0.3,1,,,on\n3,3,10.0.0.4,1,7,2,\n3,3,10.0.0.5,1\n")}, "2 added, 0 removed, 2 changed", 0},
		{"settings", []string{"import", "--input", file("k.csv", "3,3,,,,,,algorithm=wrr base=10s\n1,2,,,,,,\"algorithm=p2c\"\n")}, "0 added, 0 removed, 2 changed", 0},
		{"what a file does not say stays", []string{"import", "--replace", "--input", file("l.csv", "3,3,10.0.0.3,1\n3,3,10.0.0.4,1\n1,2,192.168.1.177,7777\n")}, "0 added, 1 removed\n", 0},
		{"but settings go, when it speaks of any", []string{"import", "--json", "--replace", "--input", file("m.json",
			`[{"modid":3,"cmdid":3,"settings":" base=10s  algorithm=wrr"},{"modid":3,"cmdid":3,"ip":"10.0.0.3","port":1,"zone":9},
			{"modid":3,"cmdid":3,"ip":"10.0.0.4","port":1,"weight":7},{"modid":1,"cmdid":2,"ip":"192.168.1.177","port":7777}]`)}, `"added":0,"removed":0,"changed":2}`, 0},
		{"weight 0", []string{"import", "--input", file("n.csv", "1,1,10.0.0.3,1\n1,1,10.0.0.4,1,0,,\n")}, "n.csv: line 2: weight 0: allowed are 1 to 10000", 1},
		{"too heavy", []string{"import", "--input", file("n.json", `[{"modid":1,"cmdid":1,"ip":"1.1.1.1","port":1,"weight":10001}]`)}, "n.json: route 1: weight 10001: allowed are 1 to 10000", 1},
		{"no weight", []string{"import", "--input", file("n2.csv", "1,1,10.0.0.4,1,heavy\n")}, `line 1: "heavy": ids, port, weight and zone are numbers`, 1},
		{"no zone", []string{"import", "--input", file("o.csv", "1,1,10.0.0.4,1,1,65536\n")}, "line 1: zone 65536: allowed are 0 to 65535", 1},
		{"no word for drain", []string{"import", "--input", file("p.csv", "1,1,10.0.0.4,1,1,1,yes\n")}, `line 1: drain "yes": allowed are on and off`, 1},
		{"no settings", []string{"import", "--input", file("q.csv", "1,1,10.0.0.4,1\n1,1,,,,,,algorithm=fastest\n")}, "line 2: invalid settings", 1},
		{"settings of a host", []string{"import", "--input", file("r.csv", "1,1,10.0.0.4,1,,,,algorithm=rr\n")}, "line 1: settings are the module's", 1},
		{"weight of a module", []string{"import", "--input", file("s.json", `[{"modid":1,"cmdid":1,"weight":2,"settings":"algorithm=rr"}]`)}, "route 1: settings are the module's", 1},
		{"columns in another order", []string{"import", "--input", file("t.csv", "modid,cmdid,ip,port,drain\n1,1,10.0.0.4,1,on\n")}, `line 1: column 5 is "drain": want modid,`, 1},
		{"too many columns", []string{"import", "--input", file("u.csv", "1,1,10.0.0.4,1,1,1,on,,x\n")}, "line 1: ", 1},
		{"twice", []string{"import", "--input", file("v.csv", "1,1,10.0.0.4,1,2\n1,1,10.0.0.4,1,3\n")}, `1,1 10.0.0.4:1 is given twice, with "weight=`, 1},
		{"settings twice", []string{"import", "--input", file("w.csv", "1,1,,,,,,algorithm=rr\n1,1,,,,,,algorithm=wrr\n")}, "module 1,1 is given settings", 1},
		{"unset", []string{"import", "--input", file("x.csv", "1,1,,,,,,\n")}, "0 added, 0 removed\n", 0},
		{"nothing, replacing", []string{"import", "--replace", "--input", file("y.csv", "modid,cmdid,ip,port\n")}, "y.csv has no routes: with --replace", 1},
		{"settings alone, replacing", []string{"import", "--replace", "--input", file("y2.csv", "3,3,,,,,,algorithm=rr\n")}, "y2.csv has no routes: with --replace", 1},
		{"no form", []string{"import", "--input", file("routes", "")}, "want --format csv or json", 2},
		{"unknown form", []string{"import", "--input", file("i.txt", "")}, `unknown format "txt"`, 1},
		{"export to a file", []string{"export", "--output", filepath.Join(folder, "out.json")}, "", 0},
	}
	for _, s := range steps {
		got, code, err := command(t, Route().Run, append(s.args[:1:1], append([]string{db}, s.args[1:]...)...)...)
		if err != nil {
			got = err.Error()
		}
		if code != s.code || !strings.Contains(got, s.want) {
			t.Errorf("%s: code %d, %q; want %d, %q", s.name, code, got, s.code, s.want)
		}
	}
	text, err := os.ReadFile(filepath.Join(folder, "out.json"))
	const want = `[
  {"modid":3,"cmdid":3,"settings":"algorithm=wrr base=10s"},
  {"modid":1,"cmdid":2,"ip":"192.168.1.177","port":7777,"weight":1,"zone":0,"drain":false},
  {"modid":3,"cmdid":3,"ip":"10.0.0.3","port":1,"weight":1,"zone":9,"drain":true},
  {"modid":3,"cmdid":3,"ip":"10.0.0.4","port":1,"weight":7,"zone":2,"drain":false}
]
`
	if err != nil || string(text) != want {
		t.Errorf("exported %q, %v", text, err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "out.json.*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// FuzzReadRoutes: what passes is valid, and reads the same when it was written.
func FuzzReadRoutes(f *testing.F) {
	for _, format := range []string{"csv", "json"} {
		f.Add(format, "modid,cmdid,ip,port\n1,1,10.0.0.1,80\n")
		f.Add(format, "modid,cmdid,ip,port,weight,zone,drain,settings\n1,1,10.0.0.1,80,3,2,on\n1,1,,,,,,algorithm=p2c base=10s\n")
		f.Add(format, `[{"modid":1,"cmdid":2,"ip":"192.168.1.177","port":7777,"weight":3,"zone":1,"drain":true}]`)
		f.Add(format, `[{"modid":1,"cmdid":2,"settings":"outlier=off"},{"modid":1,"cmdid":2,"settings":"outlier=off"}]`)
		f.Add(format, "\"1,1\n,,,\n[[[{}]")
	}
	f.Fuzz(func(t *testing.T, format, text string) {
		items, err := readRoutes(format, strings.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		w, _ := newRouteWriter(format, &out)
		for i, it := range items {
			l := settingsLine(it.Module, "")
			if it.Settings != nil {
				l.Settings = it.Settings
			} else {
				p, _ := it.Tune.Apply(store.HostPolicy{Host: it.Host})
				if !it.Route.Valid() || !p.Valid() {
					t.Errorf("%+v passed", it)
				}
				l = hostLine(it.Module, p)
			}
			items[i], _ = l.item() // with all that was not said
			if err := w.line(l); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		again, err := readRoutes(format, &out)
		if err != nil || len(items)+len(again) > 0 && !reflect.DeepEqual(again, items) {
			t.Errorf("written reads as %+v, %v; want %+v", again, err, items)
		}
	})
}

// Every shipped file is valid, and means what the original's means.
func TestConfigCheck(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		args []string
		want []string
		code int
	}{
		{[]string{"../conf/lars_dns.conf"}, []string{"port = 7778", "maxConn = 1024", "threadNum = 5", "db_name = lars_dns", "reload = 10s"}, 0},
		{[]string{"../conf/lars_reporter.conf"}, []string{"port = 7779", "[repoter]\ndb_thread_cnt = 3", "minutes_keep = 168h0m0s"}, 0},
		{[]string{"../conf/lars_lb_agent.conf"}, []string{"probe_num = 10", "succ_rate = 0.5", "\n; [loadbalance] probe_num to overload_timeout hold for modules"}, 0},
		{[]string{file("agent-1.conf", "[loadbalance]\nprobe_num = 3\n")}, []string{"balance = algorithm=classic\n; ^ " + folder + "/agent-1.conf, which names probe_num\n"}, 0},
		{[]string{file("x.conf", "[reactor]\nport = 1\n"), "--as", "dns"}, []string{"port = 1\n; ^ " + folder + "/x.conf:2", "ip = 127.0.0.1\n; ^ default"}, 0},
		{[]string{file("y.conf", "[reactor]\nport = 1\n")}, []string{"which program"}, 2},
		{[]string{file("dns-1.conf", "[mysql]\ndb_user = root\ndb_passwd = aceld\n")}, []string{"db_user = root", "db_passwd = (hidden)"}, 0},
		{[]string{file("reporter-1.conf", "[reporter]\ndb_thread_cnt = 7\n")}, []string{"[repoter]\ndb_thread_cnt = 7"}, 0},
		{[]string{file("dns-2.conf", "[reactor]\nport = 65536\n")}, []string{"dns-2.conf:2", "from 0 to 65535"}, 1},
		{[]string{file("dns-3.conf", "[reactor]\nportt = 1\n")}, []string{"unknown key"}, 1},
		{[]string{file("dns-4.conf", "port = 1\n")}, []string{"before the first [section]"}, 1},
		{[]string{file("dns-5.conf", "[store]\nurl = postgres:x\n")}, []string{"sqlite:PATH"}, 1},
		{[]string{"none-dns.conf"}, []string{"no such file"}, 1},
		{nil, []string{"which file?"}, 2},
	}
	for _, test := range tests {
		got, code, err := command(t, Config().Run, append([]string{"check"}, test.args...)...)
		if err != nil {
			got = err.Error()
		}
		if code != test.code {
			t.Errorf("%v: code %d, want %d: %s", test.args, code, test.code, got)
		}
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%v: no %q in\n%s", test.args, want, got)
			}
		}
	}
}

func TestStoreOptions(t *testing.T) {
	t.Chdir(t.TempDir()) // the default's folder is made there
	tests := []struct {
		name, url, user string
		want            string // of the store, or of the error
		ok              bool
	}{
		{"nothing", "", "", StoreDefault, true},
		{"file", "sqlite:y.db", "root", "sqlite:y.db", true},
		{"file in no folder", "sqlite:x/y.db", "", "no folder x; make it first", false},
		{"the original's keys", "", "root", "mysql root@127.0.0.1:3306/lars_dns", true},
		{"address", "mysql://lars@db:3307/x?conns=4&tls=preferred", "", "mysql lars@db:3307/x", true},
		{"defaults of an address", "mysql://lars@", "", "mysql lars@127.0.0.1:3306/lars_dns", true},
		{"socket", "mysql://lars@/x?socket=/run/m.sock", "", "mysql lars@/run/m.sock/x", true},
		{"password in the address", "mysql://lars:secret@db/x", "", "no password in the address", false},
		{"no user", "mysql://db/x", "", "no user", false},
		{"unknown parameter", "mysql://lars@db/x?pasword=1", "", "unknown parameter", false},
		{"conns", "mysql://lars@db/x?conns=0", "", "conns", false},
		{"no path", "sqlite:", "", "wants the path", false},
		{"something else", "oracle://x", "", "sqlite:PATH or mysql", false},
		{"missing password file", "mysql://lars@db/x?password_file=/nonexistent", "", "nonexistent", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := StoreOptions{URL: test.url, user: test.user, host: "127.0.0.1", port: 3306, database: "lars_dns"}
			st, name, err := o.Open()
			if err == nil {
				_ = st.Close()
			} else {
				name = err.Error()
			}
			if (err == nil) != test.ok || !strings.Contains(name, test.want) {
				t.Errorf("got %q (%v), want %q", name, err, test.want)
			}
			if strings.Contains(name, "secret") {
				t.Errorf("%q shows a password", name)
			}
		})
	}
}

// A mistyped path must not become an empty database that looks like an answer.
func TestReadingMakesNoDatabase(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		run  cli.Func
		args []string
	}{
		{Route().Run, []string{"list"}},
		{Route().Run, []string{"log", "--store", "sqlite:typo.db"}},
		{Route().Run, []string{"export", "--store", "sqlite:typo.db"}},
		{Policy().Run, []string{"get", "--store", "sqlite:typo.db"}},
	} {
		if _, code, err := command(t, c.run, c.args...); code != cli.ExitUsage || !strings.Contains(fmt.Sprint(err), "no database") {
			t.Errorf("%v: code %d, %v", c.args, code, err)
		}
	}
	if left, _ := filepath.Glob("*"); len(left) > 0 {
		t.Errorf("made %v", left)
	}
}

func TestModules(t *testing.T) {
	for text, want := range map[string]*store.Module{
		"1,2": {ModID: 1, CmdID: 2}, " 0 , 0 ": {}, "2147483647,0": {ModID: 2147483647},
		"": nil, "1": nil, "1,": nil, "1,2,3": nil, "2147483648,0": nil, "0,-1": nil, "x,y": nil,
	} {
		m, err := parseModule(text)
		if (err == nil) != (want != nil) || want != nil && m != *want {
			t.Errorf("%q: %v, %v", text, m, err)
		}
	}
}

// FuzzStoreURL: an error never shows what may be a password.
func FuzzStoreURL(f *testing.F) {
	for _, seed := range []string{"sqlite:x", "mysql://a@b:1/c?conns=2", "mysql://a:S3CRET@b/c", "mysql://a:S3CRET@b:x/c", "://", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := checkStoreURL(text); err != nil && strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%q: %v", text, err)
		}
	})
}
