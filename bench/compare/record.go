package compare

import (
	"lars/bench/record"
	"lars/bench/run"
	"lars/bench/stats"
)

// Record is the result in the form of the result files.
func (r *Result) Record(command []string) *record.Bundle {
	b := r.asRun().Record(run.Labels{Command: command, Baseline: r.Comparison.A})
	b.Run.Kind = "compare"
	c := r.Comparison
	b.Run.Comparison = &c
	for i := range b.Run.Arms {
		a := &b.Run.Arms[i]
		a.Metrics = append(a.Metrics, figuresOf(&c, i, a)...)
	}
	return b
}

// asRun is the comparison as a run of rounds: one for each arm and epoch.
func (r *Result) asRun() *run.Result {
	c := r.prepared.Config()
	c.Rounds, c.Load.Rate, c.Load.Depth = len(r.Epochs), r.Config.Load.Rate, r.Config.Load.Depth
	out := run.Result{Config: c, Started: r.Started, Elapsed: r.Elapsed, Calls: r.Calls, Notes: r.Notes}
	for i := range r.Epochs {
		first := r.Epochs[i].Rounds
		if first[1].Position == 0 {
			first[0], first[1] = first[1], first[0]
		}
		out.Rounds = append(out.Rounds, first[0], first[1])
	}
	return r.prepared.Made(out, r.Reasons...)
}

// figuresOf are the metrics of an arm that runs do not have: one value for each
// epoch.
func figuresOf(c *record.Comparison, arm int, a *record.Arm) []record.Metric {
	var out []record.Metric
	for _, m := range Metrics(c.Design) {
		if a.Metric(m.Name) != nil {
			continue
		}
		f := record.Metric{Name: m.Name, Unit: m.Unit, Better: m.Better}
		var values []float64
		for i := range c.Epochs {
			e := &c.Epochs[i]
			if v, ok := [2]map[string]float64{e.A, e.B}[arm][m.Name]; ok {
				f.Samples = append(f.Samples, record.Sample{Round: e.Index, Value: v})
				values = append(values, v)
			}
		}
		if len(values) > 0 {
			f.Value, f.MAD = stats.Median(values), stats.MAD(values)
			out = append(out, f)
		}
	}
	return out
}
