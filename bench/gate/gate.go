// Package gate decides whether a program has become slower or dearer than
// another, and learns how far its own decisions can be trusted.
//
// It is for the commands "lars bench gate" and "lars bench selftest". A gate
// measures in stages: the first accuses or clears, and only what a second,
// fresh and larger stage accuses too is a regression. Its thresholds are learned
// on the class of machine at hand, by the self-test; without them it abstains.
// The package does not measure: epochs come from a function that it is given.
package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lars/bench/record"
	"lars/bench/stats"
)

// Batch is what measuring some epochs gave.
type Batch struct {
	Epochs []Epoch
	// Lost are the reasons of epochs that could not be used, one for each.
	Lost []string
	// Faults are what only the judged program did wrong: replies lost, doubled
	// or with the wrong content. One is enough for a regression, if it happens
	// again in a fresh stage.
	Faults []string
}

// usable are the epochs that have ratios. Where the generator was late, only
// the counts are worth something.
func (b *Batch) usable() int {
	n := 0
	for _, e := range b.Epochs {
		if len(e.Ratios) > 0 {
			n++
		}
	}
	return n
}

// Measure runs epochs of a subject, each in fresh processes of both programs.
type Measure func(ctx context.Context, subject string, stage, epochs int) (Batch, error)

// Config of a run of the gate.
type Config struct {
	Subjects []string
	Metrics  []Metric
	Plan     Plan
	Noise    *record.Noise // of this class of machine, learned with the same settings
	Measure  Measure
	// Left is the time that remains; a stage that does not fit is not begun.
	// EpochTime is what an epoch takes at least, before one was measured.
	Left      func() time.Duration
	EpochTime time.Duration
}

// Subject is the result with one server.
type Subject struct {
	Name     string
	Outcomes []Outcome
	Stages   []int    // epochs that each stage measured and could use
	Reasons  []string // what speaks against the measurement
	Faults   int      // stages in a row in which only the judged program did something wrong
	Verdict  stats.Verdict
	Invalid  bool
}

// faultsConfirm is how many fresh stages must see a fault.
const faultsConfirm = 2

// usableMin is the share of a stage's epochs that must be usable.
const usableMin = 0.5

// Run measures and decides: each stage with all subjects that still need it, so
// that none spends the time of another. Subjects whose noise is not known are
// not measured: their verdict is inconclusive.
func Run(ctx context.Context, c Config) ([]Subject, error) {
	trials := make([]*trial, len(c.Subjects))
	for i, name := range c.Subjects {
		trials[i] = newTrial(name, c.Noise)
	}
	perEpoch := c.EpochTime
	for stage, n := range c.Plan {
		for _, t := range trials {
			if t.done {
				continue
			}
			if need := time.Duration(n) * perEpoch; c.Left != nil && need > c.Left() {
				t.Reasons = append(t.Reasons, fmt.Sprintf("no time for stage %d of %d epochs: give --for more", stage+1, n))
				t.done = true
				continue
			}
			began := time.Now()
			batch, err := c.Measure(ctx, t.Name, stage, n)
			if err == nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				return nil, err
			}
			perEpoch = max(perEpoch, time.Since(began)/time.Duration(n))
			t.take(c.Metrics, batch, n)
		}
	}
	out := make([]Subject, len(trials))
	for i, t := range trials {
		if t.lost > 0 {
			t.Reasons = append(t.Reasons, fmt.Sprintf("epochs that could not be used: %d (the first: %s)", t.lost, t.reason))
		}
		out[i] = t.Subject
	}
	return out, nil
}

// trial is a subject under way.
type trial struct {
	Subject
	known  map[string]Known
	epochs [][]Epoch // of each stage
	lost   int       // epochs
	reason string    // of the first lost one
	done   bool
}

func newTrial(name string, n *record.Noise) *trial {
	t := &trial{Subject: Subject{Name: name, Verdict: stats.Inconclusive}}
	var err error
	if t.known, err = KnownOf(n, name); err != nil {
		t.Reasons, t.done = []string{err.Error()}, true
	}
	return t
}

