package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// thousands writes a whole number with separators: 101,234.
func thousands(v float64) string {
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var out []byte
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, digits[i])
	}
	return sign + string(out)
}

// significant writes v with three significant digits, more only to the left of
// the point, and separators.
func significant(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 99.95 || v <= -99.95:
		return thousands(v)
	case v >= 9.995 || v <= -9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// short writes a duration in a few characters: 812µs, 1.24ms.
func short(d time.Duration) string {
	for _, u := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= u.size {
			return significant(float64(d)/float64(u.size)) + u.name
		}
	}
	return fmt.Sprintf("%dns", d.Nanoseconds())
}

// grid is a table of text: the first column to the left, the others to the
// right, each as wide as it needs.
type grid struct {
	rows [][]string
}

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// has tells whether a cell is exactly text.
func (g *grid) has(text string) bool {
	return slices.ContainsFunc(g.rows, func(row []string) bool { return slices.Contains(row, text) })
}

// mentions tells whether text is part of a cell.
func (g *grid) mentions(text string) bool {
	return slices.ContainsFunc(g.rows, func(row []string) bool {
		return slices.ContainsFunc(row, func(cell string) bool { return strings.Contains(cell, text) })
	})
}

// String lays the grid out. A row of one cell is a heading and takes no part in
// the widths.
func (g *grid) String() string {
	var width []int
	for _, row := range g.rows {
		for i, cell := range row {
			if i >= len(width) {
				width = append(width, 0)
			}
			if len(row) > 1 {
				width[i] = max(width[i], runes(cell))
			}
		}
	}
	var out strings.Builder
	for _, row := range g.rows {
		out.WriteString(strings.TrimRight(layRow(row, width), " ") + "\n")
	}
	return out.String()
}

// columnGap separates columns.
const columnGap = 3

// leftColumns hold names and units, the others figures.
const leftColumns = 2

func layRow(row []string, width []int) string {
	var out strings.Builder
	for i, cell := range row {
		pad := strings.Repeat(" ", max(0, width[i]-runes(cell)))
		switch {
		case i < leftColumns:
			out.WriteString(cell + pad + strings.Repeat(" ", columnGap-1))
		default:
			out.WriteString(" " + pad + cell + strings.Repeat(" ", columnGap-1))
		}
	}
	return out.String()
}

func runes(s string) int { return len([]rune(s)) }
