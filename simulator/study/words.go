package study

import (
	"fmt"
	"regexp"
	"strings"
)

// reading is the result in words; {S2 classic errors} stands for a figure. A
// paragraph with a figure that was not measured is left out.
func reading() []string { return []string{} }

var figure = regexp.MustCompile(`\{(\S+) ([^{}]+) (\S+)\}`)

func (t *Table) words(b *strings.Builder) {
	fmt.Fprint(b, "\n## In plain words\n\n")
	for _, text := range reading() {
		missing := false
		text = figure.ReplaceAllStringFunc(text, func(s string) string {
			x := figure.FindStringSubmatch(s)
			c := t.Cell(x[1], x[2])
			for m := range metrics {
				if i := m.Info(); i.ID == x[3] && c != nil {
					return fmt.Sprintf("%.*f", i.Digits, c.Values[m].Mean)
				}
			}
			missing = true
			return s
		})
		if !missing {
			fmt.Fprintf(b, "* %s\n", text)
		}
	}
}
