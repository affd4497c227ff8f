package merge

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"lars/bench/hist"
	"lars/bench/plot"
	"lars/bench/record"
	"lars/bench/stats"
)

// join adds up parts that are alike.
func join(parts []Part, command []string) (*record.Bundle, error) {
	first := parts[0].Run
	out := &record.Bundle{Run: *first, Hists: map[string]map[string]*hist.Recorder{}}
	r := &out.Run
	r.ID, r.Command = id(parts), command
	r.Scenario.Conns *= len(parts)
	r.Scenario.RateRPS *= float64(len(parts))
	r.Notes, r.Reasons = nil, nil
	for _, p := range parts {
		for _, reason := range p.Run.Reasons {
			r.Reasons = append(r.Reasons, record.Reason{Status: reason.Status, Text: p.Run.ID + ": " + reason.Text})
		}
		r.DurationNS = max(r.DurationNS, p.Run.DurationNS)
	}
	r.Arms = nil
	for i := range first.Arms {
		a, hists, slices, err := joinArm(parts, i)
		if err != nil {
			return nil, err
		}
		r.Arms, out.Hists[a.Name], out.Slices = append(r.Arms, a), hists, append(out.Slices, slices...)
		notes, reasons := spread(parts, a.Name)
		r.Notes, r.Reasons = append(r.Notes, notes...), append(r.Reasons, reasons...)
	}
	addRatios(r)
	if r.Reasons == nil {
		r.Reasons = []record.Reason{}
	}
	slices.SortStableFunc(r.Reasons, func(a, b record.Reason) int { return cmp.Compare(badness(b.Status), badness(a.Status)) })
	r.Status = "valid"
	if len(r.Reasons) > 0 {
		r.Status = r.Reasons[0].Status
	}
	if raw := parts[0].Machine; raw != nil {
		out.Circumstances = json.RawMessage(raw)
	}
	return out, nil
}

func badness(status string) int {
	return slices.Index([]string{"valid", "degraded", "invalid"}, status)
}

// joinArm is the i-th arm of all parts.
func joinArm(parts []Part, i int) (record.Arm, map[string]*hist.Recorder, []record.Slice, error) {
	a := parts[0].Run.Arms[i] // a copy
	hists := map[string]*hist.Recorder{}
	for _, p := range parts {
		for _, l := range p.Run.Arms[i].Latency {
			if h := p.Hist(a.Name, l.Stage); h != nil {
				if hists[l.Stage] == nil {
					hists[l.Stage] = hist.New()
				}
				hists[l.Stage].Merge(h)
			}
		}
	}
	a.Latency = []record.Latency{}
	for _, stage := range []string{record.StageResponse, record.StageService, record.StageSendLag} {
		if h := hists[stage]; h != nil {
			a.Latency = append(a.Latency, latency(stage, h, parts[0].Run.Design.Confidence))
		}
	}
	a.Idle, a.Syscalls, a.Stages, a.Correctness = nil, nil, nil, joinChecks(parts, i)
	a.Rounds = joinRounds(parts, i)
	joined := joinSlices(parts, a.Name, knower(parts, i))
	var err error
	a.Metrics, err = metrics(parts, i, a.Rounds, hists, joined)
	return a, hists, joined, err
}

func latency(stage string, h *hist.Recorder, confidence float64) record.Latency {
	l := record.Latency{
		Stage: stage, Count: h.Count(), Censored: h.Censored(), Over: h.Over(),
		MinNS: h.Min(), MaxNS: h.Max(), MeanNS: h.Mean(), Percentiles: []record.Percentile{},
	}
	for _, q := range h.Percentiles(confidence, 50, 90, 99, 99.9, 99.99) {
		if q.Reportable {
			l.Percentiles = append(l.Percentiles, record.Percentile{P: q.P, NS: q.Value, LowNS: q.Low, HighNS: q.High, Censored: q.Censored, HighOpen: q.HighOpen})
		}
	}
	return l
}

func joinChecks(parts []Part, i int) *record.Correctness {
	var out *record.Correctness
	for _, p := range parts {
		c := p.Run.Arms[i].Correctness
		if c == nil {
			continue
		}
		if out == nil {
			out = &record.Correctness{Violations: []string{}}
		}
		out.Sent, out.Acked, out.Lost = out.Sent+c.Sent, out.Acked+c.Acked, out.Lost+c.Lost
		out.Duplicated, out.StaleRoutes = out.Duplicated+c.Duplicated, out.StaleRoutes+c.StaleRoutes
		out.Violations = append(out.Violations, c.Violations...)
	}
	return out
}

// knower is the only part that knew the server of an arm; -1 when none did, or
// several: its CPU time would count more than once.
func knower(parts []Part, i int) int {
	found := -1
	for n, p := range parts {
		for _, r := range p.Run.Arms[i].Rounds {
			if r.Server == nil || found == n {
				continue
			}
			if found >= 0 {
				return -1
			}
			found = n
		}
	}
	return found
}

