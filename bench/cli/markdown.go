package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"lars/bench/record"
)

// Markdown, as GitHub renders it, for a comment on a change or for a README: the
// same figures as the text, and what was measured where, since the lines around
// a comment do not say it.

// resultMarkdown is the result of run and all.
func resultMarkdown(w io.Writer, r *record.Run) {
	fmt.Fprint(w, headMarkdown(r))
	for _, t := range tables(r) {
		fmt.Fprintf(w, "\n%s%s", t.grid.markdown(), notesMarkdown(t.notes))
	}
	fmt.Fprint(w, tailMarkdown(r))
}

// sweepsMarkdown is the result of capacity.
func sweepsMarkdown(w io.Writer, r *record.Run) {
	fmt.Fprint(w, headMarkdown(r)+"\n")
	for _, a := range r.Arms {
		if a.Sweep != nil {
			fmt.Fprintf(w, "* **%s**: %s\n", a.Name, escaped(strings.Join(append([]string{bracket(a.Sweep)}, a.Sweep.Notes...), "; ")))
		}
	}
	for _, a := range r.Arms {
		if a.Sweep != nil && len(a.Sweep.Points) > 0 {
			fmt.Fprint(w, "\n"+curve(&a).markdown())
		}
	}
	fmt.Fprint(w, tailMarkdown(r))
}

// headMarkdown says what was measured, and where.
func headMarkdown(r *record.Run) string {
	s, d := &r.Scenario, &r.Design
	load := fmt.Sprintf("closed loop of depth %d", s.Depth)
	switch {
	case r.Kind == "capacity":
		load = "open loop, " + s.Arrivals + " arrivals"
	case s.Mode == "open":
		load = fmt.Sprintf("open loop of %s requests a second (%s)", thousands(s.RateRPS), s.Arrivals)
	}
	rounds := ""
	if d.Rounds > 1 {
		rounds = fmt.Sprintf(", %d rounds", d.Rounds)
	}
	out := fmt.Sprintf("**%s** over %s: %s connections, %s, %d-byte requests, %v measured%s, seed %d\n",
		s.Name, s.Network, thousands(float64(s.Conns)), load, s.RequestBytes, time.Duration(s.DurationNS), rounds, s.Seed)
	where := fmt.Sprintf("%s/%s, %d processors", r.Machine.OS, r.Machine.Arch, r.Machine.CPUs)
	for _, known := range []struct{ label, value string }{{"", r.Machine.CPU}, {"kernel ", r.Machine.Kernel}, {"lars ", shortCommit(&r.Tool)}} {
		if known.value != "" {
			where += ", " + known.label + known.value
		}
	}
	return out + "<sub>" + escaped(where) + "</sub>\n"
}

func shortCommit(t *record.Tool) string {
	commit := t.Commit[:min(len(t.Commit), 7)]
	if t.Dirty && commit != "" {
		commit += " with changes"
	}
	return commit
}

// tailMarkdown is the verdict, and what else has to be said.
func tailMarkdown(r *record.Run) string {
	out := fmt.Sprintf("\nVerdict: **%s**\n", r.Status)
	for _, reason := range r.Reasons {
		out += fmt.Sprintf("* %s: %s\n", reason.Status, escaped(reason.Text))
	}
	for _, line := range strings.Split(strings.TrimSpace(standInLines(r)), "\n") {
		if line != "" {
			out += "* " + escaped(line) + "\n"
		}
	}
	for _, note := range r.Notes {
		out += "* note: " + escaped(note) + "\n"
	}
	return out
}

func notesMarkdown(notes string) string {
	if notes == "" {
		return ""
	}
	return "\n" + strings.ReplaceAll(escaped(strings.TrimSuffix(notes, "\n")), "<br>", "<br>\n") + "\n"
}

// escaped is text that means nothing to Markdown or HTML.
func escaped(text string) string {
	return strings.NewReplacer("\\", `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "|", `\|`, "<", "&lt;", "\n", "<br>").Replace(text)
}

// markdown is the grid as a table: the first two columns are one, the unit in
// brackets.
func (g *grid) markdown() string {
	var out strings.Builder
	for i, row := range g.rows {
		head := escaped(row[0])
		if len(row) > 1 && row[1] != "" {
			head += " (" + escaped(row[1]) + ")"
		}
		out.WriteString("| " + head + " |")
		for _, cell := range row[min(len(row), leftColumns):] {
			out.WriteString(" " + escaped(cell) + " |")
		}
		out.WriteString("\n")
		if i == 0 {
			out.WriteString("| :-- |" + strings.Repeat(" --: |", max(0, len(row)-leftColumns)) + "\n")
		}
	}
	return out.String()
}
