package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
)

// painter writes one picture.
type painter struct {
	buf        bytes.Buffer
	xEnd       float64 // nines at the right edge
	yFrom, yTo float64 // ns at the lower and upper edge
	yTicks     []Tick
}

func newPainter(series []drawn) *painter {
	p := &painter{}
	low, high := math.Inf(1), 0.0
	for _, s := range series {
		p.xEnd = max(p.xEnd, Nines(s.last().P))
		for _, pt := range s.Points {
			low, high = min(low, pt.NS), max(high, pt.NS)
		}
	}
	p.yTicks, p.yFrom, p.yTo = TimeTicks(low, high)
	return p
}

func (p *painter) x(percentile float64) float64 {
	return left + (right-left)*Nines(percentile)/p.xEnd
}

func (p *painter) y(ns float64) float64 {
	return bottom - (bottom-top)*math.Log(ns/p.yFrom)/math.Log(p.yTo/p.yFrom)
}

func (p *painter) printf(format string, args ...any) { fmt.Fprintf(&p.buf, format, args...) }

func (p *painter) text(class string, x, y float64, s string) {
	p.printf(`<text class="%s" x="%.1f" y="%.1f">`, class, x, y)
	_ = xml.EscapeText(&p.buf, []byte(s)) // a bytes.Buffer does not fail
	p.printf("</text>\n")
}

// Colour is how a series is drawn on a light and on a dark page; Dash, if not
// empty, tells it apart in print too.
type Colour struct{ Light, Dark, Dash string }

// Palette is Okabe and Ito's, safe for the colour-blind, with lighter shades
// for dark pages and a dash pattern for print.
func Palette() [SeriesMax]Colour {
	return [...]Colour{
		{"#0072b2", "#4db3ec", ""},
		{"#d55e00", "#ff9248", ""},
		{"#008a64", "#2fd0a2", ""},
		{"#b5528a", "#e79bc4", ""},
		{"#555555", "#b5b5b5", "6 3"},
		{"#a87400", "#eeb945", "6 3"},
		{"#5b4fc7", "#a79dff", "6 3"},
		{"#7a4a1f", "#c99a6c", "2 3"},
	}
}

func (p *painter) open(title, subtitle string) { p.openSized(title, subtitle, left, width, height, "") }

// openSized begins a picture of any size, with more styles if need be.
func (p *painter) openSized(title, subtitle string, left, width, height float64, styles string) {
	p.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img">`+"\n", width, height, width, height)
	p.printf("<title>")
	_ = xml.EscapeText(&p.buf, []byte(title))
	p.printf("</title>\n<style>\n")
	p.styles()
	p.printf("%s</style>\n"+`<rect class="page" width="%.0f" height="%.0f"/>`+"\n", styles, width, height)
	p.text("title", left, titleY, title)
	if subtitle != "" {
		p.text("note", left, titleY+20, subtitle)
	}
}

func (p *painter) styles() {
	p.printf("text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#333}\n")
	p.printf(".title{font-size:16px;font-weight:600}\n.note,.tick{fill:#666}\n.end{text-anchor:end}\n.mid{text-anchor:middle}\n.name{font-weight:600}\n")
	p.printf(".page{fill:#fff}\n.grid{stroke:#e4e4e4;fill:none}\n.axis{stroke:#999;fill:none}\npath.leader{stroke-width:1;stroke-dasharray:none;opacity:.6}\n")
	for i, c := range Palette() {
		p.printf(".s%d{stroke:%s;fill:none;stroke-width:2;stroke-linejoin:round", i, c.Light)
		if c.Dash != "" {
			p.printf(";stroke-dasharray:%s", c.Dash)
		}
		p.printf("}\n.t%d{fill:%s}\n", i, c.Light)
	}
	p.printf("@media (prefers-color-scheme:dark){\n")
	p.printf("text{fill:#ddd}\n.note,.tick{fill:#a0a0a0}\n.page{fill:#16181c}\n.grid{stroke:#2c3038}\n.axis{stroke:#6b7078}\n")
	for i, c := range Palette() {
		p.printf(".s%d{stroke:%s}\n.t%d{fill:%s}\n", i, c.Dark, i, c.Dark)
	}
	p.printf("}\n")
}

func (p *painter) grid() {
	for _, t := range p.yTicks {
		y := p.y(t.At)
		p.printf(`<path class="grid" d="M%.1f %.1fH%.1f"/>`+"\n", left, y, right)
		p.text("tick end", left-8, y+4, t.Label)
	}
	for _, t := range PercentTicks(p.xEnd) {
		x := left + (right-left)*t.At/p.xEnd
		if x > right+0.5 {
			continue
		}
		p.printf(`<path class="grid" d="M%.1f %.1fV%.1f"/>`+"\n", x, top, bottom)
		p.text("tick mid", x, bottom+18, t.Label)
	}
	p.printf(`<path class="axis" d="M%.1f %.1fV%.1fH%.1f"/>`+"\n", left, top, bottom, right)
	p.text("note mid", (left+right)/2, bottom+42, "percentile of requests")
	p.text("note end", left-8, top-12, "latency")
}

func (p *painter) line(s drawn) {
	p.printf(`<path class="s%d" d="`, s.style)
	for i, pt := range s.Points {
		cmd := "L"
		if i == 0 {
			cmd = "M"
		}
		p.printf("%s%.1f %.1f", cmd, p.x(pt.P), p.y(pt.NS))
	}
	p.printf("\"/>\n")
}

// labels is the legend: each name beside the end of its line, pushed apart
// where ends are close, with a thin line to where it belongs.
func (p *painter) labels(series []drawn) {
	ends := make([]float64, len(series))
	for i, s := range series {
		ends[i] = p.y(s.last().NS)
	}
	at := spread(ends, labelGap, top, bottom)
	for i, s := range series {
		x := p.x(s.last().P)
		p.printf(`<path class="s%d leader" d="M%.1f %.1fH%.1fL%.1f %.1fH%.1f"/>`+"\n",
			s.style, x+leaderFrom, ends[i], max(x+leaderFrom, right+2), right+leaderBend, at[i], labelX-4)
		p.text(fmt.Sprintf("name t%d", s.style), labelX, at[i]+1, s.Name)
		p.text("note", labelX, at[i]+lineHeight-1, s.Note)
	}
}

// spread moves positions as little as needed for them to lie gap apart between
// low and high (or evenly, where that is too narrow), keeping their order.
func spread(at []float64, gap, low, high float64) []float64 {
	order := make([]int, len(at))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case at[a] < at[b]:
			return -1
		case at[a] > at[b]:
			return 1
		}
		return 0
	})
	if n := float64(len(at) - 1); n > 0 {
		gap = min(gap, (high-low)/n)
	}
	out := make([]float64, len(at))
	next := low
	for _, i := range order {
		out[i] = max(at[i], next)
		next = out[i] + gap
	}
	next = high
	for _, i := range slices.Backward(order) {
		out[i] = min(out[i], next)
		next = out[i] - gap
	}
	return out
}

func (p *painter) close() { p.printf("</svg>\n") }
