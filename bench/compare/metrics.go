package compare

import (
	"slices"

	"lars/bench/record"
)

// Metric is one figure that both arms have.
type Metric struct {
	Name, Unit string
	Better     string // "lower" or "higher"
	Gated      bool   // it takes part in the verdict
	Exact      bool   // a program determines it: the same in every epoch
	Floor      float64
	// Least is the value below which a figure counts as Least in a ratio: what
	// starting and asking cost, which is no work for requests.
	Least float64
}

// Names of the metrics.
const (
	ServerCPU      = "server_cpu"
	P50            = "p50"
	P99            = "p99"
	Throughput     = "throughput"
	Allocs         = "allocs"
	AllocBytes     = "alloc_bytes"
	WireBytes      = "wire_bytes"
	Reads          = "reads"
	Writes         = "writes"
	Waits          = "waits"
	EventsPerWait  = "events_per_wait"
	Posts          = "posts"
	Switches       = "switches"
	Memory         = "rss_max"
	Goroutines     = "goroutines"
	OpenFiles      = "open_files"
	confidence     = 0.95       // of percentiles, where nobody sees the interval
	requests       = "requests" // the count beside every slice, no metric
	lower          = "lower"
	higher         = "higher"
	floorOfWork    = 0.02 // of CPU time and counts: a smaller change is no alarm
	floorOfLatency = 0.05 // of what a shared machine moves too
)

// Metrics are those of a design, gated ones first. What a design fixes itself
// it does not judge: the rate of an open loop, or the latency of a closed loop,
// which is the throughput once more; nor allocations where every slice of one
// server has new connections, which are then part of them.
func Metrics(design string) []Metric {
	open := design == record.DesignRequestDuet
	latency := Metric{Unit: "ns", Better: lower, Gated: open, Floor: floorOfLatency}
	counted := design != record.DesignABBA
	p50, p99 := latency, latency
	p50.Name, p99.Name = P50, P99
	out := []Metric{
		{Name: ServerCPU, Unit: "ns/op", Better: lower, Gated: true, Floor: floorOfWork},
		{Name: Throughput, Unit: "req/s", Better: higher, Gated: true, Floor: floorOfLatency},
		p50, p99,
		{Name: Allocs, Unit: "allocs/op", Better: lower, Gated: counted, Exact: true, Floor: floorOfWork, Least: 0.1},
		{Name: AllocBytes, Unit: "B/op", Better: lower, Gated: counted, Exact: true, Floor: floorOfWork, Least: 32},
		{Name: WireBytes, Unit: "B/op", Better: lower, Gated: true, Exact: true, Floor: 0.005},
		{Name: Reads, Unit: "calls/op", Better: lower, Floor: floorOfWork, Least: 0.01},
		{Name: Writes, Unit: "calls/op", Better: lower, Floor: floorOfWork, Least: 0.01},
		{Name: Waits, Unit: "calls/op", Better: lower, Floor: floorOfWork, Least: 0.01},
		{Name: EventsPerWait, Unit: "events/call", Better: higher, Floor: floorOfWork},
		{Name: Posts, Unit: "wake-ups/op", Better: lower, Floor: floorOfWork, Least: 0.01},
		{Name: Switches, Unit: "switches/op", Better: lower, Floor: floorOfLatency, Least: 0.01},
		{Name: Goroutines, Unit: "goroutines/conn", Better: lower, Floor: floorOfWork},
		{Name: OpenFiles, Unit: "files/conn", Better: lower, Floor: floorOfWork},
		{Name: Memory, Unit: "B", Better: lower, Floor: floorOfLatency},
	}
	if open {
		out = slices.DeleteFunc(out, func(m Metric) bool { return m.Name == Throughput })
	}
	slices.SortStableFunc(out, func(a, b Metric) int { return rank(a) - rank(b) })
	return out
}

func rank(m Metric) int {
	if m.Gated {
		return 0
	}
	return 1
}

// WithFloors are the metrics with other floors, by name: those that a class of
// machine has learned.
func WithFloors(metrics []Metric, floors map[string]float64) []Metric {
	out := slices.Clone(metrics)
	for i := range out {
		if f, ok := floors[out[i].Name]; ok {
			out[i].Floor = f
		}
	}
	return out
}

// of is the figure among values, if they have it and it can be compared.
func (m Metric) of(values map[string]float64) (float64, bool) {
	v, ok := values[m.Name]
	if !ok || v < 0 || v == 0 && m.Least == 0 {
		return 0, false
	}
	return v, true
}
