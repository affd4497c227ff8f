package cli

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"lars/bench/compare"
	"lars/bench/record"
)

// pairText is a comparison for people: the verdict, then a line for each metric.
func pairText(r *record.Run) string {
	c := r.Comparison
	var out strings.Builder
	fmt.Fprintf(&out, "%s beside %s: %s\n%s\n\n", c.B, c.A, c.Verdict, pairDesign(r))
	if c.Verdict != record.VerdictInvalid {
		g := &grid{}
		g.add("", "", c.A, c.B, "difference", "times", pairConfidence(c), "MDE", "verdict")
		for i := range c.Metrics {
			g.add(pairCells(&c.Metrics[i])...)
		}
		out.WriteString(g.String())
		out.WriteString("times: centre of the epochs' ratios; MDE: the smallest change that would be found with a chance of 95 %;\n(…) takes no part in the verdict; too small: a ratio of so little would say nothing\n")
	}
	for _, a := range r.Arms {
		if line := callsLine(&a); line != "" {
			out.WriteString(line)
		}
	}
	out.WriteString(generatorLine(r))
	out.WriteString("\n")
	if standIns := standInLines(r); standIns != "" {
		out.WriteString(standIns + "\n")
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&out, "note: %s\n", note)
	}
	out.WriteString(verdictText(r))
	return out.String()
}

// pairMarkdown is the same for a pull request.
func pairMarkdown(r *record.Run) string {
	c := r.Comparison
	var out strings.Builder
	fmt.Fprintf(&out, "**%s beside %s: %s**\n\n%s\n", c.B, c.A, c.Verdict, pairDesign(r))
	if c.Verdict != record.VerdictInvalid {
		fmt.Fprintf(&out, "\n| | | %s | %s | difference | times | %s | MDE | verdict |\n|---|---|--:|--:|--:|--:|--:|--:|---|\n", c.A, c.B, pairConfidence(c))
		for i := range c.Metrics {
			fmt.Fprintf(&out, "| %s |\n", strings.Join(pairCells(&c.Metrics[i]), " | "))
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&out, "\nNote: %s.\n", escaped(note))
	}
	if r.Status != "valid" {
		fmt.Fprintf(&out, "\nThe run is %s:\n\n", r.Status)
		for _, reason := range r.Reasons {
			fmt.Fprintf(&out, "- %s: %s\n", reason.Status, escaped(reason.Text))
		}
	}
	return out.String()
}

// pairDesign says how it was measured and why so.
func pairDesign(r *record.Run) string {
	c := r.Comparison
	usable, most := 0, 0
	for _, e := range c.Epochs {
		if most = max(most, len(e.Slices)); e.Invalid == "" {
			usable++
		}
	}
	epochs := fmt.Sprintf("%d epochs", usable)
	if usable == 1 {
		epochs = "1 epoch"
	}
	return fmt.Sprintf("%s, %s of %d slices after %v of warm-up, %d connections: %s", strings.ReplaceAll(c.Design, "-", " "), epochs, most, time.Duration(r.Scenario.WarmupNS), r.Scenario.Conns, c.DesignReason)
}

// pairConfidence heads the column of intervals.
func pairConfidence(c *record.Comparison) string {
	least := math.Inf(1)
	for _, m := range c.Metrics {
		if m.Low != nil {
			least = min(least, m.Confidence)
		}
	}
	if math.IsInf(least, 1) {
		return "interval"
	}
	return fmt.Sprintf("%.1f %% interval", 100*least)
}

var pairLabels = map[string]string{
	compare.ServerCPU: "server CPU", compare.P50: "latency p50", compare.P99: "latency p99", compare.Throughput: "throughput",
	compare.Allocs: "allocations", compare.AllocBytes: "allocated", compare.WireBytes: "wire", compare.Reads: "reads",
	compare.Writes: "writes", compare.Waits: "waits", compare.EventsPerWait: "events", compare.Posts: "posts",
	compare.Switches: "switches", compare.Memory: "memory",
	compare.Goroutines: "goroutines", compare.OpenFiles: "open files",
}

// pairUnits are units as people read them, with the size of one.
var pairUnits = map[string]unit{
	"ns": {"µs", 1e3}, "ns/op": {"µs/req", 1e3}, "B": {"MiB", 1 << 20}, "B/op": {"B/req", 1}, "allocs/op": {"per req", 1},
	"calls/op": {"per req", 1}, "switches/op": {"per req", 1}, "wake-ups/op": {"per req", 1}, "events/call": {"per wait", 1},
	"goroutines/conn": {"per conn", 1}, "files/conn": {"per conn", 1},
}

// pairCells is the line of a metric.
func pairCells(m *record.ComparedMetric) []string {
	label, u := pairLabels[m.Name], unit{m.Unit, 1}
	if label == "" {
		label = m.Name
	}
	if known, ok := pairUnits[m.Unit]; ok {
		u = known
	}
	times, interval, mde, verdict := fmt.Sprintf("%.3f", m.Ratio), notThere, notThere, m.Verdict
	switch {
	case m.Low == nil || m.High == nil:
	case *m.Low == 1 && *m.High == 1 && m.A != m.B: // both below what counts in a ratio
		times, interval = notThere, "too small"
	default:
		interval = fmt.Sprintf("%.3f–%.3f", *m.Low, *m.High)
	}
	if m.MDE != nil {
		mde = fmt.Sprintf("%.1f %%", 100**m.MDE)
	}
	if !m.Gated {
		verdict = "(…)"
	}
	difference := significant(m.Difference / u.size)
	if difference == "-0.00" {
		difference = "0"
	}
	if m.Difference > 0 {
		difference = "+" + difference
	}
	return []string{label, u.name, significant(m.A / u.size), significant(m.B / u.size), difference, times, interval, mde, verdict}
}

// generatorLine is what the third process did: it serves both arms of a duet.
func generatorLine(r *record.Run) string {
	var cpu, switches, wakeups, events, requests float64
	for i := range r.Arms {
		for _, round := range r.Arms[i].Rounds {
			requests += float64(round.Counts["completed"])
			if i == 0 {
				switches += float64(round.Generator.Switches) // of the whole epoch in any design
			}
			if i > 0 && r.Comparison.Design != record.DesignABBA {
				continue // the same process in the same seconds
			}
			g := round.Generator
			cpu, wakeups, events = cpu+float64(g.CPUNS), wakeups+float64(g.Wakeups), events+float64(g.Events)
		}
	}
	if requests == 0 || wakeups == 0 {
		return ""
	}
	return fmt.Sprintf("generator: %s µs of CPU and %s switches per request, %s events per wake-up\n",
		significant(cpu/requests/1e3), significant(switches/requests), significant(events/wakeups))
}

// callsLine lists the system calls of an arm, the most frequent first.
func callsLine(a *record.Arm) string {
	s := a.Syscalls
	if s == nil || s.Total == 0 || s.PerRequest == 0 {
		return ""
	}
	requests := float64(s.Total) / s.PerRequest
	var parts []string
	for _, name := range byCount(s.ByName) {
		parts = append(parts, fmt.Sprintf("%s %s", name, significant(float64(s.ByName[name])/requests)))
	}
	return fmt.Sprintf("%s: %s system calls per request (%s): %s\n", a.Name, significant(s.PerRequest), s.Tool, strings.Join(parts, ", "))
}

// byCount lists names, the largest count first.
func byCount(counts map[string]int64) []string {
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(counts[b], counts[a]) })
	return names
}
