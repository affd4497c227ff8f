package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lars/bench/record"
	"lars/bench/report"
)

// shelf is a collection by class of machine.
type shelf struct {
	Machines []*machine
	Learned  []Learned
}

// machine is what was found on one class of machine.
type machine struct {
	ID, Name  string
	Scenarios []*scenario // the newest run of each that compares backends
	Backends  []string
	Scores    []score
	Same      []string // questions and scenarios in which it does not matter
	Older     []Entry
	Skipped   []*skipped // invalid
	Compared  int        // intervals that were looked at
	Degraded  int
}

// skipped is a run that is invalid, and why: what a server did wrong is a result
// too.
type skipped struct {
	Entry
	Title, Why string
}

func skip(e Entry) *skipped {
	var why []string
	for _, reason := range e.Run.Reasons {
		if reason.Status == "invalid" {
			why = append(why, reason.Text)
		}
	}
	return &skipped{e, title(e.Run), strings.Join(why, "; ")}
}

// scenario is the newest run of a scenario.
type scenario struct {
	Entry
	Title    string // its name and the network
	About    string
	When     string
	Findings []finding
	Table    [][]cell
	Head     []string
}

type cell struct{ Text, Small, Class string }

// score counts in how many scenarios a backend was the best, or could not be
// told from it.
type score struct {
	Backend string
	Counts  []count // by question
}

type count struct{ Best, Of int }

// key is what two runs must share to be of the same scenario. Flags that
// overruled a file make another one.
func key(r *record.Run) string {
	s := r.Scenario
	return strings.Join(append([]string{s.Name, s.Network, s.Mode}, s.Changed...), " ")
}

func arrange(entries []Entry) *shelf {
	out := &shelf{}
	for _, e := range slices.Backward(entries) { // the newest first
		m := out.machine(&e.Run.Machine)
		switch {
		case e.Run.Status == "invalid":
			m.Skipped = append(m.Skipped, skip(e))
		case m.has(key(e.Run)):
			m.Older = append(m.Older, e)
		default:
			m.Scenarios = append(m.Scenarios, describe(e))
		}
	}
	for _, m := range out.Machines {
		m.summarize()
	}
	return out
}

func (s *shelf) machine(r *record.Machine) *machine {
	id := cmp.Or(r.ID, r.CPU)
	i := slices.IndexFunc(s.Machines, func(m *machine) bool { return m.ID == id })
	if i < 0 {
		name := fmt.Sprintf("%d processors, %s, kernel %s", r.CPUs, cmp.Or(r.CPU, "unknown"), cmp.Or(r.Kernel, "unknown"))
		s.Machines = append(s.Machines, &machine{ID: id, Name: name})
		i = len(s.Machines) - 1
	}
	return s.Machines[i]
}

func (m *machine) has(k string) bool {
	return slices.ContainsFunc(m.Scenarios, func(s *scenario) bool { return key(s.Run) == k })
}

func describe(e Entry) *scenario {
	r := e.Run
	s := &scenario{Entry: e, Title: title(r), About: r.Scenario.Describe(), When: day(r.Started)}
	s.About += fmt.Sprintf(", %d rounds", r.Design.Rounds)
	s.Head = []string{"arm"}
	for _, q := range questions(r) {
		if f, ok := answer(r, q); ok {
			s.Findings = append(s.Findings, f)
		}
		s.Head = append(s.Head, q.Name)
	}
	for i := range r.Arms {
		s.Table = append(s.Table, tableRow(r, &r.Arms[i]))
	}
	return s
}

// title is the scenario's name with what it does not say itself.
func title(r *record.Run) string {
	out := r.Scenario.Name
	if r.Scenario.Network == "udp" && !strings.Contains(out, "udp") {
		out += " over udp"
	}
	if r.Scenario.Mode == "open" && !strings.HasSuffix(out, "-open") {
		out += ", open loop"
	}
	return out
}

// tableRow is the figures of an arm, with the ratios to the baseline of its
// run.
func tableRow(r *record.Run, a *record.Arm) []cell {
	row := []cell{{Text: a.Name}}
	for _, q := range questions(r) {
		m := a.Metric(q.Metric)
		if m == nil {
			row = append(row, cell{Text: "–"})
			continue
		}
		c := cell{Text: report.Figure(m)}
		if m.Ratio != nil {
			j := report.Judge(m.Ratio.Low, m.Ratio.High, m.Better)
			c.Class = j.Class
			c.Small = fmt.Sprintf("×%.2f", m.Ratio.Value)
			if m.Ratio.Low != nil && m.Ratio.High != nil {
				c.Small += fmt.Sprintf(" (%.2f–%.2f)", *m.Ratio.Low, *m.Ratio.High)
			}
		}
		row = append(row, c)
	}
	return row
}

func day(started string) string {
	t, err := time.Parse(time.RFC3339Nano, started)
	if err != nil {
		return started
	}
	return t.UTC().Format("2 January 2006")
}

// scored are the questions of the summary.
var scored = []string{"server_cpu", "throughput", "p50", "p99"}

func (m *machine) summarize() {
	slices.SortStableFunc(m.Scenarios, func(a, b *scenario) int { return strings.Compare(a.Title, b.Title) })
	for _, s := range m.Scenarios {
		if s.Run.Status == "degraded" {
			m.Degraded++
		}
		for _, f := range s.Findings {
			m.Compared += len(f.Best) + len(f.Others) - 1
			if f.Same() && slices.Contains(scored, f.Question.Metric) {
				m.Same = append(m.Same, s.Title+" ("+strings.ToLower(f.Question.Name[:1])+f.Question.Name[1:]+")")
			}
			for _, name := range f.Best {
				m.count(name, f, true)
			}
			for _, o := range f.Others {
				m.count(o.Name, f, false)
			}
		}
	}
	slices.SortStableFunc(m.Scores, func(a, b score) int {
		return cmp.Or(cmp.Compare(b.share(), a.share()), strings.Compare(a.Backend, b.Backend))
	})
}

// share is of all questions in which the backend was the best.
func (s *score) share() float64 {
	best, of := 0, 0
	for _, c := range s.Counts {
		best, of = best+c.Best, of+c.Of
	}
	return float64(best) / float64(max(of, 1))
}

func (m *machine) count(backend string, f finding, best bool) {
	column := slices.Index(scored, f.Question.Metric)
	if column < 0 || f.Unsure {
		return
	}
	i := slices.IndexFunc(m.Scores, func(s score) bool { return s.Backend == backend })
	if i < 0 {
		m.Scores = append(m.Scores, score{backend, make([]count, len(scored))})
		i = len(m.Scores) - 1
	}
	c := &m.Scores[i].Counts[column]
	c.Of++
	if best {
		c.Best++
	}
}

// Chance is how many of the intervals would show a difference where there is
// none, each being 95 %.
func (m *machine) Chance() string { return fmt.Sprintf("%.2g", math.Round(0.5*float64(m.Compared))/10) }

// ScoreNames are the questions of the summary.
func (m *machine) ScoreNames() []string {
	return []string{"server CPU per request", "throughput (closed loop)", "latency p50", "latency p99"}
}

// Of is "7 of 9".
func (c count) String() string {
	if c.Of == 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", c.Best, c.Of)
}
