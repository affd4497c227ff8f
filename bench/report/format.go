package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"lars/bench/plot"
	"lars/bench/record"
)

// absent stands for a figure that was not measured, or that too few samples
// support.
const absent = "–"

func title(r *record.Run) string {
	var names []string
	for _, a := range r.Arms {
		names = append(names, a.Name)
	}
	if c := r.Comparison; c != nil {
		return fmt.Sprintf("%s over %s: %s beside %s", r.Scenario.Name, r.Scenario.Network, c.B, c.A)
	}
	return fmt.Sprintf("%s over %s on %s", r.Scenario.Name, r.Scenario.Network, strings.Join(names, ", "))
}

// load is the load in one line. A search has many; its scenario has the lowest.
func load(r *record.Run) string {
	if r.Kind == "capacity" {
		return r.Scenario.Describe() + ", the lowest of many rates"
	}
	return r.Scenario.Describe()
}

func rounds(r *record.Run) string {
	if r.Design.Rounds == 1 {
		return ""
	}
	return fmt.Sprintf(", %d rounds", r.Design.Rounds)
}

// when is a time of a record for people, in UTC.
func when(started string) string {
	t, err := time.Parse(time.RFC3339Nano, started)
	if err != nil {
		return started
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}

func machineName(m *record.Machine) string {
	name := fmt.Sprintf("%d processors", m.CPUs)
	if m.CPU != "" {
		name += ", " + m.CPU
	}
	if m.Kernel != "" {
		name += ", kernel " + m.Kernel
	}
	return name
}

// number writes v with three digits that mean something, and separators.
func number(v float64) string {
	abs := math.Abs(v)
	switch {
	case v == 0:
		return "0"
	case abs >= 99.95:
		return thousands(v)
	case abs >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case abs >= 0.0995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

func thousands(v float64) string {
	digits := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	sign := ""
	if v < 0 {
		sign = "−"
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func duration(ns int64) string { return plot.Duration(float64(max(ns, 0))) }

func percent(share float64) string {
	if share > 0 && share < 0.001 {
		return "< 0.1 %"
	}
	return strings.TrimSuffix(strconv.FormatFloat(100*share, 'f', 1, 64), ".0") + " %"
}

// names of the metrics, for people.
var names = map[string]string{
	"throughput":    "Throughput",
	"max":           "Latency, highest",
	"server_cpu":    "Server CPU per request",
	"generator_cpu": "Generator CPU per request",
	"send_lag_p99":  "Send lag p99",
	"rss_max":       "Server memory",
	"switches":      "Context switches per request",
	"send_lag_p50":  "Send lag p50",
	"allocs":        "Allocations per request",
	"alloc_bytes":   "Bytes allocated per request",
	"wire_bytes":    "Bytes on the wire per request",
	"reads":         "Reads per request",
	"writes":        "Writes per request",
	"waits":         "Waits per request",
	"posts":         "Wake-ups per request",
	"goroutines":    "Goroutines per connection",
	"open_files":    "Open files per connection",
}

func nameOf(metric string) string {
	if name, ok := names[metric]; ok {
		return name
	}
	if len(metric) > 1 && metric[0] == 'p' && strings.Trim(metric[1:], "0123456789.") == "" {
		return "Latency " + metric
	}
	name := strings.ReplaceAll(metric, "_", " ")
	return strings.ToUpper(name[:min(1, len(name))]) + name[min(1, len(name)):]
}

// value writes a figure with its unit.
func value(v float64, unit string) string {
	switch unit {
	case "ns", "ns/op", "ns/req":
		return plot.Duration(max(v, 0))
	case "B", "B/op", "B/req":
		return size(v)
	case "share":
		return percent(v)
	case "req/s":
		return thousands(v) + "/s"
	}
	if _, per, ok := strings.Cut(unit, "/"); ok && (per == "op" || per == "req") {
		return number(v)
	}
	return number(v) + " " + unit
}

func size(bytes float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if bytes >= u.size {
			return number(bytes/u.size) + " " + u.name
		}
	}
	return number(bytes) + " B"
}
