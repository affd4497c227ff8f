package report

import (
	"fmt"
	"math"

	"lars/bench/record"
)

// stages is where the time of a request went.
type stages struct {
	Ticks []mark
	Arms  []stageArm
	Note  string
}

type stageArm struct {
	Name string
	Rows []stageRow
}

type stageRow struct {
	Name           string
	Line, At, Tail string // paths in a box of unit by rowHeight; Tail may be empty
	P50, P99, P999 string
	In50, In99     string // their intervals; may be empty
}

var stageNames = map[string]string{
	"sending": "due to sent", "to_server": "sent to read by the server", "to_handler": "read to handler",
	"handler": "in the handler", "to_client": "handled to received", "response": "the whole: due to received",
}

func stagesOf(r *record.Run) *stages {
	low, high := math.Inf(1), 0.0
	for _, a := range r.Arms {
		for _, s := range a.Stages {
			for _, v := range []int64{s.P50NS, s.P99NS, s.P999NS} {
				if v > 0 {
					low, high = min(low, float64(v)), max(high, float64(v))
				}
			}
		}
	}
	if high == 0 {
		return nil
	}
	a, scale := timeAxis("", low, high)
	for i := range a.Ticks {
		a.Ticks[i].Minor = i%2 == 1
	}
	out := &stages{Ticks: a.Ticks, Note: "A line reaches from the median (dot) to p99; the mark beyond is p99.9. Percentiles of stages do not add up to that of the whole; below p50 and p99 are their 95 % intervals, as if requests were independent."}
	for _, arm := range r.Arms {
		if len(arm.Stages) == 0 {
			continue
		}
		group := stageArm{Name: arm.Name}
		for _, s := range arm.Stages {
			group.Rows = append(group.Rows, stageLine(&s, scale))
		}
		out.Arms = append(out.Arms, group)
	}
	return out
}

func stageLine(s *record.StageTime, axis scale) stageRow {
	x := func(ns int64) string { return coordinate(axis.at(float64(max(ns, 1)))) }
	row := stageRow{
		Name: s.Stage, P50: absent, P99: absent, P999: known(s.P999NS),
	}
	if s.Supports(50) {
		row.In50 = interval(s.P50LowNS, s.P50HighNS)
		row.P50, row.At = duration(s.P50NS), fmt.Sprintf("M%s 12h.01", x(s.P50NS))
	}
	if s.Supports(99) {
		row.In99 = interval(s.P99LowNS, s.P99HighNS)
		row.P99, row.Line = duration(s.P99NS), fmt.Sprintf("M%s 12H%s", x(s.P50NS), x(s.P99NS))
	}
	if name, ok := stageNames[s.Stage]; ok {
		row.Name = name
	}
	if s.P999NS > 0 {
		row.Tail = fmt.Sprintf("M%s 7V17", x(s.P999NS))
	}
	return row
}

func interval(low, high int64) string {
	if high == 0 {
		return ""
	}
	return duration(low) + " to " + duration(high)
}
