package cli

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lars/system/store"
	"lars/system/store/mysql/mariadbtest"
)

// bothStores are an SQLite file and a MariaDB, as values for --store.
func bothStores(t *testing.T) map[string]string {
	return map[string]string{
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "lars.db"),
		"mysql":  mysqlURL(t, mariadbtest.Start(t).NewDatabase(t)),
	}
}

// reportCalls stores reports of an agent: two callers of module 1,1 with two
// hosts, now and two days ago, and one of 1,2.
func reportCalls(t *testing.T, url string, now time.Time) {
	t.Helper()
	st, _, err := openURL(url)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, b := store.Host{IP: 0xC0A801B1, Port: 7777}, store.Host{IP: 0x0A000001, Port: 80}
	all := []store.Report{
		{Module: store.Module{ModID: 1, CmdID: 1}, Caller: 0x7F000001, At: now.Add(-48 * time.Hour), Results: []store.Result{{Host: a, Succ: 5, AddSucc: 5}}},
		{Module: store.Module{ModID: 1, CmdID: 1}, Caller: 0x7F000001, At: now, Results: []store.Result{{Host: a, Succ: 105, AddSucc: 100, Err: 25, AddErr: 25, Overload: true}, {Host: b, Succ: 7, AddSucc: 7}}},
		{Module: store.Module{ModID: 1, CmdID: 1}, Caller: 0x0A000009, At: now, Results: []store.Result{{Host: b, Succ: 3, AddSucc: 3}}},
		{Module: store.Module{ModID: 1, CmdID: 2}, Caller: 0x0A000009, At: now, Results: []store.Result{{Host: a, Succ: 1, AddSucc: 1}}},
	}
	if _, err := st.SaveReports(t.Context(), all); err != nil {
		t.Fatal(err)
	}
}

func TestCalls(t *testing.T) {
	now := time.Now().UTC()
	minute := now.Truncate(time.Minute).Format("2006-01-02 15:04")
	const (
		head  = "MODULE HOST CALLER SUCC ERR STATE REPORTED\n"
		aRow  = "1,1 192.168.1.177:7777 127.0.0.1 105 25 overloaded AGO\n"
		bRows = "1,1 10.0.0.1:80 10.0.0.9 3 0 idle AGO\n1,1 10.0.0.1:80 127.0.0.1 7 0 idle AGO\n"
		other = "1,2 192.168.1.177:7777 10.0.0.9 1 0 idle AGO\n"
		then  = "\nMINUTE (UTC) HOST SUCC ERR ERR % OVERLOADED\n"
	)
	aMinute := minute + " 192.168.1.177:7777 100 25 20.00 1\n"
	bMinute := minute + " 10.0.0.1:80 10 0 0.00 0\n"
	before := now.Add(-48*time.Hour).Truncate(time.Minute).Format("2006-01-02 15:04") + " 192.168.1.177:7777 5 0 0.00 0\n"
	for name, url := range bothStores(t) {
		t.Run(name, func(t *testing.T) {
			reportCalls(t, url, now)
			for _, c := range []struct{ args, want string }{
				{"", head + bRows + aRow + other},
				{"--host 192.168.1.177:7777", head + aRow + other},
				{"1 1", head + bRows + aRow + then + bMinute + aMinute},
				{"1 1 --since 72h --host 192.168.1.177:7777", head + aRow + then + before + aMinute},
				{"2 1", "nothing reported\n\nnothing reported\n"},
			} {
				got, _, err := command(t, Calls, append(strings.Fields(c.args), "--store", url)...)
				got = regexp.MustCompile(` +`).ReplaceAllString(got, " ")
				got = regexp.MustCompile(`\S+ ago\n`).ReplaceAllString(got, "AGO\n")
				if err != nil || got != c.want {
					t.Errorf("lars calls %s: %v\n%s\nwant\n%s", c.args, err, got, c.want)
				}
			}
			callsAsJSON(t, url, now)
		})
	}
}

func callsAsJSON(t *testing.T, url string, now time.Time) {
	t.Helper()
	var all struct {
		Latest []struct {
			ModID, CmdID, Succ, Err int64
			Host, Caller            string
			Overload                bool
			At                      time.Time
		}
		Minutes []struct {
			Minute              time.Time
			Host                string
			Succ, Err, Overload int64
		}
	}
	text, _, err := command(t, Calls, "--json", "--store", url, "1", "1")
	if err == nil {
		err = json.Unmarshal([]byte(text), &all)
	}
	if err != nil || len(all.Latest) != 3 || len(all.Minutes) != 2 {
		t.Fatalf("%v in %s", err, text)
	}
	l, m := all.Latest[2], all.Minutes[1]
	if l.Caller != "127.0.0.1" || l.Err != 25 || !l.Overload || l.At.Unix() != now.Unix() {
		t.Errorf("latest %+v", l)
	}
	if !m.Minute.Equal(now.Truncate(time.Minute)) || m.Host != "192.168.1.177:7777" || m.Succ != 100 || m.Overload != 1 {
		t.Errorf("minute %+v", m)
	}
	if text, _, _ := command(t, Calls, "--json", "--store", url); !json.Valid([]byte(text)) {
		t.Errorf("of all modules: %s", text)
	}
}

func TestCallsRefuses(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--since 1h", "want MODID and CMDID"},
		{"1 --since 1h", "1 arguments: want 2\n"},
		{"1 1 --since -1h", "want a time above 0"},
		{"1 1 --host 10.0.0.1", "10.0.0.1"},
	} {
		if _, code, err := command(t, Calls, strings.Fields(c.args)...); code != 2 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("lars calls %s: code %d, %v; want %q", c.args, code, err, c.want)
		}
	}
}

// More rows than one query gives are read page by page.
func TestPages(t *testing.T) {
	const rows = 2*store.QueryRowsMax + 1
	next, seen := 0, 0
	err := pages(func(after *int) (page []int, err error) {
		if after != nil && *after != next-1 {
			t.Fatalf("after %d, want %d", *after, next-1)
		}
		for ; next < rows && len(page) < store.QueryRowsMax; next++ {
			page = append(page, next)
		}
		return page, nil
	}, func(n int) {
		if n != seen {
			t.Fatalf("row %d, want %d", n, seen)
		}
		seen++
	})
	if err != nil || seen != rows {
		t.Errorf("%d rows, %v; want %d", seen, err, rows)
	}
}
