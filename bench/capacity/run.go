package capacity

import (
	"context"
	"fmt"
	"sort"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/record"
)

// Config is what to search for, and among which servers.
type Config struct {
	SLO    SLO
	Limits Limits
	Arms   []string // names of the servers, each with a search of its own
	Seed   uint64
	// WindowsMax is how many windows the search of each server may take,
	// WindowsMin or more.
	WindowsMax int
	// Window loads server arm at a rate for the length of a window.
	Window func(ctx context.Context, arm int, rate float64, seed uint64) (*load.Result, error)
	// Observe, if set, is called before each window.
	Observe func(Progress)
}

// Progress is where the searches are.
type Progress struct {
	Arm     int
	Windows int // measured so far, of all arms
	Left    int // how many more there may be, of all arms
	Rate    float64
}

// Run leads all searches to their end, window by window in turn, so that a
// disturbance hits every server. When ctx ends it returns what there is, with
// the error of ctx.
func Run(ctx context.Context, c Config) ([]record.Sweep, error) {
	arms := make([]*arm, len(c.Arms))
	for i := range arms {
		arms[i] = &arm{search: New(c.Limits, c.WindowsMax, c.Seed+uint64(i)), points: map[Probe]*point{}}
		defer arms[i].search.Stop()
	}
	err := lead(ctx, &c, arms)
	out := make([]record.Sweep, len(arms))
	for i, a := range arms {
		out[i] = a.sweep(c.SLO)
	}
	return out, err
}

func lead(ctx context.Context, c *Config, arms []*arm) error {
	windows := 0
	for searching := true; searching; {
		searching = false
		for i, a := range arms {
			p, ok := a.search.Next()
			if !ok {
				a.over = true
				continue
			}
			searching = true
			if c.Observe != nil {
				c.Observe(Progress{Arm: i, Windows: windows, Left: left(arms), Rate: p.Rate})
			}
			r, err := c.Window(ctx, i, p.Rate, c.Seed+uint64(windows))
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				return fmt.Errorf("%s at %.0f requests a second: %w", c.Arms[i], p.Rate, err)
			}
			outcome, err := c.SLO.Judge(r)
			if err != nil {
				return fmt.Errorf("%s: %w", c.Arms[i], err)
			}
			a.record(p, outcome, r)
			windows++
		}
	}
	return nil
}

// left is how many windows all searches may still take.
func left(arms []*arm) (n int) {
	for _, a := range arms {
		if !a.over {
			n += a.search.Left()
		}
	}
	return n
}

// arm is one server's search and what was seen at each rate.
type arm struct {
	search *Search
	over   bool
	points map[Probe]*point
}

// point is all windows of one rate.
type point struct {
	response        *hist.Recorder
	arrivals        uint64
	completed       uint64
	windows, passed int
}

func (a *arm) record(p Probe, o Outcome, r *load.Result) {
	a.search.Record(o)
	if o == Void {
		return // it says nothing of this rate
	}
	at := a.points[p]
	if at == nil {
		at = &point{response: hist.New()}
		a.points[p] = at
	}
	at.response.Merge(r.Response)
	at.arrivals += r.Arrivals
	at.completed += r.Completed
	at.windows++
	if o == Passed {
		at.passed++
	}
}

// sweep is the search in the form of the result files.
func (a *arm) sweep(slo SLO) record.Sweep {
	got := a.search.Answer()
	out := record.Sweep{
		SLO:    record.SLO{Percentile: slo.Percentile, LimitNS: int64(slo.Limit)},
		Points: []record.SweepPoint{}, Low: got.Low, High: got.High, Confidence: got.Confidence, Notes: got.Notes,
	}
	for p, at := range a.points {
		out.Points = append(out.Points, at.describe(p, slo))
	}
	sort.Slice(out.Points, func(i, j int) bool {
		x, y := out.Points[i], out.Points[j]
		if x.Direction != y.Direction {
			return x.Direction == record.DirectionUp
		}
		return x.Rate < y.Rate
	})
	return out
}

func (at *point) describe(p Probe, slo SLO) record.SweepPoint {
	// A random schedule does not hold exactly the rate: what counts is the share
	// of what it held.
	out := record.SweepPoint{
		Rate: p.Rate, Achieved: p.Rate * float64(at.completed) / float64(max(at.arrivals, 1)), Direction: record.DirectionUp,
		Windows: at.windows, Passed: at.passed, Pass: 2*at.passed > at.windows,
		P50NS: at.percentile(50), P99NS: at.percentile(99), P999NS: at.percentile(99.9), SLONS: at.percentile(slo.Percentile),
	}
	if p.Direction == Down {
		out.Direction = record.DirectionDown
	}
	return out
}

// percentile is 0 where too few requests support it, or the value is only known
// to be above the time-out.
func (at *point) percentile(p float64) int64 {
	q := at.response.Percentile(p, 0.95)
	if !q.Reportable || q.Censored {
		return 0
	}
	return q.Value
}
