package merge

import (
	"fmt"
	"math"
	"slices"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/proc"
	"lars/bench/record"
	"lars/bench/run"
)

// metrics are the figures of the merged rounds of an arm, as a run would read
// them off. What cannot be had exactly from the parts is left out: the switches
// of the server, since rounds do not have the counts of the warm-up; the send
// lag of several rounds, since logs do not have it.
func metrics(parts []Part, arm int, rounds []record.RoundInfo, hists map[string]*hist.Recorder, joined []record.Slice) ([]record.Metric, error) {
	var all []*run.Round
	for i := range rounds {
		r := round(&rounds[i], parts[0].Run.Scenario.TimeoutNS)
		if len(rounds) == 1 {
			r.Load.Response, r.Load.SendLag = hists[record.StageResponse], hists[record.StageSendLag]
		} else if err := ofRound(r, parts, arm, hists[record.StageResponse].Max(), joined); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return slices.DeleteFunc(run.Metrics(all), func(m record.Metric) bool { return m.Name == run.MetricSwitches }), nil
}

// round is what figures are read off, without distributions.
func round(r *record.RoundInfo, timeout int64) *run.Round {
	out := &run.Round{Index: r.Round, Load: &load.Result{
		Config: load.Config{Timeout: time.Duration(timeout)}, Elapsed: time.Duration(r.ElapsedNS),
		Counts:  load.Counts{Completed: uint64(r.Counts["completed"]), TimedOut: uint64(r.Counts["timed_out"])},
		Latency: load.Latency{Response: hist.New()},
		Audit:   load.Audit{CPU: time.Duration(r.Generator.CPUNS)},
	}}
	if s := r.Server; s != nil {
		out.Server = run.Server{Known: true, CPU: time.Duration(s.CPUNS), Memory: proc.Memory{RSSBytes: s.RSSBytes, RSSMaxBytes: s.RSSMaxBytes}}
	}
	return out
}

// ofRound gives one of several rounds its responses: the counters are those of
// the logs, the maximum and what was given up follow from the figures of the
// parts; longest is that of all rounds. Where they do not tell, the round has no
// responses.
func ofRound(r *run.Round, parts []Part, arm int, longest int64, joined []record.Slice) error {
	h := hist.New()
	for _, s := range joined {
		if s.Round == r.Index {
			for _, b := range s.Response {
				h.Add(b)
			}
		}
	}
	exact, most := hist.Exact{Min: h.Min(), Max: min(h.Max(), longest), Sum: h.Sum()}, 0.0
	for i := range parts {
		p := &parts[i]
		given, ok, err := givenUp(p, arm, r.Index)
		if err != nil || !ok {
			return err
		}
		exact.Censored += given
		if m := sample(&p.Run.Arms[arm], run.MetricMax, r.Index); m != nil && !m.Censored {
			most = max(most, m.Value)
		}
	}
	if exact.Censored == 0 && most > 0 {
		exact.Max = int64(most)
	}
	if err := h.Restore(exact); err != nil {
		return fmt.Errorf("%w: round %d of %s: %w", record.ErrBroken, r.Index, parts[0].Run.Arms[arm].Name, err)
	}
	r.Load.Response = h
	return nil
}

// givenUp is how many requests of a round a part gave up: its figure is their
// share of all. False where that does not add up to those of all rounds.
func givenUp(p *Part, arm, round int) (n int64, ok bool, err error) {
	a := &p.Run.Arms[arm]
	all := p.Hist(a.Name, record.StageResponse).Censored()
	if all == 0 {
		return 0, true, nil
	}
	answered, err := p.ByRound(a.Name)
	if err != nil {
		return 0, false, err
	}
	sum := int64(0)
	for _, r := range a.Rounds {
		s := sample(a, run.MetricGivenUp, r.Round)
		if s == nil || answered[r.Round] == nil || s.Value >= 1 {
			continue
		}
		given := int64(math.Round(float64(answered[r.Round].Count()) * s.Value / (1 - s.Value)))
		sum += given
		if r.Round == round {
			n = given
		}
	}
	return n, sum == all, nil
}

// sample is a figure of a round, nil if there is none.
func sample(a *record.Arm, metric string, round int) *record.Sample {
	m := a.Metric(metric)
	if m == nil {
		return nil
	}
	i := slices.IndexFunc(m.Samples, func(s record.Sample) bool { return s.Round == round })
	if i < 0 {
		return nil
	}
	return &m.Samples[i]
}

// addRatios compares each arm with the baseline, within rounds.
func addRatios(r *record.Run) {
	base := r.Arm(r.Design.Baseline)
	if base == nil {
		return
	}
	for i := range r.Arms {
		a := &r.Arms[i]
		for j := range a.Metrics {
			if a != base {
				a.Metrics[j].Ratio = run.Ratio(a, base, a.Metrics[j].Name)
			}
		}
	}
}
