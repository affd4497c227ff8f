package study

import (
	"fmt"
	"math"
	"strings"
)

// target is what a policy must reach.
type target struct {
	scenario string
	metric   Metric
	limit    float64
	policy   string
	aim      bool // wished for, not demanded
}

func targets() []target {
	return []target{
		{"S2", Errors, .3, Default, false},
		{"S3", Errors, .1, Default, false},
		{"S4", Errors, .3, Default, false},
		{"S7b", Amplification, .99, Default, false},
		{"S8", Errors, 3, Default, false},
		{"S6", P99, 100, Default, false},
		{"S9", Errors, 2, Default, true},
	}
}

// Missed says which targets the table does not reach: those of the default
// policy, and not what is but aimed at. Scenarios that were not run are left
// out.
func (t *Table) Missed() (missed []string) {
	for _, x := range targets() {
		c := t.Cell(x.scenario, x.policy)
		if c == nil || x.aim || x.reached(c) {
			continue
		}
		i := x.metric.Info()
		missed = append(missed, fmt.Sprintf("%s of %s: %s %s%s, want %v", x.scenario, x.policy, i.Name, c.Values[x.metric].format(i.Digits), i.Unit, x.limit))
	}
	return missed
}

func (x *target) reached(c *Cell) bool {
	v := c.Values[x.metric].Mean
	if x.metric.Info().Higher {
		return v >= x.limit
	}
	return v <= x.limit
}

func (t *Table) targetTable(b *strings.Builder) {
	rows := [][]string{{"target", "policy", "wanted", "measured", "classic", ""}}
	for _, x := range targets() {
		c := t.Cell(x.scenario, x.policy)
		if c == nil {
			continue
		}
		i := x.metric.Info()
		sign, verdict := "at most", "reached"
		if i.Higher {
			sign = "at least"
		}
		if !x.reached(c) {
			verdict = "missed"
		}
		if x.aim {
			sign = "aim: " + sign
		}
		rows = append(rows, []string{
			x.scenario + ", " + i.Name, x.policy, strings.TrimSpace(fmt.Sprintf("%s %v %s", sign, x.limit, i.Unit)),
			c.Values[x.metric].format(i.Digits), t.show(x.scenario, "classic", x.metric), verdict,
		})
	}
	markdown(b, rows, 6)
}

// show is a figure as text; a dash when it was not measured.
func (t *Table) show(scenario, policy string, m Metric) string {
	c := t.Cell(scenario, policy)
	if c == nil {
		return "–"
	}
	return c.Values[m].format(m.Info().Digits)
}

// claim is that one policy is better than another, and who says so.
type claim struct {
	scenario      string
	metric        Metric
	better, worse string
	says          string
}

func claims() []claim {
	const d, literature, pilot = Default, "literature", "pilot"
	return []claim{
		{"S0", P99, "rr", "prequal+outlier", "literature: probes are noise when hosts are equal"},
		{"S1", P99, "prequal+outlier", d, literature},
		{"S1", P99, d, "p2c+outlier", literature},
		{"S1", Errors, "p2c", "rr+outlier", literature},
		{"S1", FlightP99, "prequal+outlier", "rr+outlier", "literature: calls in flight are what Prequal looks at"},
		{"S1", Errors, "rr+outlier", "elb", pilot},
		{"S1", Errors, "elb", "classic", pilot},
		{"S1", Errors, "classic", "rr", pilot},
		{"S2", Errors, "prequal+outlier", d, literature},
		{"S2", Errors, d, "classic", literature},
		{"S2", Errors, "classic", "rr", pilot},
		{"S2", Errors, "rr", "p2c", "literature: failures that come fast look like little load"},
		{"S3", Errors, "rr", "classic", "pilot: a probe of every eleventh call costs more than one host of fifty"},
		{"S4", Errors, "p2c", "rr", "literature: calls in flight pile up at a host that does not answer"},
		{"S5", Errors, d, "classic", "literature: success rates against the peers' are needed"},
		{"S5", Errors, "classic", "rr", "the original's intent"},
		{"S6", P99, "prequal+outlier", d, literature},
		{"S6", P99, d, "p2c", literature},
		{"S6", FlightMax, "p2c", "rr", "literature: the longest of two queues is not taken"},
		{"S6", P99, "rr+outlier", "classic", literature},
		{"S7b", Amplification, d, "classic", "pilot: who ejects in a brown-out makes it worse"},
		{"S7b", Amplification, "classic", "elb", pilot},
		{"S8", Errors, "prequal+outlier", "rr+outlier", literature},
		{"S8", Errors, d, "elb", pilot},
		{"S8", Errors, "elb", "classic", pilot},
		{"S8", Errors, "rr", "p2c", pilot},
		{"S9", Errors, d, "ewma+outlier", "literature: sharing is what helps with few calls"},
		{"S9", Errors, "rr+hints", "rr+outlier", "literature: sharing is what helps with few calls"},
		{"S9", Errors, d, "elb", pilot},
		{"S9", Errors, "elb", "classic", pilot},
		{"S9", Errors, "classic", "rr", pilot},
		{"S10", Errors, d, "classic", literature},
		{"S10", Errors, "classic", "rr", pilot},
		{"S10", Errors, "rr", "p2c", pilot},
		{"S11b", RestartErrors, d, "classic", literature},
		{"S12", HotSpot, d, "classic", "the original's lists begin alike"},
		{"S13", Goodput, "rr", "rr+outlier", "literature: ejecting hosts that are merely full makes it worse"},
		{"S14", Errors, d, "classic", "literature: ejection times that grow"},
		{"S14", Flips, d, "classic", "literature: ejection times that grow"},
		{"S14", Flips, "ewma+outlier", d, "hints eject again before the time has grown"},
		{"S15", CrossZone, d, "classic", "literature: zones"},
		{"S15", Errors, d, "ewma", "zones want ejection, or calls stay where nothing is left"},
		{"S16", Moved, "chash+outlier", "rr", literature},
		{"S16", Moved, "chash-unbounded", "chash+outlier", "a bound on loads moves calls"},
		{"S17", FalsePositives, d, "classic", "accounts for each caller"},
		{"S20", Errors, "ewma+outlier", "rr", "literature: ejection hides a stale route"},
	}
}

