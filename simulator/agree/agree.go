// Package agree holds live runs against virtual ones of the same plans: whether
// what callers saw over real sockets lies where virtual time says. It is for the
// command "lars sim agree", and has the plans for it.
//
//	want, err := agree.Virtual(ctx, plan, 10)
//	for _, f := range agree.Compare(want, live) { ... f.Verdict ... }
//
// Compared is what the system decides, not how fast the machine is: the share of
// calls that went wrong while faults lasted, and the share that still went to
// afflicted hosts. It does not run anything live.
package agree

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"

	"lars/simulator/fault"
	"lars/simulator/outcome"
	"lars/simulator/virtual"
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

// The tolerances: real clocks, and callers that are held up, move calls over the
// border of a fault, and the real network has no fixed delay. In shares.
const (
	ErrorsTolerance = 0.01
	BadTolerance    = 0.02
)

// Verdicts.
const (
	Inside    = "inside"
	Tolerated = "within the tolerance"
	Outside   = "outside"
)

// Finding is one figure of one plan.
type Finding struct {
	Plan      string    `json:"plan"`
	Figure    string    `json:"figure"`
	Virtual   []float64 `json:"virtual"` // of each seed, from the lowest on
	Tolerance float64   `json:"tolerance"`
	Live      float64   `json:"live"`
	Verdict   string    `json:"verdict"`
}

// Low and High are the interval of the virtual runs: from the lowest to the
// highest of them. Of n runs that are alike, one more lies in it with
// probability (n-1)/(n+1).
func (f *Finding) Low() float64 { return f.Virtual[0] }

// High is the upper end; see Low.
func (f *Finding) High() float64 { return f.Virtual[len(f.Virtual)-1] }

func (f *Finding) judge() {
	slices.Sort(f.Virtual)
	switch {
	case f.Low() <= f.Live && f.Live <= f.High():
		f.Verdict = Inside
	case f.Low()-f.Tolerance <= f.Live && f.Live <= f.High()+f.Tolerance:
		f.Verdict = Tolerated
	default:
		f.Verdict = Outside
	}
}

// Virtual runs a plan in virtual time with the seeds from 1 to n. A broken
// promise is an error: there is nothing to agree with.
func Virtual(ctx context.Context, p *fault.Plan, n int) (all []outcome.Summary, err error) {
	for seed := uint64(1); seed <= uint64(n); seed++ {
		t := outcome.New(p, seed, virtual.Least(p))
		r, err := virtual.Run(ctx, virtual.Config{Seed: seed, Plan: p, Alike: true, Observe: t.Add})
		if err != nil {
			return nil, err
		}
		if r.Failures > 0 {
			return nil, fmt.Errorf("%s in virtual time, seed %d: %v", p.Name, seed, r.Violations[0])
		}
		all = append(all, t.Summary())
	}
	return all, nil
}

// Compare judges a live run of a plan by virtual ones. want is not empty.
func Compare(plan string, want []outcome.Summary, live *outcome.Summary) (all []Finding) {
	add := func(figure string, tolerance float64, of func(*outcome.Summary) float64) {
		f := Finding{Plan: plan, Figure: figure, Tolerance: tolerance, Live: of(live)}
		for i := range want {
			f.Virtual = append(f.Virtual, of(&want[i]))
		}
		f.judge()
		all = append(all, f)
	}
	if live.Phase(outcome.Faults) != nil {
		add("errors while faults last", ErrorsTolerance, func(s *outcome.Summary) float64 { return s.Phase(outcome.Faults).ErrorShare() })
	}
	for i, a := range live.Afflicted {
		add("calls to bad hosts, "+a.Fault, BadTolerance, func(s *outcome.Summary) float64 { return s.Afflicted[i].BadShare() })
	}
	return all
}
