package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lars/bench/hist"
	"lars/bench/record"
)

// heat is the response time over time: a column for each interval, a cell for
// each range of latency, darker where more of the interval's requests lie.
type heat struct {
	Maps   []heatMap
	Faults []faultLine
	Note   string
}

type heatMap struct {
	Arm   string
	Chart chart
	Cols  int // cells across and up, the measure of the levels' paths
	Rows  int
	Cells []layer // one path for each level
	Table table
}

type faultLine struct{ At, Kind, Text string }

const (
	columnsMax  = 150
	rowsADecade = 12
	rowsMax     = 60
)

// levels are the least shares of an interval's requests for each shade. The
// lowest keeps a single slow request in sight.
var levels = [...]float64{0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3}

// column is one interval, or several adjacent ones of the same round.
type column struct {
	start, end time.Time
	round      int
	buckets    []hist.Bucket
}

func heatOf(f *record.Folder) *heat {
	out := &heat{}
	low, high := span(f)
	for i := range f.Run.Arms {
		a := &f.Run.Arms[i]
		if columns := columnsOf(f, a); len(columns) > 1 {
			out.Maps = append(out.Maps, drawHeat(f, a, columns, low, high))
		}
	}
	if out.Maps == nil {
		return nil
	}
	for _, x := range f.Run.Faults {
		at := "at " + duration(x.AtNS)
		if x.EndNS > x.AtNS {
			at = fmt.Sprintf("%s to %s", duration(x.AtNS), duration(x.EndNS))
		}
		out.Faults = append(out.Faults, faultLine{at, x.Kind, x.Text})
	}
	out.Note = "A column is an interval of the measured time; the darker a cell, the more of the interval's requests took that long. The lightest shade can be a single request."
	if f.Run.Design.Rounds > 1 {
		out.Note += " Upright lines part the rounds, each in a fresh server."
	}
	return out
}

// span is the least and the greatest latency of all arms: they share the axis.
func span(f *record.Folder) (low, high float64) {
	low, high = math.Inf(1), 0
	for _, log := range f.Logs {
		for _, in := range log {
			for _, b := range in.Response {
				low, high = min(low, float64(b.Low)), max(high, float64(b.High))
			}
		}
	}
	return max(low, 1), max(high, 2)
}

func columnsOf(f *record.Folder, a *record.Arm) []column {
	log := f.Logs[a.Name]
	each := (len(log) + columnsMax - 1) / columnsMax
	var out []column
	n := 0 // intervals in the last column
	for _, in := range log {
		round := roundAt(a, in.Start)
		last := len(out) - 1
		// The end of a round is short: a few replies that were still due.
		short := in.End.Sub(in.Start) < log[0].End.Sub(log[0].Start)/4
		if last >= 0 && out[last].round == round && (n < each || short) {
			out[last].end = in.End
			out[last].buckets = append(out[last].buckets, in.Response...)
			n++
			continue
		}
		out, n = append(out, column{in.Start, in.End, round, slices.Clone(in.Response)}), 1
	}
	return out
}

func drawHeat(f *record.Folder, a *record.Arm, columns []column, low, high float64) heatMap {
	y, s := timeAxis("latency", low, high)
	rows := min(max(int(math.Ceil(math.Log10(s.to/s.from)*rowsADecade)), 8), rowsMax)
	m := heatMap{Arm: a.Name, Cols: len(columns), Rows: rows, Chart: chart{
		Label: "Response time of " + a.Name + " over time, as a heat map", Y: y, X: timeline(columns),
	}}
	paths := make([]strings.Builder, len(levels))
	for x, c := range columns {
		for row, level := range shades(c.buckets, s, rows) {
			if level >= 0 {
				fmt.Fprintf(&paths[level], "M%d %dh1v1h-1z", x, rows-1-row)
			}
		}
	}
	for level := range paths {
		if d := paths[level].String(); d != "" {
			m.Cells = append(m.Cells, layer{Class: fmt.Sprintf("h%d", level), D: d})
		}
	}
	m.Chart.Layers = append(boundaries(columns), faults(f.Run, columns)...)
	m.Table = roundTable(a)
	return m
}

