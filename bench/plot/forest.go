package plot

import (
	"fmt"
	"io"
	"math"
)

// Forest is a chart of estimates with their intervals, one in a row.
type Forest struct {
	Title    string
	Subtitle string // one line below the title; may be empty
	Axis     string // what is estimated, with its unit
	Goal     float64
	GoalName string // drawn as a line at Goal, unless empty
	Rows     []Estimate
}

// Estimate is a row of a Forest.
type Estimate struct {
	Name           string
	Mean, Low, Top float64
	Mark           bool // stands out
}

const (
	forestLeft, forestRight = 170.0, 720.0
	forestTop, forestRow    = 84.0, 24.0
)

// WriteSVG draws the chart, from zero on; ErrEmpty without a row that is
// finite.
func (c Forest) WriteSVG(w io.Writer) error {
	end := c.Goal
	n := 0
	for _, r := range c.Rows {
		if finite(r.Mean) && finite(r.Low) && finite(r.Top) {
			end = max(end, r.Top)
			n++
		}
	}
	if n == 0 || end <= 0 {
		return ErrEmpty
	}
	step := math.Pow(10, math.Floor(math.Log10(end))-1)
	for _, factor := range []float64{2, 2.5, 2} {
		if end/step > 8 {
			step *= factor
		}
	}
	end = math.Ceil(end/step) * step
	p := &painter{}
	x := func(v float64) float64 { return forestLeft + (forestRight-forestLeft)*max(v, 0)/end }
	below := forestTop + forestRow*float64(n)
	p.openSized(c.Title, c.Subtitle, 16, 900, below+56, "")
	for k := 0.0; k*step <= end*1.0001; k++ {
		p.printf(`<path class="grid" d="M%.1f %.1fV%.1f"/>`+"\n", x(k*step), forestTop-6, below)
		p.text("tick mid", x(k*step), below+18, fmt.Sprintf("%.4g", k*step))
	}
	p.text("note mid", (forestLeft+forestRight)/2, below+42, c.Axis)
	if c.GoalName != "" {
		p.printf(`<path class="axis" stroke-dasharray="4 4" d="M%.1f %.1fV%.1f"/>`+"\n", x(c.Goal), forestTop-6, below)
		p.text("note mid", x(c.Goal), forestTop-12, c.GoalName)
	}
	y := forestTop + forestRow/2
	for _, r := range c.Rows {
		if !finite(r.Mean) || !finite(r.Low) || !finite(r.Top) {
			continue
		}
		style := 0
		if r.Mark {
			style = 1
		}
		p.text("end", forestLeft-10, y+4, r.Name)
		p.printf(`<path class="s%d" d="M%.1f %.1fH%.1f"/><circle class="t%d" cx="%.1f" cy="%.1f" r="4"/>`+"\n", style, x(r.Low), y, x(r.Top), style, x(r.Mean), y)
		p.text("note", forestRight+14, y+4, fmt.Sprintf("%s (%s to %s)", short(r.Mean), short(r.Low), short(r.Top)))
		y += forestRow
	}
	p.close()
	_, err := w.Write(p.buf.Bytes())
	return err
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
