package selftest

import (
	"fmt"
	"io"
	"text/tabwriter"

	"lars/bench/gate"
	"lars/bench/plot"
	"lars/bench/record"
	"lars/bench/stats"
)

// WriteText writes what was learned: the noise, the power curve, and which
// metric catches which slowdown.
func WriteText(w io.Writer, n *record.Noise) error {
	fmt.Fprintf(w, "machine class %s (%s, %d processors, kernel %s)\n%s\n", n.Class, n.Machine.CPUModel, n.Machine.CPUs, n.Machine.Kernel, n.Settings)
	if n.Partial {
		fmt.Fprintln(w, "partial: interrupted before all epochs were measured")
	}
	for i := range n.Subjects {
		if err := writeSubject(w, &n.Subjects[i]); err != nil {
			return err
		}
	}
	fmt.Fprintln(w, "\ngenerator")
	for _, a := range n.Audits {
		fmt.Fprintf(w, "  %s  %s: %s\n", mark(a.Passed), a.Name, a.Text)
	}
	return nil
}

func mark(ok bool) string {
	if ok {
		return "ok    "
	}
	return "FAILED"
}

func writeSubject(w io.Writer, s *record.NoiseSubject) error {
	fmt.Fprintf(w, "\n%s: %d epochs of identical programs, false alarms %s\n", s.Name, len(s.Epochs), rateText(s.FalseAlarms))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "  metric\tnoise\tfloor")
	for _, e := range effects() {
		fmt.Fprintf(t, "\tfinds +%.0f %%", 100*e)
	}
	fmt.Fprintln(t, "\tepochs for +5 %")
	for _, m := range s.Metrics {
		if m.Counted {
			fmt.Fprintf(t, "  %s\tcounted\t%.3g %s\n", m.Name, m.Floor, m.Unit)
			continue
		}
		fmt.Fprintf(t, "  %s\t%.2f %%\t%.2f %%", m.Name, 100*m.SD, 100*m.Floor)
		for _, p := range m.Power {
			fmt.Fprintf(t, "\t%.0f %%", 100*p.Found.Rate)
		}
		fmt.Fprintf(t, "\t%s\n", epochsText(&m))
	}
	if err := t.Flush(); err != nil || len(s.Injected) == 0 {
		return err
	}
	fmt.Fprintf(w, "\n  what catches what: change, and how often the gate confirms it\n")
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "  injected\tepochs")
	for _, m := range s.Metrics {
		fmt.Fprintf(t, "\t%s", m.Name)
	}
	fmt.Fprintln(t)
	for _, k := range s.Injected {
		fmt.Fprintf(t, "  %s\t%d", k.Kind, len(k.Epochs))
		for _, m := range s.Metrics {
			fmt.Fprintf(t, "\t%s", injectedText(&k, &m))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// epochsText is how many epochs a single look needs: fewer than the gate's first
// stage, on a machine that is fit for it.
func epochsText(m *record.NoiseMetric) string {
	if m.Floor >= gate.FivePercent {
		return "–" // what is below the floor is never found
	}
	return fmt.Sprint(stats.EpochsNeeded(m.SD, gate.FivePercent, stats.RuleOne()))
}

func injectedText(k *record.InjectedKind, m *record.NoiseMetric) string {
	for _, i := range k.Metrics {
		switch {
		case i.Name != m.Name:
		case m.Counted:
			return fmt.Sprintf("%+.3g, %.0f %%", i.Change, 100*i.Found.Rate)
		default:
			return fmt.Sprintf("%+.1f %%, %.0f %%", 100*i.Change, 100*i.Found.Rate)
		}
	}
	return "–"
}

func rateText(r record.NoiseRate) string {
	return fmt.Sprintf("%.2g %% (%d of %d simulated gates, at most %.2g %%)", 100*r.Rate, r.Count, r.Trials, 100*r.High)
}

// Picture is the power curve of every subject and metric that has one.
func Picture(n *record.Noise) plot.Power {
	c := plot.Power{
		Title: "What the gate finds", Goal: PowerMin,
		Subtitle: fmt.Sprintf("%s, learned %s, stages of %v epochs", n.Class, n.Learned, n.Stages),
	}
	for _, s := range n.Subjects {
		for _, m := range s.Metrics {
			if len(m.Power) == 0 || len(c.Series) == plot.SeriesMax {
				continue
			}
			line := plot.PowerSeries{Name: m.Name + ", " + s.Name}
			if f := s.FalseAlarms; m.Name == gate.ServerCPU {
				line.Points = append(line.Points, plot.PowerPoint{Effect: 0, Found: f.Rate, Low: f.Low, High: f.High})
			}
			for _, p := range m.Power {
				line.Points = append(line.Points, plot.PowerPoint{Effect: p.Effect, Found: p.Found.Rate, Low: p.Found.Low, High: p.Found.High})
			}
			c.Series = append(c.Series, line)
		}
	}
	return c
}
