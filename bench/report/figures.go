package report

import (
	"fmt"

	"lars/bench/record"
)

// figuresOf is the table of all figures: a row for each, a column for each arm.
func figuresOf(r *record.Run) *table {
	t := &table{Head: []string{"Figure"}}
	var order []string
	seen := map[string]bool{}
	for _, a := range r.Arms {
		t.Head = append(t.Head, a.Name)
		for _, m := range a.Metrics {
			if !seen[m.Name] {
				seen[m.Name], order = true, append(order, m.Name)
			}
		}
	}
	if order == nil {
		return nil
	}
	for _, name := range order {
		row := []string{nameOf(name)}
		for _, a := range r.Arms {
			row = append(row, Figure(a.Metric(name)))
		}
		t.Rows = append(t.Rows, row)
	}
	errors := []string{"Errors"}
	for _, a := range r.Arms {
		errors = append(errors, thousands(float64(a.Errors())))
	}
	t.Rows = append(t.Rows, errors)
	if r.Design.Rounds > 1 {
		t.Note = fmt.Sprintf("Medians of %d rounds. ", r.Design.Rounds)
	}
	t.Note += "A percentile is there only where ten requests or more were slower; “–” marks what was not measured or not supported."
	return t
}

// Figure writes the value of a metric with its unit.
func Figure(m *record.Metric) string {
	switch {
	case m == nil:
		return absent
	case m.Censored:
		return "> " + value(m.Value, m.Unit)
	}
	return value(m.Value, m.Unit)
}

// checksOf is what the oracle of the workload found.
func checksOf(r *record.Run) *table {
	t := &table{Head: []string{"Arm", "Sent", "Answered rightly", "Stored", "Lost", "Doubled", "Stale routes", "Violations"}}
	for _, a := range r.Arms {
		c := a.Correctness
		if c == nil || c.Sent == 0 && len(c.Violations) == 0 { // a search keeps no counts of its windows
			continue
		}
		stored := absent
		if c.Stored != nil {
			stored = thousands(float64(*c.Stored))
		}
		said := "none"
		if len(c.Violations) > 0 {
			said = fmt.Sprintf("%d: %s", len(c.Violations), c.Violations[0])
		}
		t.Rows = append(t.Rows, []string{
			a.Name, thousands(float64(c.Sent)), thousands(float64(c.Acked)), stored, thousands(float64(c.Lost)),
			thousands(float64(c.Duplicated)), thousands(float64(c.StaleRoutes)), said,
		})
	}
	if t.Rows == nil {
		return nil
	}
	t.Note = "Over all rounds and their warm-up. A violation makes a run invalid, however fast it was."
	return t
}
