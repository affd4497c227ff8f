// Package plot draws a few kinds of chart as SVG: latency distributions, power
// curves, heat maps and forests of estimates. One file, no script, no font to
// load, readable on a light and on a dark page.
//
// It is for result files that are committed and looked at in a browser or a
// code host, so the same input always gives the same bytes. The x axis of
// latencies is log10(1/(1-p)): each nine of the percentile takes the same room.
// What it will not do: smooth a curve, or extend one beyond the points it is
// given.
package plot

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Point is one point of a distribution: P of all values are at most NS.
type Point struct {
	P  float64 // 0 to nine nines
	NS float64 // nanoseconds, 1 to 1e15
}

// Series is one distribution.
type Series struct {
	Name   string
	Note   string  // a few words below the name, such as its p50; may be empty
	Points []Point // P ascending
}

// Percentiles is a chart of several distributions.
type Percentiles struct {
	Title    string
	Subtitle string // one line below the title; may be empty
	Series   []Series
}

// SeriesMax is the number of series that stay distinguishable.
const SeriesMax = 8

// What an axis can hold.
const (
	shareMax     = 1 - 1e-9
	nsMin, nsMax = 1, 1e15 // up to eleven days
)

// Errors of a chart that cannot be drawn.
var (
	ErrEmpty   = errors.New("plot: no series has two points")
	ErrTooMany = fmt.Errorf("plot: more than %d series cannot be told apart", SeriesMax)
)

// The picture, in units of its view box.
const (
	width, height          = 920.0, 480.0
	left, right            = 72.0, 716.0 // of the plotting area
	top, bottom            = 76.0, 420.0
	labelX, labelGap       = 740.0, 32.0
	lineHeight, titleY     = 16.0, 30.0
	leaderFrom, leaderBend = 4.0, 12.0
)

// WriteSVG draws the chart. Points that the axes cannot hold are left out;
// ErrEmpty when nothing remains.
func (c Percentiles) WriteSVG(w io.Writer) error {
	if len(c.Series) > SeriesMax {
		return ErrTooMany
	}
	series := usable(c.Series)
	if len(series) == 0 {
		return ErrEmpty
	}
	p := newPainter(series)
	p.open(c.Title, c.Subtitle)
	p.grid()
	for _, s := range series {
		p.line(s)
	}
	p.labels(series)
	p.close()
	_, err := w.Write(p.buf.Bytes())
	return err
}

// drawn is a series that will be drawn, with its place in the palette.
type drawn struct {
	Series
	style int
}

func usable(all []Series) []drawn {
	var out []drawn
	for i, s := range all {
		points := slices.DeleteFunc(slices.Clone(s.Points), func(p Point) bool {
			return !(p.P >= 0 && p.P <= shareMax && p.NS >= nsMin && p.NS <= nsMax)
		})
		slices.SortStableFunc(points, func(a, b Point) int { return cmp.Compare(a.P, b.P) })
		if len(points) >= 2 && points[len(points)-1].P-points[0].P > 1e-6 {
			out = append(out, drawn{Series{s.Name, s.Note, points}, i})
		}
	}
	return out
}

func (s drawn) last() Point { return s.Points[len(s.Points)-1] }
