package server

import (
	"encoding/json"
	"runtime/metrics"

	"lars/reactor"
)

// CountersID is the message that asks a server what it has counted until now.
// The reply has the same id; its body is Counters as JSON.
const CountersID = 0x4c617201

// Counters are of a server's whole life so far. Read twice and subtract: both
// readings then hold the costs of exactly the requests between them.
type Counters struct {
	reactor.Stats
	// Of the Go runtime, over the whole process.
	Mallocs    uint64 `json:"mallocs"`     // objects allocated on the heap
	AllocBytes uint64 `json:"alloc_bytes"` // their bytes
	GCCycles   uint64 `json:"gc_cycles"`
	Goroutines uint64 `json:"goroutines"` // now, without the runtime's own
}

// readCounters reads without stopping the loops or the world.
func readCounters(r *reactor.Reactor) Counters {
	c := Counters{Stats: r.Stats()}
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:objects"},
		{Name: "/gc/heap/tiny/allocs:objects"},
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/sched/goroutines:goroutines"},
	}
	metrics.Read(samples)
	n := make([]uint64, len(samples))
	for i, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			n[i] = s.Value.Uint64()
		}
	}
	c.Mallocs, c.AllocBytes, c.GCCycles, c.Goroutines = n[0]+n[1], n[2], n[3], n[4]
	return c
}

// tellCounters answers CountersID.
func tellCounters(router *reactor.Router, r *reactor.Reactor) {
	router.Handle(CountersID, func(q *reactor.Request) {
		if line, err := json.Marshal(readCounters(r)); err == nil {
			_ = q.Reply(q.ID, line)
		}
	}, nil)
}