// shades is the level of each row, -1 for an empty one.
func shades(buckets []hist.Bucket, s scale, rows int) []int {
	counts := make([]int64, rows)
	total := int64(0)
	for _, b := range buckets {
		middle := float64(b.Low)/2 + float64(b.High)/2
		counts[min(int(s.at(max(middle, 1))*float64(rows)), rows-1)] += b.Count
		total += b.Count
	}
	out := make([]int, rows)
	for row, n := range counts {
		out[row] = -1
		for level, least := range levels {
			if n > 0 && float64(n) >= least*float64(total) {
				out[row] = level
			}
		}
	}
	return out
}

// timeline labels rounds by their number, and a single round by its seconds.
func timeline(columns []column) axis {
	n := float64(len(columns))
	if columns[0].round == columns[len(columns)-1].round {
		a := axis{Title: "seconds of the measured time"}
		length := columns[len(columns)-1].end.Sub(columns[0].start).Seconds()
		step := niceStep(length / 6)
		for k := 0; float64(k)*step <= length*1.0001; k++ {
			at := columns[0].start.Add(time.Duration(float64(k) * step * 1e9))
			a.Ticks = append(a.Ticks, mark{position(columns, at), fmt.Sprintf("%g", float64(k)*step), k%2 == 1})
		}
		return a
	}
	a := axis{Title: "round"}
	first := 0
	var middles []mark
	for i := range columns {
		if last := i == len(columns)-1; last || columns[i+1].round != columns[i].round {
			middles = append(middles, mark{(float64(first) + float64(i) + 1) / 2 / n, fmt.Sprint(columns[i].round + 1), false})
			first = i + 1
		}
	}
	every := (len(middles) + 29) / 30
	for i, m := range middles {
		if i%every == 0 {
			m.Minor = (i/every)%2 == 1 && len(middles) > 12
			a.Ticks = append(a.Ticks, m)
		}
	}
	return a
}

// niceStep is the first of 1, 2, 5, 10 ... that is not below v.
func niceStep(v float64) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(max(v, 1e-3))))
	for _, s := range []float64{1, 2, 5} {
		if s*decade >= v*(1-1e-9) {
			return s * decade
		}
	}
	return 10 * decade
}

// position is where a time lies among the columns, 0 to 1; a time between two
// is at their border.
func position(columns []column, at time.Time) float64 {
	n := float64(len(columns))
	for i, c := range columns {
		if at.Before(c.start) {
			return float64(i) / n
		}
		if at.Before(c.end) {
			return (float64(i) + float64(at.Sub(c.start))/float64(c.end.Sub(c.start))) / n
		}
	}
	return 1
}

func boundaries(columns []column) []layer {
	var d strings.Builder
	for i := 1; i < len(columns); i++ {
		if columns[i].round != columns[i-1].round {
			fmt.Fprintf(&d, "M%s 0V%d", coordinate(float64(i)/float64(len(columns))), unit)
		}
	}
	if d.Len() == 0 {
		return nil
	}
	return []layer{{Class: "border", D: d.String()}}
}

// faults marks what was done to the system while it was measured.
func faults(r *record.Run, columns []column) []layer {
	began, err := time.Parse(time.RFC3339Nano, r.Started)
	if err != nil {
		return nil
	}
	var out []layer
	for _, f := range r.Faults {
		from, to := began.Add(time.Duration(f.AtNS)), began.Add(time.Duration(f.EndNS))
		if to.Before(columns[0].start) || from.After(columns[len(columns)-1].end) {
			continue
		}
		x0, x1 := position(columns, from), position(columns, to)
		out = append(out, layer{Class: "fault", D: box(x0, max(x1, x0+0.002), 0, 1)})
	}
	return out
}

// roundTable is the heat map in numbers.
func roundTable(a *record.Arm) table {
	t := table{Head: []string{"Round"}}
	var shown []*record.Metric
	for _, name := range []string{"throughput", "p50", "p99", "p99.9", "max", "server_cpu"} {
		if m := a.Metric(name); m != nil {
			shown = append(shown, m)
			t.Head = append(t.Head, nameOf(name))
		}
	}
	for _, round := range a.Rounds {
		row := []string{fmt.Sprint(round.Round + 1)}
		for _, m := range shown {
			cell := absent
			for _, s := range m.Samples {
				if s.Round == round.Round {
					cell = value(s.Value, m.Unit)
				}
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
