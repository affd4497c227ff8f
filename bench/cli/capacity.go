package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lars/bench/capacity"
	"lars/bench/load"
	"lars/bench/pace"
	"lars/bench/record"
	"lars/bench/run"
	"lars/internal/cli"
)

// sweep is "lars bench capacity".
type sweep struct {
	*options
	slo       capacity.SLO
	objective string // as it was given
	from, to  float64
	long      time.Duration // for each server; 0: timeDefault, or what WindowsMin takes
}

const (
	// rateFrom is the lowest rate of a search, unless the objective needs more.
	rateFrom = 1000
	// timeDefault is how long a search may take, unless its windows are long.
	timeDefault = 3 * time.Minute
	// windowStart is what a window takes beside its load: connections, mostly.
	windowStart = 100 * time.Millisecond
)

func capacityCommand(b []Backend) cli.Func {
	return func(ctx context.Context, stdout, stderr io.Writer, args []string) error {
		c := &command{backends: b, name: "lars bench capacity", compare: true}
		return newSweep(c).run(ctx, stdout, stderr, args)
	}
}

func newSweep(c *command) *sweep {
	s := &sweep{options: &options{command: c, repeat: 1, listen: "127.0.0.1:0"}}
	s.flags = cli.NewFlags(c.name, "--slo OBJECTIVE [--backend LIST] [flags]",
		"Finds the highest rate at which a server meets an objective: a bracket with its confidence, and the curve of rate\nagainst latency. Open loop: latency counts from the time at which a request was due. A rate that is answered to less\nthan 99 % has failed. The rates are approached from below and, after an overload, from above. Where --for is short,\nthe bracket is wider or there is no answer, and the result says so.",
		"lars bench capacity --slo p99:5ms --backend epoll", "lars bench capacity --slo p99.9:20ms --backend all --conns 1000",
		"lars bench capacity --slo p50:500us --backend epoll,std --duration 500ms", "lars bench capacity --slo p99:5ms --workload gethost")
	f := s.flags
	f.StringVar(&s.objective, "slo", "p99:5ms", "`objective`: a percentile and the longest response, such as p99.9:800us")
	f.StringVar(&s.backends, "backend", "epoll", "comma-separated `list` of "+c.known()+"; or all")
	f.Float64Var(&s.from, "from", 0, fmt.Sprintf("lowest `rate` to try, requests a second (%d, or what the percentile needs)", rateFrom))
	f.Float64Var(&s.to, "to", 1e6, "highest `rate` to try")
	f.DurationVar(&s.duration, "duration", time.Second, "measured `time` of each window; 50 to 110 are usual for each server")
	f.DurationVar(&s.long, "for", 0, fmt.Sprintf("longest `time` of the search of each server (%v, or what %d windows take)", timeDefault, capacity.WindowsMin))
	f.DurationVar(&s.warmup, "warmup", 200*time.Millisecond, "`time` of load before each window that is not measured")
	s.loadFlags()
	s.placeFlags()
	s.remote.define(f)
	return s
}

func (s *sweep) run(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	if done, err := s.parse(stdout, args); done || err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	config, err := s.config(ctx, stderr)
	defer s.close()
	if err != nil {
		return err
	}
	config.RateMax = s.to
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	plan, show, err := s.prepare(ctx, stdout, stderr, config, lost)
	if err != nil {
		return err
	}
	bundle, err := s.search(ctx, plan, config, show, args)
	show.clear()
	if err != nil {
		return s.command.failed(err)
	}
	return s.tell(stdout, stderr, bundle)
}

// check finds everything that makes the search impossible before it starts.
func (s *sweep) check() (err error) {
	if s.slo, err = capacity.ParseSLO(s.objective); err != nil {
		return s.flags.Errorf("--slo: %v", err)
	}
	if s.duration <= 0 {
		return s.flags.Errorf("--duration %v: nothing would be measured", s.duration)
	}
	if !(s.to > 0 && s.to <= pace.RateMax) {
		return s.flags.Errorf("--to %v: choose a rate above 0, up to %g", s.to, float64(pace.RateMax))
	}
	if s.from > s.to {
		return s.flags.Errorf("--from %v is above --to %v", s.from, s.to)
	}
	if err := s.slo.Check(s.duration, s.to); err != nil {
		return s.flags.Errorf("--slo: %v", err)
	}
	least := s.slo.RateMin(s.duration)
	if s.from == 0 {
		s.from = max(least, min(rateFrom, s.to))
	}
	switch {
	case !(s.from >= least):
		return s.flags.Errorf("--from %v: windows of %v would have too few requests for %v: choose %.0f or more, or a longer --duration", s.from, s.duration, s.slo, least)
	case slices.Contains([]string{pushName, "report", "reportstore", idleName, slowName}, s.workload):
		return s.flags.Errorf("--workload %s: a capacity is found for requests with a reply: echo, churn, gethost, mixed, getroute", s.workload)
	}
	if windows := s.windows(); windows < capacity.WindowsMin {
		return s.flags.Errorf("--for %v is time for %d windows, and a search needs %d: choose %v or more, or a shorter --duration",
			s.long, windows, capacity.WindowsMin, (capacity.WindowsMin*s.window()).Round(time.Second)+time.Second)
	}
	s.rate = s.from
	if s.timeout == 0 {
		s.timeout = min(10*time.Second, max(time.Second, 20*s.slo.Limit))
	}
	return nil
}

