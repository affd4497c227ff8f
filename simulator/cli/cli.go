// Package cli has the commands "lars sim ...": it reads plans, runs them in
// virtual time or over real sockets, and prints what the checkers found, with
// the one command that shows it again; and it prints how balancing policies
// compare. What a run does is package virtual's, live's, and study's.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"lars/internal/cli"
	"lars/simulator/fault"
)

// Sim is the command "lars sim". original is its form with two numbers, as the
// original's simulator has it.
func Sim(original cli.Func, b Backends) cli.Func {
	table := cli.Table{
		Name:    "lars sim",
		Summary: "The system under faults. 'lars sim MODID CMDID [ERRRATE] [QUERIES]' is the original's simulator, against a running agent.",
		Commands: []cli.Command{
			{Name: "live", Summary: "run the whole system under a plan of faults over real sockets, on a backend", Run: b.live},
			{Name: "agree", Summary: "run plans live and in virtual time, and tell whether the two agree", Run: b.agree},
			{Name: "virtual", Summary: "run the whole system under a plan of faults in virtual time, the same each time", Run: runVirtual},
			{Name: "soak", Summary: "run one random plan after the other until something fails", Run: soak},
			{Name: "study", Summary: "hold the balancing policies against each other: a table, a page, pictures", Run: runStudy},
			{Name: "plans", Summary: "list the plans that are shipped, or print one", Run: plans},
			{Name: "schema", Summary: "print the JSON schema of plans", Run: schema},
		},
		Examples: []string{
			"lars sim live --backend epoll --plan slow-host", "lars sim virtual --plan slow-host", "lars sim virtual --plan chaos --seed 7 --for 10m",
			"lars sim virtual --plan my.yaml --json", "lars sim soak --for 1h", "lars sim plans crash > my.yaml", "lars sim study --only S2,S9", "lars sim 1 1 2 100",
		},
	}
	return func(ctx context.Context, stdout, stderr io.Writer, args []string) error {
		if len(args) > 0 && args[0] != "" && strings.Trim(args[0], "0123456789") == "" {
			return original(ctx, stdout, stderr, args)
		}
		return table.Run(ctx, stdout, stderr, args)
	}
}

// chaos names the plan that is drawn from the seed.
const chaos = "chaos"

// open finds a plan: a shipped one, a file, or what draw draws.
func open(name string, draw func() *fault.Plan) (*fault.Plan, error) {
	switch {
	case name == chaos:
		return draw(), nil
	case strings.ContainsAny(name, "./"):
		return fault.ReadFile(name)
	}
	return fault.Shipped(name)
}

func plans(_ context.Context, stdout, _ io.Writer, args []string) error {
	f := cli.NewFlags("lars sim plans", "[NAME]", "Lists the plans that are shipped, or prints one, to be changed.\n\n"+
		"host N counts the hosts of all modules in turn: with 5 hosts each, host 1 to 5 are those of module 1, the most popular one,\n"+
		"and host 6 is the first of module 2.", "lars sim plans", "lars sim plans crash > my.yaml")
	if done, err := f.ParseArgs(stdout, args); done || err != nil {
		return err
	}
	if f.NArg() > 0 {
		text, err := fault.Text(f.Arg(0))
		if err != nil {
			return f.Errorf("%v", err)
		}
		_, err = stdout.Write(text)
		return err
	}
	for _, name := range fault.Names() {
		p, err := fault.Shipped(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%-13s  %s\n", name, p.About)
	}
	fmt.Fprintf(stdout, "%-13s  %s\n", chaos, "Faults of all kinds, in a world of any shape, drawn from the seed.")
	return nil
}

func schema(_ context.Context, stdout, _ io.Writer, args []string) error {
	f := cli.NewFlags("lars sim schema", "", "Prints the JSON schema of plans, for editors.", "lars sim schema > plan.schema.json")
	if done, err := f.Parse(stdout, args); done || err != nil {
		return err
	}
	_, err := stdout.Write(fault.Schema())
	return err
}

// stopped is the end of a command whose ctx has ended.
func stopped(ctx context.Context) error {
	return fmt.Errorf("stopped; nothing was kept: %w", ctx.Err())
}

// onTerminal reports whether a person looks at w.
func onTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
