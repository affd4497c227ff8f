package run

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/proc"
	"lars/bench/record"
	"lars/internal/cli"
)

// Labels complete a result for its files.
type Labels struct {
	Command  []string // that repeats the run
	Baseline string   // name of the target that others are compared with; may be empty
}

// Record is the result in the form of the result files.
func (r *Result) Record(l Labels) *record.Bundle {
	around := readCircumstances()
	b := &record.Bundle{Run: r.head(l, around.summary()), Hists: map[string]map[string]*hist.Recorder{}, Circumstances: around}
	for i, t := range r.Config.Targets {
		merged := r.merged(i)
		b.Hists[t.Name] = merged
		b.Run.Arms = append(b.Run.Arms, r.arm(i, merged))
	}
	addRatios(b.Run.Arms, l.Baseline)
	b.Slices = r.slices()
	return b
}

func (r *Result) head(l Labels, m record.Machine) record.Run {
	run := record.Run{
		Schema: record.Schema, Kind: "single", Status: r.Verdict().String(), Reasons: []record.Reason{}, Notes: r.Notes,
		Started: r.Started.UTC().Format(time.RFC3339Nano), DurationNS: int64(r.Elapsed), Command: l.Command,
		Tool: tool(), Machine: m, Scenario: r.scenario(), Design: r.design(l.Baseline),
	}
	if len(r.Config.Targets) > 1 {
		run.Kind = "compare"
	}
	for _, reason := range r.Reasons() {
		run.Reasons = append(run.Reasons, record.Reason{Status: reason.Verdict.String(), Text: reason.Text})
	}
	run.ID = r.id(&run)
	return run
}

