package gate

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"lars/bench/record"
)

// headline is the verdict in a few words.
func headline(g *record.Gate) string {
	return map[string]string{
		record.GatePass:         "no regression",
		record.GateRegressed:    "REGRESSED, confirmed",
		record.GateInconclusive: "inconclusive: the gate abstains",
		record.GateInvalid:      "invalid: this measurement decides nothing",
	}[g.Verdict]
}

// WriteText writes the verdict for a terminal or a log.
func WriteText(w io.Writer, g *record.Gate) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range g.Subjects {
		s := &g.Subjects[i]
		fmt.Fprintf(t, "\n%s\tchange\tinterval\tfinds\tverdict\n", s.Name)
		for k := range s.Metrics {
			m := &s.Metrics[k]
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", m.Name, changeText(m), intervalText(m), mdeText(m), verdictText(m))
		}
		fmt.Fprintf(t, "%s\n", subjectNote(s))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\ngate: %s (base %s, head %s, %.0f s, exit %d)\n", headline(g), binaryText(g.Base), binaryText(g.Head), g.Seconds, g.Exit)
	for _, r := range g.Reasons {
		fmt.Fprintf(w, "  - %s\n", r)
	}
	_, err := fmt.Fprintf(w, "%s\n", noiseText(g))
	return err
}

// WriteMarkdown writes the verdict for a comment on a pull request.
func WriteMarkdown(w io.Writer, g *record.Gate) error {
	fmt.Fprintf(w, "### lars bench gate: %s\n\n", headline(g))
	for _, r := range g.Reasons {
		fmt.Fprintf(w, "* %s\n", cell(r))
	}
	for i := range g.Subjects {
		s := &g.Subjects[i]
		if len(s.Metrics) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n| %s | change | interval | finds | verdict |\n|---|---:|---:|---:|---|\n", cell(s.Name))
		for k := range s.Metrics {
			m := &s.Metrics[k]
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", cell(m.Name), cell(changeText(m)), cell(intervalText(m)), cell(mdeText(m)), cell(verdictText(m)))
		}
		fmt.Fprintf(w, "\n%s\n", cell(subjectNote(s)))
	}
	_, err := fmt.Fprintf(w, "\nbase `%s`, head `%s`, %.0f s. %s\n", cell(binaryText(g.Base)), cell(binaryText(g.Head)), g.Seconds, cell(noiseText(g)))
	return err
}

// cell keeps what came from outside from becoming markup.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "`", "'").Replace(s)
}

func changeText(m *record.GateMetric) string {
	switch {
	case m.Verdict == "unknown":
		return "–"
	case m.Counted && m.A != nil && m.B != nil:
		return fmt.Sprintf("%.4g → %.4g %s", *m.A, *m.B, m.Unit)
	}
	return fmt.Sprintf("%+.1f %%", 100*m.Change)
}

func intervalText(m *record.GateMetric) string {
	if m.Low == nil || m.High == nil {
		return "–"
	}
	return fmt.Sprintf("%+.1f to %+.1f %%", 100**m.Low, 100**m.High)
}

// mdeText is the smallest change that this metric would have shown.
func mdeText(m *record.GateMetric) string {
	switch {
	case m.Verdict == "unknown":
		return "–"
	case m.Counted:
		return "any"
	case m.MDE == nil:
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*max(*m.MDE, m.Floor))
}

func verdictText(m *record.GateMetric) string {
	text := m.Verdict
	switch {
	case m.Verdict == "unknown":
		text += " (the base does not report it)"
	case m.Verdict == "regressed" && m.Alarms < m.Needs:
		text = fmt.Sprintf("accused %d of %d times", m.Alarms, m.Needs)
	case m.Verdict == "regressed":
		text += ", confirmed"
	case len(m.Reasons) > 0:
		text += ": " + strings.Join(m.Reasons, "; ")
	}
	if m.Soft && m.Verdict != "equivalent" && m.Alarms < m.Needs {
		text += " (a warning)"
	}
	return text
}

func subjectNote(s *record.GateSubject) string {
	if len(s.Stages) == 0 {
		return "not measured: " + strings.Join(s.Reasons, "; ")
	}
	var stages []string
	for _, n := range s.Stages {
		stages = append(stages, fmt.Sprint(n))
	}
	text := "epochs: " + strings.Join(stages, " + ")
	if s.FalseAlarms != nil {
		text += fmt.Sprintf("; learned here: false alarms %.2g %% (at most %.2g %%)", 100*s.FalseAlarms.Rate, 100*s.FalseAlarms.High)
	}
	for i := range s.Metrics {
		if m := &s.Metrics[i]; m.Power != nil && !m.Soft {
			text += fmt.Sprintf(", a true 5 %% of %s is found with %.3g %%", m.Name, 100*m.Power.Rate)
		}
	}
	if len(s.Reasons) > 0 {
		text += "; " + strings.Join(s.Reasons, "; ")
	}
	return text
}

func binaryText(b record.GateBinary) string {
	if len(b.Commit) >= 10 {
		if b.Ref == b.Commit || b.Ref == "" {
			return b.Commit[:10]
		}
		return b.Ref + " " + b.Commit[:10]
	}
	return b.Ref
}

func noiseText(g *record.Gate) string {
	if g.Noise == nil {
		return "machine class " + g.Class + ": nothing was learned for it. Remedy: lars bench selftest"
	}
	return "machine class " + g.Class + ", noise learned " + g.Noise.Learned
}
