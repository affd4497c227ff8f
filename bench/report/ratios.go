package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"lars/bench/record"
)

// ratios is the forest plot: a row for each ratio with its interval.
type ratios struct {
	Of     string // what the ratios are to
	Ticks  []mark
	One    string // where the ratio of 1 stands
	Groups []ratioGroup
	Flat   bool // one row in each group: the groups name the rows
	Note   string
}

type ratioGroup struct {
	Name, Better string
	Rows         []ratioRow
}

type ratioRow struct {
	Name     string
	Text     string // the ratio
	Interval string // empty without one
	Judgement
	At, Line, Shade string // paths; Line and Shade may be empty
	Off             bool   // the ratio lies beyond the axis
	Tip             string
}

// Judgement is what an interval of a ratio says, in a word.
type Judgement struct{ Class, Word string }

// What matters: an interval within 5 % of 1 is no difference to act on.
const indifference = 0.05

// Judge reads an interval: a difference is one that excludes 1 and is not
// wholly within 5 % of it.
func Judge(low, high *float64, better string) Judgement {
	switch {
	case low == nil || high == nil:
		return Judgement{"none", "no interval"}
	case *low <= 1 && *high >= 1, *low >= 1-indifference && *high <= 1+indifference:
		return Judgement{"same", "indistinguishable"}
	case (*low > 1) == (better == "higher"):
		return Judgement{"good", "better"}
	}
	return Judgement{"bad", "worse"}
}

// inForest says which figures of a run of several arms are compared: the others
// are there in the table.
func inForest(metric string) bool {
	return !slices.Contains([]string{"max", "generator_cpu", "send_lag_p50", "send_lag_p99", "rss_max"}, metric)
}

// estimate is a ratio with what is known of it.
type estimate struct {
	metric, unit, better, arm string
	ratio                     float64
	low, high, mde            *float64
	judgement                 Judgement
	a, b                      string // values, where known
	aside                     bool   // takes no part in the verdict
}

func ratiosOf(r *record.Run) *ratios {
	if r.Comparison != nil {
		return forest(r.Comparison.A, comparedEstimates(r.Comparison), comparisonNote(r.Comparison))
	}
	if r.Design.Baseline == "" {
		return nil
	}
	return forest(r.Design.Baseline, roundEstimates(r), roundsNote(r))
}

func comparedEstimates(c *record.Comparison) []estimate {
	var out []estimate
	for _, m := range c.Metrics {
		e := estimate{metric: m.Name, unit: m.Unit, better: m.Better, arm: c.B, ratio: m.Ratio, low: m.Low, high: m.High, mde: m.MDE}
		e.a, e.b = value(m.A, m.Unit), value(m.B, m.Unit)
		if e.judgement, e.aside = gated[m.Verdict], !m.Gated; e.aside {
			e.judgement = Judgement{"none", "not gated"}
		}
		out = append(out, e)
	}
	return out
}

var gated = map[string]Judgement{
	record.VerdictRegressed:    {"bad", "regressed"},
	record.VerdictImproved:     {"good", "improved"},
	record.VerdictEquivalent:   {"same", "equivalent"},
	record.VerdictInconclusive: {"none", "inconclusive"},
}

func comparisonNote(c *record.Comparison) string {
	for _, m := range c.Metrics {
		if m.Low != nil {
			return fmt.Sprintf("Ratios of %s to %s, centres of %d epochs of fresh processes, with intervals at %s confidence. "+
				"The shaded part is the minimum detectable effect: a true change within it could have stayed unseen.", c.B, c.A, m.Epochs, percent(m.Confidence))
		}
	}
	return fmt.Sprintf("Ratios of %s to %s over %d epochs: too few for intervals.", c.B, c.A, len(c.Epochs))
}

func roundEstimates(r *record.Run) []estimate {
	var out []estimate
	for _, a := range r.Arms {
		for _, m := range a.Metrics {
			if m.Ratio == nil || !inForest(m.Name) || !(m.Ratio.Value > 0) {
				continue
			}
			q := m.Ratio
			out = append(out, estimate{
				metric: m.Name, unit: m.Unit, better: m.Better, arm: a.Name, ratio: q.Value, low: q.Low, high: q.High, judgement: Judge(q.Low, q.High, m.Better), b: value(m.Value, m.Unit),
			})
		}
	}
	return out
}

func roundsNote(r *record.Run) string {
	text := fmt.Sprintf("Ratios to %s within each of %d rounds, so in the same seconds; ", r.Design.Baseline, r.Design.Rounds)
	for _, a := range r.Arms {
		for _, m := range a.Metrics {
			if m.Ratio != nil && m.Ratio.Low != nil {
				return text + "lines are " + percent(r.Design.Confidence) + " intervals, each by itself. Indistinguishable: the interval holds 1, or lies within 5 % of it."
			}
		}
	}
	return text + "too few rounds for intervals (6 are needed)."
}

