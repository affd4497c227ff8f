package record

import (
	"fmt"
	"time"

	"lars/bench/hist"
)

// Figure is a metric of one round as its counts, times and what the server used
// give it; false where they do not.
func (r *RoundInfo) Figure(metric string) (v float64, ok bool) {
	completed := float64(r.Counts["completed"])
	switch {
	case metric == "throughput":
		return completed / time.Duration(r.ElapsedNS).Seconds(), completed > 0 && r.ElapsedNS > 0
	case metric == "generator_cpu":
		return float64(r.Generator.CPUNS) / completed, completed > 0
	case r.Server == nil:
		return 0, false
	case metric == "server_cpu":
		return float64(r.Server.CPUNS) / completed, completed > 0
	case metric == "rss_max":
		return float64(r.Server.RSSMaxBytes), true
	}
	return 0, false
}

// Round finds a round by its number, nil if the arm has none of it.
func (a *Arm) Round(number int) *RoundInfo {
	for i := range a.Rounds {
		if a.Rounds[i].Round == number {
			return &a.Rounds[i]
		}
	}
	return nil
}

// ByRound is the response of an arm in each of its rounds, as the log has it,
// without what was given up: minimum and maximum are those of counters, which a
// compact log has with two digits.
func (f *Folder) ByRound(arm string) (map[int]*hist.Recorder, error) {
	began := map[int64]int{} // the round of an interval, by the ms at which it began
	for _, s := range f.Series {
		if s.Arm == arm {
			began[s.Start.UnixMilli()] = s.Round
		}
	}
	out := map[int]*hist.Recorder{}
	for _, in := range f.Logs[arm] {
		round, ok := began[in.Start.UnixMilli()]
		if !ok {
			return nil, fmt.Errorf("%w: %s has no interval that begins at %s, as the log of %s does: %s", ErrBroken, TimeSeriesFile, in.Start.UTC().Format(time.RFC3339Nano), arm, remedyRepeat)
		}
		if out[round] == nil {
			out[round] = hist.New()
		}
		for _, b := range in.Response {
			out[round].Add(b)
		}
	}
	return out, nil
}
