package conf

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type values struct {
	ip      string
	port    int
	rate    float64
	on      bool
	idle    time.Duration
	secret  string
	maxConn int
}

func declare(v *values) *Set {
	*v = values{ip: "0.0.0.0", port: 8888, maxConn: 1024}
	s := &Set{}
	s.String(&v.ip, Name{"reactor", "ip", "ip"}, IP, "address")
	s.Int(&v.port, Name{"reactor", "port", "port"}, 0, 65535, "port")
	s.Int(&v.maxConn, Name{"reactor", "maxConn", ""}, 1, 1<<20, "connections")
	s.Float(&v.rate, Name{"loadbalance", "err_rate", ""}, 0, 1, "rate")
	s.Bool(&v.on, Name{"loadbalance", "on", ""}, "switch")
	s.Seconds(&v.idle, Name{"loadbalance", "idle_timeout", ""}, 0, time.Hour, "time")
	s.Secret(&v.secret, Name{"mysql", "db_passwd", ""}, "password")
	s.Ignore("other")
	return s
}

func TestParse(t *testing.T) {
	var v values
	s := declare(&v)
	err := s.Parse("a.conf", `; the original's form
[reactor]
ip = 127.0.0.1
 port=7777
[other]
anything = goes
[loadbalance]
err_rate = 0.1
on = true
idle_timeout = 15
[reactor]
port = 7778
[mysql]
db_passwd = hush`)
	if err != nil {
		t.Fatal(err)
	}
	want := values{"127.0.0.1", 7778, 0.1, true, 15 * time.Second, "hush", 1024}
	if v != want {
		t.Errorf("got %+v, want %+v", v, want)
	}
	var b strings.Builder
	s.Print(&b)
	if out := b.String(); strings.Contains(out, "hush") || !strings.Contains(out, "a.conf:12") || !strings.Contains(out, "default") {
		t.Errorf("Print:\n%s", out)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"number", "[reactor]\nport = x", `a.conf:2: [reactor] port: "x" is not a whole number from 0 to 65535`},
		{"range", "[reactor]\n\nport = 65536", `a.conf:3: [reactor] port: "65536" is not`},
		{"float", "[loadbalance]\nerr_rate = NaN", `not a number from 0 to 1`},
		{"bool", "[loadbalance]\non = maybe", `neither true nor false`},
		{"time", "[loadbalance]\nidle_timeout = -1", `not a time from`},
		{"address", "[reactor]\nip = 300.1.1.1", `not an IP address`},
		{"unknown key", "[reactor]\nprot = 1", `a.conf:2: [reactor] prot: unknown key; known: ip, port, maxConn`},
		{"unknown section", "[reactr]", `a.conf:1: unknown section [reactr]; known: [reactor], [loadbalance], [mysql]`},
		{"no section", "port = 1", `key before the first [section]`},
		{"no value", "[reactor]\nport", `want key = value`},
		{"open section", "[reactor", `a section ends with ]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v values
			err := declare(&v).Parse("a.conf", tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// A person mends a file once, not once for each mistake.
func TestAllErrorsAreTold(t *testing.T) {
	var v values
	err := declare(&v).Parse("a.conf", "[reactor]\nport = x\nprot = 1\n[reactr]\nip = 1\n[reactor]\nip = 10.0.0.1\nmaxConn = 0\n[mysql")
	if err == nil || v.ip != "10.0.0.1" {
		t.Fatalf("%v, %+v", err, v)
	}
	var told []string
	for line := range strings.Lines(err.Error()) {
		told = append(told, strings.Join(strings.SplitN(line, ":", 3)[:2], ":"))
	}
	if got, want := strings.Join(told, " "), "a.conf:2 a.conf:3 a.conf:4 a.conf:8 a.conf:9"; got != want {
		t.Errorf("told are %s, want %s:\n%v", got, want, err)
	}
	err = declare(&v).Parse("a.conf", strings.Repeat("x\n", 1000))
	if n := strings.Count(err.Error(), "\n"); n != errorsMax || !strings.HasSuffix(err.Error(), "and perhaps more") {
		t.Errorf("%d lines: %v", n, err)
	}
}

func TestFlagWinsOverFile(t *testing.T) {
	var v values
	s := declare(&v)
	fs := flag.NewFlagSet("x", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	s.Flags(fs)
	if err := fs.Parse([]string{"-port", "1"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.conf")
	if err := os.WriteFile(path, []byte("[reactor]\nport = 2\nip = 127.0.0.2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(path); err != nil {
		t.Fatal(err)
	}
	if v.port != 1 || v.ip != "127.0.0.2" {
		t.Errorf("got %+v", v)
	}
	if err := fs.Parse([]string{"-port", "99999"}); err == nil {
		t.Error("a flag out of range was accepted")
	}
	if err := s.Load(path + ".none"); err == nil {
		t.Error("a missing file was accepted")
	}
}

func TestImply(t *testing.T) {
	for _, tt := range []struct {
		name, flag, text string
		want             int
	}{
		{"named", "", "[loadbalance]\nerr_rate = 0.1", 5},
		{"of two", "", "[loadbalance]\non = true", 5},
		{"not named", "", "[loadbalance]\nidle_timeout = 1", 1024},
		{"said after", "", "[loadbalance]\nerr_rate = 0.1\n[loadbalance]\nlimit = 1024", 1024},
		{"said by a flag", "-limit=9", "[loadbalance]\nerr_rate = 0.1", 9},
		{"named, but a flag wins", "-rate=0.2", "[loadbalance]\nerr_rate = 0.1", 5},
		{"by a flag alone", "-rate=0.2", "", 1024},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s Set
			rate, limit, on, idle := 0.0, 1024, false, time.Duration(0)
			s.Float(&rate, Name{"loadbalance", "err_rate", "rate"}, 0, 1, "")
			s.Bool(&on, Name{"loadbalance", "on", ""}, "")
			s.Seconds(&idle, Name{"loadbalance", "idle_timeout", ""}, 0, time.Hour, "")
			s.Int(&limit, Name{"loadbalance", "limit", "limit"}, 1, 2000, "")
			s.Imply("loadbalance", "limit", "5", "err_rate", "on")
			fs := flag.NewFlagSet("x", flag.ContinueOnError)
			s.Flags(fs)
			if err := fs.Parse(strings.Fields(tt.flag)); err != nil {
				t.Fatal(err)
			}
			if err := s.Parse("a.conf", tt.text); err != nil || limit != tt.want {
				t.Errorf("%d, %v; want %d", limit, err, tt.want)
			}
			var b strings.Builder
			if s.Print(&b); strings.Contains(b.String(), "limit = 5\n; ^ a.conf, which names ") != (tt.want == 5) {
				t.Error(b.String())
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("[reactor]\nport = 1\n; c\n[mysql]\ndb_passwd=a=b")
	f.Fuzz(func(t *testing.T, text string) {
		var v values
		if err := declare(&v).Parse("f", text); err == nil && (v.port < 0 || v.port > 65535) {
			t.Fatalf("port %d accepted", v.port)
		}
	})
}
