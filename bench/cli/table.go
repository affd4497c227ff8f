package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lars/bench/record"
	"lars/bench/run"
)

// notThere stands for a figure that was not measured, or that too few samples
// support.
const notThere = "–"

// printHead says what is about to be measured.
func printHead(w io.Writer, p *run.Plan) {
	fmt.Fprintln(w, p.Describe())
	for _, note := range p.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	fmt.Fprintln(w)
}

// printResult prints the tables and the verdict of a run.
func printResult(w io.Writer, r *record.Run) {
	for i, t := range tables(r) {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprint(w, t.grid.String()+t.notes)
	}
	if standIns := standInLines(r); standIns != "" {
		fmt.Fprint(w, "\n"+standIns)
	}
	fmt.Fprintln(w)
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	fmt.Fprint(w, verdictText(r))
}

// row is a line of the table of figures.
type row struct {
	label  string
	metric string
	units  []unit // of growing size, for unitFor to choose from
}

type unit struct {
	name string
	size float64
}

var (
	timeUnits  = []unit{{"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}}
	perRequest = []unit{{"µs/req", 1e3}}
	rates      = []unit{{"req/s", 1}}
	memory     = []unit{{"MiB", 1 << 20}}
	counts     = []unit{{"per req", 1}}
	percent    = []unit{{"%", 0.01}}
)

var rowsShown = []row{
	{"throughput", run.MetricThroughput, rates},
	{"latency p50", run.MetricP50, timeUnits},
	{"latency p90", "p90", timeUnits},
	{"latency p99", run.MetricP99, timeUnits},
	{"latency p99.9", "p99.9", timeUnits},
	{"latency p99.99", "p99.99", timeUnits},
	{"latency max", run.MetricMax, timeUnits},
	{"given up", run.MetricGivenUp, percent},
	{"server CPU", run.MetricServerCPU, perRequest},
	{"server switches", run.MetricSwitches, counts},
	{"server memory", run.MetricRSS, memory},
	{"generator CPU", run.MetricGenerator, perRequest},
	{"send lag p50", run.MetricSendLag50, timeUnits},
	{"send lag p99", run.MetricSendLag, timeUnits},
}

// table is a grid with the remarks below it, a line each.
type table struct {
	grid  *grid
	notes string
}

// tables are the figures, and the ratios where there are any.
func tables(r *record.Run) []table {
	out := []table{figuresTable(r)}
	if len(r.Arms) > 1 {
		out = append(out, ratioTables(r)...)
	}
	return out
}

// figuresTable has a column for each arm. With several rounds figures are
// medians, and a single arm shows its spread.
func figuresTable(r *record.Run) table {
	g, notes := &grid{}, ""
	head := []string{"", ""}
	for _, a := range r.Arms {
		head = append(head, a.Name)
	}
	spread := len(r.Arms) == 1 && r.Design.Rounds > 1
	if spread {
		head = append(head, "±")
	}
	g.add(head...)
	for _, line := range rowsShown {
		if cells := line.cells(r, spread); cells != nil {
			g.add(cells...)
		}
		if cells := line.bounds(r); cells != nil {
			g.add(cells...)
		}
	}
	addExtras(g, r)
	g.add(append([]string{"connections", ""}, perArm(r, func(record.Arm) string { return thousands(float64(r.Scenario.Conns)) })...)...)
	g.add(append([]string{"errors", ""}, perArm(r, func(a record.Arm) string { return thousands(float64(a.Errors())) })...)...)
	if r.Design.Rounds > 1 {
		notes += fmt.Sprintf("medians of %d rounds", r.Design.Rounds)
		if spread {
			notes += "; ± is the median deviation from it"
		}
		notes += "\n"
	}
	if g.has(boundsLabel) {
		notes += fmt.Sprintf("%s: the interval of the figure above it\n", boundsLabel)
	}
	if g.mentions(more) {
		notes += fmt.Sprintf("a figure with %s is a lower bound: too many requests were given up, after %v or with their connection\n", more, time.Duration(r.Scenario.TimeoutNS))
	}
	if g.has(notThere) {
		notes += notThere + " is not known, or fewer than ten requests were slower than that percentile\n"
	}
	return table{g, notes}
}

func perArm(r *record.Run, f func(record.Arm) string) []string {
	var out []string
	for _, a := range r.Arms {
		out = append(out, f(a))
	}
	return out
}

// cells is nil when no arm has the figure.
func (l row) cells(r *record.Run, spread bool) []string {
	u, ok := l.unitFor(r)
	if !ok {
		return l.absent(r)
	}
	out := []string{l.label, u.name}
	for _, a := range r.Arms {
		if m := a.Metric(l.metric); m != nil {
			out = append(out, bounded(m, u))
		} else {
			out = append(out, notThere)
		}
	}
	if m := r.Arms[0].Metric(l.metric); spread && m != nil {
		out = append(out, significant(m.MAD/u.size))
	}
	return out
}

// more stands before a value that is only a lower bound.
const more = ">"

func bounded(m *record.Metric, u unit) string {
	text := significant(m.Value / u.size)
	if m.Censored {
		return more + text
	}
	return text
}

// boundsLabel begins the line of the intervals of the figures above it.
const boundsLabel = "  95 %"

// bounds is the line with the intervals of percentiles; nil when no arm has any.
func (l row) bounds(r *record.Run) []string {
	u, ok := l.unitFor(r)
	if !ok || !strings.HasPrefix(l.metric, "p") {
		return nil
	}
	out, any := []string{boundsLabel, ""}, false
	for _, a := range r.Arms {
		m := a.Metric(l.metric)
		switch {
		case m == nil || m.Low == nil:
			out = append(out, "")
		case m.High == nil:
			out, any = append(out, significant(*m.Low/u.size)+"–"+more), true
		default:
			out, any = append(out, significant(*m.Low/u.size)+"–"+significant(*m.High/u.size)), true
		}
	}
	if !any {
		return nil
	}
	return out
}

// absent keeps the line of a percentile that too few samples support; other
// figures without a value have no line.
func (l row) absent(r *record.Run) []string {
	responds := slices.ContainsFunc(r.Arms, func(a record.Arm) bool { return a.Metric(run.MetricP50) != nil })
	if !strings.HasPrefix(l.metric, "p9") || !responds { // what is one way has none at all
		return nil
	}
	return append([]string{l.label, ""}, perArm(r, func(record.Arm) string { return notThere })...)
}

// unitFor is the same for all times of a table, so that they compare by eye: µs,
// or larger where even the smallest median is long.
func (l row) unitFor(r *record.Run) (unit, bool) {
	has := slices.ContainsFunc(r.Arms, func(a record.Arm) bool { return a.Metric(l.metric) != nil })
	best := l.units[0]
	for _, u := range l.units {
		if leastMedian(r) >= longMedian*u.size {
			best = u
		}
	}
	return best, has
}

// longMedian is the count of a unit from which that unit is used for the whole
// table: 20 ms rather than 20,000 µs.
const longMedian = 20

// leastMedian is the smallest p50 of all arms, in ns; 0 without any.
func leastMedian(r *record.Run) float64 {
	least := 0.0
	for _, a := range r.Arms {
		if m := a.Metric(run.MetricP50); m != nil && (least == 0 || m.Value < least) {
			least = m.Value
		}
	}
	return least
}

// addExtras adds what is measured after the rounds, if it was.
func addExtras(g *grid, r *record.Run) {
	addExtra(g, r, "system calls", "per req", func(a record.Arm) (float64, bool) {
		if a.Syscalls == nil {
			return 0, false
		}
		return a.Syscalls.PerRequest, true
	})
	addExtra(g, r, "idle connection", "B", func(a record.Arm) (float64, bool) {
		if a.Idle == nil {
			return 0, false
		}
		return a.Idle.BytesPerConn, true
	})
}

func addExtra(g *grid, r *record.Run, label, unit string, of func(record.Arm) (float64, bool)) {
	known := false
	cells := perArm(r, func(a record.Arm) string {
		v, ok := of(a)
		known = known || ok
		if !ok {
			return notThere
		}
		return significant(v)
	})
	if known {
		g.add(append([]string{label, unit}, cells...)...)
	}
}

func standInLines(r *record.Run) string {
	var out strings.Builder
	for _, a := range r.Arms {
		if len(a.StandIns) > 0 {
			fmt.Fprintf(&out, "%s ran with a stand-in: %s\n", a.Name, strings.Join(a.StandIns, "; "))
		}
	}
	return out.String()
}

func verdictText(r *record.Run) string {
	var out strings.Builder
	fmt.Fprintf(&out, "verdict: %s\n", r.Status)
	for _, reason := range r.Reasons {
		text := reason.Text
		if reason.Status != r.Status {
			text += " (" + reason.Status + ")"
		}
		fmt.Fprintf(&out, "  - %s\n", strings.ReplaceAll(text, "\n", "\n    "))
	}
	return out.String()
}
