package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"lars/bench/record"
	"lars/bench/report"
	"lars/internal/cli"
	"lars/reactor/driver"
	"lars/simulator/fault"
	"lars/simulator/live"
	"lars/simulator/outcome"
	"lars/system/agent"
	"lars/system/dns"
	"lars/system/reporter"
	"lars/system/up"
)

// Backends are what live runs can run on.
type Backends struct {
	Open  func(name string) (driver.Driver, error)
	Names []string
}

// liveOptions of "lars sim live".
type liveOptions struct {
	flags     *cli.Flags
	backends  Backends
	backend   string
	plan      string
	processes bool
	out       string
	json      bool
	balance   string
	service   map[string]*string // flags of each service
	config    live.Config
	text      string // of the plan
	args      []string
}

const (
	everyBackend = "all"
	outNone      = "none"
	recoveryMin  = time.Second
	recoveryMax  = time.Hour
)

func (b Backends) live(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	o := newLive(b)
	o.args = args
	if done, err := o.parse(stdout, args); done || err != nil {
		return err
	}
	names := []string{o.backend}
	if o.backend == everyBackend {
		names = b.Names
	}
	var all []*live.Result
	for _, name := range names {
		c := o.config
		c.Backend, c.OnProgress = name, o.progress(stderr)
		r, err := live.Run(ctx, c)
		o.wipe(stderr)
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		if err != nil {
			return fmt.Errorf("lars sim live, %s: %w", name, err)
		}
		all = append(all, r)
	}
	return o.finish(stdout, stderr, all)
}

func newLive(b Backends) *liveOptions {
	o := &liveOptions{backends: b, service: map[string]*string{}}
	f := cli.NewFlags("lars sim live", "[--backend NAME] [--plan NAME]",
		"Runs dns, reporter, agents, callers and hosts over real sockets on this machine, under a plan of faults, watched by\n"+
			"checkers, and writes a result of the lab. It takes as long as the plan says. Exit code 1: a promise was broken.\n\n"+
			"Hang and slow of dns, reporter and agent need --processes; clock, and all faults of the database, need its absence.\n"+
			"Off and rollback are for 'lars sim virtual' alone. The plan chaos draws what the flags allow. Stopped by a second Ctrl-C it\n"+
			"leaves its folder lars-sim-... in "+os.TempDir()+".",
		"lars sim live --backend epoll --plan slow-host", "lars sim live --backend all --plan crash --recovery 20s",
		"lars sim live --plan my.yaml --network udp --json", "lars sim live --plan dns-down --processes",
		"lars sim live --plan slow-host --balance algorithm=classic")
	o.flags = f
	c := &o.config
	f.StringVar(&o.backend, "backend", "epoll", "`name` of the backend, one of "+strings.Join(b.Names, ", ")+"; all: one after the other, with the same seed")
	f.StringVar(&o.plan, "plan", "crash", "`plan` of faults: a name of 'lars sim plans', or a file, which has a dot or a slash in its name")
	f.Uint64Var(&c.Seed, "seed", 1, "`number` that all chance begins with")
	f.StringVar(&c.Network, "network", "tcp", "`tcp or udp`, between callers and hosts")
	f.BoolVar(&o.processes, "processes", false, "run each service as a process")
	f.DurationVar(&c.Recovery, "recovery", 30*time.Second, "`time` that it goes on after the last fault")
	f.StringVar(&o.out, "out", "", "`folder` of the result; empty for a new one below out; none for no files")
	f.BoolVar(&o.json, "json", false, "print the results as JSON")
	f.StringVar(&o.balance, "balance", "", "`settings` of the balancing of all modules, as lars agent takes them: algorithm=classic; empty for the default policy")
	for _, name := range up.Services() {
		o.service[name] = f.String(name+"-flags", "", "further `flags` of lars "+name+", separated by spaces")
	}
	return o
}

