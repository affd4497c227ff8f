// Package cli is the command "lars bench": it turns flags into a plan of
// package run, shows progress, prints the result as a table, and writes the
// result files.
//
// It is for main.go, which gives it the backends. It holds no knowledge of how
// to measure, and no statistics.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"lars/bench/load"
	"lars/bench/run"
	"lars/internal/cli"
)

// Backend is a row of the table of backends, as far as this package needs it.
type Backend struct {
	Name   string
	Module string // path@version of the library; empty for our own
	// StandIns replace what the backend lacks, for a server over TCP and over
	// UDP: "UDP by std".
	TCPStandIns, UDPStandIns []string
}

// Commands is the table "lars bench".
func Commands(backends []Backend) cli.Table {
	return cli.Table{
		Name:    "lars bench",
		Summary: "Measure a server on a backend of your choice, or compare all of them: an echo, or a service of the system.",
		Commands: []cli.Command{
			{Name: "run", Summary: "measure one server: a backend, the C floor, a command, or an address", Run: one(backends).run},
			{Name: "all", Summary: "compare backends and the C floor, interleaved in one run", Run: all(backends).run},
			{Name: "compare", Summary: "compare two servers, binaries or commits as a pair, with a verdict", Run: compareCommand(backends)},
			{Name: "stages", Summary: "show where the time of a request goes", Run: stagesCommand(backends)},
			{Name: "capacity", Summary: "find the highest rate that meets an objective, with its confidence", Run: capacityCommand(backends)},
			{Name: "worker", Summary: "make load for a coordinator on another machine", Run: worker},
			{Name: "gate", Summary: "is this commit a regression? against a base, by learned noise", Run: gateCommand(backends)},
			{Name: "selftest", Summary: "learn the noise of this machine, and how far verdicts can be trusted", Run: selftestCommand(backends)},
			{Name: "scenarios", Summary: "list the workloads that ship as files, or check one of your own", Run: scenarios},
			{Name: "verify", Summary: "check the files of results", Run: verify},
			{Name: "index", Summary: "make the pages that say what a folder of results found", Run: index},
			{Name: "merge", Summary: "one result of several generators that ran together", Run: mergeFolders},
			{Name: "render", Summary: "make the derived files of results again", Run: render},
		},
		Examples: []string{
			"lars bench run --backend epoll",
			"lars bench run --backend epoll --conns 1000 --rate 50000",
			"lars bench all --repeat 7",
			"lars bench all --workload gethost",
			"lars bench compare --a epoll --b netpoll",
			"lars bench all --markdown",
			"lars bench all --scenario mixed",
			"lars bench capacity --slo p99:5ms --backend epoll",
		},
	}
}

// command is "run" or "all": what differs between them is in the options.
type command struct {
	backends []Backend
	name     string
	compare  bool
}

func one(b []Backend) *command { return &command{backends: b, name: "lars bench run"} }
func all(b []Backend) *command { return &command{backends: b, name: "lars bench all", compare: true} }

func (c *command) run(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	o := c.options()
	if done, err := o.parse(stdout, args); done || err != nil {
		return err
	}
	config, err := o.config(ctx, stderr)
	defer o.close()
	if err != nil {
		return err
	}
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	plan, show, err := o.prepare(ctx, stdout, stderr, config, lost)
	if err != nil {
		return err
	}
	result, err := plan.Run(ctx)
	show.clear()
	if err != nil {
		return c.failed(err)
	}
	return c.finish(stdout, stderr, o, result, args)
}

// prepare does everything before the first measurement: it brings the workers
// together, if any are asked for, tries each server, and says what will be
// measured. lost is called when a worker fails later.
func (o *options) prepare(ctx context.Context, stdout, stderr io.Writer, config run.Config, lost func(error)) (*run.Plan, *live, error) {
	if err := o.checkOut(); err != nil {
		return nil, nil, err
	}
	workers, err := o.gather(ctx, stderr, config.Targets, lost)
	if err != nil {
		return nil, nil, err
	}
	show := newLive(stderr, o.live())
	config.Observe = show.update
	show.say("preparing: each server is started and asked once")
	plan, err := run.Prepare(ctx, config)
	show.clear()
	if err != nil {
		return nil, nil, o.command.refused(ctx, err)
	}
	plan.Notes = append(plan.Notes, workers...)
	if o.text() {
		printHead(stdout, plan)
	}
	return plan, show, nil
}

// refused gives an error of preparation its exit code: whatever keeps a run
// from starting is the caller's to change.
func (c *command) refused(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: interrupted before the run", c.name)
	}
	return c.usage(err)
}

// usage is an error of the command line, with a pointer to the command's help where
// a value is what is wrong.
func (c *command) usage(err error) error {
	if errors.Is(err, load.ErrConfig) {
		return cli.Usagef("%s: %s\nRun '%s --help' for what is allowed.", c.name, plain(err), c.name)
	}
	return cli.Usagef("%s: %s", c.name, plain(err))
}

func (c *command) failed(err error) error {
	if errors.Is(err, run.ErrRefused) || errors.Is(err, load.ErrConfig) {
		return c.usage(err)
	}
	return fmt.Errorf("%s: %w", c.name, err)
}

// plain is an error without the words that only a program needs.
func plain(err error) string {
	text := err.Error()
	for _, kind := range []error{run.ErrRefused, load.ErrConfig} {
		text = strings.TrimPrefix(text, kind.Error()+": ")
	}
	return text
}

// exitFor is 0 for a result that may be used, degraded or not.
func exitFor(v load.Verdict) error {
	if v == load.Invalid {
		return cli.Reported(cli.ExitInvalid)
	}
	return nil
}