// take adds a stage of which n epochs were wanted.
func (t *trial) take(metrics []Metric, batch Batch, n int) {
	t.Reasons = appendNew(t.Reasons, batch.Faults...)
	if t.lost += len(batch.Lost); t.reason == "" && len(batch.Lost) > 0 {
		t.reason = batch.Lost[0]
	}
	if t.Faults++; len(batch.Faults) == 0 {
		t.Faults = 0
	}
	got := batch.usable()
	t.epochs, t.Stages = append(t.epochs, batch.Epochs), append(t.Stages, got)
	t.Outcomes = Decide(metrics, t.known, t.epochs)
	t.Verdict = t.overall()
	if t.Faults == 0 && float64(got) < usableMin*float64(n) && t.accused() == 0 {
		t.Invalid, t.done = true, true
		t.Reasons = append(t.Reasons, fmt.Sprintf("only %d of %d epochs of stage %d could be used", got, n, len(t.epochs)))
	}
	if t.Verdict == stats.Regressed || t.Faults == 0 && !open(t.Outcomes) {
		t.done = true
	}
}

// accused is how many counts say regressed: these hold on the busiest machine.
func (s *Subject) accused() (n int) {
	for i := range s.Outcomes {
		if o := &s.Outcomes[i]; o.Metric.Counted && o.Alarms > 0 {
			n++
		}
	}
	return n
}

// overall is that of the metrics, and of the faults.
func (s *Subject) overall() stats.Verdict {
	switch {
	case s.Faults >= faultsConfirm:
		return stats.Regressed
	case s.Faults > 0 && Overall(s.Outcomes) != stats.Regressed:
		return stats.Inconclusive
	}
	return Overall(s.Outcomes)
}

func appendNew(to []string, more ...string) []string {
	for _, m := range more {
		if !slices.Contains(to, m) {
			to = append(to, m)
		}
	}
	return to
}

// KnownOf is what was learned of a subject, or an error that says why nothing
// can be decided, and the remedy.
func KnownOf(n *record.Noise, subject string) (map[string]Known, error) {
	if n == nil {
		return nil, fmt.Errorf("no noise was learned for this class of machine: run lars bench selftest here, and commit what it writes")
	}
	s := n.Subject(subject)
	switch {
	case s == nil:
		return nil, fmt.Errorf("no noise was learned with %s: run lars bench selftest --backends %s", subject, subject)
	case len(s.Epochs) < EpochsLearnMin:
		return nil, fmt.Errorf("the noise of %s stands on %d epochs, too few of %d: run lars bench selftest for longer", subject, len(s.Epochs), EpochsLearnMin)
	}
	known := map[string]Known{}
	for _, m := range s.Metrics {
		known[m.Name] = Known{SD: m.SD, Floor: m.Floor}
	}
	return known, nil
}

// Verdict is that of all subjects, as the gate states it, and why.
func Verdict(subjects []Subject) (verdict string, reasons []string) {
	verdict = record.GatePass
	rank := map[string]int{record.GatePass: 0, record.GateInconclusive: 1, record.GateInvalid: 2, record.GateRegressed: 3}
	for i := range subjects {
		s := &subjects[i]
		is := record.GatePass
		switch {
		case s.Verdict == stats.Regressed:
			is = record.GateRegressed
		case s.Invalid:
			is = record.GateInvalid
		case s.Verdict == stats.Inconclusive:
			is = record.GateInconclusive
		}
		if rank[is] > rank[verdict] {
			verdict = is
		}
		if is != record.GatePass {
			reasons = append(reasons, s.Name+": "+s.why())
		}
	}
	return verdict, reasons
}

// why names what decided a subject that did not pass.
func (s *Subject) why() string {
	var parts []string
	for i := range s.Outcomes {
		o := &s.Outcomes[i]
		switch {
		case o.Confirmed():
			parts = append(parts, fmt.Sprintf("%s is %s worse, confirmed by %d fresh stages", o.Metric.Name, change(o), o.Alarms))
		case s.Verdict == stats.Inconclusive && !o.Metric.Soft && !o.Unknown && o.Verdict != stats.Equivalent && o.Verdict != stats.Improved:
			parts = append(parts, strings.Join(append([]string{o.Metric.Name + " is " + string(o.Verdict)}, o.Reasons...), ": "))
		}
	}
	if len(parts) == 0 || s.Verdict == stats.Inconclusive {
		parts = append(parts, s.Reasons...)
	}
	return strings.Join(parts, "; ")
}

// change says how much, in the words that fit the metric.
func change(o *Outcome) string {
	if o.Metric.Counted {
		return fmt.Sprintf("%.4g %s", o.B-o.A, o.Metric.Unit)
	}
	return fmt.Sprintf("%.1f %%", 100*stats.Effect(o.Theta))
}

// Exit is the exit code for a verdict.
func Exit(verdict string) int {
	return map[string]int{record.GatePass: 0, record.GateRegressed: 1, record.GateInconclusive: 2, record.GateInvalid: 3}[verdict]
}
