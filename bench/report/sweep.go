package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"lars/bench/record"
)

// sweep is the search for the highest rate of one arm.
type sweep struct {
	Arm    string
	Answer string
	Notes  []string
	Chart  *chart // nil with fewer than two rates
	Legend []legend
	Table  table
}

func sweepsOf(r *record.Run) []sweep {
	var out []sweep
	for _, a := range r.Arms {
		if a.Sweep != nil && len(a.Sweep.Points) > 0 {
			out = append(out, sweepOf(a.Name, a.Sweep))
		}
	}
	return out
}

func sweepOf(arm string, s *record.Sweep) sweep {
	points := slices.Clone(s.Points)
	slices.SortStableFunc(points, func(a, b record.SweepPoint) int { return cmp.Compare(a.Rate, b.Rate) })
	out := sweep{Arm: arm, Answer: answer(s), Notes: s.Notes, Table: sweepTable(points)}
	out.Chart, out.Legend = drawSweep(arm, s, points)
	return out
}

func answer(s *record.Sweep) string {
	goal := fmt.Sprintf("p%g within %s", s.SLO.Percentile, duration(s.SLO.LimitNS))
	sure := "not confirmed"
	if s.Confidence > 0 {
		sure = "at " + percent(s.Confidence) + " confidence"
	}
	switch {
	case s.Low == 0 && s.High == 0:
		return fmt.Sprintf("No answer: no rate was confirmed to meet %s.", goal)
	case s.Low == 0:
		return fmt.Sprintf("%s/s does not hold %s, %s; where it does was not found.", thousands(s.High), goal, sure)
	case s.High == 0:
		return fmt.Sprintf("At least %s/s with %s, %s; where it ends was not found.", thousands(s.Low), goal, sure)
	}
	return fmt.Sprintf("Between %s/s and %s/s with %s, %s.", thousands(s.Low), thousands(s.High), goal, sure)
}

// lines of a sweep, with the class of their colour.
var sweepLines = []struct {
	name   string
	series int
	of     func(*record.SweepPoint) int64
}{
	{"p50", 0, func(p *record.SweepPoint) int64 { return p.P50NS }},
	{"p99", 1, func(p *record.SweepPoint) int64 { return p.P99NS }},
	{"p99.9", 3, func(p *record.SweepPoint) int64 { return p.P999NS }},
}

func drawSweep(arm string, s *record.Sweep, points []record.SweepPoint) (*chart, []legend) {
	low, high := float64(s.SLO.LimitNS), float64(s.SLO.LimitNS)
	for i := range points {
		for _, line := range sweepLines {
			if v := float64(line.of(&points[i])); v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	from, to := points[0].Rate, points[len(points)-1].Rate
	if !(to > from) {
		return nil, nil
	}
	y, ys := timeAxis("latency", low, high)
	x := func(rate float64) float64 { return min(max((rate-from)/(to-from), 0), 1)*0.94 + 0.03 }
	out := &chart{Label: "Latency of " + arm + " by offered rate", X: axis{Title: "offered, requests a second"}, Y: y}
	step := niceStep((to - from) / 5)
	for v := math.Ceil(from/step) * step; v <= to*(1+1e-9); v += step {
		out.X.Ticks = append(out.X.Ticks, mark{x(v), thousands(v), len(out.X.Ticks)%2 == 1})
	}
	if s.Low > 0 && s.High > 0 {
		out.Layers = append(out.Layers, layer{Class: "bracket", D: box(x(s.Low), x(s.High), 0, 1)})
	}
	limit := ys.at(float64(s.SLO.LimitNS))
	out.Layers = append(out.Layers, layer{Class: "limit", D: polyline([]point{{0, limit}, {1, limit}})})
	var names []legend
	for _, line := range sweepLines {
		layers := sweepLine(line.series, len(names)+1, points, line.of, func(rate, ns float64) point { return point{x(rate), ys.at(ns)} })
		if layers != nil {
			out.Layers = append(out.Layers, layers...)
			names = append(names, legend{line.series, len(names) + 1, line.name, ""})
		}
	}
	return out, names
}

// sweepLine has a line for each direction, and a dot for each rate, filled
// where the objective was met.
func sweepLine(series, number int, points []record.SweepPoint, of func(*record.SweepPoint) int64, at func(rate, ns float64) point) []layer {
	var out []layer
	var met, missed strings.Builder
	for _, direction := range []string{record.DirectionUp, record.DirectionDown} {
		var line []point
		for i := range points {
			p := &points[i]
			if of(p) <= 0 || p.Direction != direction {
				continue
			}
			q := at(p.Rate, float64(of(p)))
			line = append(line, q)
			if p.Pass {
				met.WriteString(dot(q))
			} else {
				missed.WriteString(dot(q))
			}
		}
		if len(line) > 1 {
			class := fmt.Sprintf("line s%d", series)
			if direction == record.DirectionDown {
				class += " back"
			}
			out = append(out, layer{class, polyline(line), number})
		}
	}
	if missed.Len() > 0 {
		out = append(out, layer{fmt.Sprintf("dot s%d", series), missed.String(), number}, layer{"hole", missed.String(), number})
	}
	if met.Len() > 0 {
		out = append(out, layer{fmt.Sprintf("dot s%d", series), met.String(), number})
	}
	return out
}

func sweepTable(points []record.SweepPoint) table {
	t := table{Head: []string{"Offered", "Achieved", "Share", "Objective", "Windows", "p50", "p99", "p99.9", "Approached"}}
	for _, p := range points {
		met := "missed"
		if p.Pass {
			met = "met"
		}
		direction := "from below"
		if p.Direction == record.DirectionDown {
			direction = "from above"
		}
		t.Rows = append(t.Rows, []string{
			thousands(p.Rate) + "/s", thousands(p.Achieved) + "/s", percent(p.Achieved / p.Rate), met, fmt.Sprintf("%d of %d", p.Passed, p.Windows),
			known(p.P50NS), known(p.P99NS), known(p.P999NS), direction,
		})
	}
	return t
}

func known(ns int64) string {
	if ns <= 0 {
		return absent
	}
	return duration(ns)
}
