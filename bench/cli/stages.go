package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lars/bench/load"
	"lars/bench/record"
	"lars/bench/run"
	"lars/bench/stages"
	"lars/internal/cli"
)

// staging is "lars bench stages".
type staging struct {
	*options
	seen []*stages.Workload // by target
}

func stagesCommand(b []Backend) cli.Func {
	return func(ctx context.Context, stdout, stderr io.Writer, args []string) error {
		return newStaging(&command{backends: b, name: "lars bench stages", compare: true}).run(ctx, stdout, stderr, args)
	}
}

func newStaging(c *command) *staging {
	s := &staging{options: &options{command: c, workload: "echo", listen: "127.0.0.1:0"}}
	s.flags = cli.NewFlags(c.name, "[--backend LIST] [flags]",
		"Shows where the time of a request goes: waiting to be sent, to the server's read, to the handler, in it, and back.\nThe server puts its times into the reply; all clocks are one. The files stage.NAME.STAGE.hgrm have the percentiles, in us.",
		"lars bench stages --backend epoll", "lars bench stages --backend all --rate 10000", "lars bench stages --backend epoll,std --udp")
	f := s.flags
	f.StringVar(&s.backends, "backend", "all", "comma-separated `list` of "+strings.Join(c.names(), ", ")+"; or all")
	f.BoolVar(&s.udp, "udp", false, "UDP instead of TCP")
	f.IntVar(&s.conns, "conns", 50, "`number` of connections (of sockets, for UDP)")
	f.Float64Var(&s.rate, "rate", 5000, "`requests` per second over all connections; 0 is a closed loop")
	f.IntVar(&s.depth, "depth", 0, "`requests` in flight on each connection: of a closed loop (1), or at most, with --rate (no limit)")
	f.StringVar(&s.arrivals, "arrivals", "poisson", "open loop: `law` of the arrivals, poisson or constant")
	f.DurationVar(&s.duration, "duration", 2*time.Second, "measured `time` of each round")
	f.DurationVar(&s.warmup, "warmup", 500*time.Millisecond, "`time` of load before it that is not measured")
	f.DurationVar(&s.timeout, "timeout", 0, "`time` after which a request is given up (10s, UDP 1s)")
	f.Uint64Var(&s.seed, "seed", 1, "`number` that the arrivals follow from; round k uses seed+k")
	f.IntVar(&s.repeat, "repeat", 3, "`rounds`, each in a fresh server")
	s.placeFlags()
	return s
}

func (s *staging) run(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	if done, err := s.flags.Parse(stdout, args); done || err != nil {
		return err
	}
	if s.threads != 1 {
		return s.flags.Errorf("--generator-loops %d: times are taken by one", s.threads)
	}
	if s.backends == "all" {
		s.backends = strings.Join(s.command.names(), ",")
	}
	config, err := s.config(ctx, stderr)
	defer s.close()
	if err != nil {
		return err
	}
	if err := s.checkOut(); err != nil {
		return err
	}
	if err := s.stamp(&config); err != nil {
		return err
	}
	show := newLive(stderr, s.live())
	config.Observe = show.update
	show.say("preparing: each server is started and asked once")
	plan, err := run.Prepare(ctx, config)
	show.clear()
	if err != nil {
		return s.command.refused(ctx, err)
	}
	if s.text() {
		printHead(stdout, plan)
	}
	result, err := plan.Run(ctx)
	show.clear()
	if err != nil {
		return s.command.failed(err)
	}
	b := result.Record(run.Labels{Command: append(strings.Fields(s.command.name), args...), Baseline: s.baseline})
	for i := range b.Run.Arms {
		a := &b.Run.Arms[i]
		if a.Stages, err = s.seen[i].Record(a.Name); err != nil {
			return err
		}
	}
	return s.tell(stdout, stderr, b, result.Verdict())
}