// id is sortable by time and tells runs of different commits and settings
// apart: time, commit, scenario, hash of the settings.
func (r *Result) id(run *record.Run) string {
	commit := "nocommit"
	if len(run.Tool.Commit) >= 7 {
		commit = run.Tool.Commit[:7]
	}
	var targets []string
	for _, t := range r.Config.Targets {
		targets = append(targets, t.Name, t.Backend, t.Addr.String())
		if t.Backend == "" {
			targets = append(targets, t.Command...) // somebody's own; ours may name free ports
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v %+v %q", run.Scenario, run.Design, targets))
	return fmt.Sprintf("%s-%s-%s-%x", r.Started.UTC().Format("20060102T150405Z"), commit, run.Scenario.Name, sum[:3])
}

// Here is what a result says of the program and the machine that made it: the
// two parts of run.json, and the content of machine.json.
func Here() (record.Tool, record.Machine, any) {
	around := readCircumstances()
	return tool(), around.summary(), around
}

func tool() record.Tool {
	b := cli.ReadBuild()
	return record.Tool{Version: b.Version, Commit: b.Commit, Dirty: b.Dirty, Go: b.Go}
}

// circumstances is the content of machine.json.
type circumstances struct {
	ID      string       `json:"id"` // of Machine: the same on the same machine
	Machine proc.Machine `json:"machine"`
	Process proc.Process `json:"process"` // that measured
}

func readCircumstances() circumstances {
	m := proc.ReadMachine()
	return circumstances{ID: m.ID(), Machine: m, Process: proc.ReadProcess()}
}

// summary is the part of it that stands in run.json.
func (c *circumstances) summary() record.Machine {
	return record.Machine{
		ID: c.ID, OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: c.Machine.CPUModel,
		CPUs: max(c.Machine.CPUs, 1), Kernel: c.Machine.Kernel, Clock: c.Machine.Clock,
	}
}

func (r *Result) scenario() record.Scenario {
	c := r.Config.Load
	s := record.Scenario{
		Name: cmp.Or(r.Config.Source.Name, r.Config.Name), Network: c.Network, Mode: "closed", Conns: max(1, c.Conns), Depth: max(1, c.Depth),
		Seed: c.Seed, WarmupNS: int64(c.Warmup), DurationNS: int64(c.Duration), TimeoutNS: int64(c.Timeout),
	}
	if from := r.Config.Source; from.Text != "" {
		s.Workload, s.File, s.SHA256, s.Text, s.Changed = r.Config.Name, from.File, from.SHA256, from.Text, from.Changed
	}
	if c.Open() {
		s.Mode, s.Depth, s.RateRPS, s.Arrivals = "open", c.Depth, c.Rate, c.Arrivals.String()
	}
	if len(r.Rounds) > 0 {
		s.TimeoutNS = int64(r.Rounds[0].Load.Config.Timeout)
	}
	s.RequestBytes, _ = r.Config.workload().FrameBytesMax()
	return s
}

func (r *Result) design(baseline string) record.Design {
	return record.Design{
		Rounds: r.Config.Rounds, Loops: r.Config.Loops, Workers: r.Config.Workers, Pinned: r.Processors.Pinned(),
		ServerCPUs: append([]int{}, r.Processors.Server...), GeneratorCPUs: append([]int{}, r.Processors.Generator...),
		Baseline: baseline, Confidence: Confidence,
	}
}

// merged is the distributions of a target over all its rounds, for curves and
// percentile files.
func (r *Result) merged(target int) map[string]*hist.Recorder {
	out := map[string]*hist.Recorder{}
	for _, round := range r.RoundsOf(target) {
		for stage, h := range map[string]*hist.Recorder{
			record.StageResponse: round.Load.Response,
			record.StageService:  round.Load.Service,
			record.StageSendLag:  round.Load.SendLag,
		} {
			if h == nil || h.Count()+h.Censored() == 0 {
				continue
			}
			if out[stage] == nil {
				out[stage] = hist.New()
			}
			out[stage].Merge(h)
		}
	}
	return out
}

// portable names the folder of temporary files as the shell does where the
// path is one that a measurement made (MkdirTemp of the lab's own folders): it
// is gone afterwards and means nothing on another machine. Paths that a user
// gave stay as given.
func portable(command []string) (words []string) {
	for _, w := range command {
		words = append(words, strings.ReplaceAll(w, os.TempDir()+"/lars-bench-", "$TMPDIR/lars-bench-"))
	}
	return words
}

func (r *Result) arm(target int, merged map[string]*hist.Recorder) record.Arm {
	t := r.Config.Targets[target]
	a := record.Arm{
		Name: t.Name, Backend: t.Backend, Module: t.Module, Command: portable(t.Command),
		StandIns: append([]string{}, t.StandIns...), Metrics: append([]record.Metric{}, Metrics(r.RoundsOf(target))...), Latency: []record.Latency{}, Rounds: []record.RoundInfo{},
	}
	if len(t.Command) == 0 {
		a.Address = t.Addr.String()
	}
	for _, stage := range []string{record.StageResponse, record.StageService, record.StageSendLag} {
		if h := merged[stage]; h != nil {
			a.Latency = append(a.Latency, latency(stage, h))
		}
	}
	for _, round := range r.RoundsOf(target) {
		a.Rounds = append(a.Rounds, roundInfo(round))
	}
	for _, idle := range r.Idle {
		if idle.Target == target {
			a.Idle = &record.Idle{Conns: idle.Conns, BeforeBytes: idle.BeforeBytes, AfterBytes: idle.AfterBytes, BytesPerConn: idle.BytesPerConn(), Samples: idle.Samples}
		}
	}
	a.Correctness = r.correctness(target)
	for _, c := range r.Calls {
		if c.Target == target {
			a.Syscalls = &record.Syscalls{Total: int64(c.Total), PerRequest: c.PerRequest(), Tool: c.Tool, ByName: byName(c.ByName)}
		}
	}
	return a
}

func byName(calls map[string]uint64) map[string]int64 {
	if len(calls) == 0 {
		return nil
	}
	out := map[string]int64{}
	for name, n := range calls {
		out[name] = int64(n)
	}
	return out
}

// violationsMax is how many violations of an arm are told one by one.
const violationsMax = 20

// correctness adds up what the oracle found in each round.
func (r *Result) correctness(target int) *record.Correctness {
	sum := &record.Correctness{Violations: []string{}}
	rounds := r.RoundsOf(target)
	for _, round := range rounds {
		c := &round.Correctness
		sum.Sent += c.Sent
		sum.Acked += c.Acked
		sum.Lost += c.Lost
		sum.Duplicated += c.Duplicated
		sum.StaleRoutes += c.StaleRoutes
		if c.Stored != nil {
			stored := *c.Stored
			if sum.Stored != nil {
				stored += *sum.Stored
			}
			sum.Stored = &stored
		}
		for _, text := range c.Violations {
			if len(rounds) > 1 {
				text = fmt.Sprintf("round %d: %s", round.Index+1, text)
			}
			if len(sum.Violations) < violationsMax {
				sum.Violations = append(sum.Violations, text)
			}
		}
	}
	return sum
}

func latency(stage string, h *hist.Recorder) record.Latency {
	l := record.Latency{
		Stage: stage, Count: h.Count(), Censored: h.Censored(), Over: h.Over(),
		MinNS: h.Min(), MaxNS: h.Max(), MeanNS: h.Mean(), Percentiles: []record.Percentile{},
	}
	for _, q := range percentilesStated {
		if got := h.Percentile(q.p, Confidence); got.Reportable {
			l.Percentiles = append(l.Percentiles, record.Percentile{P: q.p, NS: got.Value, LowNS: got.Low, HighNS: got.High, Censored: got.Censored, HighOpen: got.HighOpen})
		}
	}
	return l
}

func roundInfo(r *Round) record.RoundInfo {
	a := r.Load.Audit
	info := record.RoundInfo{
		Round: r.Index, Position: r.Position, Started: r.Load.Started.UTC().Format(time.RFC3339Nano),
		ElapsedNS: int64(r.Load.Elapsed), Counts: counts(&r.Load.Counts), ServerReport: r.Server.Report,
		Generator: record.GeneratorInfo{
			CPUNS: int64(a.CPU), WorkerShare: a.WorkerShare, GCCycles: int64(a.GCCycles),
			GCPauseMaxNS: int64(a.GCPauseMax), StallMaxNS: int64(a.StallMax), Pacer: a.Pacer,
			Wakeups: int64(a.Wakeups), Events: int64(a.Events), Switches: int64(r.GeneratorSwitches),
		},
	}
	for _, w := range r.Load.Parts {
		info.Workers = append(info.Workers, record.WorkerInfo{
			Name: w.Name, Address: w.Address, SkewNS: int64(w.Skew), Sent: int64(w.Sent), Completed: int64(w.Completed),
			P50NS: int64(w.P50), P99NS: int64(w.P99), LagP50NS: int64(w.LagP50), LagP99NS: int64(w.LagP99), WorkerShare: w.WorkerShare,
		})
	}
	if s := r.Server; s.Known {
		info.Server = &record.ServerInfo{
			CPUNS: int64(s.CPU), RSSBytes: s.Memory.RSSBytes, RSSMaxBytes: s.Memory.RSSMaxBytes,
			Voluntary: int64(s.Voluntary), Involuntary: int64(s.Involuntary),
		}
	}
	if m := r.Machine; m.Known {
		info.MachineShares = &record.MachineShares{Steal: m.Steal, Busy: m.Busy, Waiting: m.Waiting, Others: m.Others}
	}
	return info
}

func counts(c *load.Counts) map[string]int64 {
	return map[string]int64{
		"arrivals": int64(c.Arrivals), "sent": int64(c.Sent), "completed": int64(c.Completed),
		"bytes_out": int64(c.BytesOut), "bytes_in": int64(c.BytesIn),
		"wrong": int64(c.Wrong), "lost": int64(c.Lost), "duplicated": int64(c.Duplicated),
		"reordered": int64(c.Reordered), "late": int64(c.Late), "timed_out": int64(c.TimedOut),
		"dropped": int64(c.Dropped), "refused": int64(c.Refused), "disconnected": int64(c.Disconnected),
		"bad_frames": int64(c.BadFrames), "pushed": int64(c.Pushed), "blocked": int64(c.Blocked),
		"one_way": int64(c.OneWay), "stale": int64(c.Stale), "connects": int64(c.Connects), "held": int64(c.Held),
	}
}

func (r *Result) slices() []record.Slice {
	var out []record.Slice
	for i := range r.Rounds {
		round := &r.Rounds[i]
		for _, in := range round.Intervals {
			out = append(out, record.Slice{
				Arm: r.Config.Targets[round.Target].Name, Round: round.Index, Phase: in.Phase.String(),
				Start: round.Load.Started.Add(in.Start), End: round.Load.Started.Add(in.End),
				Sent: int64(in.Counts.Sent), Completed: int64(in.Counts.Completed),
				Errors: int64(in.Counts.Errors() + in.Counts.TimedOut), P50: in.P50, P99: in.P99,
				ServerCPU: in.ServerCPU, ServerKnown: in.ServerKnown, GeneratorCPU: in.GeneratorCPU,
				InFlight: in.InFlight, Queued: in.Queued, Response: in.Response,
			})
		}
	}
	return out
}
