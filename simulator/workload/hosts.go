package workload

import (
	"math"
	"time"
)

// Hosts are what modules are served by.
type Hosts struct {
	Capacity int           `yaml:"capacity" range:"1..10000" doc:"calls that a host serves at once"`
	Service  string        `yaml:"service" oneof:"constant exponential lognormal" doc:"distribution of the time that a call takes"`
	Mean     time.Duration `yaml:"mean" range:"1us..1m" doc:"of that time"`
	Sigma    float64       `yaml:"sigma" range:"0..3" doc:"of the logarithm, with service: lognormal"`
	WaitMax  time.Duration `yaml:"wait_max" range:"0s..1m" doc:"calls that would wait longer in a host's queue are refused"`
	Errors   float64       `yaml:"errors" range:"0..1" doc:"share of calls that fail on an idle host"`
	ErrorsAt float64       `yaml:"errors_at_capacity" range:"0..1" doc:"the same on a host that serves all it can; between the two it is linear"`
	Zones    int           `yaml:"zones" range:"1..100" doc:"hosts and callers are dealt out to"`
}

// ErrorsMax is the share of calls that fail by themselves, at most.
func (h *Hosts) ErrorsMax() float64 { return max(h.Errors, h.ErrorsAt) }

// Result of a call.
type Result int

// The results.
const (
	Served  Result = iota
	Failed         // the host answered with an error
	Refused        // it did not take the call: at once, and certain
	Silent         // it never answers
)

// String names the result.
func (r Result) String() string { return [...]string{"served", "failed", "refused", "silent"}[r] }

// Retcode is what a caller reports: 0, a failure that the host answered with, or
// why no answer came, -1000 less Linux's errno.
func (r Result) Retcode() int32 { return [...]int32{0, 1, -1111, -1110}[r] }

// Outcome of a call: After so long the caller knows the Result, except for
// Silent, where it waits in vain.
type Outcome struct {
	Result Result
	After  time.Duration
}

// Host is one of them, a queue in front of servers. Faults are what others set
// in it; their zero values are none. Not for concurrent use.
type Host struct {
	spec *Hosts
	Zone int

	Down      bool    // refuses
	Hung      bool    // takes calls and never answers
	Slow      float64 // factor of the service time; 0 is 1
	Errors    float64 // share of calls that fail, beside its own
	RefuseAll int     // after so many calls it refuses; 0 never

	free  []time.Duration // when each server is
	Calls int             // taken since the last Restart
}

// NewHost makes a host.
func (h *Hosts) NewHost(zone int) *Host {
	return &Host{spec: h, Zone: zone, free: make([]time.Duration, h.Capacity)}
}

// Restart empties the queue and forgets the calls. The faults stay.
func (h *Host) Restart() {
	clear(h.free)
	h.Calls = 0
}

// Call is one that reaches the host now.
func (h *Host) Call(now time.Duration, r *Random) Outcome {
	switch {
	case h.Down, h.RefuseAll > 0 && h.Calls >= h.RefuseAll:
		return Outcome{Result: Refused}
	case h.Hung:
		h.Calls++
		return Outcome{Result: Silent}
	}
	first, busy := 0, 0
	for i, at := range h.free {
		if at < h.free[first] {
			first = i
		}
		if at > now {
			busy++
		}
	}
	start := max(h.free[first], now)
	if start-now > h.spec.WaitMax {
		return Outcome{Result: Refused}
	}
	h.Calls++
	done := start + h.service(r)
	h.free[first] = done
	load := float64(busy) / float64(len(h.free))
	failed := h.spec.Errors + float64((h.spec.ErrorsAt-h.spec.Errors)*load)
	out := Outcome{Result: Served, After: done - now}
	if r.Chance(failed) || r.Chance(h.Errors) {
		out.Result = Failed
	}
	return out
}

// service draws a service time.
func (h *Host) service(r *Random) time.Duration {
	var d time.Duration
	switch h.spec.Service {
	case "exponential":
		d = r.exp(h.spec.Mean)
	case "lognormal":
		s := h.spec.Sigma
		d = micros(float64(h.spec.Mean) * math.Exp(float64(s*r.normal())-float64(s*s/2)))
	default:
		d = h.spec.Mean
	}
	if h.Slow > 0 {
		d = micros(float64(d) * h.Slow)
	}
	return max(d, time.Microsecond)
}
