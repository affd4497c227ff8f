package run

import (
	"fmt"
	"slices"
	"strings"

	"lars/bench/load"
)

// The state of the machine from which a run is called degraded: absolute
// figures then describe the neighbours too. Ratios within rounds still hold.
const (
	stealMax  = 0.01 // share of all processors' time
	othersMax = 0.10 // processors; below it the kernel's ticks are too coarse
)

// Verdict is the worst of all that speaks against the run.
func (r *Result) Verdict() load.Verdict { return load.Worst(r.Reasons()) }

// Reasons lists what speaks against the run, worst first: each kind once,
// however many rounds and targets it hit, and the machine's.
func (r *Result) Reasons() []load.Reason {
	out := append(r.roundReasons(), r.machineReasons()...)
	out = append(out, r.against...)
	if r.Cut {
		out = append(out, load.Reason{Verdict: load.Invalid, Text: "the run was interrupted before its end"})
	}
	if note := r.sharedProcessor(); note != "" {
		out = append(out, load.Reason{Verdict: load.Degraded, Text: note})
	}
	slices.SortStableFunc(out, func(a, b load.Reason) int { return int(b.Verdict) - int(a.Verdict) })
	return out
}

// roundReasons gives each kind of reason in the words of the first round that
// it hit, with the targets and the number of rounds. Figures are medians of
// rounds: what disturbed fewer than half of those of every target degrades them.
func (r *Result) roundReasons() []load.Reason {
	type group struct {
		first   load.Reason
		targets []int
		hits    map[int]int // rounds, by target
		rounds  int
	}
	var order []*group
	groups := map[string]*group{}
	for i := range r.Rounds {
		target := r.Rounds[i].Target
		for _, reason := range r.Rounds[i].Reasons {
			key := kindOf(reason)
			g := groups[key]
			if g == nil {
				g = &group{first: reason, hits: map[int]int{}}
				groups[key], order = g, append(order, g)
			}
			if g.hits[target] == 0 {
				g.targets = append(g.targets, target)
			}
			g.hits[target]++
			g.rounds++
		}
	}
	var out []load.Reason
	for _, g := range order {
		var names []string
		most := false // of the rounds of some target
		for _, t := range g.targets {
			names = append(names, r.Config.Targets[t].Name)
			most = most || 2*g.hits[t] >= len(r.RoundsOf(t))
		}
		verdict, text := g.first.Verdict, strings.Join(names, ", ")+": "+g.first.Text
		if g.first.Momentary && !most {
			verdict = load.Degraded
		}
		if len(r.Rounds) > 1 {
			text += fmt.Sprintf(" (%d of %d measurements)", g.rounds, len(r.Rounds))
		}
		out = append(out, load.Reason{Verdict: verdict, Text: text})
	}
	return out
}

// kindOf is a reason without its figures.
func kindOf(r load.Reason) string {
	words := strings.Fields(r.Text)
	words = slices.DeleteFunc(words, func(w string) bool { return strings.ContainsAny(w, "0123456789") })
	return r.Verdict.String() + " " + strings.Join(words, " ")
}

func (r *Result) machineReasons() []load.Reason {
	var steals, others []float64
	machines := slices.Clone(r.Windows)
	for i := range r.Rounds {
		machines = append(machines, r.Rounds[i].Machine)
	}
	for _, m := range machines {
		if m.Known {
			steals, others = append(steals, m.Steal), append(others, m.Others)
		}
	}
	var out []load.Reason
	if len(steals) == 0 {
		return out
	}
	if worst := slices.Max(steals); worst > stealMax {
		out = append(out, load.Reason{Verdict: load.Degraded, Text: fmt.Sprintf(
			"the machine was stolen from: the hypervisor took %.1f %% of processor time%s", 100*mean(steals), worstOf(steals, 100, "%.1f %%"))})
	}
	if worst := slices.Max(others); worst > othersMax {
		out = append(out, load.Reason{Verdict: load.Degraded, Text: fmt.Sprintf(
			"other processes used %.2f processors%s", mean(others), worstOf(others, 1, "%.2f"))})
	}
	return out
}

// worstOf adds the largest of several rounds.
func worstOf(xs []float64, scale float64, format string) string {
	if len(xs) < 2 {
		return ""
	}
	return fmt.Sprintf(" (worst round "+format+")", scale*slices.Max(xs))
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// sharedProcessor says when server and generator were not kept apart although
// nobody asked for that.
func (r *Result) sharedProcessor() string {
	if r.Processors.Pinned() {
		return sharedNote(r.Processors)
	}
	if r.Config.Pin.Off {
		return ""
	}
	return "server and generator shared their processors"
}

// RoundsOf is the rounds of one target, in order.
func (r *Result) RoundsOf(target int) []*Round {
	var out []*Round
	for i := range r.Rounds {
		if r.Rounds[i].Target == target {
			out = append(out, &r.Rounds[i])
		}
	}
	return out
}