func (o *liveOptions) parse(stdout io.Writer, args []string) (done bool, err error) {
	if done, err = o.flags.Parse(stdout, args); done || err != nil {
		return done, err
	}
	c := &o.config
	c.Open = o.backends.Open
	if o.backend != everyBackend && !slices.Contains(o.backends.Names, o.backend) {
		return false, o.flags.Errorf("backend %q: want one of %s, or all", o.backend, strings.Join(o.backends.Names, ", "))
	}
	if c.Network != "tcp" && c.Network != "udp" {
		return false, o.flags.Errorf("network %q: want tcp or udp", c.Network)
	}
	if c.Recovery < recoveryMin || c.Recovery > recoveryMax {
		return false, o.flags.Errorf("--recovery %v: want %v to %v", c.Recovery, recoveryMin, recoveryMax)
	}
	if c.Plan, err = open(o.plan, func() *fault.Plan { return live.Chaos(c.Seed, o.processes) }); err != nil {
		return false, o.flags.Errorf("%v", err)
	}
	if err := live.Check(c.Plan, o.processes); err != nil {
		return false, o.flags.Errorf("%v", err)
	}
	if o.text, err = textOf(o.plan); err != nil {
		return false, o.flags.Errorf("%v", err)
	}
	if o.processes {
		if c.Program, err = os.Executable(); err != nil {
			return false, fmt.Errorf("lars sim live: where is this program? %w", err)
		}
	}
	c.Args = map[string][]string{}
	for name, text := range o.service {
		c.Args[name] = strings.Fields(*text)
	}
	if o.balance != "" {
		c.Args[up.Agent] = append(c.Args[up.Agent], "--balance", o.balance)
	}
	for _, name := range up.Services() {
		if err := takes(name, c.Args[name]); err != nil {
			return false, o.flags.Errorf("flags of the %s: %v", name, err)
		}
	}
	if o.out != "" && o.out != outNone {
		if _, err := os.Stat(filepath.Join(o.out, record.RunFile)); err == nil {
			return false, o.flags.Errorf("--out %s holds a result already: give another directory or remove that one", o.out)
		}
		if err := os.MkdirAll(o.out, 0o755); err != nil {
			return false, o.flags.Errorf("--out: %v: give a directory that can be written", err)
		}
	}
	return false, nil
}

// takes reports whether flags are such as a service takes.
func takes(service string, args []string) error {
	f := flag.NewFlagSet("lars "+service, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	switch service {
	case up.DNS:
		new(dns.Config).Keys().Flags(f)
	case up.Reporter:
		new(reporter.Config).Keys().Flags(f)
	case up.Agent:
		new(agent.Config).Keys().Flags(f)
	}
	return f.Parse(args)
}

// textOf is the text of a plan; "" of the drawn one.
func textOf(plan string) (string, error) {
	switch {
	case plan == chaos:
		return "", nil
	case strings.ContainsAny(plan, "./"):
		text, err := os.ReadFile(plan)
		return string(text), err
	}
	text, err := fault.Text(plan)
	return string(text), err
}

// progress shows a line on a terminal.
func (o *liveOptions) progress(w io.Writer) func(live.Progress) {
	if !onTerminal(w) {
		return nil
	}
	return func(p live.Progress) {
		fmt.Fprintf(w, "\r\x1b[K%s: %v of %v, %s, %d calls, %d went wrong", p.Backend, p.At.Round(time.Second), p.End.Round(time.Second), p.Phase, p.Calls, p.Wrong)
	}
}

func (o *liveOptions) wipe(w io.Writer) {
	if onTerminal(w) {
		fmt.Fprint(w, "\r\x1b[K")
	}
}

// finish prints the results, writes their files and gives the exit code.
func (o *liveOptions) finish(stdout, stderr io.Writer, all []*live.Result) error {
	failures := 0
	for _, r := range all {
		failures += r.Failures
	}
	if o.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(all); err != nil {
			return err
		}
	} else {
		for _, r := range all {
			printLive(stdout, r)
		}
		if len(all) > 1 {
			printBackends(stdout, all)
		}
	}
	if o.out != outNone {
		dir, err := o.write(all)
		if err != nil {
			return err
		}
		to := stdout
		if o.json {
			to = stderr
		}
		fmt.Fprintf(to, "files: %s\n", dir)
	}
	if failures > 0 {
		return cli.Reported(cli.ExitFailed)
	}
	return nil
}