// joinRounds adds the counts of each round. Of what describes a generator it
// keeps the worst, of the server what its knower said.
func joinRounds(parts []Part, i int) []record.RoundInfo {
	server := knower(parts, i)
	var out []record.RoundInfo
	for k := range parts[0].Run.Arms[i].Rounds {
		sum := record.RoundInfo{Counts: map[string]int64{}}
		for n, p := range parts {
			r := p.Run.Arms[i].Rounds[k]
			if n == 0 {
				sum.Round, sum.Position, sum.Started = r.Round, r.Position, r.Started
			}
			for name, count := range r.Counts {
				sum.Counts[name] += count
			}
			sum.ElapsedNS = max(sum.ElapsedNS, r.ElapsedNS)
			g := &sum.Generator
			g.CPUNS += r.Generator.CPUNS
			g.WorkerShare = max(g.WorkerShare, r.Generator.WorkerShare)
			g.GCCycles += r.Generator.GCCycles
			g.GCPauseMaxNS = max(g.GCPauseMaxNS, r.Generator.GCPauseMaxNS)
			g.StallMaxNS = max(g.StallMaxNS, r.Generator.StallMaxNS)
			g.Pacer = r.Generator.Pacer
			if n == server {
				sum.Server, sum.ServerReport = r.Server, r.ServerReport
			}
		}
		out = append(out, sum)
	}
	return out
}

// joinSlices adds the intervals of the other parts to those of the first, by
// their time since the beginning of the round.
func joinSlices(parts []Part, arm string, server int) []record.Slice {
	var out []record.Slice
	for n, p := range parts {
		log := p.Logs[arm]
		for _, s := range p.Series {
			if s.Arm != arm {
				continue
			}
			if len(log) > 0 && log[0].Start.UnixMilli() == s.Start.UnixMilli() {
				s.Response, log = log[0].Response, log[1:]
			}
			if n != server {
				s.ServerKnown, s.ServerCPU = false, 0
			}
			if n == 0 {
				out = append(out, s)
				continue
			}
			if i := slot(out, s, p.Run.Arm(arm), parts[0].Run.Arm(arm)); i >= 0 {
				add(&out[i], s)
			}
		}
	}
	for i := range out {
		settle(&out[i])
	}
	return out
}

// slot is the interval of the same round and phase in which s has its middle;
// failing that the nearest of them.
func slot(all []record.Slice, s record.Slice, own, first *record.Arm) int {
	middle := s.Start.Add(s.End.Sub(s.Start) / 2)
	if s.Round < len(own.Rounds) && s.Round < len(first.Rounds) {
		middle = middle.Add(began(first.Rounds[s.Round].Started).Sub(began(own.Rounds[s.Round].Started)))
	}
	best, distance := -1, time.Duration(math.MaxInt64)
	for i, c := range all {
		if c.Round != s.Round || c.Phase != s.Phase {
			continue
		}
		if d := middle.Sub(c.Start.Add(c.End.Sub(c.Start) / 2)).Abs(); d < distance {
			best, distance = i, d
		}
	}
	return best
}

func add(to *record.Slice, s record.Slice) {
	to.Sent, to.Completed, to.Errors = to.Sent+s.Sent, to.Completed+s.Completed, to.Errors+s.Errors
	to.GeneratorCPU, to.InFlight, to.Queued = to.GeneratorCPU+s.GeneratorCPU, to.InFlight+s.InFlight, to.Queued+s.Queued
	to.Response = append(slices.Clone(to.Response), s.Response...)
	to.ServerKnown, to.ServerCPU = to.ServerKnown || s.ServerKnown, to.ServerCPU+s.ServerCPU
}

// settle gives a slice the percentiles of what was added up in it.
func settle(s *record.Slice) {
	h := hist.New()
	for _, b := range s.Response {
		h.Add(b)
	}
	s.Response = nil
	for b := range h.Buckets {
		s.Response = append(s.Response, b)
	}
	s.P50, s.P99 = time.Duration(h.Percentile(50, 0.95).Value), time.Duration(h.Percentile(99, 0.95).Value)
}

// spread says how far the generators lie apart, and names those that are far
// from the others (Treadmill, ISCA'16: a tail can be that of one slow client).
func spread(parts []Part, arm string) (notes []string, reasons []record.Reason) {
	var medians []float64
	for _, p := range parts {
		q := p.Hist(arm, record.StageResponse).Percentiles(0.95, 50, 99)
		medians = append(medians, float64(q[0].Value))
		note := fmt.Sprintf("%s, generator %s: p50 %s, p99 %s", arm, p.Run.ID, plot.Duration(float64(q[0].Value)), plot.Duration(float64(q[1].Value)))
		if lag := p.Hist(arm, record.StageSendLag); lag != nil {
			note += ", send lag p99 " + plot.Duration(float64(lag.Percentile(99, 0.95).Value))
		}
		notes = append(notes, note)
	}
	for _, i := range stats.Far(medians) {
		reasons = append(reasons, record.Reason{Status: "degraded", Text: fmt.Sprintf("%s: generator %s differs from the others: its median response is %s, that of all %s",
			arm, parts[i].Run.ID, plot.Duration(medians[i]), plot.Duration(stats.Median(medians)))})
	}
	return notes, reasons
}
