package study

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"

	"lars/bench/plot"
)

// File is one of a result.
type File struct {
	Name string
	Data []byte
}

// Files is the result as it is kept: a page, its figures, its pictures. The same
// table gives the same bytes.
func (t *Table) Files() ([]File, error) {
	files := []File{{"README.md", []byte(t.page())}}
	add := func(name string, write func(*bytes.Buffer) error) error {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		files = append(files, File{name, b.Bytes()})
		return nil
	}
	if err := add("study.json", func(b *bytes.Buffer) error { return t.WriteJSON(b) }); err != nil {
		return nil, err
	}
	if err := add("errors.svg", func(b *bytes.Buffer) error { return t.heat().WriteSVG(b) }); err != nil {
		return nil, err
	}
	for _, id := range []string{"S2", "S9"} {
		if f := t.forest(id); len(f.Rows) > 0 {
			if err := add(strings.ToLower(id)+".svg", func(b *bytes.Buffer) error { return f.WriteSVG(b) }); err != nil {
				return nil, err
			}
		}
	}
	if c := t.curves("S6"); len(c.Series) > 0 {
		if err := add("s6.svg", func(b *bytes.Buffer) error { return c.WriteSVG(b) }); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// heat shows the errors of every policy in every scenario that has some; where
// all hosts fail alike, those that a policy adds.
func (t *Table) heat() plot.Heat {
	h := plot.Heat{
		Title: "Errors by policy and scenario", Unit: "% errors", Bounds: []float64{.1, .3, 1, 3, 10, 30},
		Subtitle: fmt.Sprintf("mean of %d seeds; S7, S7b without the 15, 30 %% that nobody can avoid; of S13 a third is more than the hosts can serve", t.Seeds),
	}
	for _, p := range t.Policies {
		h.Rows = append(h.Rows, p.Name)
	}
	h.Values = make([][]float64, len(h.Rows))
	for i := range t.Scenarios {
		s, most := &t.Scenarios[i], 0.0
		column := make([]float64, len(h.Rows))
		for k := range column {
			column[k] = t.Cells[i][k].Values[Errors].Mean
			if s.AllBad && len(s.Faults) > 0 && s.Faults[0].Errors > 0 && s.Poison == 0 {
				column[k] = 100 * max(0, (1-s.Faults[0].Errors)*(1-t.Cells[i][k].Values[Amplification].Mean))
			}
			most = max(most, column[k])
		}
		if most < .05 && len(t.Scenarios) > 1 {
			continue
		}
		h.Columns = append(h.Columns, s.ID)
		for k := range column {
			h.Values[k] = append(h.Values[k], column[k])
		}
	}
	return h
}

// forest shows the errors of every policy in one scenario, best first.
func (t *Table) forest(id string) plot.Forest {
	f := plot.Forest{Axis: "errors, % of calls; mean and 95 % interval over seeds"}
	for i := range t.Scenarios {
		if t.Scenarios[i].ID != id {
			continue
		}
		f.Title = id + ": " + t.Scenarios[i].Name
		for k, p := range t.Policies {
			v := t.Cells[i][k].Values[Errors]
			half := v.Half
			if math.IsNaN(half) {
				half = 0
			}
			f.Rows = append(f.Rows, plot.Estimate{Name: p.Name, Mean: v.Mean, Low: v.Mean - half, Top: v.Mean + half, Mark: p.Hints || p.Name == Default})
		}
	}
	slices.SortStableFunc(f.Rows, func(a, b plot.Estimate) int {
		switch {
		case a.Mean < b.Mean:
			return -1
		case a.Mean > b.Mean:
			return 1
		}
		return 0
	})
	for _, x := range targets() {
		if x.scenario == id {
			f.Goal, f.GoalName = x.limit, fmt.Sprintf("%v %%", x.limit)
		}
	}
	return f
}

// curves shows the latencies of eight policies in one scenario.
func (t *Table) curves(id string) plot.Percentiles {
	c := plot.Percentiles{Subtitle: "calls that were answered or timed out, all seeds together"}
	names := []string{Default, "prequal+outlier", "leastreq+outlier", "chash+outlier", "p2c+outlier", "rr+outlier", "classic", "random"}
	for i := range t.Scenarios {
		if t.Scenarios[i].ID != id {
			continue
		}
		c.Title = id + ": " + t.Scenarios[i].Name
		for k, p := range t.Policies {
			if !slices.Contains(names, p.Name) {
				continue
			}
			h := t.Cells[i][k].Latency
			s := plot.Series{Name: p.Name, Note: fmt.Sprintf("p99 %.4g ms", h.at(.99))}
			for x := 0.0; x <= 4.01; x += .1 {
				q := 1 - math.Pow(10, -x)
				if ns := h.at(q) * 1e6; float64(h.n)*(1-q) >= 10 {
					s.Points = append(s.Points, plot.Point{P: q, NS: ns})
				}
			}
			c.Series = append(c.Series, s)
		}
	}
	return c
}

func (t *Table) page() string {
	var b strings.Builder
	b.WriteString("# Balancing algorithms, scenario by scenario\n\n")
	fmt.Fprintf(&b, "Made by `lars sim study --seeds %d`; all that stands here follows from its figures, which [study.json](study.json) has "+
		"([schema](../schema/study.v1.json)). %d policies, %d scenarios, %d seeds; each policy gets the same requests, with the same work and the same luck. "+
		"A figure is the mean over the seeds ± half its 95 %% interval (Student); \"beside the default\" is the difference seed by seed. "+
		"The same command makes the same bytes.\n\n", t.Seeds, len(t.Policies), len(t.Scenarios), t.Seeds)
	b.WriteString("The model: agents with a balancer each; hosts with 4 servers and one queue, 20 ms of work for a call (6 + 14 exponential); Poisson arrivals; " +
		"who waits longer than the time-out gives up, and the queue drops the call; reports reach the agent 0.5 ms after the answer; a round trip takes 1 ms. " +
		"Hints: agents tell once a second whom they suspect, the sum reaches the others once a second. Agents of a running system do that unless `hint_ttl=off`, so \"the default\" is ewma+hints; ewma+outlier is the same without. Weights are equal but in S1w: elsewhere wrr is rr, and wrandom random. `system/balance` itself is what picks.\n\n")
	b.WriteString("![errors](errors.svg)\n\n## Targets\n\n")
	t.targetTable(&b)
	t.words(&b)
	b.WriteString("\n## What wins where\n\nBy the first metric of each scenario. Told apart by the difference seed by seed.\n\n")
	t.winnerTable(&b)
	b.WriteString("\n## What was expected, and what was found\n\nConfirmed or refuted where the interval of the difference, seed by seed, leaves out zero, and the difference is 5 % or more.\n\n")
	t.claimTable(&b)
	b.WriteString("\n## Is the simulator right?\n\nFigures of the pilot that the scenarios come from, made with another simulator and other choices where the list is silent.\n\n")
	t.pilotTable(&b)
	b.WriteString("\n## Policies\n\n")
	rows := [][]string{{"policy", "settings", "hints"}}
	for _, p := range t.Policies {
		settings, hints := "`"+p.Settings+"`", ""
		switch {
		case p.Settings == "" && p.Hints:
			settings = "the default"
		case p.Settings == "":
			settings = "the default, but `hint_ttl=off`"
		}
		if p.Hints {
			hints = "yes"
		}
		rows = append(rows, []string{p.Name, settings, hints})
	}
	markdown(&b, rows, 3)
	b.WriteString("\n## Scenarios\n\n")
	b.WriteString("![S6](s6.svg)\n\n![S2](s2.svg)\n\n![S9](s9.svg)\n\n")
	for i := range t.Scenarios {
		t.scenario(&b, i)
	}
	b.WriteString("## Metrics\n\n")
	for m := range metrics {
		i := m.Info()
		fmt.Fprintf(&b, "* **%s**%s: %s.\n", i.Name, strings.TrimSuffix(", "+i.Unit, ", "), i.Doc)
	}
	return b.String()
}
