package record

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// benchText is Go benchmark text: one line for each round of each arm, and only
// stable keys in the head, because benchstat does not compare across differing
// ones. Names of metrics are the units.
func benchText(r *Run) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "bench-schema: lars.bench/v1\ngoos: %s\ngoarch: %s\n", r.Machine.OS, r.Machine.Arch)
	if r.Machine.CPU != "" {
		fmt.Fprintf(&out, "cpu: %s\n", r.Machine.CPU)
	}
	out.WriteString("pkg: lars\n")
	for _, m := range units(r) {
		fmt.Fprintf(&out, "Unit %s better=%s\n", m.benchUnit(), m.Better)
	}
	if r.Comparison != nil {
		out.WriteString("Unit ratio better=lower\n")
	}
	for _, a := range r.Arms {
		for _, round := range a.Rounds {
			fmt.Fprintf(&out, "%s\t%d", benchName(r, a.Name), max(1, round.Counts["completed"]))
			for _, m := range a.Metrics {
				if v, ok := m.at(round.Round); ok {
					fmt.Fprintf(&out, "\t%s %s", shortFloat(v), m.benchUnit())
				}
			}
			out.WriteString("\n")
		}
	}
	pairText(&out, r)
	return out.Bytes()
}

// pairText is one line for each epoch and metric of a comparison: what benchstat
// cannot know by itself is which samples were taken in the same seconds. Ratios
// of metrics of which more is better are turned over, so that lower is better.
func pairText(out *bytes.Buffer, r *Run) {
	c := r.Comparison
	if c == nil {
		return
	}
	for _, m := range c.Metrics {
		for _, e := range m.Ratios {
			ratio := e.Ratio
			if m.Better == "higher" {
				ratio = 1 / ratio
			}
			fmt.Fprintf(out, "BenchmarkPair/metric=%s/design=%s/base=%s/judged=%s\t1\t%s ratio\n", m.Name, c.Design, c.A, c.B, strconv.FormatFloat(ratio, 'f', 6, 64))
		}
	}
}

// shortFloat keeps what means something: no float has more than six good digits
// here, and whole numbers stay whole.
func shortFloat(v float64) string {
	text := strconv.FormatFloat(v, 'f', 4, 64)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}

// units lists each metric once, in the order of first use.
func units(r *Run) []Metric {
	seen := map[string]bool{}
	var out []Metric
	for _, a := range r.Arms {
		for _, m := range a.Metrics {
			if !seen[m.Name] {
				seen[m.Name] = true
				out = append(out, m)
			}
		}
	}
	return out
}

// benchUnit is the unit of a metric in benchmark text, where it is also its
// name: "p99-ns", "req/s".
func (m *Metric) benchUnit() string {
	if m.Name == "throughput" || strings.HasPrefix(m.Unit, m.Name) {
		return m.Unit
	}
	return strings.ReplaceAll(m.Name, "_", "-") + "-" + m.Unit
}

func (m *Metric) at(round int) (float64, bool) {
	for _, s := range m.Samples {
		if s.Round == round {
			return s.Value, !s.Censored // benchstat knows no "more than"
		}
	}
	return 0, false
}

// benchName holds the scenario as key=value parts, the arm last; -N is the
// number of the server's processors, as in Go's own names.
func benchName(r *Run, arm string) string {
	s := r.Scenario
	load := fmt.Sprintf("depth=%d", s.Depth)
	if s.Mode == "open" {
		load = fmt.Sprintf("rate=%g/arrivals=%s", s.RateRPS, s.Arrivals)
	}
	name := strings.ToUpper(s.Name[:1]) + s.Name[1:]
	if s.Workload != "" {
		name = strings.ToUpper(s.Workload[:1]) + s.Workload[1:] + "/scenario=" + s.Name
	}
	return fmt.Sprintf("Benchmark%s/net=%s/mode=%s/conns=%d/%s/bytes=%d/backend=%s-%d",
		name, s.Network, s.Mode, s.Conns, load, s.RequestBytes, arm, max(1, len(r.Design.ServerCPUs)))
}
