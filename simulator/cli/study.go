package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"lars/internal/cli"
	"lars/simulator/study"
)

func runStudy(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	var only, policies, out string
	var seeds int
	var asJSON bool
	f := cli.NewFlags("lars sim study", "[flags]",
		"Holds every balancing policy against the others in the scenarios S0 to S20, in virtual time, and prints a table of each.\n"+
			"With --out it writes the page, figures and pictures instead. Exit code 3: the default policy missed a target.",
		"lars sim study --only S2,S9 --seeds 3", "lars sim study --policies ewma+outlier,classic --json", "lars sim study --out results/balancing")
	f.StringVar(&only, "only", "", "`scenarios`, separated by commas; all if empty")
	f.StringVar(&policies, "policies", "", "`names`, separated by commas; all if empty. A text of settings is a policy too: \"algorithm=p2c consecutive=3\"")
	f.IntVar(&seeds, "seeds", 10, "`number` of seeds, 1 to 1000")
	f.StringVar(&out, "out", "", "`folder` that gets README.md, study.json and the pictures")
	f.BoolVar(&asJSON, "json", false, "print the figures as JSON")
	if done, err := f.Parse(stdout, args); done || err != nil {
		return err
	}
	plan := study.Plan{Seeds: seeds}
	var err error
	switch {
	case seeds < 1 || seeds > 1000:
		return f.Errorf("--seeds %d: 1 to 1000", seeds)
	case out != "" && asJSON:
		return f.Errorf("--json prints what --out writes to study.json: choose one")
	}
	if plan.Scenarios, err = study.PickScenarios(words(only)); err != nil {
		return f.Errorf("--only: %v", err)
	}
	if plan.Policies, err = study.PickPolicies(words(policies)); err != nil {
		return f.Errorf("--policies: %v", err)
	}
	if onTerminal(stderr) {
		plan.Progress = func(done, total int) {
			fmt.Fprintf(stderr, "\r%d of %d runs ", done, total)
			if done == total {
				fmt.Fprint(stderr, "\r\033[K")
			}
		}
	}
	t, err := study.Run(ctx, plan)
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	if err != nil {
		return err
	}
	switch {
	case out != "":
		err = writeStudy(stdout, out, t)
	case asJSON:
		err = t.WriteJSON(stdout)
	default:
		err = t.WriteText(stdout)
	}
	if err != nil {
		return err
	}
	if missed := t.Missed(); len(missed) > 0 {
		return cli.Exit(cli.ExitInvalid, fmt.Errorf("targets missed: %s", strings.Join(missed, "; ")))
	}
	return nil
}

func writeStudy(stdout io.Writer, folder string, t *study.Table) error {
	files, err := t.Files()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		name := filepath.Join(folder, f.Name)
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			return err
		}
		fmt.Fprintln(stdout, name)
	}
	return nil
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}
