package live

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"time"

	"lars/bench/hist"
	"lars/bench/record"
	lab "lars/bench/run"
	"lars/reactor/frame"
	"lars/simulator/outcome"
)

// Labels complete results for their files.
type Labels struct {
	Command []string // that repeats the run
	File    string   // of the plan; "" when it was drawn
	Text    string   // of the plan
	Notes   []string
}

// getHostArm is the name of the arm of the questions to agents, after that of
// the backend's whole calls.
const getHostArm = ".get_host"

// Record is runs of one plan, on one backend or several, in the form of the
// lab's result files: for each an arm of whole calls, from the time due, and one
// of the questions to agents.
func Record(all []*Result, l Labels) *record.Bundle {
	first := all[0]
	tool, machine, around := lab.Here()
	b := &record.Bundle{Hists: map[string]map[string]*hist.Recorder{}, Circumstances: around, Run: record.Run{
		Schema: record.Schema, Kind: "single", Status: "valid", Reasons: []record.Reason{},
		Notes:   append([]string{fmt.Sprintf("the whole workload: %+v", first.cfg.Plan.Workload)}, l.Notes...),
		Started: first.Started.UTC().Format(time.RFC3339Nano), Command: l.Command, Tool: tool, Machine: machine,
		Scenario: first.scenario(&l),
		Design:   record.Design{Rounds: 1, Loops: 1, Workers: runtime.GOMAXPROCS(0), ServerCPUs: []int{}, GeneratorCPUs: []int{}, Confidence: lab.Confidence},
	}}
	r := &b.Run
	if len(all) > 1 {
		r.Kind = "compare"
	}
	r.ID = first.id(r)
	for i, x := range all {
		since := x.Started.Sub(first.Started)
		r.DurationNS = int64(since + x.Length)
		r.Arms = append(r.Arms, x.arms(i)...)
		b.Hists[x.Backend] = map[string]*hist.Recorder{record.StageResponse: x.meter.whole.response}
		b.Hists[x.Backend+getHostArm] = map[string]*hist.Recorder{record.StageResponse: x.meter.whole.getHost}
		b.Slices = append(b.Slices, x.slices()...)
		for k := range x.cfg.Plan.Faults {
			f := &x.cfg.Plan.Faults[k]
			text := f.Target.String()
			if len(all) > 1 {
				text += ", " + x.Backend
			}
			r.Faults = append(r.Faults, record.Fault{AtNS: int64(since + f.At), EndNS: int64(since + f.End()), Kind: string(f.Kind), Text: text})
		}
		for _, v := range x.Violations {
			r.Status = "invalid"
			r.Reasons = append(r.Reasons, record.Reason{Status: "invalid", Text: x.Backend + ": " + v.String()})
		}
	}
	return b
}

func (x *Result) scenario(l *Labels) record.Scenario {
	c := &x.cfg.Plan.Workload.Callers
	s := record.Scenario{
		Name: "sim-" + x.Plan, Network: x.Network, Mode: "open", Conns: c.Count, RateRPS: float64(c.Count) * c.Rate, Arrivals: c.Arrivals,
		RequestBytes: frame.HeadBytes + callBytes, Seed: x.Seed, WarmupNS: int64(warmUp), DurationNS: int64(x.Length), TimeoutNS: int64(c.Patience),
		Workload: "plan of faults", File: l.File, Text: l.Text,
	}
	if l.Text != "" {
		s.SHA256 = fmt.Sprintf("%x", sha256.Sum256([]byte(l.Text)))
	}
	if !c.Open() {
		s.Mode, s.RateRPS, s.Arrivals, s.Depth = "closed", 0, "", c.Clients
	}
	return s
}

