package study

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// WriteText writes the scenarios as Markdown tables, which read well as they
// are.
func (t *Table) WriteText(w io.Writer) error {
	var b strings.Builder
	for i := range t.Scenarios {
		t.scenario(&b, i)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) scenario(b *strings.Builder, i int) {
	s := &t.Scenarios[i]
	fmt.Fprintf(b, "### %s: %s\n\n", s.ID, s.Name)
	fmt.Fprintf(b, "%s\n\n", s.setup())
	if s.Chosen != "" {
		fmt.Fprintf(b, "Chosen here: %s.\n\n", s.Chosen)
	}
	rows := [][]string{{"policy"}}
	for _, m := range s.Show {
		info := m.Info()
		head := info.Name
		if info.Unit != "" {
			head += ", " + info.Unit
		}
		rows[0] = append(rows[0], head)
	}
	first := s.Show[0]
	rows[0] = append(rows[0], "beside the default: "+first.Info().Name)
	for k, p := range t.Policies {
		c := &t.Cells[i][k]
		row := []string{p.Name}
		for _, m := range s.Show {
			row = append(row, c.Values[m].format(m.Info().Digits))
		}
		beside := ""
		if p.Name != Default {
			beside = c.Beside[first].signed(first.Info().Digits)
		}
		rows = append(rows, append(row, beside))
	}
	markdown(b, rows, 1)
	if s.Expected != "" {
		fmt.Fprintf(b, "\nExpected (best first): %s.\n", s.Expected)
	}
	b.WriteByte('\n')
}

// setup says in a line what runs.
func (s *Scenario) setup() string {
	parts := []string{fmt.Sprintf("%d agents, %d hosts, %.4g calls a second of each agent", s.Agents, s.Hosts, s.Rate)}
	if load := s.Rate * float64(s.Agents) / float64(capacity*s.Hosts); load > 0 {
		parts = append(parts, fmt.Sprintf("load %.2g", load))
	}
	parts = append(parts, fmt.Sprintf("window %v to %v", s.Before, s.Before+s.Window), fmt.Sprintf("time-out %v", s.Timeout))
	return strings.Join(parts, ", ") + "."
}

// markdown writes a table whose columns line up, the first so many to the left;
// the first row is its head.
func markdown(b *strings.Builder, rows [][]string, left int) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for c, cell := range row {
			width[c] = max(width[c], len([]rune(cell)))
		}
	}
	for r, row := range rows {
		b.WriteByte('|')
		for c, cell := range row {
			pad := strings.Repeat(" ", width[c]-len([]rune(cell)))
			if c < left {
				fmt.Fprintf(b, " %s%s |", cell, pad)
			} else {
				fmt.Fprintf(b, " %s%s |", pad, cell)
			}
		}
		b.WriteByte('\n')
		if r > 0 {
			continue
		}
		b.WriteByte('|')
		for c, n := range width {
			if c < left {
				fmt.Fprintf(b, "%s|", strings.Repeat("-", n+2))
			} else {
				fmt.Fprintf(b, "%s:|", strings.Repeat("-", n+1))
			}
		}
		b.WriteByte('\n')
	}
}

func (e Estimate) format(digits int) string {
	if math.IsNaN(e.Mean) {
		return "–"
	}
	if math.IsNaN(e.Half) {
		return fmt.Sprintf("%.*f", digits, e.Mean)
	}
	return fmt.Sprintf("%.*f ± %.*f", digits, e.Mean, digits, e.Half)
}

func (e Estimate) signed(digits int) string {
	if math.IsNaN(e.Mean) {
		return "–"
	}
	return strings.Replace(fmt.Sprintf("%+.*f", digits, e.Mean), "-", "−", 1) + strings.TrimLeft(Estimate{0, e.Half}.format(digits), "0.")
}