// judge holds the claim against the table: confirmed or refuted when the
// interval of the difference, seed by seed, leaves out zero.
func (t *Table) judge(c claim) (verdict string, ok bool) {
	a, b := t.Cell(c.scenario, c.better), t.Cell(c.scenario, c.worse)
	if a == nil || b == nil {
		return "", false
	}
	gap := beside(b, a, c.metric)
	if c.metric.Info().Higher {
		gap.Mean = -gap.Mean
	}
	switch {
	case math.IsNaN(gap.Mean):
		return "", false
	case math.IsNaN(gap.Half):
		return "one seed does not tell", true
	case math.Abs(gap.Mean) < .05*math.Abs(a.Values[c.metric].Mean):
		return "no difference to speak of", true
	case gap.Mean > gap.Half:
		return "confirmed", true
	case gap.Mean < -gap.Half:
		return "**refuted**", true
	}
	return "no difference found", true
}

func (t *Table) claimTable(b *strings.Builder) {
	rows := [][]string{{"scenario", "measured by", "expected to be better", "than", "says", "found"}}
	for _, c := range claims() {
		verdict, ok := t.judge(c)
		if !ok {
			continue
		}
		rows = append(rows, []string{
			c.scenario, c.metric.Info().Name,
			fmt.Sprintf("%s: %s", c.better, t.show(c.scenario, c.better, c.metric)),
			fmt.Sprintf("%s: %s", c.worse, t.show(c.scenario, c.worse, c.metric)),
			c.says, verdict,
		})
	}
	markdown(b, rows, 6)
}

// known is a figure of the pilot that the list of scenarios comes from.
type known struct {
	scenario, policy string
	metric           Metric
	value            float64
}

func pilot() []known {
	return []known{
		{"S1", "rr", Errors, 26},
		{"S1", "classic", Errors, 11},
		{"S1", "elb", Errors, 5},
		{"S2", "classic", Errors, 9.2},
		{"S3", "classic", Errors, 8.4},
		{"S4", "classic", Errors, 8.7},
		{"S5", "rr", Errors, .97},
		{"S5", "classic", Errors, .97},
		{"S6", "rr", Errors, 8.7},
		{"S7b", "classic", Amplification, .9},
		{"S7b", "elb", Amplification, .54},
		{"S8", "classic", Errors, 19},
		{"S9", "classic", Errors, 14.4},
		{"S9", "elb", Errors, 12.2},
	}
}

func (t *Table) pilotTable(b *strings.Builder) {
	rows := [][]string{{"scenario", "policy", "", "pilot", "here"}}
	for _, k := range pilot() {
		if t.Cell(k.scenario, k.policy) != nil {
			i := k.metric.Info()
			rows = append(rows, []string{k.scenario, k.policy, strings.TrimSuffix(i.Name+", "+i.Unit, ", "), fmt.Sprint(k.value), t.show(k.scenario, k.policy, k.metric)})
		}
	}
	markdown(b, rows, 6)
}

// winnerTable lists for each scenario which policies nobody beats.
func (t *Table) winnerTable(b *strings.Builder) {
	rows := [][]string{{"scenario", "by", "best, or not told from it", "default", "classic", "worst"}}
	for i := range t.Scenarios {
		s := &t.Scenarios[i]
		m := s.Show[0]
		sign := 1.0
		if m.Info().Higher {
			sign = -1
		}
		best, worst := -1, -1
		for k := range t.Policies {
			v := sign * t.Cells[i][k].Values[m].Mean
			if math.IsNaN(v) {
				continue
			}
			if best < 0 || v < sign*t.Cells[i][best].Values[m].Mean {
				best = k
			}
			if worst < 0 || v > sign*t.Cells[i][worst].Values[m].Mean {
				worst = k
			}
		}
		if best < 0 {
			continue
		}
		var names, others []string
		for k, p := range t.Policies {
			d := beside(&t.Cells[i][k], &t.Cells[i][best], m)
			switch {
			case k == best || math.Abs(d.Mean) <= d.Half:
				names = append(names, p.Name)
			case !math.IsNaN(d.Mean):
				others = append(others, p.Name)
			}
		}
		list := strings.Join(names, ", ")
		switch {
		case len(others) == 0:
			list = "all alike"
		case len(others) < len(names):
			list = "all but " + strings.Join(others, ", ")
		}
		rows = append(rows, []string{
			s.ID, m.Info().Name, list, t.show(s.ID, Default, m), t.show(s.ID, "classic", m),
			t.Policies[worst].Name + ": " + t.show(s.ID, t.Policies[worst].Name, m),
		})
	}
	markdown(b, rows, 6)
}
