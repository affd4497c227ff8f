package report

import (
	"fmt"
	"math"
	"time"

	"lars/bench/hist"
	"lars/bench/plot"
	"lars/bench/record"
)

// curves is the percentile plot of the response times.
type curves struct {
	Chart  chart
	Legend []legend
	Table  table
	Note   string
}

// legend is a series with its switch.
type legend struct {
	Series int // class of its colour
	Switch int // number of the switch, from 1
	Name   string
	Note   string
}

// curve is one line with its band, both on the grid of record.Curve.
type curve struct {
	line, low, high []plot.Point
}

func curvesOf(f *record.Folder) *curves {
	var all []curve
	out := &curves{}
	for i, a := range f.Run.Arms {
		r := f.Hist(a.Name, record.StageResponse)
		if r == nil {
			continue
		}
		c := curve{line: record.Curve(r)}
		if len(c.line) < 2 {
			continue
		}
		c.low, c.high = band(f, &f.Run.Arms[i], c.line)
		all = append(all, c)
		out.Legend = append(out.Legend, legend{series(i), len(all), a.Name, quick(r)})
	}
	if all == nil {
		return nil
	}
	out.Chart = drawCurves(all, out.Legend)
	out.Table = percentileTable(f.Run)
	out.Note = "Every nine takes the same room. A line ends where fewer than ten requests were slower. "
	if f.Run.Design.Rounds > 1 {
		out.Note += "Lines are all rounds together; a band reaches from the best round to the worst."
	} else {
		out.Note += "One round has no band: repeat it (--repeat 6) to see how far it can be trusted."
	}
	if f.Run.Scenario.Mode == "open" {
		out.Note += " Time counts from when a request was due, so waiting is part of it."
	} else {
		out.Note += " Closed loop: time counts from the send, so what waited unsent is not seen."
	}
	return out
}

func quick(r *hist.Recorder) string {
	q := r.Percentiles(0.95, 50, 99)
	return fmt.Sprintf("p50 %s, p99 %s", duration(q[0].Value), duration(q[1].Value))
}

// band is the least and the greatest of the rounds at each percentile of line,
// as far as two of them reach.
func band(f *record.Folder, a *record.Arm, line []plot.Point) (low, high []plot.Point) {
	var each [][]plot.Point
	for _, r := range byRound(f, a) {
		if points := record.Curve(r); len(points) > 0 {
			each = append(each, points)
		}
	}
	if len(each) < 2 {
		return nil, nil
	}
	for i, at := range line {
		lo, hi, n := at.NS, at.NS, 0
		for _, points := range each {
			if i < len(points) {
				lo, hi, n = min(lo, points[i].NS), max(hi, points[i].NS), n+1
			}
		}
		if n < 2 {
			break
		}
		low, high = append(low, plot.Point{P: at.P, NS: lo}), append(high, plot.Point{P: at.P, NS: hi})
	}
	return low, high
}

// byRound is the distribution of each round, from the intervals of the log.
func byRound(f *record.Folder, a *record.Arm) map[int]*hist.Recorder {
	out := map[int]*hist.Recorder{}
	for _, in := range f.Logs[a.Name] {
		k := roundAt(a, in.Start)
		if out[k] == nil {
			out[k] = hist.New()
		}
		for _, b := range in.Response {
			out[k].Add(b)
		}
	}
	return out
}

// roundAt is the round that was under way; the log cuts times to milliseconds.
func roundAt(a *record.Arm, at time.Time) int {
	best := 0
	for _, r := range a.Rounds {
		if began, err := time.Parse(time.RFC3339Nano, r.Started); err == nil && !began.After(at.Add(time.Millisecond)) {
			best = max(best, r.Round)
		}
	}
	return best
}

func drawCurves(all []curve, names []legend) chart {
	low, high, end := math.Inf(1), 0.0, 0.0
	for _, c := range all {
		for _, points := range [][]plot.Point{c.line, c.low, c.high} {
			for _, p := range points {
				low, high, end = min(low, p.NS), max(high, p.NS), max(end, plot.Nines(p.P))
			}
		}
	}
	y, s := timeAxis("latency", low, high)
	out := chart{Label: "Response time by percentile", X: axis{Title: "percentile of requests"}, Y: y}
	for _, t := range plot.PercentTicks(end) {
		// 0 % and every other nine beyond 99.9 % make room.
		minor := t.At == 0 || end > 4 && t.At > 2 && int(math.Round(t.At))%2 == 1
		out.X.Ticks = append(out.X.Ticks, mark{t.At / end, t.Label, minor})
	}
	draw := func(points []plot.Point) []point {
		var p []point
		for _, at := range points {
			p = append(p, point{plot.Nines(at.P) / end, s.at(at.NS)})
		}
		return p
	}
	for i, c := range all {
		if c.low != nil {
			out.Layers = append(out.Layers, layer{fmt.Sprintf("band f%d", names[i].Series), area(draw(c.low), draw(c.high)), i + 1})
		}
	}
	for i, c := range all {
		out.Layers = append(out.Layers, layer{fmt.Sprintf("line s%d", names[i].Series), polyline(draw(c.line)), i + 1})
	}
	return out
}

// percentileTable is the plot in numbers, with the intervals of order
// statistics.
func percentileTable(r *record.Run) table {
	t := table{Head: []string{"Percentile"}, Note: "Of all rounds together, with 95 % intervals as if requests were independent: repetition shows more."}
	stated := map[float64]bool{}
	var rows []float64
	for _, a := range r.Arms {
		for _, l := range a.Latency {
			if l.Stage != record.StageResponse {
				continue
			}
			t.Head = append(t.Head, a.Name)
			for _, p := range l.Percentiles {
				if !stated[p.P] {
					stated[p.P], rows = true, append(rows, p.P)
				}
			}
		}
	}
	for _, p := range rows {
		row := []string{fmt.Sprintf("p%g", p)}
		for _, a := range r.Arms {
			for _, l := range a.Latency {
				if l.Stage == record.StageResponse {
					row = append(row, stateOf(&l, p))
				}
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func stateOf(l *record.Latency, p float64) string {
	for _, q := range l.Percentiles {
		if q.P != p {
			continue
		}
		text := duration(q.NS)
		if q.Censored {
			return "> " + text
		}
		return fmt.Sprintf("%s (%s to %s)", text, duration(q.LowNS), duration(q.HighNS))
	}
	return absent
}
