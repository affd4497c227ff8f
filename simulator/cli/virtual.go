package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"lars/internal/cli"
	"lars/simulator/fault"
	"lars/simulator/virtual"
)

// options of a run.
type options struct {
	plan string
	seed uint64
	long time.Duration
	json bool
}

func runVirtual(ctx context.Context, stdout, _ io.Writer, args []string) error {
	var o options
	f := cli.NewFlags("lars sim virtual", "[flags]",
		"Runs dns, reporter, agents and store with callers and hosts in virtual time, under a plan of faults, watched by checkers.\n"+
			"The same seed and plan give the same run and the same hash. Exit code 1: a promise was broken.",
		"lars sim virtual --seed 7", "lars sim virtual --plan slow-host", "lars sim virtual --plan my.yaml --for 10m", "lars sim virtual --plan db-down --json")
	f.StringVar(&o.plan, "plan", chaos, "`plan` of faults: a name of 'lars sim plans', or a file, which has a dot or a slash in its name")
	f.Uint64Var(&o.seed, "seed", 1, "`number` that all chance begins with")
	f.DurationVar(&o.long, "for", 0, "virtual `time` that it lasts; 0 is as long as the plan needs")
	f.BoolVar(&o.json, "json", false, "print the result as JSON")
	if done, err := f.Parse(stdout, args); done || err != nil {
		return err
	}
	p, err := open(o.plan, func() *fault.Plan { return virtual.Chaos(o.seed, o.long) })
	if err != nil {
		return f.Errorf("%v", err)
	}
	if least := virtual.Least(p); o.long != 0 && o.long < least {
		return f.Errorf("--for %v is too short: the plan %s and the checks after it need %v", o.long, o.plan, least)
	}
	began := time.Now()
	r, err := virtual.Run(ctx, virtual.Config{Seed: o.seed, Plan: p, For: o.long})
	if err != nil {
		return fmt.Errorf("stopped at %v of virtual time: %w", r.Virtual.Round(time.Second), err)
	}
	if o.json {
		err = o.printJSON(stdout, &r)
	} else {
		o.print(stdout, &r, time.Since(began))
	}
	if err == nil && r.Failures > 0 {
		err = cli.Reported(cli.ExitFailed)
	}
	return err
}

// again is the command that shows a run again.
func (o *options) again() string {
	s := fmt.Sprintf("lars sim virtual --plan %s --seed %d", o.plan, o.seed)
	if o.long != 0 {
		s += " --for " + o.long.String()
	}
	return s
}

func (o *options) printJSON(w io.Writer, r *virtual.Result) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		*virtual.Result
		Replay string `json:"replay"`
		Trace  string `json:"trace,omitempty"`
	}{r, o.again(), r.Trace})
}

func (o *options) print(w io.Writer, r *virtual.Result, took time.Duration) {
	c := &r.Calls
	fmt.Fprintf(w, "plan %s, seed %d: %v of virtual time in %v, %d events\n\n", r.Plan, r.Seed,
		r.Virtual.Round(time.Second), took.Round(time.Millisecond), r.Events)
	for _, line := range []struct {
		what string
		n    any
	}{
		{"calls", c.Asked},
		{"served", c.Served},
		{"failed", c.Failed},
		{"refused", c.Refused},
		{"host too late", c.Late},
		{"all overloaded", c.Overload},
		{"no host known", c.NoHost},
		{"no answer of the agent", c.NoAnswer},
		{"p50 of those served", c.P50.Round(time.Microsecond)},
		{"p99", c.P99.Round(time.Microsecond)},
		{"edits of routes", r.Edits},
		{"calls lost by crashes", r.Lost},
		{"trace hash", r.Hash},
	} {
		fmt.Fprintf(w, "%-24s %v\n", line.what, line.n)
	}
	if r.Failures == 0 {
		fmt.Fprintf(w, "\nall checks hold\n")
		return
	}
	fmt.Fprintln(w)
	explain(w, o, r)
}

// explain prints what is wrong with a run, and how to see it again.
func explain(w io.Writer, o *options, r *virtual.Result) {
	fmt.Fprintf(w, "%d violations; the first of each checker:\n", r.Failures)
	for _, v := range r.Violations {
		fmt.Fprintf(w, "  %v\n", v)
	}
	again := "show it again: " + o.again()
	fmt.Fprintf(w, "\n%s\n\naround the first violation:\n%s\n%s\n", again, r.Trace, again) // twice: a trace is long
}