// forest is nil without ratios.
func forest(of string, all []estimate, note string) *ratios {
	all = slices.DeleteFunc(all, func(e estimate) bool { return !(e.ratio > 0) || math.IsInf(e.ratio, 0) })
	if len(all) == 0 {
		return nil
	}
	s, ticks := ratioAxis(all)
	out := &ratios{Of: of, Ticks: ticks, One: place(s.at(1)), Note: note}
	for _, e := range all {
		i := slices.IndexFunc(out.Groups, func(g ratioGroup) bool { return g.Name == nameOf(e.metric) })
		if i < 0 {
			i = len(out.Groups)
			out.Groups = append(out.Groups, ratioGroup{Name: nameOf(e.metric), Better: e.better})
		}
		out.Groups[i].Rows = append(out.Groups[i].Rows, e.row(s))
	}
	out.Flat = len(out.Groups) == len(all)
	return out
}

// row draws in a box of unit by rowHeight.
const rowHeight = 24

func (e *estimate) row(s scale) ratioRow {
	x := func(v float64) string { return coordinate(s.at(v)) }
	digits := 2
	if e.low != nil && e.high != nil && *e.high-*e.low < 0.1 {
		digits = 3
	}
	write := func(v float64) string {
		if v >= 100 {
			return thousands(v)
		}
		return strconv.FormatFloat(v, 'f', digits, 64)
	}
	row := ratioRow{Name: e.arm, Text: "×" + write(e.ratio), Judgement: e.judgement, At: fmt.Sprintf("M%s %dh.01", x(e.ratio), rowHeight/2)}
	switch { // beyond the axis an arrow
	case e.ratio > s.to:
		row.At, row.Off = "M985 5L1000 12L985 19", true
	case e.ratio < s.from:
		row.At, row.Off = "M15 5L0 12L15 19", true
	}
	row.Tip = e.b
	if e.a != "" {
		row.Tip = e.a + " → " + e.b
	}
	if e.low != nil && e.high != nil {
		row.Line = fmt.Sprintf("M%s %dH%s", x(*e.low), rowHeight/2, x(*e.high))
		row.Interval = write(*e.low) + " to " + write(*e.high)
	}
	if e.mde != nil && *e.mde > 0 {
		row.Shade = fmt.Sprintf("M%s 0H%sV%dH%sZ", x(1/(1+*e.mde)), x(1+*e.mde), rowHeight, x(1/(1+*e.mde)))
	}
	return row
}

// ratioSteps are marks on the axis of ratios, from fine to coarse, each above 1
// with its partner below; a list serves up to its last.
var ratioSteps = [][][2]float64{
	{{0.99, 1.01}, {0.98, 1.02}},
	{{0.95, 1.05}},
	{{0.95, 1.05}, {0.9, 1.1}, {0.8, 1.25}},
	{{0.8, 1.25}, {0.67, 1.5}},
	{{0.67, 1.5}, {0.5, 2}, {0.33, 3}},
	{{0.5, 2}, {0.2, 5}},
}

// tickGap is the room of a label, as a share of the axis.
const tickGap = 0.1

// reachMax keeps one extreme figure from making the others unreadable.
const reachMax = 5

// ratioAxis encloses every interval that counts, symmetrically about 1: as far
// to double as to half.
func ratioAxis(all []estimate) (scale, []mark) {
	reach := 1.01
	for _, e := range all {
		if e.aside {
			continue
		}
		for _, v := range []*float64{&e.ratio, e.low, e.high} {
			if v != nil && *v > 0 {
				reach = max(reach, *v, 1 / *v)
			}
		}
		if e.mde != nil {
			reach = max(reach, 1+*e.mde)
		}
	}
	reach = min(math.Pow(reach, 1.06), reachMax*1.06)
	steps := ratioSteps[len(ratioSteps)-1]
	for _, list := range ratioSteps {
		if reach <= list[len(list)-1][1]*1.02 {
			steps = list
			break
		}
	}
	s := scale{1 / reach, reach}
	marks := []mark{{Share: 0.5, Label: "1"}}
	next := 1.0 // from the outside in
	for i, pair := range slices.Backward(steps) {
		high := s.at(pair[1])
		if pair[1] > reach || next-high < tickGap && next < 1 || high-0.5 < tickGap {
			continue
		}
		next = high
		for _, v := range pair {
			marks = append(marks, mark{s.at(v), strconv.FormatFloat(v, 'g', -1, 64), i == 0 && len(steps) > 1})
		}
	}
	return s, marks
}
