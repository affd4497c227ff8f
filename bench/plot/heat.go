package plot

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Heat is a table whose cells are coloured by their values: the higher, the
// worse.
type Heat struct {
	Title         string
	Subtitle      string // one line below the title; may be empty
	Rows, Columns []string
	Values        [][]float64 // row, column; NaN leaves a cell empty
	// Bounds, ascending, part the colours: at most HeatMax.
	Bounds []float64
	Unit   string // of values and bounds
}

// HeatMax is the largest number of bounds.
const HeatMax = 6

// heatColours go from Okabe and Ito's blue to their vermilion, for light pages
// and dark ones.
func heatColours() [HeatMax + 1][2]string {
	return [...][2]string{
		{"#b9dcf2", "#0b4a70"},
		{"#dcedf7", "#12364d"},
		{"#f4f1e6", "#2e2c26"},
		{"#fbdcb8", "#4d3a1c"},
		{"#f6b98a", "#6e4212"},
		{"#ec8f5a", "#93480c"},
		{"#d55e00", "#c25400"},
	}
}

const (
	heatLeft, heatTop    = 150.0, 104.0
	heatCellX, heatCellY = 50.0, 24.0
)

// WriteSVG draws the chart; ErrEmpty without rows or columns, ErrTooMany with
// too many bounds.
func (c Heat) WriteSVG(w io.Writer) error {
	switch {
	case len(c.Rows) == 0 || len(c.Columns) == 0 || len(c.Values) != len(c.Rows):
		return ErrEmpty
	case len(c.Bounds) > HeatMax:
		return ErrTooMany
	}
	p := &painter{}
	wide := max(heatLeft+heatCellX*float64(len(c.Columns))+24, 640)
	end := heatTop + heatCellY*float64(len(c.Rows))
	p.openSized(c.Title, c.Subtitle, 16, wide, end+56, heatStyles())
	for k, name := range c.Columns {
		p.text("tick mid name", heatLeft+heatCellX*(float64(k)+.5), heatTop-10, name)
	}
	for r, name := range c.Rows {
		y := heatTop + heatCellY*float64(r)
		p.text("end", heatLeft-10, y+heatCellY/2+4, name)
		for k := range c.Columns {
			if k < len(c.Values[r]) && !math.IsNaN(c.Values[r][k]) {
				p.cell(heatLeft+heatCellX*float64(k), y, c.step(c.Values[r][k]), short(c.Values[r][k]))
			}
		}
	}
	for n := range len(c.Bounds) + 1 {
		label := "more"
		if n < len(c.Bounds) {
			label = fmt.Sprintf("≤ %v", c.Bounds[n])
		}
		p.cell(heatLeft+80*float64(n), end+18, n, "")
		p.text("mid", heatLeft+80*float64(n)+heatCellX/2, end+18+heatCellY/2+4, label)
	}
	p.text("end", heatLeft-10, end+18+heatCellY/2+4, c.Unit)
	p.close()
	_, err := w.Write(p.buf.Bytes())
	return err
}

// step is the colour of a value.
func (c *Heat) step(v float64) int {
	for n, bound := range c.Bounds {
		if v <= bound {
			return n
		}
	}
	return len(c.Bounds)
}

func (p *painter) cell(x, y float64, step int, label string) {
	p.printf(`<rect class="h%d" x="%.0f" y="%.0f" width="%.0f" height="%.0f"/>`+"\n", step, x+1, y+1, heatCellX-2, heatCellY-2)
	if label != "" {
		p.text("mid", x+heatCellX/2, y+heatCellY/2+4, label)
	}
}

func heatStyles() string {
	var light, dark strings.Builder
	for n, c := range heatColours() {
		fmt.Fprintf(&light, ".h%d{fill:%s}\n", n, c[0])
		fmt.Fprintf(&dark, ".h%d{fill:%s}\n", n, c[1])
	}
	return light.String() + "@media (prefers-color-scheme:dark){\n" + dark.String() + "}\n"
}

// short writes a value in the room of a cell.
func short(v float64) string {
	switch {
	case math.Abs(v) < .005:
		return "0"
	case math.Abs(v) < 9.95:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.1f", v)
}