// id is sortable by time and tells runs of different commits and plans apart.
func (x *Result) id(r *record.Run) string {
	commit := "nocommit"
	if len(r.Tool.Commit) >= 7 {
		commit = r.Tool.Commit[:7]
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v %q", r.Scenario, r.Command))
	return fmt.Sprintf("%s-%s-%s-%x", x.Started.UTC().Format("20060102T150405Z"), commit, r.Scenario.Name, sum[:3])
}

// countOf is what the lab's results call what went wrong.
var countOf = map[string]string{
	"failed": "wrong", "overload": "wrong", "no host": "wrong", "refused": "disconnected",
	"late": "timed_out", "no answer": "timed_out", "too many at once": "dropped",
}

// arms are the whole calls, and the questions to agents.
func (x *Result) arms(position int) []record.Arm {
	var calls, wrong, asked int64
	for _, i := range x.meter.done {
		calls, wrong, asked = calls+i.calls, wrong+i.wrong, asked+i.asked
	}
	served := calls - wrong
	whole := x.arm(x.Backend, x.meter.whole.response, position, calls, served)
	for i := range x.Outcome.Phases {
		for result, n := range x.Outcome.Phases[i].Results {
			whole.Rounds[0].Counts[countOf[result]] += int64(n)
		}
	}
	whole.Metrics = append(whole.Metrics, metric("error_share", "share", share(wrong, calls)))
	for i := range x.Outcome.Phases {
		p := &x.Outcome.Phases[i]
		whole.Metrics = append(
			whole.Metrics, metric(p.Name+"_error_share", "share", p.ErrorShare()),
			metric(p.Name+"_p50", "ns", float64(p.P50)), metric(p.Name+"_p99", "ns", float64(p.P99)),
		)
	}
	for i, a := range x.Outcome.Afflicted {
		whole.Metrics = append(whole.Metrics, metric(fmt.Sprintf("bad_share_%d", i+1), "share", a.BadShare()))
	}
	whole.Correctness = &record.Correctness{Sent: calls, Acked: served, Violations: []string{}}
	if !x.Books.Killed {
		whole.Correctness.Stored = &x.Books.Minutes
	}
	for _, v := range x.Violations {
		whole.Correctness.Violations = append(whole.Correctness.Violations, v.String())
	}
	return []record.Arm{whole, x.arm(x.Backend+getHostArm, x.meter.whole.getHost, position, asked, asked)}
}

func share(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

func metric(name, unit string, v float64) record.Metric {
	return record.Metric{Name: name, Unit: unit, Better: "lower", Value: v, Samples: []record.Sample{{Value: v}}}
}

func (x *Result) arm(name string, h *hist.Recorder, position int, sent, completed int64) record.Arm {
	a := record.Arm{Name: name, Backend: x.Backend, StandIns: []string{}, Metrics: []record.Metric{}, Latency: []record.Latency{}}
	l := record.Latency{
		Stage: record.StageResponse, Count: h.Count(), Over: h.Over(), MinNS: h.Min(), MaxNS: h.Max(), MeanNS: h.Mean(), Percentiles: []record.Percentile{},
	}
	for _, p := range []float64{50, 90, 99, 99.9, 99.99} {
		if q := h.Percentile(p, lab.Confidence); q.Reportable {
			l.Percentiles = append(l.Percentiles, record.Percentile{P: p, NS: q.Value, LowNS: q.Low, HighNS: q.High})
			a.Metrics = append(a.Metrics, metric(fmt.Sprintf("p%g", p), "ns", float64(q.Value)))
		}
	}
	if h.Count() > 0 {
		a.Latency = append(a.Latency, l)
		a.Metrics = append(a.Metrics, metric("max", "ns", float64(h.Max())))
	}
	a.Rounds = []record.RoundInfo{{
		Position: position, Started: x.Started.UTC().Format(time.RFC3339Nano), ElapsedNS: int64(x.Length),
		Counts: map[string]int64{"arrivals": sent, "sent": sent, "completed": completed},
	}}
	return a
}

// slices are the intervals of both arms.
func (x *Result) slices() (all []record.Slice) {
	for k, name := range []string{x.Backend, x.Backend + getHostArm} {
		for _, i := range x.meter.done {
			s := record.Slice{
				Arm: name, Phase: record.MeasuredPhase, Start: i.from, End: i.to, Sent: i.calls, Completed: i.calls - i.wrong, Errors: i.wrong,
				P50: i.p50[k], P99: i.p99[k], Response: i.response,
			}
			if k == 1 {
				s.Sent, s.Completed, s.Errors, s.Response = i.asked, i.asked, 0, i.getHost
			}
			all = append(all, s)
		}
	}
	return all
}

// Text is one line of a phase's results, as "failed 3, late 1".
func Text(p *outcome.Phase) (text string) {
	for _, what := range []string{"failed", "refused", "late", "overload", "no host", "no answer", "too many at once"} {
		if n := p.Results[what]; n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%s %d", what, n)
		}
	}
	return text
}
