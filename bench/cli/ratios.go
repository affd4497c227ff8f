package cli

import (
	"fmt"
	"strings"

	"lars/bench/record"
	"lars/bench/run"
)

// ratiosShown are the figures that are compared.
var ratiosShown = []struct{ label, metric string }{
	{"server CPU", run.MetricServerCPU},
	{"throughput", run.MetricThroughput},
	{"p50", run.MetricP50},
	{"p99", run.MetricP99},
}

// ratioTables compares each arm with the baseline, and with what stands beside
// it: a bare echo, or the same without a crowd. Nothing when there is neither.
func ratioTables(r *record.Run) []table {
	base := r.Arm(r.Design.Baseline)
	var others, echoes, alone []beside
	for i := range r.Arms {
		a := &r.Arms[i]
		if strings.HasSuffix(a.Name, echoSuffix) || strings.HasSuffix(a.Name, aloneSuffix) {
			continue
		}
		if base != nil && a != base {
			others = append(others, beside{a, nil})
		}
		if bare := r.Arm(a.Name + echoSuffix); bare != nil {
			echoes = append(echoes, beside{a, bare})
		}
		if same := r.Arm(a.Name + aloneSuffix); same != nil {
			alone = append(alone, beside{a, same})
		}
	}
	var out []table
	if len(others) > 0 {
		out = append(out, ratioTable(r, "times "+r.Design.Baseline, others))
	}
	if len(echoes) > 0 {
		out = append(out, ratioTable(r, "times its own echo", echoes))
	}
	if len(alone) > 0 {
		out = append(out, ratioTable(r, "times itself alone", alone))
	}
	return out
}

// beside is an arm and what it is compared with; nil is the baseline, whose
// ratios stand in the record.
type beside struct{ arm, of *record.Arm }

func (b beside) ratio(metric string) *record.Ratio {
	if b.of != nil {
		return run.Ratio(b.arm, b.of, metric)
	}
	if m := b.arm.Metric(metric); m != nil {
		return m.Ratio
	}
	return nil
}

func ratioTable(r *record.Run, title string, pairs []beside) table {
	g := &grid{}
	head := []string{title, ""}
	for _, q := range ratiosShown {
		head = append(head, q.label)
	}
	g.add(head...)
	intervals := false
	for _, p := range pairs {
		cells := []string{p.arm.Name, ""}
		for _, q := range ratiosShown {
			text, interval := ratioCell(p.ratio(q.metric))
			cells = append(cells, text)
			intervals = intervals || interval
		}
		g.add(cells...)
	}
	note := fmt.Sprintf("ratios within %d rounds", r.Design.Rounds)
	if r.Design.Rounds == 1 {
		note = "ratios within one round"
	}
	if intervals {
		note += fmt.Sprintf(", with %.0f %% intervals", 100*r.Design.Confidence)
	} else {
		note += "; too few for an interval (6 are needed)"
	}
	return table{g, note + "\n"}
}

func ratioCell(q *record.Ratio) (text string, interval bool) {
	if q == nil {
		return notThere, false
	}
	text = fmt.Sprintf("%.2f", q.Value)
	if q.Low == nil || q.High == nil {
		return text, false
	}
	return fmt.Sprintf("%s (%.2f–%.2f)", text, *q.Low, *q.High), true
}
