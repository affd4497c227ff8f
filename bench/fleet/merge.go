package fleet

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/stats"
)

// deliver hands on the intervals that all workers have told, merged. Workers
// have the same ones, as all count from the common start; one that was late
// with an interval may have joined two.
func (d *drive) deliver() {
	for {
		phase, some := load.Draining, false
		for i, q := range d.queues {
			switch {
			case len(q) > 0:
				phase, some = min(phase, q[0].Phase), true
			case !d.ended[i]:
				return
			}
		}
		if !some {
			return
		}
		d.mergeInterval(phase)
	}
}

func (d *drive) mergeInterval(phase load.Phase) {
	v := &load.Interval{Phase: phase, Start: math.MaxInt64, Latency: d.scratch}
	v.Response.Reset()
	for i, q := range d.queues {
		if len(q) == 0 || q[0].Phase != phase {
			continue
		}
		in := q[0]
		d.queues[i] = q[1:]
		v.Start, v.End = min(v.Start, in.Start), max(v.End, in.End)
		v.Counts.Add(&in.Counts)
		v.Response.Merge(in.Response.Recorder)
		v.GeneratorCPU += in.CPU
		v.InFlight += in.InFlight
		v.Queued += in.Queued
	}
	if d.config.OnInterval != nil {
		d.config.OnInterval(v)
	}
}

// merge makes one result of all reports. Counts and histograms are added; of
// what describes a generator the worst is kept.
func (d *drive) merge() *load.Result {
	r := &load.Result{
		Config: d.config, Started: d.base.Add(d.start), Server: d.server, Remarks: d.remarks,
		Latency: load.Latency{Response: hist.New(), Service: hist.New(), SendLag: hist.New()},
	}
	r.Config.Timeout = d.timeout()
	for i, p := range d.reports {
		if p == nil {
			r.Cut = true
			continue
		}
		r.Cut = r.Cut || p.Cut
		r.Elapsed = max(r.Elapsed, p.Elapsed)
		r.Counts.Add(&p.Counts)
		r.WarmupCounts.Add(&p.Warmup)
		r.Response.Merge(p.Response.Recorder)
		r.Service.Merge(p.Service.Recorder)
		r.SendLag.Merge(p.SendLag.Recorder)
		mergeAudit(&r.Audit, p)
		r.Parts = append(r.Parts, d.part(i, p))
	}
	r.Remarks = append(r.Remarks, spread(r.Parts)...)
	return r
}

// timeout is what a worker takes for a zero; the coordinator's own default is
// the same.
func (d *drive) timeout() time.Duration {
	switch {
	case d.config.Timeout > 0:
		return d.config.Timeout
	case d.config.Network == "udp":
		return time.Second
	}
	return 10 * time.Second
}

func mergeAudit(a *load.Audit, p *report) {
	b := &p.Audit
	a.CPU += b.CPU
	a.WorkerShare = max(a.WorkerShare, b.WorkerShare)
	a.RunDelay = max(a.RunDelay, b.RunDelay)
	a.GCCycles += b.GCCycles
	a.GCPauseMax = max(a.GCPauseMax, b.GCPauseMax)
	a.GCPauses += b.GCPauses
	a.Wakeups += b.Wakeups
	a.Events += b.Events
	a.StallMax = max(a.StallMax, b.StallMax)
	a.Clock, a.Pacer = printable(b.Clock), printable(b.Pacer)
	if p.DelayErr != "" {
		a.RunDelayErr = errors.Join(a.RunDelayErr, errors.New(printable(p.DelayErr)))
	}
}

// part is a worker's own share of the result.
func (d *drive) part(i int, p *report) load.PartResult {
	w := d.fleet.workers[i]
	return load.PartResult{
		Name: w.name, Address: w.address, Skew: time.Duration(p.Clock - w.offset - int64(d.start)),
		Sent: p.Counts.Sent, Completed: p.Counts.Completed,
		P50: at(p.Response, 50), P99: at(p.Response, 99), LagP50: at(p.SendLag, 50), LagP99: at(p.SendLag, 99),
		WorkerShare: p.Audit.WorkerShare,
	}
}

// at is 0 where too few requests support a percentile.
func at(h *histogram, p float64) time.Duration {
	q := h.Percentile(p, 0.95)
	if !q.Reportable || q.Censored {
		return 0
	}
	return time.Duration(q.Value)
}

// skewMax is a start so late that the workers did not load the server together.
const skewMax = 50 * time.Millisecond

// spread names the workers that are far from the others (Treadmill, ISCA'16: a
// tail can be that of one slow client).
func spread(parts []load.PartResult) []load.Reason {
	var medians []float64
	for _, p := range parts {
		medians = append(medians, float64(p.P50))
	}
	var out []load.Reason
	far := stats.Far(medians)
	for i, p := range parts {
		if slices.Contains(far, i) {
			out = append(out, load.Reason{Verdict: load.Degraded, Text: fmt.Sprintf(
				"worker %s at %s differs from the others: its median response is %v, that of all workers %v", p.Name, p.Address, round(p.P50), round(time.Duration(stats.Median(medians))))})
		}
		if p.Skew > skewMax || p.Skew < -skewMax {
			out = append(out, load.Reason{Verdict: load.Degraded, Text: fmt.Sprintf(
				"worker %s at %s began %v from the common start", p.Name, p.Address, round(p.Skew))})
		}
	}
	return out
}

// round is for people: no more than a microsecond can be meant.
func round(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