// stamp makes every server put its times into its replies.
func (s *staging) stamp(c *run.Config) error {
	c.Load.Workload = stages.New()
	for i := range c.Targets {
		t := &c.Targets[i]
		if t.Backend == floorName {
			return s.flags.Errorf("%s tells no times: choose of %s", floorName, strings.Join(s.command.names(), ", "))
		}
		w := stages.New()
		s.seen = append(s.seen, w)
		t.Workload, t.Command = w, append(t.Command, "--stamps")
		t.Check = func(*run.Round) []load.Reason {
			if n := w.Backwards(); n > 0 {
				return []load.Reason{{Verdict: load.Invalid, Text: fmt.Sprintf("%d replies tell times that cannot be: the clocks are not one", n)}}
			}
			return nil
		}
	}
	return nil
}

func (s *staging) tell(stdout, stderr io.Writer, b *record.Bundle, v load.Verdict) error {
	if err := s.print(stdout, &b.Run, printStages, stagesMarkdown); err != nil {
		return err
	}
	if err := s.write(stdout, stderr, b); err != nil {
		return err
	}
	return exitFor(v)
}

// stageOrder is that in which a request goes through them, and the whole.
var stageOrder = [...]string{record.StageSending, record.StageToServer, record.StageToHandler, record.StageHandler, record.StageToClient, record.StageResponse}

var stageLabels = map[string]string{
	record.StageSending: "due to sent", record.StageToServer: "sent to read", record.StageToHandler: "read to handler",
	record.StageHandler: "in the handler", record.StageToClient: "handler to received", record.StageResponse: "due to received",
}

const stagesNote = "percentiles of each stage by itself: they do not add up; " + notThere + " is one that too few requests support\n" +
	"95 % intervals as if requests were independent: repetition shows more"

func printStages(w io.Writer, r *record.Run) {
	for _, g := range stageGrids(r) {
		fmt.Fprintln(w, g)
	}
	fmt.Fprintln(w, stagesNote)
	if standIns := standInLines(r); standIns != "" {
		fmt.Fprint(w, "\n"+standIns)
	}
	fmt.Fprintf(w, "\n%s", verdictText(r))
}

func stagesMarkdown(w io.Writer, r *record.Run) {
	fmt.Fprint(w, headMarkdown(r))
	for _, g := range stageGrids(r) {
		fmt.Fprint(w, "\n"+g.markdown())
	}
	fmt.Fprintf(w, "\n%s.\n%s", stagesNote, tailMarkdown(r))
}

// span is an interval, empty where there is none.
func span(low, high int64) string {
	if high == 0 {
		return ""
	}
	return short(time.Duration(low)) + "–" + short(time.Duration(high))
}

// stageGrids are a table for the median, and one for the tail.
func stageGrids(r *record.Run) []*grid {
	var out []*grid
	for _, q := range []struct {
		name string
		p    float64
		of   func(*record.StageTime) (ns, low, high int64)
	}{
		{"p50", 50, func(s *record.StageTime) (ns, low, high int64) { return s.P50NS, s.P50LowNS, s.P50HighNS }},
		{"p99", 99, func(s *record.StageTime) (ns, low, high int64) { return s.P99NS, s.P99LowNS, s.P99HighNS }},
	} {
		g := &grid{}
		g.add(append([]string{q.name, ""}, perArm(r, func(a record.Arm) string { return a.Name })...)...)
		for _, stage := range stageOrder {
			line, bounds := []string{stageLabels[stage], ""}, []string{boundsLabel, ""}
			for _, a := range r.Arms {
				i := slices.IndexFunc(a.Stages, func(s record.StageTime) bool { return s.Stage == stage })
				if i < 0 || !a.Stages[i].Supports(q.p) {
					line, bounds = append(line, notThere), append(bounds, "")
					continue
				}
				ns, low, high := q.of(&a.Stages[i])
				line, bounds = append(line, short(time.Duration(ns))), append(bounds, span(low, high))
			}
			g.add(line...)
			if strings.Join(bounds[2:], "") != "" { // results of earlier versions have none
				g.add(bounds...)
			}
		}
		out = append(out, g)
	}
	return out
}
