package results

import (
	"fmt"
	"slices"
	"strings"

	"lars/bench/record"
	"lars/bench/report"
	"lars/bench/stats"
)

// question is a figure by which backends are compared.
type question struct {
	Metric, Name string
	Lower        bool   // is better
	More         string // "takes %s times as much as": what the loser does
}

// questions in the order of the pages. Throughput says something only where the
// next request waits for the last reply.
func questions(r *record.Run) []question {
	out := []question{
		{"server_cpu", "Server CPU per request", true, "takes"},
		{"throughput", "Throughput", false, "reaches"},
		{"p50", "Latency p50", true, "is at"},
		{"p99", "Latency p99", true, "is at"},
		{"rss_max", "Server memory", true, "takes"},
	}
	if r.Scenario.Mode == "open" {
		out = slices.DeleteFunc(out, func(q question) bool { return q.Metric == "throughput" })
	}
	return out
}

// What is measured beside the backends: the echo in C, bare echoes under a
// service, and the same server without the connections that burden it.
const (
	floorName   = "floor"
	echoSuffix  = "-echo"
	aloneSuffix = "-alone"
)

func isBackend(name string) bool {
	return name != floorName && !strings.HasSuffix(name, echoSuffix) && !strings.HasSuffix(name, aloneSuffix)
}

// finding answers a question for a run.
type finding struct {
	Question question
	Best     []string // the best and those indistinguishable from it
	Others   []other  // that are worse
	Unseen   float64  // the largest ratio to the best that one of Best could have
	Unsure   bool     // too few rounds for intervals
	Text     string
}

type other struct {
	Name      string
	Low, High float64 // of the ratio to the best
}

// sameWithin is the ratio up to which a difference would not matter.
const sameWithin = 1.1

// Same is a question to which every backend is an answer: no difference was
// seen, and none that would matter could have stayed unseen.
func (f *finding) Same() bool { return !f.Unsure && len(f.Others) == 0 && f.Unseen <= sameWithin }

// answer compares every backend with the best one, within rounds. ok is false
// when fewer than two have the figure.
func answer(r *record.Run, q question) (f finding, ok bool) {
	var arms []*record.Arm
	for i := range r.Arms {
		a := &r.Arms[i]
		if m := a.Metric(q.Metric); isBackend(a.Name) && m != nil && !m.Censored {
			arms = append(arms, a)
		}
	}
	if len(arms) < 2 {
		return f, false
	}
	f.Question = q
	best := bestOf(arms, q, r.Design.Confidence)
	f.Best = []string{best.Name}
	for _, a := range arms {
		if a == best {
			continue
		}
		ratio := pair(a, best, q, r.Design.Confidence)
		switch judge(ratio, q).Word {
		case "worse":
			f.Others = append(f.Others, other{a.Name, ratio.Low, ratio.High})
		case "no interval":
			f.Unsure = true
		default:
			f.Best = append(f.Best, a.Name)
			f.Unseen = max(f.Unseen, ratio.High, 1/ratio.Low)
		}
	}
	f.Text = f.text()
	return f, true
}

// bestOf is the arm with the best median, unless another beats it within rounds.
func bestOf(arms []*record.Arm, q question, confidence float64) *record.Arm {
	better := func(a, b float64) bool { return (a < b) == q.Lower && a != b }
	best := arms[0]
	for _, a := range arms[1:] {
		if better(a.Metric(q.Metric).Value, best.Metric(q.Metric).Value) {
			best = a
		}
	}
	for range arms { // each may be beaten once
		for _, a := range arms {
			if a != best && judge(pair(a, best, q, confidence), q).Word == "better" {
				best = a
			}
		}
	}
	return best
}

// pair is the ratio of a to b over the rounds that both have.
func pair(a, b *record.Arm, q question, confidence float64) stats.Ratio {
	of := map[int]float64{}
	for _, s := range b.Metric(q.Metric).Samples {
		if !s.Censored {
			of[s.Round] = s.Value
		}
	}
	var x, y []float64
	for _, s := range a.Metric(q.Metric).Samples {
		if v, ok := of[s.Round]; ok && !s.Censored {
			x, y = append(x, s.Value), append(y, v)
		}
	}
	return stats.PairedRatio(x, y, confidence)
}

func judge(r stats.Ratio, q question) report.Judgement {
	better := "higher"
	if q.Lower {
		better = "lower"
	}
	if !r.Known {
		return report.Judge(nil, nil, better)
	}
	return report.Judge(&r.Low, &r.High, better)
}

func (f *finding) text() string {
	switch {
	case f.Unsure:
		return "too few rounds for an answer (6 are needed)."
	case f.Same():
		return "it does not matter: " + list(f.Best) + " are within 10 % of each other."
	case len(f.Others) == 0:
		return fmt.Sprintf("%s could not be told apart; a difference of up to %.3g times could have stayed unseen.", list(f.Best), f.Unseen)
	}
	word := "highest"
	if f.Question.Lower {
		word = "lowest"
	}
	text := word + " with " + f.Best[0]
	if len(f.Best) > 1 {
		text += "; " + list(f.Best[1:]) + verb(len(f.Best)-1, " is", " are") + " indistinguishable from it"
	}
	var parts []string
	for _, o := range f.Others {
		parts = append(parts, fmt.Sprintf("%s %s %.2f to %.2f times that", o.Name, f.Question.More, o.Low, o.High))
	}
	return text + ". " + strings.Join(parts, ", ") + "."
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// list is "a", "a and b", "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
