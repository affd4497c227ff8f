// Package selftest finds out how far the lab's verdicts can be trusted on the
// machine at hand: it compares identical programs, programs that were made
// slower on purpose, and stops the generator and the server to see whether the
// figures tell.
//
// It is for the command "lars bench selftest", whose result is the noise of a
// class of machine, which the gate stands on. It measures through functions
// that it is given, and decides through package gate.
package selftest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lars/bench/gate"
	"lars/bench/record"
)

// Calibrated is the slowdown whose power is the goal: five per cent of the CPU
// time of a request.
const Calibrated = "cpu:5%"

// Kinds of slowdowns, as for lars serve echo --inject: each a different way to
// become slower, to see which metric tells.
func Kinds() []string {
	return []string{Calibrated, "alloc:8", "syscall:20", "timer:50us", "stall:0.1%:20ms", "lock:200us"}
}

// Goals of a gate that can be trusted.
const (
	FalseAlarmsMax = 0.01
	PowerMin       = 0.95 // of Calibrated
)

// Pair measures epochs of a program beside a copy of itself that is slowed by a
// kind of injection (none, if empty).
type Pair func(ctx context.Context, subject, inject string, epochs int) (gate.Batch, error)

// Config of a self-test.
type Config struct {
	Subjects []string
	// Epochs of identical programs for each subject. Of Calibrated there are
	// half as many; the other kinds get a few, with the first subject.
	Epochs  int
	Kinds   []string // of slowdowns; nil is Kinds()
	Plan    gate.Plan
	Trials  int           // simulated gates for each figure; 0 is TrialsDefault
	For     time.Duration // no epoch is begun after that; 0 is no limit
	Pair    Pair
	Observe func(Progress)
}

// TrialsDefault resolve a rate of one in a thousand.
const TrialsDefault = 2000

// Progress is what a person who waits wants to know.
type Progress struct {
	Text       string
	Done, All  int // epochs
	Elapsed    time.Duration
	Left       time.Duration // as far as can be told; 0 before anything was measured
	Simulating bool
}

// Result is what was learned, and what is wrong with it.
type Result struct {
	Subjects []record.NoiseSubject
	Partial  bool     // it was interrupted
	Lost     []string // reasons of epochs that could not be used, one for each
	Failures []string // goals that were missed, in words
}

// item is a kind of pair with what is wanted and what there is.
type item struct {
	subject, inject string
	want, have      int
	lost            int
	epochs          []gate.Epoch
}

const (
	otherEpochs   = 6 // of the kinds that are not calibrated: they are not subtle
	batchEpochs   = 4 // measured in a row, so that no kind has an hour of its own
	attemptsRatio = 2 // epochs tried, over those wanted, before a kind is given up
)

func (c *Config) items() []*item {
	var out []*item
	for i, s := range c.Subjects {
		out = append(out, &item{subject: s, want: c.Epochs})
		kinds := c.Kinds
		if kinds == nil {
			kinds = Kinds()
		}
		for _, kind := range kinds {
			switch {
			case kind == Calibrated:
				out = append(out, &item{subject: s, inject: kind, want: max(1, c.Epochs/2)})
			case i == 0:
				out = append(out, &item{subject: s, inject: kind, want: min(otherEpochs, c.Epochs)})
			}
		}
	}
	return out
}

// Run measures and learns. When ctx ends, or the time, what there is is learned
// from. The same epochs always teach the same.
func Run(ctx context.Context, c Config) (*Result, error) {
	began := time.Now()
	items := c.items()
	r := &Result{}
	if err := c.measure(ctx, items, began, r); err != nil {
		return nil, err
	}
	r.Partial = ctx.Err() != nil
	if c.Trials == 0 {
		c.Trials = TrialsDefault
	}
	for i, s := range c.Subjects {
		c.observe(Progress{Text: fmt.Sprintf("simulating gates with %s (%d of %d)", s, i+1, len(c.Subjects)), Elapsed: time.Since(began), Simulating: true})
		if subject, ok := c.learn(s, items); ok {
			r.Subjects = append(r.Subjects, subject)
		} else {
			r.Failures = append(r.Failures, s+": no epoch of identical programs could be used")
		}
	}
	r.Failures = append(r.Failures, c.judge(r.Subjects)...)
	return r, nil
}

