package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"lars/bench/plot"
)

// chart is a drawing of lines and areas that takes any width: the SVG is
// stretched, what is text stands beside it in HTML. Positions are shares of the
// drawing, from the left and from the bottom.
type chart struct {
	Label  string // what it shows, for those who do not see it
	X, Y   axis
	Layers []layer
}

type axis struct {
	Title string
	Ticks []mark
}

// mark is a tick with its place, 0 to 1. One that is Minor makes room where
// there is little.
type mark struct {
	Share float64
	Label string
	Minor bool
}

// At is the place in the words of CSS.
func (m mark) At() string { return place(m.Share) }

// Grid is the path of all lines of an axis.
func (c *chart) Grid() string {
	var out strings.Builder
	for _, m := range c.Y.Ticks {
		fmt.Fprintf(&out, "M0 %sH%d", coordinate(1-m.Share), unit)
	}
	for _, m := range c.X.Ticks {
		fmt.Fprintf(&out, "M%s 0V%d", coordinate(m.Share), unit)
	}
	return out.String()
}

// layer is one path. Class gives it its colour; Series, if not 0, is the number
// of the switch that hides it.
type layer struct {
	Class, D string
	Series   int
}

// unit is the side of the drawing in its own coordinates.
const unit = 1000

func coordinate(share float64) string {
	return strconv.FormatFloat(math.Round(share*unit*10)/10, 'f', -1, 64)
}

func place(share float64) string { return strconv.FormatFloat(100*share, 'f', 2, 64) + "%" }

// point is a place in the drawing, both 0 to 1, from the lower left.
type point struct{ x, y float64 }

func polyline(points []point) string {
	var out strings.Builder
	for i, p := range points {
		out.WriteByte("ML"[min(i, 1)])
		fmt.Fprintf(&out, "%s %s", coordinate(p.x), coordinate(1-p.y))
	}
	return out.String()
}

// area is between a lower and an upper line of the same length.
func area(low, high []point) string {
	all := append([]point{}, low...)
	for i := len(high) - 1; i >= 0; i-- {
		all = append(all, high[i])
	}
	return polyline(all) + "Z"
}

// dot is a line without length: its round ends make it a circle, whatever the
// drawing is stretched to.
func dot(p point) string {
	return fmt.Sprintf("M%s %sh.01", coordinate(p.x), coordinate(1-p.y))
}

func box(x0, x1, y0, y1 float64) string {
	return fmt.Sprintf("M%s %sH%sV%sH%sZ", coordinate(x0), coordinate(1-y0), coordinate(x1), coordinate(1-y1), coordinate(x0))
}

// scale maps values to a logarithmic axis of 0 to 1.
type scale struct{ from, to float64 }

func (s scale) at(v float64) float64 {
	return min(max(math.Log(v/s.from)/math.Log(s.to/s.from), 0), 1)
}

// timeAxis encloses low to high ns.
func timeAxis(title string, low, high float64) (axis, scale) {
	low = max(low, 1)
	ticks, from, to := plot.TimeTicks(low, max(high, low))
	s := scale{from, to}
	a := axis{Title: title}
	for _, t := range ticks {
		a.Ticks = append(a.Ticks, mark{Share: s.at(t.At), Label: t.Label})
	}
	return a, s
}

// seriesStyle gives each series its colours, the palette of package plot.
func seriesStyle() string {
	var light, dark, rules strings.Builder
	for i, c := range plot.Palette() {
		fmt.Fprintf(&light, "--s%d:%s;", i, c.Light)
		fmt.Fprintf(&dark, "--s%d:%s;", i, c.Dark)
		fmt.Fprintf(&rules, ".s%d{stroke:var(--s%d)", i, i)
		if c.Dash != "" {
			fmt.Fprintf(&rules, ";stroke-dasharray:%s", c.Dash)
		}
		fmt.Fprintf(&rules, "}.f%d{fill:var(--s%d)}.b%d{background:var(--s%d)}\n", i, i, i, i)
		fmt.Fprintf(&rules, "figure:has(.k%d:not(:checked)) .g%d{display:none}\n", i+1, i+1)
	}
	return fmt.Sprintf(":root{%s}\n@media screen and (prefers-color-scheme:dark){:root{%s}}\n%s", light.String(), dark.String(), rules.String())
}

// series is the class of the i-th series.
func series(i int) int { return i % plot.SeriesMax }

// rowGrid is the same for a row of a table, rowHeight high.
func rowGrid(ticks []mark) string {
	var out strings.Builder
	for _, m := range ticks {
		fmt.Fprintf(&out, "M%s 0V%d", coordinate(m.Share), rowHeight)
	}
	return out.String()
}

// Grid is the lines behind each row.
func (r *ratios) Grid() string { return rowGrid(r.Ticks) }

// Grid is the lines behind each row.
func (s *stages) Grid() string { return rowGrid(s.Ticks) }
