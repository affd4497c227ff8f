package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"lars/bench/run"
	"lars/bench/scenario"
	"lars/bench/workload"
	"lars/internal/cli"
)

// parse reads the flags, and the scenario that they name.
func (o *options) parse(stdout io.Writer, args []string) (done bool, err error) {
	if done, err = o.flags.Parse(stdout, args); done || err != nil {
		return done, err
	}
	if o.scenario == "" {
		return false, nil
	}
	s, err := scenario.Open(o.scenario)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, o.flags.Errorf("--scenario: %v: give a file that is there, or one of %s", err, strings.Join(scenario.Names(), ", "))
	case err != nil:
		return false, o.flags.Errorf("--scenario: %v", err)
	}
	o.adopt(s)
	return false, nil
}

// adopt takes over what a scenario says, unless a flag says otherwise.
func (o *options) adopt(s *scenario.Scenario) {
	given := map[string]bool{}
	o.flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	o.source = run.Source{Name: s.Name, File: s.File, SHA256: s.SHA256, Text: s.Text}
	take := func(name string, says bool, set func()) {
		switch known := o.flags.Lookup(name) != nil; {
		case !known:
		case given[name]:
			o.source.Changed = append(o.source.Changed, "--"+name)
		case says:
			set()
		}
	}
	l := &s.Load
	take("workload", true, func() { o.workload = s.Workload })
	take("udp", true, func() { o.udp = s.UDP() })
	take("seed", true, func() { o.seed = s.Seed })
	take("repeat", s.Rounds > 0, func() { o.repeat = s.Rounds })
	take("loops", s.Loops > 0, func() { o.loops = s.Loops })
	take("conns", l.Conns > 0, func() { o.conns = l.Conns })
	take("depth", l.Depth > 0, func() { o.depth = l.Depth })
	take("rate", l.Rate > 0, func() { o.rate = l.Rate })
	take("arrivals", l.Arrivals != "", func() { o.arrivals = l.Arrivals })
	take("warmup", l.Warmup != nil, func() { o.warmup = *l.Warmup })
	take("duration", l.Duration > 0, func() { o.duration = l.Duration })
	take("timeout", l.Timeout > 0, func() { o.timeout = l.Timeout })
	take("payload", s.PayloadBytes != nil, func() { o.payload = s.PayloadBytes })
	take("edits", s.Edits > 0, func() { o.edits = s.Edits })
	if r := s.Routes; r != nil {
		take("modules", r.Modules > 0, func() { o.routes.Modules = r.Modules })
		take("hosts", r.Hosts > 0, func() { o.routes.Hosts = r.Hosts })
	}
	if s.Idle != nil {
		take("idle", true, func() { o.idle = s.Idle.Conns })
	}
	if m := s.Mix; m != nil {
		o.mix = workload.Mix{GetHost: m.GetHost, Report: m.Report, GetRoute: m.GetRoute}
	}
	if q := s.Slow; q != nil {
		take("stalled", true, func() { o.slow.Readers = q.Readers })
		if q.SendBytes > 0 {
			o.slow.SendBytes = q.SendBytes
		}
		if q.MemoryBytes > 0 {
			o.slow.MemoryBytes = q.MemoryBytes
		}
	}
}

// scenarios is "lars bench scenarios".
func scenarios(_ context.Context, stdout, _ io.Writer, args []string) error {
	f := cli.NewFlags("lars bench scenarios", "[--show NAME | --check FILE | --schema]",
		"Lists the workloads that ship as scenario files. One of your own is a file in the same form: begin with one of them.\n"+
			"Every key is explained in bench/scenario/README.md of the sources.",
		"lars bench scenarios", "lars bench scenarios --show mixed > my-mix.yaml", "lars bench scenarios --check my-mix.yaml",
		"lars bench run --backend epoll --scenario my-mix.yaml")
	show := f.String("show", "", "print the file of the shipped scenario of this `name`")
	check := f.String("check", "", "say whether the scenario in this `file` is right")
	schema := f.Bool("schema", false, "print the JSON Schema of such files")
	names := f.Bool("names", false, "print the names only")
	if done, err := f.Parse(stdout, args); done || err != nil {
		return err
	}
	asked := 0
	f.Visit(func(*flag.Flag) { asked++ })
	switch {
	case asked > 1:
		return f.Errorf("--show, --check, --schema and --names exclude each other")
	case *schema:
		_, err := stdout.Write(scenario.JSONSchema())
		return err
	case *show != "":
		s, err := scenario.Open(*show)
		if err != nil {
			return f.Errorf("--show: %v", err)
		}
		_, err = io.WriteString(stdout, s.Text)
		return err
	case *check != "":
		s, err := scenario.Open(*check)
		if errors.Is(err, fs.ErrNotExist) {
			return f.Errorf("--check: %v: give the path of a scenario file", err)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: right: %s, %s\n", *check, s.Name, s.About)
		return nil
	}
	return listScenarios(stdout, *names)
}

func listScenarios(stdout io.Writer, names bool) error {
	all := scenario.Names()
	width := len(slices.MaxFunc(all, func(a, b string) int { return len(a) - len(b) }))
	for _, name := range all {
		s, err := scenario.Open(name)
		switch {
		case err != nil:
			return err
		case names:
			fmt.Fprintln(stdout, name)
		default:
			fmt.Fprintf(stdout, "%-*s  %s\n", width, name, s.About)
		}
	}
	return nil
}
