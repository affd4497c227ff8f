// Package agree holds live runs against virtual ones of the same plans: whether
// what callers saw over real sockets lies where virtual time says. It is for the
// command "lars sim agree", and has the plans for it, each named after the
// scenario of "lars sim study" that it stands for.
//
//	want, err := agree.Virtual(ctx, plan, "", 1, 30)
//	for _, f := range agree.Compare(plan, want, live) { ... f.Verdict ... }
//
// Compared is what the system decides, not how fast the machine is: the share of
// calls that went wrong, the share that still went to afflicted hosts, and how
// many agents took these out. It does not run anything live.
package agree

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"lars/simulator/fault"
	"lars/simulator/outcome"
	"lars/simulator/virtual"
	"lars/simulator/workload"
)

//go:embed plans/*.yaml
var plans embed.FS

// Names of the plans.
func Names() (names []string) {
	entries, _ := plans.ReadDir("plans") // it is embedded
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Plan returns one by its name.
func Plan(name string) (*fault.Plan, error) {
	data, err := plans.ReadFile("plans/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("no plan %q; there are %s", name, strings.Join(Names(), ", "))
	}
	return fault.Decode(name+".yaml", data)
}

// Virtual runs a plan in virtual time with n seeds from first on, as many at once
// as there are processors. settings are those of the balancing, "" the default. A
// broken promise is an error: there is nothing to agree with.
func Virtual(ctx context.Context, p *fault.Plan, settings string, first uint64, n int) ([]outcome.Summary, error) {
	all, errs := make([]outcome.Summary, n), make([]error, n)
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var runs sync.WaitGroup
	for i := range all {
		slots <- struct{}{}
		runs.Go(func() {
			all[i], errs[i] = run(ctx, p, settings, first+uint64(i))
			<-slots
		})
	}
	runs.Wait()
	return all, errors.Join(errs...)
}

func run(ctx context.Context, p *fault.Plan, settings string, seed uint64) (s outcome.Summary, err error) {
	p = shifted(p, seed)
	t := outcome.New(p, seed, virtual.Least(p))
	r, err := virtual.Run(ctx, virtual.Config{
		Seed: seed, Plan: p, Alike: true, Balance: settings, Observe: t.Add,
		Moved: t.Moved,
	})
	if err == nil && r.Failures > 0 {
		err = fmt.Errorf("%s in virtual time, seed %d: %v", p.Name, seed, r.Violations[0])
	}
	return t.Summary(), err
}

// shifted lets all faults of a plan begin up to a second later, drawn from the
// seed. Services poll and send on a beat of some hundred milliseconds, which live
// begins anywhere, but in virtual time always with the run.
func shifted(p *fault.Plan, seed uint64) *fault.Plan {
	q, by := *p, workload.NewRandom(seed, "shift").Between(0, time.Second)
	q.Faults = slices.Clone(p.Faults)
	for i := range q.Faults {
		q.Faults[i].At += by
	}
	return &q
}

// Compare judges live runs of a plan by virtual ones. want has two or more, live
// one or more.
func Compare(p *fault.Plan, want, live []outcome.Summary) (all []Finding) {
	add := func(figure string, tolerance float64, of func(*outcome.Summary) float64) {
		f := Finding{Plan: p.Name, Figure: figure, Tolerance: tolerance, Virtual: apply(want, of), Live: apply(live, of)}
		f.judge()
		all = append(all, f)
	}
	add("errors until the faults end", CallsTolerance, errorShare)
	for i, a := range want[0].Afflicted {
		pairs := float64(p.Workload.Callers.Count) * a.Fair * float64(p.Workload.Modules.Count*p.Workload.Modules.Hosts)
		add("calls to bad hosts, "+a.Fault, CallsTolerance, func(s *outcome.Summary) float64 { return s.Afflicted[i].BadShare() })
		add("agents that took them out, "+a.Fault, AgentsTolerance, func(s *outcome.Summary) float64 { return float64(s.Afflicted[i].Ejected) / pairs })
	}
	return all
}

// errorShare is of the calls before the faults, too: those that are under way when
// a host dies were due then.
func errorShare(s *outcome.Summary) float64 {
	wrong, calls := 0, 0
	for _, name := range []string{outcome.Baseline, outcome.Faults} {
		if p := s.Phase(name); p != nil {
			wrong, calls = wrong+p.Errors, calls+p.Calls
		}
	}
	return float64(wrong) / float64(max(calls, 1))
}

func apply(all []outcome.Summary, of func(*outcome.Summary) float64) (values []float64) {
	for i := range all {
		values = append(values, of(&all[i]))
	}
	return values
}
