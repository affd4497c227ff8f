package report

import (
	"fmt"
	"strings"

	"lars/bench/record"
)

// costs is what a request takes, by process, as stacked bars.
type costs struct {
	Parts []legend // of a bar, by colour
	Rows  []costRow
	Table table // everything else that is counted by request
	Note  string
}

type costRow struct {
	Name  string
	Bars  []layer // in a box of unit by rowHeight
	Texts []fact
	Sum   string
}

// parts of the CPU time of a request.
var costParts = []struct {
	metric, name string
	series       int
}{{"server_cpu", "server", 0}, {"generator_cpu", "load generator", 4}}

func costsOf(r *record.Run) *costs {
	most := 0.0
	for _, a := range r.Arms {
		sum := 0.0
		for _, part := range costParts {
			if m := a.Metric(part.metric); m != nil {
				sum += m.Value
			}
		}
		most = max(most, sum)
	}
	if !(most > 0) {
		return nil
	}
	out := &costs{Note: "CPU time for each answered request, user and system, by the clocks of the processes; medians of rounds."}
	for _, part := range costParts {
		out.Parts = append(out.Parts, legend{Series: part.series, Name: part.name})
	}
	for _, a := range r.Arms {
		row := costRow{Name: a.Name}
		at := 0.0
		for _, part := range costParts {
			m := a.Metric(part.metric)
			if m == nil {
				row.Texts = append(row.Texts, fact{part.name, absent})
				continue
			}
			end := at + m.Value
			row.Bars = append(row.Bars, layer{Class: fmt.Sprintf("f%d", part.series), D: fmt.Sprintf("M%s 3H%sV21H%sZ", coordinate(at/most), coordinate(end/most), coordinate(at/most))})
			row.Texts = append(row.Texts, fact{part.name, value(m.Value, m.Unit)})
			at = end
		}
		row.Sum = duration(int64(at))
		out.Rows = append(out.Rows, row)
	}
	out.Table = otherCosts(r)
	return out
}

// otherCosts has a column for each figure that is counted by request, and for
// memory.
func otherCosts(r *record.Run) table {
	t := table{Head: []string{"Arm"}}
	type column struct {
		name string
		of   func(*record.Arm) string
	}
	var columns []column
	seen := map[string]bool{}
	for _, a := range r.Arms {
		for _, m := range a.Metrics {
			perRequest := strings.HasSuffix(m.Unit, "/op") || strings.HasSuffix(m.Unit, "/req")
			if seen[m.Name] || m.Name == "server_cpu" || m.Name == "generator_cpu" || !perRequest && m.Name != "rss_max" {
				continue
			}
			seen[m.Name] = true
			columns = append(columns, column{nameOf(m.Name), func(a *record.Arm) string { return Figure(a.Metric(m.Name)) }})
		}
	}
	for _, a := range r.Arms {
		if a.Syscalls != nil && !seen["syscalls"] {
			seen["syscalls"] = true
			columns = append(columns, column{"System calls per request", func(a *record.Arm) string {
				if a.Syscalls == nil {
					return absent
				}
				return number(a.Syscalls.PerRequest)
			}})
		}
		if a.Idle != nil && !seen["idle"] {
			seen["idle"] = true
			columns = append(columns, column{"Memory of an idle connection", func(a *record.Arm) string {
				if a.Idle == nil {
					return absent
				}
				return size(a.Idle.BytesPerConn)
			}})
		}
	}
	if columns == nil {
		return table{}
	}
	for _, c := range columns {
		t.Head = append(t.Head, c.name)
	}
	for i := range r.Arms {
		row := []string{r.Arms[i].Name}
		for _, c := range columns {
			row = append(row, c.of(&r.Arms[i]))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