func (o *liveOptions) write(all []*live.Result) (dir string, err error) {
	file := o.plan
	if !strings.ContainsAny(file, "./") {
		file += ".yaml"
	}
	b := live.Record(all, live.Labels{Command: append([]string{"lars", "sim", "live"}, o.args...), File: filepath.Base(file), Text: o.text})
	if dir = o.out; dir == "" {
		dir = filepath.Join("out", b.Run.ID)
		for n := 2; exists(dir); n++ { // two in one second
			dir = filepath.Join("out", b.Run.ID+"-"+strconv.Itoa(n))
		}
	}
	if err := record.Write(dir, b, report.Derive); err != nil {
		return "", fmt.Errorf("the result could not be written: %w", err)
	}
	return dir, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func printLive(w io.Writer, r *live.Result) {
	fmt.Fprintf(w, "%s: plan %s, seed %d, hosts over %s, %v\n\n", r.Backend, r.Plan, r.Seed, r.Network, r.Length.Round(time.Second))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "phase\tfrom\tto\tcalls\terrors\tp50\tp99\twhat went wrong")
	for i := range r.Outcome.Phases {
		p := &r.Outcome.Phases[i]
		fmt.Fprintf(t, "%s\t%v\t%v\t%d\t%s\t%s\t%s\t%s\n", p.Name, p.From, p.To, p.Calls, percent(p.ErrorShare()), brief(p.P50), brief(p.P99), live.Text(p))
	}
	_ = t.Flush()
	if len(r.Outcome.Afflicted) > 0 {
		fmt.Fprintln(t, "\nfault\tfrom\tto\tcalls to bad hosts\tfair share\tejected after\trecovered after\tstill out")
		for _, a := range r.Outcome.Afflicted {
			fmt.Fprintf(t, "%s\t%v\t%v\t%s (%d of %d)\t%s\t%s\t%s\t%d\n", a.Fault, a.From, a.To, percent(a.BadShare()), a.Bad, a.Picks,
				percent(a.Fair), after(a.Eject, a.Ejected, "never out"), after(a.Recover, a.Recovered, backOf(a)), a.Still)
		}
		_ = t.Flush()
		if slices.ContainsFunc(r.Outcome.Afflicted, func(a *outcome.Afflicted) bool { return a.Ejected == 0 }) {
			fmt.Fprintln(w, "never out: no agent ejected such a host; picks alone kept calls away from it, as far as they did")
		}
	}
	b := &r.Books
	fmt.Fprintf(w, "\ncalls reported %d, counted by agents %d, in the database %d; edits %d\n", b.Sent, b.Counted, b.Minutes, r.Edits)
	if b.Killed {
		fmt.Fprintln(w, "an agent was killed: what it had counted is not known, and what it had not handed on is lost")
	}
	if r.Failures == 0 {
		fmt.Fprintf(w, "all checks hold\n\n")
		return
	}
	fmt.Fprintf(w, "%d violations:\n", r.Failures)
	for _, v := range r.Violations {
		fmt.Fprintf(w, "  %v\n", v)
	}
	fmt.Fprintln(w)
}

// printBackends compares runs in one table.
func printBackends(w io.Writer, all []*live.Result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "backend")
	for _, p := range all[0].Outcome.Phases {
		fmt.Fprintf(t, "\t%s: errors\tp50\tp99", p.Name)
	}
	for _, a := range all[0].Outcome.Afflicted {
		fmt.Fprintf(t, "\tto bad: %s", a.Fault)
	}
	fmt.Fprintln(t, "\tchecks")
	for _, r := range all {
		fmt.Fprint(t, r.Backend)
		for i := range r.Outcome.Phases {
			p := &r.Outcome.Phases[i]
			fmt.Fprintf(t, "\t%s\t%s\t%s", percent(p.ErrorShare()), brief(p.P50), brief(p.P99))
		}
		for _, a := range r.Outcome.Afflicted {
			fmt.Fprintf(t, "\t%s", percent(a.BadShare()))
		}
		checks := "hold"
		if r.Failures > 0 {
			checks = fmt.Sprintf("%d violations", r.Failures)
		}
		fmt.Fprintf(t, "\t%s\n", checks)
	}
	_ = t.Flush()
	fmt.Fprintln(w)
}

func percent(share float64) string { return fmt.Sprintf("%.2f %%", share*100) }

func brief(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

// backOf says why no agent let an afflicted host in again.
func backOf(a *outcome.Afflicted) string {
	switch {
	case a.Ejected == 0:
		return "never out"
	case a.Still == 0:
		return "back before the end"
	}
	return "not yet"
}

// after is a median of so many, or what none means.
func after(d *time.Duration, n int, none string) string {
	if d == nil {
		return none
	}
	return fmt.Sprintf("%v (%d)", d.Round(time.Millisecond), n)
}
