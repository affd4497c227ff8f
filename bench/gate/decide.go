package gate

import (
	"fmt"
	"math"
	"slices"

	"lars/bench/stats"
)

// Plan is how many epochs each stage takes. The first screens; whatever it
// accuses or cannot clear goes to the next, on fresh epochs and more of them.
type Plan []int

// PlanDefault fits two subjects into five minutes when nothing regressed, and
// one confirmation too.
func PlanDefault() Plan { return Plan{12, 20, 24} }

// screenAlpha is the error of the first stage: it may accuse easily, since it
// convicts nobody.
const screenAlpha = 0.05

// unlikeLearned is the spread of epochs, over what was learned, from which they
// do not come from the machine that was learned: a change must then be larger
// than the scatter of single epochs.
const unlikeLearned = 3

// Known is what a machine class has learned of one metric.
type Known struct {
	SD    float64 // of the log ratio of an epoch
	Floor float64 // relative for ratios, in the unit for counted metrics
}

// Outcome is what the stages so far say of one metric.
type Outcome struct {
	Metric Metric
	stats.Judgement
	Stage  int     // that the judgement is of, from 1
	PHolm  float64 // P among all gated metrics of the stage
	Floor  float64 // that was applied
	A, B   float64 // medians of counted metrics
	Alarms int     // stages that said regressed, with none between that cleared it
	// Unknown is a count that the base does not report: nothing is gated by it.
	Unknown bool
	Open    bool // another stage can still change it
}

// Confirmed is a regression that enough fresh stages agree on.
func (o *Outcome) Confirmed() bool { return o.Alarms >= o.Metric.needs() }

// needs is the stages that must agree.
func (m Metric) needs() int {
	if m.Soft {
		return 3
	}
	return 2
}

// Decide judges every metric by the stages so far. It is the whole decision of
// the gate, and pure: the self-test runs it on resampled epochs to find out how
// often it is wrong.
func Decide(metrics []Metric, known map[string]Known, stages [][]Epoch) []Outcome {
	out := make([]Outcome, len(metrics))
	for i, m := range metrics {
		out[i] = Outcome{Metric: m, Open: true, Judgement: stats.Judgement{Verdict: stats.Inconclusive, P: 1}}
	}
	for s, epochs := range stages {
		judgements := make([]stats.Judgement, len(metrics))
		for i, m := range metrics {
			judgements[i] = judge(m, known[m.Name], epochs, s == 0)
		}
		holm := correct(metrics, judgements)
		for i := range out {
			if out[i].Open {
				out[i].take(s+1, judgements[i], holm[i], epochs, known[metrics[i].Name])
			}
		}
	}
	return out
}

// correct gives the p-values of the ratios as a family; counts have none.
func correct(metrics []Metric, judgements []stats.Judgement) []float64 {
	var family []float64
	for i, m := range metrics {
		if !m.Counted {
			family = append(family, judgements[i].P)
		}
	}
	family = stats.Holm(family)
	out := make([]float64, len(metrics))
	for i, m := range metrics {
		if !m.Counted {
			out[i], family = family[0], family[1:]
		}
	}
	return out
}

func judge(m Metric, k Known, epochs []Epoch, screening bool) stats.Judgement {
	if m.Counted {
		return m.judgeCounted(epochs, k.Floor)
	}
	rule := stats.RuleOne()
	rule.Floor = max(m.Floor, k.Floor)
	rule.Equivalence = max(rule.Equivalence, rule.Floor)
	strict := stats.Judge(ratios(epochs, m.Name), rule)
	if screening && strict.Verdict != stats.Regressed {
		rule.Alpha = screenAlpha
		if lax := stats.Judge(ratios(epochs, m.Name), rule); lax.Verdict == stats.Regressed {
			return lax
		}
	}
	return strict
}

// take adds the judgement of a stage.
func (o *Outcome) take(stage int, j stats.Judgement, holm float64, epochs []Epoch, k Known) {
	o.Judgement, o.Stage, o.PHolm = j, stage, holm
	o.Floor = max(o.Metric.Floor, k.Floor)
	if o.Metric.Counted {
		o.Floor = k.Floor
		a, b := counts(epochs, o.Metric.Name)
		o.A, o.B = stats.Median(a), stats.Median(b)
		if o.Unknown = !reported(epochs, o.Metric.Name); o.Unknown {
			o.Open = false
			return
		}
	} else {
		o.doubt(stage, ratios(epochs, o.Metric.Name), k)
	}
	switch o.Verdict {
	case stats.Regressed:
		o.Alarms++
	case stats.Equivalent, stats.Improved:
		o.Alarms = 0
	}
	o.Open = (o.Verdict == stats.Regressed && !o.Confirmed()) || o.Verdict == stats.Inconclusive
}

// reported is whether the base gave a count at all.
func reported(epochs []Epoch, metric string) bool {
	return slices.ContainsFunc(epochs, func(e Epoch) bool { _, ok := e.A[metric]; return ok })
}

// doubt takes back an alarm that the numbers of metrics, or the state of the
// machine, explain as well as a regression does.
func (o *Outcome) doubt(stage int, m []float64, k Known) {
	if o.Verdict != stats.Regressed {
		return
	}
	if spread := Spread(m); k.SD > 0 && spread > unlikeLearned*k.SD && o.Theta < spread {
		o.Verdict = stats.Inconclusive
		o.Reasons = append(o.Reasons, fmt.Sprintf("epochs scatter by %.1f %%, more than the change, and %.1f times what this machine class has learned", 100*spread, spread/k.SD))
	}
	if stage > 1 && o.PHolm > stats.RuleOne().Alpha {
		o.Verdict = stats.Inconclusive
		o.Reasons = append(o.Reasons, fmt.Sprintf("p is %.2g among the gated metrics", o.PHolm))
	}
}

// Spread is a standard deviation that a stolen epoch does not move: the median
// absolute deviation in units of a normal law's.
func Spread(m []float64) float64 { return stats.MAD(m) / 0.6745 }

// Overall is the verdict on one subject, or on all, from those of its metrics:
// regressed when one is confirmed, inconclusive when a hard one is open or
// unknown, otherwise improved or equivalent. A soft metric that stays unclear,
// or accused without enough confirmations, is a warning and no verdict.
func Overall(outcomes []Outcome) stats.Verdict {
	overall := stats.Equivalent
	for i := range outcomes {
		o := &outcomes[i]
		switch {
		case o.Unknown:
		case o.Confirmed():
			return stats.Regressed
		case !o.Metric.Soft && (o.Verdict == stats.Inconclusive || o.Verdict == stats.Regressed):
			overall = stats.Inconclusive
		case !o.Metric.Soft && o.Verdict == stats.Improved && overall == stats.Equivalent:
			overall = stats.Improved
		}
	}
	return overall
}

// open reports whether another stage is worth its time.
func open(outcomes []Outcome) bool {
	return Overall(outcomes) != stats.Regressed && slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.wants() })
}

// wants another stage: a hard metric that is not clear, or a soft one that is
// accused.
func (o *Outcome) wants() bool { return o.Open && (!o.Metric.Soft || o.Alarms > 0) }

// percentile99 is the value that one in a hundred of xs exceeds.
func percentile99(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	return s[min(len(s)-1, int(math.Ceil(0.99*float64(len(s))))-1)]
}
