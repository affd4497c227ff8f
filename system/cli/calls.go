package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"lars/system/store"
)

// sinceDefault is how far back the history of a module is shown.
const sinceDefault = time.Hour

// Calls is the command "lars calls": what agents reported, from the store.
func Calls(ctx context.Context, stdout, _ io.Writer, args []string) error {
	c := newStoreCommand("lars calls", "[MODID CMDID] [--host IP:PORT] [--since TIME]",
		"Shows the calls that agents reported: the latest figures of each host and caller, of a module or of all; and of a module the totals of each minute.\nLatest figures are those that an agent has counted so far: one of the original begins anew with each window of its balancing.",
		"lars calls", "lars calls 1 1 --since 24h", "lars calls 1 1 --host 192.168.1.177:7777 --json")
	var host *store.Host
	c.flags.Func("host", "only this host, `ip:port`", func(text string) error {
		h, err := store.ParseHost(text)
		host = &h
		return err
	})
	since := c.flags.Duration("since", 0, "`time` up to now of which the minutes are shown (default "+sinceDefault.String()+")")
	if values, _ := splitArguments(args, 2); len(values) > 0 {
		var err error
		if _, args, err = c.policyModule(args, 2); err != nil {
			return err
		}
	}
	check := func() error {
		switch {
		case *since < 0:
			return c.flags.Errorf("--since %v: want a time above 0", *since)
		case *since > 0 && c.module == nil:
			return c.flags.Errorf("--since is for the minutes of a module: want MODID and CMDID")
		case *since == 0:
			*since = sinceDefault
		}
		return nil
	}
	return c.run(ctx, stdout, args, check, func(st store.Store) error {
		out := bufio.NewWriter(stdout)
		w := callWriter(newCallText(out))
		if c.json {
			w = &callJSON{w: out}
		}
		err := c.calls(ctx, st, host, time.Now().Add(-*since), w)
		return cmp.Or(err, out.Flush())
	})
}

// callWriter writes rows of both kinds; an error of the output stays in it.
type callWriter interface {
	begin(minutes bool)
	latest(store.CallStat)
	minute(store.MinuteStat)
	end()
}

// calls gives w what is stored.
func (c *routeCommand) calls(ctx context.Context, st store.Store, host *store.Host, from time.Time, w callWriter) error {
	w.begin(false)
	err := pages(func(after *store.CallStat) ([]store.CallStat, error) {
		return st.Latest(ctx, store.LatestQuery{Module: c.module, Host: host, After: after})
	}, w.latest)
	if err == nil && c.module != nil {
		w.begin(true)
		err = pages(func(after *store.MinuteStat) ([]store.MinuteStat, error) {
			return st.Minutes(ctx, store.MinuteQuery{Module: *c.module, Host: host, From: from.Truncate(time.Minute), After: after})
		}, w.minute)
	}
	if err == nil {
		w.end()
	}
	return err
}

// pages reads rows page by page.
func pages[T any](next func(after *T) ([]T, error), each func(T)) error {
	for after := (*T)(nil); ; {
		page, err := next(after)
		for _, row := range page {
			each(row)
		}
		if err != nil || len(page) < store.QueryRowsMax {
			return err
		}
		after = &page[len(page)-1]
	}
}

// callText writes tables, row by row: there may be a million.
type callText struct {
	w    io.Writer
	now  time.Time
	head string // of the table to come
	rows int
}

func newCallText(w io.Writer) *callText { return &callText{w: w, now: time.Now()} }

func (t *callText) begin(minutes bool) {
	t.none()
	t.rows, t.head = 0, fmt.Sprintf("%-12s %-21s %-15s %12s %10s  %-10s %s", "MODULE", "HOST", "CALLER", "SUCC", "ERR", "STATE", "REPORTED")
	if minutes {
		fmt.Fprintln(t.w)
		t.head = fmt.Sprintf("%-17s %-21s %12s %10s %7s %10s", "MINUTE (UTC)", "HOST", "SUCC", "ERR", "ERR %", "OVERLOADED")
	}
}

func (t *callText) line(format string, values ...any) {
	if t.rows++; t.rows == 1 {
		fmt.Fprintln(t.w, t.head)
	}
	fmt.Fprintf(t.w, format+"\n", values...)
}

func (t *callText) latest(s store.CallStat) {
	t.line("%-12v %-21v %-15s %12d %10d  %-10s %s ago", s.Module, s.Host, callerText(s.Caller), s.Succ, s.Err, stateOf(s), round(t.now.Sub(s.At)))
}

func (t *callText) minute(s store.MinuteStat) {
	t.line("%-17s %-21v %12d %10d %7.2f %10d", s.Minute.UTC().Format("2006-01-02 15:04"), s.Host, s.Succ, s.Err,
		100*float64(s.Err)/float64(max(s.Succ+s.Err, 1)), s.Overload)
}

func (t *callText) end() { t.none() }

// none says that a table has no rows.
func (t *callText) none() {
	if t.head != "" && t.rows == 0 {
		fmt.Fprintln(t.w, "nothing reported")
	}
}

func stateOf(s store.CallStat) string {
	if s.Overload {
		return "overloaded"
	}
	return "idle"
}

func callerText(ip uint32) string {
	return fmt.Sprintf("%d.%d.%d.%d", ip>>24, ip>>16&255, ip>>8&255, ip&255)
}

// callJSON writes one object with a list for each table.
type callJSON struct {
	w      io.Writer
	before string // the next row
}

func (j *callJSON) begin(minutes bool) {
	if !minutes {
		fmt.Fprint(j.w, `{"latest":[`)
	} else {
		fmt.Fprint(j.w, `],"minutes":[`)
	}
	j.before = "\n"
}

func (j *callJSON) row(v any) {
	text, _ := json.Marshal(v) // plain figures: it cannot fail
	fmt.Fprintf(j.w, "%s%s", j.before, text)
	j.before = ",\n"
}

func (j *callJSON) latest(s store.CallStat) {
	j.row(struct {
		ModID    int32     `json:"modid"`
		CmdID    int32     `json:"cmdid"`
		Host     string    `json:"host"`
		Caller   string    `json:"caller"`
		Succ     uint32    `json:"succ"`
		Err      uint32    `json:"err"`
		Overload bool      `json:"overload"`
		At       time.Time `json:"at"`
	}{s.Module.ModID, s.Module.CmdID, s.Host.String(), callerText(s.Caller), s.Succ, s.Err, s.Overload, s.At.UTC()})
}

func (j *callJSON) minute(s store.MinuteStat) {
	j.row(struct {
		Minute   time.Time `json:"minute"`
		Host     string    `json:"host"`
		Succ     int64     `json:"succ"`
		Err      int64     `json:"err"`
		Overload int64     `json:"overload"`
	}{s.Minute.UTC(), s.Host.String(), s.Succ, s.Err, s.Overload})
}

func (j *callJSON) end() { fmt.Fprintln(j.w, "]}") }
