package plot

import (
	"fmt"
	"io"
	"math"
)

// Power is a chart of how often a true change is found, by its size: the curve
// of a decision rule on one machine.
type Power struct {
	Title    string
	Subtitle string // one line below the title; may be empty
	Series   []PowerSeries
	Goal     float64 // share that is wanted, drawn as a line; 0 for none
}

// PowerSeries is one metric, or one server.
type PowerSeries struct {
	Name   string
	Points []PowerPoint // effects ascending
}

// PowerPoint is the share of changes of that size that are found, with the
// bounds of what was measured. All are 0 to 1.
type PowerPoint struct{ Effect, Found, Low, High float64 }

func (p PowerPoint) usable() bool {
	return p.Effect >= 0 && p.Effect <= 1 && 0 <= p.Low && p.Low <= p.Found && p.Found <= p.High && p.High <= 1
}

// WriteSVG draws the chart. Points that are no shares are left out; ErrEmpty
// when no series keeps two.
func (c Power) WriteSVG(w io.Writer) error {
	if len(c.Series) > SeriesMax {
		return ErrTooMany
	}
	end := 0.0
	kept := make([][]PowerPoint, len(c.Series))
	for i, s := range c.Series {
		for _, p := range s.Points {
			if p.usable() {
				kept[i] = append(kept[i], p)
			}
		}
		if len(kept[i]) >= 2 {
			end = max(end, kept[i][len(kept[i])-1].Effect)
		}
	}
	if end <= 0 {
		return ErrEmpty
	}
	p := &painter{}
	p.open(c.Title, c.Subtitle)
	x := func(effect float64) float64 { return left + (right-left)*effect/end }
	y := func(share float64) float64 { return bottom - (bottom-top)*share }
	p.powerGrid(x, y, end, c.Goal)
	at := make([]float64, 0, len(kept))
	var names []int
	for i, points := range kept {
		if len(points) >= 2 {
			p.powerLine(i, points, x, y)
			at, names = append(at, y(points[len(points)-1].Found)), append(names, i)
		}
	}
	for k, where := range spread(at, lineHeight+2, top, bottom) {
		p.text(fmt.Sprintf("name t%d", names[k]), labelX-16, where+4, c.Series[names[k]].Name)
	}
	p.close()
	_, err := w.Write(p.buf.Bytes())
	return err
}

func (p *painter) powerGrid(x, y func(float64) float64, end, goal float64) {
	for share := 0.0; share <= 1.001; share += 0.2 {
		p.printf(`<path class="grid" d="M%.1f %.1fH%.1f"/>`+"\n", left, y(share), right)
		p.text("tick end", left-8, y(share)+4, fmt.Sprintf("%.0f%%", 100*share))
	}
	step := 0.01
	for end/step > 12 {
		step *= 2
	}
	for n := 0.0; n*step <= end*1.0001; n++ {
		p.printf(`<path class="grid" d="M%.1f %.1fV%.1f"/>`+"\n", x(n*step), top, bottom)
		p.text("tick mid", x(n*step), bottom+18, fmt.Sprintf("%.3g%%", math.Round(n*step*1e5)/1e3))
	}
	if goal > 0 && goal <= 1 {
		p.printf(`<path class="axis" stroke-dasharray="4 4" d="M%.1f %.1fH%.1f"/>`+"\n", left, y(goal), right)
		p.text("note", left+6, y(goal)-5, fmt.Sprintf("wanted: %.3g%%", 100*goal))
	}
	p.printf(`<path class="axis" d="M%.1f %.1fV%.1fH%.1f"/>`+"\n", left, top, bottom, right)
	p.text("note mid", (left+right)/2, bottom+42, "true change for the worse; upwards: share of gates that find and confirm it")
}

// powerLine is the curve, with a whisker for each point's bounds.
func (p *painter) powerLine(style int, points []PowerPoint, x, y func(float64) float64) {
	p.printf(`<path class="s%d" d="`, style)
	for i, pt := range points {
		cmd := "L"
		if i == 0 {
			cmd = "M"
		}
		p.printf("%s%.1f %.1f", cmd, x(pt.Effect), y(pt.Found))
	}
	for _, pt := range points {
		p.printf("M%.1f %.1fV%.1f", x(pt.Effect), y(pt.Low), y(pt.High))
	}
	p.printf("\"/>\n")
}