// measure always continues with the item that is furthest from what is wanted,
// so that an early end leaves all of them short by the same share.
func (c *Config) measure(ctx context.Context, items []*item, began time.Time, r *Result) error {
	all := 0
	for _, it := range items {
		all += it.want
	}
	for ctx.Err() == nil && (c.For == 0 || time.Since(began) < c.For) {
		it := next(items)
		if it == nil {
			return nil
		}
		c.observe(progress(it, items, all, time.Since(began), c.For))
		n := min(batchEpochs, it.want-it.have)
		batch, err := c.Pair(ctx, it.subject, it.inject, n)
		had := it.have
		for _, e := range batch.Epochs {
			if len(e.Ratios) > 0 { // the others were too disturbed to learn from
				it.epochs, it.have = append(it.epochs, e), it.have+1
			}
		}
		it.lost += max(0, n-(it.have-had))
		r.Lost = append(append(r.Lost, batch.Lost...), batch.Faults...)
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func next(items []*item) *item {
	var best *item
	share := func(it *item) float64 { return float64(it.have+it.lost) / float64(it.want) }
	for _, it := range items {
		if it.have < it.want && it.have+it.lost < attemptsRatio*it.want && (best == nil || share(it) < share(best)) {
			best = it
		}
	}
	return best
}

func progress(it *item, items []*item, all int, elapsed, limit time.Duration) Progress {
	p := Progress{All: all, Elapsed: elapsed}
	for _, it := range items {
		p.Done += it.have
	}
	what := "identical programs"
	if it.inject != "" {
		what = "injected " + it.inject
	}
	p.Text = fmt.Sprintf("%s, %s", it.subject, what)
	if p.Done > 0 {
		p.Left = time.Duration(float64(elapsed) * float64(all-p.Done) / float64(p.Done))
		if limit > 0 {
			p.Left = max(0, min(p.Left, limit-elapsed))
		}
	}
	return p
}

func (c *Config) observe(p Progress) {
	if c.Observe != nil {
		c.Observe(p)
	}
}

// effects are the points of a power curve.
func effects() []float64 { return []float64{0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1} }

func (c *Config) learn(subject string, items []*item) (record.NoiseSubject, bool) {
	at := slices.IndexFunc(items, func(it *item) bool { return it.subject == subject && it.inject == "" })
	same := items[at].epochs
	if len(same) == 0 {
		return record.NoiseSubject{}, false
	}
	metrics := gate.Metrics()
	l := gate.NewLearner(metrics, same, 1)
	out := record.NoiseSubject{
		Name: subject, Epochs: recorded(same), Metrics: []record.NoiseMetric{}, Injected: []record.InjectedKind{},
		FalseAlarms: rate(l.FalseAlarms(c.Plan, c.Trials)),
	}
	for _, m := range metrics {
		k, ok := l.Known()[m.Name]
		if !ok {
			continue
		}
		n := record.NoiseMetric{Name: m.Name, Unit: m.Unit, Counted: m.Counted, SD: k.SD, Floor: k.Floor}
		if !m.Counted {
			for _, e := range effects() {
				n.Power = append(n.Power, record.NoisePower{Effect: e, Found: rate(l.Power(m.Name, e, c.Plan, c.Trials/4))})
			}
		}
		out.Metrics = append(out.Metrics, n)
	}
	for _, it := range items {
		if it.subject == subject && it.inject != "" && len(it.epochs) > 0 {
			out.Injected = append(out.Injected, c.injected(l, it, metrics))
		}
	}
	return out, true
}

func (c *Config) injected(l *gate.Learner, it *item, metrics []gate.Metric) record.InjectedKind {
	k := record.InjectedKind{Kind: it.inject, Epochs: recorded(it.epochs), Metrics: []record.InjectedMetric{}}
	for _, m := range metrics {
		if _, ok := l.Known()[m.Name]; !ok {
			continue
		}
		k.Metrics = append(k.Metrics, record.InjectedMetric{
			Name: m.Name, Change: m.Change(it.epochs), Found: rate(l.Found(m.Name, it.epochs, c.Plan, c.Trials/10)),
		})
	}
	return k
}

// judge compares what was learned with the goals.
func (c *Config) judge(subjects []record.NoiseSubject) []string {
	var out []string
	for i := range subjects {
		s := &subjects[i]
		if n := len(s.Epochs); n < gate.EpochsLearnMin {
			out = append(out, fmt.Sprintf("%s: %d epochs of identical programs are too few to learn from: %d are needed", s.Name, n, gate.EpochsLearnMin))
			continue
		}
		if r := s.FalseAlarms; r.Rate > FalseAlarmsMax {
			out = append(out, fmt.Sprintf("%s: %.2g %% false alarms, %.2g %% are allowed", s.Name, 100*r.Rate, 100*FalseAlarmsMax))
		}
		for _, k := range s.Injected {
			for _, m := range k.Metrics {
				if k.Kind == Calibrated && m.Name == gate.ServerCPU && m.Found.Rate < PowerMin {
					out = append(out, fmt.Sprintf("%s: an injected 5 %% of CPU (seen as %+.1f %%) is found with %.3g %%, wanted are %.3g %%",
						s.Name, 100*m.Change, 100*m.Found.Rate, 100*PowerMin))
				}
			}
		}
	}
	return out
}

func recorded(epochs []gate.Epoch) []record.NoiseEpoch {
	out := make([]record.NoiseEpoch, len(epochs))
	for i, e := range epochs {
		out[i] = record.NoiseEpoch(e)
	}
	return out
}

func rate(r gate.Rate) record.NoiseRate {
	out := record.NoiseRate{Count: r.Count, Trials: r.Trials, Rate: r.Share()}
	out.Low, out.High = r.Bounds()
	out.Low, out.High = min(out.Low, out.Rate), max(out.High, out.Rate)
	return out
}
