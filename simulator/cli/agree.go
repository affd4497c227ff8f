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
	"lars/simulator/outcome"
)

// agreement is the file agree.json.
type agreement struct {
	Measured string          `json:"measured"` // RFC 3339
	Commit   string          `json:"commit,omitempty"`
	CPU      string          `json:"cpu"`
	CPUs     int             `json:"cpus"`
	Backend  string          `json:"backend"`
	Seeds    int             `json:"seeds"` // of virtual runs, from 1 on
	Runs     int             `json:"runs"`  // live ones, with seeds from 1 on
	Findings []agree.Finding `json:"findings"`
}

const (
	seedsMin, seedsMax = 2, 1000
	runsMax            = 20
)

func (b Backends) agree(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	backend, plan, out, seeds, runs, asJSON := "epoll", everyBackend, "", 30, 3, false
	f := cli.NewFlags("lars sim agree", "[--backend NAME] [--plan NAME]",
		"Runs plans live and in virtual time and tells whether the shares of errors, of calls to bad hosts and of agents that took\n"+
			"these out agree: whether the mean of the live runs lies in the interval that the virtual ones predict for it, with 99 %, or\n"+
			fmt.Sprintf("at most %s (of agents %s) beside it. Each live run takes 20 s. Exit code 1: one is outside.", percent(agree.CallsTolerance), percent(agree.AgentsTolerance)),
		"lars sim agree", "lars sim agree --plan s2-refuse --runs 5 --backend std", "lars sim agree --out results/simulator")
	f.StringVar(&backend, "backend", backend, "`name` of the backend, one of "+strings.Join(b.Names, ", "))
	f.StringVar(&plan, "plan", plan, "`name` of one plan, one of "+strings.Join(agree.Names(), ", ")+"; or all")
	f.IntVar(&seeds, "seeds", seeds, "`number` of virtual runs")
	f.IntVar(&runs, "runs", runs, "`number` of live runs of each plan")
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
	if runs < 1 || runs > runsMax {
		return f.Errorf("%d runs: want 1 to %d", runs, runsMax)
	}
	if out != "" {
		if err := os.MkdirAll(out, 0o755); err != nil {
			return f.Errorf("--out: %v: give a directory that can be written", err)
		}
	}
	tool, machine, _ := lab.Here()
	a := agreement{
		Measured: time.Now().UTC().Format(time.RFC3339), Commit: tool.Commit, CPU: machine.CPU, CPUs: machine.CPUs,
		Backend: backend, Seeds: seeds, Runs: runs,
	}
	for _, name := range names {
		if onTerminal(stderr) {
			fmt.Fprintf(stderr, "%s ...\n", name)
		}
		err := a.measure(ctx, b, name)
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		if err != nil {
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
	want, err := agree.Virtual(ctx, p, "", 1, a.Seeds)
	if err != nil {
		return err
	}
	var all []outcome.Summary
	for seed := uint64(1); seed <= uint64(a.Runs); seed++ {
		got, err := live.Run(ctx, live.Config{Plan: p, Seed: seed, Backend: a.Backend, Open: b.Open, Recovery: agreeRecovery})
		if err != nil {
			return fmt.Errorf("%s live: %w", name, err)
		}
		if got.Failures > 0 {
			return fmt.Errorf("%s live: %d promises broken, first: %v", name, got.Failures, got.Violations[0])
		}
		all = append(all, got.Outcome)
	}
	a.Findings = append(a.Findings, agree.Compare(p, want, all)...)
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
	fmt.Fprintln(t, "plan\tfigure\tvirtual predicts\ttolerance\tlive\teach run\tlive is")
	for i := range a.Findings {
		f := &a.Findings[i]
		var each []string
		for _, x := range f.Live {
			each = append(each, percent(x))
		}
		fmt.Fprintf(t, "%s\t%s\t%s to %s\t%s\t%s\t%s\t%s\n",
			f.Plan, f.Figure, percent(f.Low), percent(f.High), percent(f.Tolerance), percent(f.Mean), strings.Join(each, ", "), f.Verdict)
	}
	_ = t.Flush()
	fmt.Fprintf(w, "\n%d virtual runs of each plan and %d live ones, on %s, seeds from 1 on. %s, %d processors, %s.\n"+
		"Predicted is the mean of the live runs, with 99 %% (Student). Tolerance: callers that a busy machine holds up\n"+
		"move calls over the border of a fault, and have more of them under way when it begins.\n",
		a.Seeds, a.Runs, a.Backend, a.CPU, a.CPUs, a.Measured)
}
