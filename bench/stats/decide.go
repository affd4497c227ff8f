package stats

import (
	"fmt"
	"math"
)

// RuleVersion names the decision rule, and is stored beside what it decided.
const RuleVersion = "hl-signedrank-v1"

// Rule says when paired epochs prove a change. Effects are relative: 0.02 is
// two in a hundred.
type Rule struct {
	Alpha       float64 // error allowed on each side: a claim that is wrong this often at most
	Floor       float64 // a change below it is not worth an alarm, however certain
	Equivalence float64 // what must be excluded before "equivalent" is said
	EpochsMin   int     // fewer epochs decide nothing
}

// RuleOne is the rule of the gate. Eight epochs are the fewest whose interval
// at Alpha does not hang on a single one.
func RuleOne() Rule { return Rule{Alpha: 0.01, Floor: 0.02, Equivalence: 0.05, EpochsMin: 8} }

// Verdict is what epochs prove.
type Verdict string

// The verdicts. Inconclusive is not a pass: it says that the epochs were too
// few or too noisy to exclude a regression.
const (
	Regressed    Verdict = "regressed"
	Improved     Verdict = "improved"
	Equivalent   Verdict = "equivalent"
	Inconclusive Verdict = "inconclusive"
)

// Judgement is a verdict with everything it stands on. Theta, Low and High are
// log ratios, positive being worse; Effect turns one into a relative change.
type Judgement struct {
	Verdict   Verdict
	Epochs    int
	Theta     float64 // Hodges-Lehmann centre
	Low, High float64 // exact signed-rank bounds, infinite with too few epochs
	Alpha     float64 // what each bound really risks, at most that of the rule
	P         float64 // that epochs without a change look this bad, one-sided
	PImproved float64 // the same for this good
	MDE       float64 // relative change found with 95 % at this noise; +Inf when not known
	Reasons   []string
}

// Effect is the relative change of a log ratio: 0.05 for five in a hundred more.
func Effect(log float64) float64 { return math.Expm1(log) }

// powerWanted is the chance of finding a change as large as the MDE.
const powerWanted = 0.95

// Judge applies the rule to the log ratios of epochs, one for each, positive
// being worse. Ratios that are not finite are left out. The bounds are those of
// SignedRankInterval and the p-values their exact duals (Hollander and Wolfe,
// 3.1 and 3.4): Low > 0 if and only if P is at most Alpha.
func Judge(epochs []float64, r Rule) Judgement {
	m := finite(epochs)
	j := Judgement{
		Verdict: Inconclusive, Epochs: len(m), Theta: HodgesLehmann(m),
		Low: math.Inf(-1), High: math.Inf(1), P: 1, PImproved: 1, MDE: math.Inf(1),
	}
	if left := len(epochs) - len(m); left > 0 {
		j.because("%d of %d epochs gave no ratio", left, len(epochs))
	}
	if len(m) < max(r.EpochsMin, 1) || len(m) > RoundsMax {
		j.because("%d epochs: the rule needs %d to %d", len(m), max(r.EpochsMin, 1), RoundsMax)
		return j
	}
	w := walsh(m)
	j.P, j.PImproved = signedRankP(w, len(m))
	in, ok := signedRankInterval(w, len(m), 1-2*r.Alpha)
	if !ok {
		j.because("%d epochs cannot prove anything with an error of %.2g", len(m), r.Alpha)
		return j
	}
	j.Low, j.High, j.Alpha = in.Low, in.High, (1-in.Confidence)/2
	// Half an interval is that many standard errors, whatever the law of the
	// epochs (Lehmann 1963).
	se := (j.High - j.Low) / 2 / normalQuantile(1-j.Alpha)
	j.MDE = Effect((normalQuantile(1-r.Alpha) + normalQuantile(powerWanted)) * se)
	j.decide(r)
	return j
}

func (j *Judgement) decide(r Rule) {
	floor, margin := math.Log1p(r.Floor), math.Log1p(r.Equivalence)
	switch {
	case j.Low > 0 && j.Theta >= floor:
		j.Verdict = Regressed
	case j.High < 0 && j.Theta <= -floor:
		j.Verdict = Improved
	case j.High < margin:
		j.Verdict = Equivalent
		if j.Low > 0 {
			j.because("the change is certain, but below the floor of %s", percent(r.Floor))
		}
	case j.Low > 0:
		j.because("the change is certain, but below the floor of %s, and %s is not excluded", percent(r.Floor), percent(r.Equivalence))
	default:
		j.because("neither no change nor a change of %s is excluded", percent(r.Equivalence))
	}
}

func (j *Judgement) because(format string, args ...any) {
	j.Reasons = append(j.Reasons, fmt.Sprintf(format, args...))
}

func percent(x float64) string { return fmt.Sprintf("%.3g %%", 100*x) }

func finite(xs []float64) []float64 {
	out := make([]float64, 0, len(xs))
	for _, x := range xs {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			out = append(out, x)
		}
	}
	return out
}

// SignedRankP are the exact one-sided p-values of the signed-rank test that the
// centre of xs is zero, against a centre above it and below it. A pair that is
// as far above as below, or a zero, counts against both.
func SignedRankP(xs []float64) (above, below float64) { return signedRankP(walsh(xs), len(xs)) }

// signedRankP works on the Walsh averages of n values.
func signedRankP(averages []float64, n int) (above, below float64) {
	notAbove, notBelow := 0, 0
	for _, w := range averages {
		if w <= 0 {
			notAbove++
		}
		if w >= 0 {
			notBelow++
		}
	}
	law := signedRankLaw(n)
	tail := func(w int) (sum float64) {
		for _, p := range law[:w+1] {
			sum += p
		}
		return min(sum, 1)
	}
	return tail(notAbove), tail(notBelow)
}

// Holm gives the p-values of several tests, each raised to what it is worth
// among the others, in the same order (Holm 1979): at most alpha of all
// experiments have any false claim when those at most alpha are claimed.
func Holm(ps []float64) []float64 {
	order := ascending(ps)
	out := make([]float64, len(ps))
	worst := 0.0
	for rank, i := range order {
		worst = max(worst, min(1, ps[i]*float64(len(ps)-rank)))
		out[i] = worst
	}
	return out
}

// rankEfficiency is how precise the Hodges-Lehmann centre is beside the mean of
// a normal law: 3/pi (Hodges and Lehmann 1963).
const rankEfficiency = 3 / math.Pi

// EpochsNeeded is how many epochs find a true relative change of effect with
// the power wanted (0.95) when single epochs scatter by sd (of log ratios): at
// least the rule's fewest, and RoundsMax+1 when no number that can be judged does.
func EpochsNeeded(sd, effect float64, r Rule) int {
	if !(sd >= 0) || !(effect > 0) {
		return RoundsMax + 1
	}
	se := math.Log1p(effect) / (normalQuantile(1-r.Alpha) + normalQuantile(powerWanted))
	need := math.Ceil(sd * sd / (se * se) / rankEfficiency)
	return max(r.EpochsMin, int(min(need, RoundsMax+1)))
}

func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
