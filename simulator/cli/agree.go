package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	lab "lars/bench/run"
	"lars/internal/cli"
	"lars/simulator/agree"
	"lars/simulator/live"
)

// agreement is the file agree.json.
type agreement struct {
	Measured string          `json:"measured"` // RFC 3339
	Commit   string          `json:"commit,omitempty"`
	CPU      string          `json:"cpu"`
	CPUs     int             `json:"cpus"`
	Backend  string          `json:"backend"`
	Seeds    int             `json:"seeds"` // of virtual runs, from 1 on; the live run has 1
	Findings []agree.Finding `json:"findings"`
}

const seedsMin, seedsMax = 2, 1000

func (b Backends) agree(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	backend, plan, out, seeds, asJSON := "epoll", everyBackend, "", 10, false
	f := cli.NewFlags("lars sim agree", "[--backend NAME] [--plan NAME]",
		"Runs plans live and in virtual time and tells whether the shares of errors and of calls to bad hosts agree: whether the live\n"+
			"ones lie between the lowest and the highest of the virtual ones. Half a minute for each plan. Exit code 1: one is outside.",
		"lars sim agree", "lars sim agree --plan crash --seeds 20 --backend std", "lars sim agree --out results/simulator")
	f.StringVar(&backend, "backend", backend, "`name` of the backend, one of "+strings.Join(b.Names, ", "))
	f.StringVar(&plan, "plan", plan, "`name` of one plan, one of "+strings.Join(agree.Names(), ", ")+"; or all")
	f.IntVar(&seeds, "seeds", seeds, "`number` of virtual runs")
	f.StringVar(&out, "out", out, "`folder` to write agree.json and agree.txt to; empty writes none")
	f.BoolVar(&asJSON, "json", asJSON, "print the result as JSON")
	if done, err := f.Parse(stdout, args); done || err != nil {
		return err
	}
	names := agree.Names()
	switch {
	case plan != everyBackend && !slices.Contains(names, plan):
		return f.Errorf("no plan %q; there are %s, or all", plan, strings.Join(names, ", "))
	case plan != everyBackend:
		names = []string{plan}
	}
	if !slices.Contains(b.Names, backend) {
		return f.Errorf("backend %q: want one of %s", backend, strings.Join(b.Names, ", "))
	}
	if seeds < seedsMin || seeds > seedsMax {
		return f.Errorf("%d seeds: want %d to %d", seeds, seedsMin, seedsMax)
	}
	if out != "" {
		if err := os.MkdirAll(out, 0o755); err != nil {
			return f.Errorf("--out: %v: give a directory that can be written", err)
		}
	}
	tool, machine, _ := lab.Here()
	a := agreement{
		Measured: time.Now().UTC().Format(time.RFC3339), Commit: tool.Commit, CPU: machine.CPU, CPUs: machine.CPUs, Backend: backend, Seeds: seeds,
	}
	for _, name := range names {
		if onTerminal(stderr) {
			fmt.Fprintf(stderr, "%s ...\n", name)
		}
		if err := a.measure(ctx, b, name); err != nil {
			return err
		}
	}
	return a.tell(stdout, out, asJSON)
}

// agreeRecovery is how long a live run goes on after its faults: what comes then
// is not compared.
const agreeRecovery = 3 * time.Second

// measure runs one plan in both ways.
func (a *agreement) measure(ctx context.Context, b Backends, name string) error {
	p, err := agree.Plan(name)
	if err != nil {
		return err
	}
	want, err := agree.Virtual(ctx, p, a.Seeds)
	if err != nil {
		return err
	}
	got, err := live.Run(ctx, live.Config{Plan: p, Seed: 1, Backend: a.Backend, Open: b.Open, Recovery: agreeRecovery})
	if err != nil {
		return fmt.Errorf("%s live: %w", name, err)
	}
	if got.Failures > 0 {
		return fmt.Errorf("%s live: %d promises broken, first: %v", name, got.Failures, got.Violations[0])
	}
	a.Findings = append(a.Findings, agree.Compare(name, want, &got.Outcome)...)
	return nil
}

// tell prints the result, writes the files and gives the exit code.
func (a *agreement) tell(w io.Writer, out string, asJSON bool) error {
	raw, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	raw = append(raw, '\n')
	var text strings.Builder
	a.print(&text)
	if asJSON {
		_, err = w.Write(raw)
	} else {
		_, err = io.WriteString(w, text.String())
	}
	if err != nil {
		return err
	}
	if out != "" {
		if err := os.WriteFile(filepath.Join(out, "agree.json"), raw, 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, "agree.txt"), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(a.Findings, func(f agree.Finding) bool { return f.Verdict == agree.Outside }) {
		return cli.Reported(cli.ExitFailed)
	}
	return nil
}

func (a *agreement) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "plan\tfigure\tvirtual, lowest to highest\ttolerance\tlive\tlive is")
	for i := range a.Findings {
		f := &a.Findings[i]
		fmt.Fprintf(t, "%s\t%s\t%s to %s\t%s\t%s\t%s\n", f.Plan, f.Figure, percent(f.Low()), percent(f.High()), percent(f.Tolerance), percent(f.Live), f.Verdict)
	}
	_ = t.Flush()
	fmt.Fprintf(w, "\n%d virtual runs of each plan, seeds from 1 on; one live run, seed 1, on %s. %s, %d processors, %s.\n"+
		"Tolerance: clocks and callers that are held up move calls over the border of a fault.\n", a.Seeds, a.Backend, a.CPU, a.CPUs, a.Measured)
}
