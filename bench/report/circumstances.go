package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"lars/bench/record"
)

// auditOf is what the generator says of itself: figures are only as good as
// that. Each is the worst of the rounds.
func auditOf(r *record.Run) *table {
	t := &table{Head: []string{"Arm", "Send lag p50", "Send lag p99", "Busiest worker", "Longest stall", "Longest GC pause", "Paced by"}}
	for _, a := range r.Arms {
		if len(a.Rounds) == 0 {
			continue
		}
		p50, p99 := absent, absent
		for _, l := range a.Latency {
			if l.Stage == record.StageSendLag {
				p50, p99 = plain(&l, 50), plain(&l, 99)
			}
		}
		share, stall, pause := 0.0, int64(0), int64(0)
		var pacers []string
		for _, round := range a.Rounds {
			g := round.Generator
			share, stall, pause = max(share, g.WorkerShare), max(stall, g.StallMaxNS), max(pause, g.GCPauseMaxNS)
			if g.Pacer != "" && !slices.Contains(pacers, g.Pacer) {
				pacers = append(pacers, g.Pacer)
			}
		}
		if pacers == nil {
			pacers = []string{absent}
		}
		t.Rows = append(t.Rows, []string{a.Name, p50, p99, percent(share) + " of a core", duration(stall), duration(pause), strings.Join(pacers, ", ")})
	}
	if t.Rows == nil {
		return nil
	}
	t.Note = "Send lag is how late requests left (open loop). Shares, stalls and pauses are those of the worst round."
	return t
}

func plain(l *record.Latency, p float64) string {
	for _, q := range l.Percentiles {
		if q.P == p {
			return duration(q.NS)
		}
	}
	return absent
}

// machine is where it was measured.
type machine struct {
	Facts   []fact
	Details []fact // of machine.json
}

func machineOf(f *record.Folder) *machine {
	r := f.Run
	m := &machine{}
	add := func(name, value string) {
		if value != "" {
			m.Facts = append(m.Facts, fact{name, value})
		}
	}
	add("Processors", fmt.Sprintf("%d × %s", r.Machine.CPUs, orElse(r.Machine.CPU, "unknown")))
	add("System", strings.TrimSpace(r.Machine.OS+"/"+r.Machine.Arch+" "+r.Machine.Kernel))
	add("Clock", r.Machine.Clock)
	add("Machine id", r.Machine.ID)
	add("Placement", placement(&r.Design))
	add("Lars", toolName(&r.Tool))
	add("Go", r.Tool.Go)
	for _, x := range shares(r) {
		add(x.Name, x.Value)
	}
	m.Details = flatten(f.Machine)
	return m
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func placement(d *record.Design) string {
	text := "server and generator shared all processors"
	if d.Pinned {
		text = fmt.Sprintf("server on %s, generator on %s", list(d.ServerCPUs), list(d.GeneratorCPUs))
	}
	return fmt.Sprintf("%s; %s, %s", text, plural(d.Loops, "event loop"), plural(d.Workers, "generator thread"))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func list(cpus []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(cpus), " ", ", "), "[]")
}

func toolName(t *record.Tool) string {
	var parts []string
	if t.Version != "" {
		parts = append(parts, t.Version)
	}
	if t.Commit != "" {
		parts = append(parts, "commit "+t.Commit[:min(12, len(t.Commit))])
	}
	if t.Dirty {
		parts = append(parts, "with uncommitted changes")
	}
	return strings.Join(parts, ", ")
}

// shares is what went on beside the run, as median-free means and worst rounds.
func shares(r *record.Run) []fact {
	var all []*record.MachineShares
	for _, a := range r.Arms {
		for _, round := range a.Rounds {
			if round.MachineShares != nil {
				all = append(all, round.MachineShares)
			}
		}
	}
	if all == nil {
		return nil
	}
	of := func(name string, get func(*record.MachineShares) float64, write func(float64) string) fact {
		sum, worst := 0.0, 0.0
		for _, s := range all {
			sum, worst = sum+get(s), max(worst, get(s))
		}
		return fact{name, fmt.Sprintf("%s on average, %s in the worst round", write(sum/float64(len(all))), write(worst))}
	}
	return []fact{
		of("Stolen by the hypervisor", func(s *record.MachineShares) float64 { return s.Steal }, percent),
		of("Other processes", func(s *record.MachineShares) float64 { return s.Others }, func(v float64) string { return number(v) + " processors" }),
		of("Time with a task waiting", func(s *record.MachineShares) float64 { return s.Waiting }, percent),
	}
}

// flatten lists the leaves of a JSON document, by path.
func flatten(raw json.RawMessage) []fact {
	var v any
	if raw == nil || json.Unmarshal(raw, &v) != nil {
		return nil
	}
	var out []fact
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			keys := make([]string, 0, len(v))
			for k := range v {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			for _, k := range keys {
				walk(strings.TrimPrefix(at+"."+k, "."), v[k])
			}
		case []any:
			var parts []string
			for _, item := range v {
				parts = append(parts, fmt.Sprint(item))
			}
			out = append(out, fact{at, strings.Join(parts, ", ")})
		case float64:
			out = append(out, fact{at, fmt.Sprintf("%.0f", v)})
		case nil:
		default:
			if text := fmt.Sprint(v); text != "" {
				out = append(out, fact{at, text})
			}
		}
	}
	walk("", v)
	return out
}

// command is how to repeat the run, and what is beside the page.
type command struct {
	Line     string
	Seed     string
	Scenario string // the text of its file
	File     string
	Arms     []fact // commands of the servers
	Files    []fileLine
}

type fileLine struct{ Name, About string }

func commandOf(r *record.Run) command {
	c := command{Line: shell(r.Command), Seed: fmt.Sprint(r.Scenario.Seed), Scenario: r.Scenario.Text, File: r.Scenario.File}
	for _, a := range r.Arms {
		what := shell(a.Command)
		if what == "" && a.Address != "" {
			what = "a server at " + a.Address
		}
		if what != "" {
			c.Arms = append(c.Arms, fact{a.Name, what})
		}
	}
	c.Files = []fileLine{
		{record.RunFile, "everything in numbers, with every sample"},
		{record.BenchFile, "for benchstat: one line for each round"},
		{record.TimeSeriesFile, "every interval"},
	}
	for _, a := range r.Arms {
		for _, l := range a.Latency {
			if l.HLog != "" {
				c.Files = append(c.Files, fileLine{l.HLog, "HdrHistogram log of " + a.Name}, fileLine{l.HGrm, "percentiles of " + a.Name})
			}
		}
		for _, s := range a.Stages {
			if s.HGrm != "" {
				c.Files = append(c.Files, fileLine{s.HGrm, "percentiles of a stage of " + a.Name})
			}
		}
	}
	c.Files = append(c.Files, fileLine{record.SumsFile, "for sha256sum -c"})
	return c
}

// shell writes a command so that it can be pasted.
func shell(args []string) string {
	var out []string
	for _, a := range args {
		if a == "" || strings.Trim(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:=,@+%") != "" {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		out = append(out, a)
	}
	return strings.Join(out, " ")
}