// window is about how long a window takes.
func (s *sweep) window() time.Duration { return s.duration + s.warmup + windowStart }

// windows is how many each server's search may take.
func (s *sweep) windows() int {
	if s.long == 0 {
		return max(int(timeDefault/s.window()), capacity.WindowsMin)
	}
	return int(s.long / s.window())
}

// search leads all searches; what it could not finish is said in the result.
func (s *sweep) search(ctx context.Context, plan *run.Plan, config run.Config, show *live, args []string) (*record.Bundle, error) {
	session, err := plan.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	c := capacity.Config{
		SLO: s.slo, Limits: capacity.Limits{From: s.from, To: s.to}, WindowsMax: s.windows(), Seed: s.seed, Window: session.Window,
		Observe: func(p capacity.Progress) {
			show.note(fmt.Sprintf("window %d, %s requests a second offered, at most %v left", p.Windows+1, thousands(p.Rate),
				(time.Duration(p.Left) * s.window()).Round(time.Second)))
		},
	}
	for _, t := range config.Targets {
		c.Arms = append(c.Arms, t.Name)
	}
	sweeps, err := capacity.Run(ctx, c)
	var against []load.Reason
	switch {
	case errors.Is(err, capacity.ErrFault):
		against = append(against, load.Reason{Verdict: load.Invalid, Text: err.Error()})
	case err != nil && ctx.Err() == nil:
		return nil, err
	}
	b := session.Record(ctx, run.Labels{Command: append(strings.Fields(s.command.name), args...)}, against...)
	b.Run.Kind = "capacity"
	for i := range sweeps {
		b.Run.Arms[i].Sweep = &sweeps[i]
		b.Run.Arms[i].Metrics = append(b.Run.Arms[i].Metrics, lowEnd(&sweeps[i])...)
	}
	return b, nil
}

// lowEnd is the confirmed rate as a figure that tools can follow over time.
func lowEnd(s *record.Sweep) []record.Metric {
	if s.Low == 0 {
		return nil
	}
	return []record.Metric{{Name: "capacity", Unit: "req/s", Better: "higher", Value: s.Low, Samples: []record.Sample{{Value: s.Low}}}}
}

func (s *sweep) tell(stdout, stderr io.Writer, b *record.Bundle) error {
	if err := s.print(stdout, &b.Run, printSweeps, sweepsMarkdown); err != nil {
		return err
	}
	if err := s.write(stdout, stderr, b); err != nil {
		return err
	}
	if b.Run.Status == load.Invalid.String() {
		return exitFor(load.Invalid)
	}
	return nil
}

// printSweeps prints the answer, then the curve of each server.
func printSweeps(w io.Writer, r *record.Run) {
	for _, a := range r.Arms {
		if a.Sweep != nil {
			fmt.Fprintf(w, "%s: %s\n", a.Name, bracket(a.Sweep))
			for _, note := range a.Sweep.Notes {
				fmt.Fprintf(w, "  %s\n", note)
			}
		}
	}
	for _, a := range r.Arms {
		if a.Sweep != nil && len(a.Sweep.Points) > 0 {
			fmt.Fprint(w, "\n"+curve(&a).String())
		}
	}
	if standIns := standInLines(r); standIns != "" {
		fmt.Fprint(w, "\n"+standIns)
	}
	fmt.Fprintf(w, "\n%s", verdictText(r))
}

// bracket is the answer in one sentence.
func bracket(s *record.Sweep) string {
	slo := capacity.SLO{Percentile: s.SLO.Percentile, Limit: time.Duration(s.SLO.LimitNS)}
	sure := fmt.Sprintf("confidence %.0f %%", 100*s.Confidence)
	switch {
	case s.Low > 0 && s.High > 0:
		return fmt.Sprintf("%v holds up to between %s and %s requests a second (%s)", slo, thousands(s.Low), thousands(s.High), sure)
	case s.Low > 0:
		return fmt.Sprintf("%v holds at %s requests a second (%s); where it ends was not found", slo, thousands(s.Low), sure)
	case s.High > 0:
		return fmt.Sprintf("%v does not hold at %s requests a second (%s); where it does was not found", slo, thousands(s.High), sure)
	}
	return fmt.Sprintf("%v: no answer", slo)
}

// curve is the table of rate against latency, from below and from above.
func curve(a *record.Arm) *grid {
	g := &grid{}
	g.add(a.Name, "", "offered", "achieved", "met", "p50", "p99", "p99.9")
	for _, p := range a.Sweep.Points {
		from := "from below"
		if p.Direction == record.DirectionDown {
			from = "from above"
		}
		g.add(from, "", thousands(p.Rate), fmt.Sprintf("%.1f %%", 100*p.Achieved/p.Rate), fmt.Sprintf("%d of %d", p.Passed, p.Windows),
			latencyCell(p.P50NS), latencyCell(p.P99NS), latencyCell(p.P999NS))
	}
	return g
}

func latencyCell(ns int64) string {
	if ns == 0 {
		return notThere
	}
	return short(time.Duration(ns))
}
