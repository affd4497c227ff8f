package load

import (
	"fmt"
	"time"
)

// Verdict is how far a result may be believed.
type Verdict uint8

const (
	// Valid: nothing is known against it.
	Valid Verdict = iota
	// Degraded: true of this run, but disturbed; do not compare it.
	Degraded
	// Invalid: it does not say what it was made to say.
	Invalid
)

// String names the verdict.
func (v Verdict) String() string {
	return [...]string{"valid", "degraded", "invalid"}[v]
}

// Reason is one thing known against a result.
type Reason struct {
	Verdict Verdict // Degraded or Invalid
	Text    string  // a sentence for people, without a full stop
	// Momentary is a disturbance of this measurement, and no fault of a server:
	// the median of several measurements bears fewer than half with it.
	Momentary bool
}

// Worst is the verdict that follows from reasons: Valid without any.
func Worst(reasons []Reason) Verdict {
	worst := Valid
	for _, r := range reasons {
		worst = max(worst, r.Verdict)
	}
	return worst
}

// The limits at which a run stops being believed.
const (
	rateReachedMin     = 0.99 // answered over offered, of an open loop
	rateReachedDuet    = 0.95 // the same: a pause hits both arms alike, and their ratio stays
	owedMax            = 4    // requests in flight at the end, which no share of few requests allows for
	workerShareMax     = 0.85 // of one core
	lagOfMedianMax     = 0.20 // p99 send lag over p50 response: degraded
	lagOfTailMax       = 0.50 // p99 send lag over p99 response: the tail is our own
	runDelayMax        = 0.10 // of the measured time, without a processor
	lateShareUDPMax    = 0.01 // datagrams answered after they were given up, over sent
	confidenceInternal = 0.95

	// Of what has no reply, the p99 send lag: from the first the bursts are
	// longer than any pause between two turns of a server, from the second the
	// load was another one than scheduled.
	lagOneWayDegraded = 10 * time.Millisecond
	lagOneWayInvalid  = 100 * time.Millisecond
)

// Judge lists what speaks against the result, as far as the generator knows;
// the machine's state is the caller's to add.
func (r *Result) Judge() []Reason {
	var out []Reason
	add := func(v Verdict, format string, args ...any) {
		out = append(out, Reason{Verdict: v, Text: fmt.Sprintf(format, args...)})
	}
	r.judgeReplies(add)
	lasting := len(out)
	r.judgeRate(add)
	r.judgeGenerator(add)
	for i := range out[lasting:] {
		out[lasting+i].Momentary = true
	}
	return append(out, r.Remarks...)
}

type addReason func(v Verdict, format string, args ...any)

// Violations are what a server did that must not happen, in words; none when all
// was right. A violation makes a result invalid, however good its figures.
func (r *Result) Violations() []string {
	all := r.Counts
	all.Add(&r.WarmupCounts)
	faults := []struct {
		n    uint64
		is   bool // a fault on this network
		text string
	}{
		{all.Wrong, true, "replies had the wrong content"},
		{all.Stale, true, "routes were older than one before"},
		{all.Dropped, true, "arrivals were dropped: the queue of waiting requests was full"},
		{all.Disconnected, true, "connections ended during the run"},
		{all.Lost, !r.Config.udp(), "requests were never answered"},
		{all.Duplicated, !r.Config.MayDouble(), "replies came twice"},
		{all.Reordered, !r.Config.udp(), "replies overtook older ones"},
		{all.TimedOut, !r.Config.udp(), "requests were not answered in time"},
	}
	var out []string
	for _, f := range faults {
		if f.n > 0 && f.is {
			out = append(out, fmt.Sprintf("%d %s", f.n, f.text))
		}
	}
	return append(out, r.Faults...)
}

func (r *Result) judgeReplies(add addReason) {
	for _, text := range r.Violations() {
		add(Invalid, "%s", text)
	}
	if r.unanswered() {
		add(Invalid, "no request was answered in the measured time")
	}
	if r.Cut {
		add(Invalid, "the run was cut short after %v", r.Elapsed.Round(time.Millisecond))
	}
	all := r.Counts
	all.Add(&r.WarmupCounts)
	if r.Config.udp() && (all.Lost > 0 || float64(all.Late) > lateShareUDPMax*float64(all.Sent)) {
		add(Degraded, "of %d datagrams %d were never answered, and %d too late", all.Sent, all.Lost, all.Late)
	}
	if r.Config.MayDouble() && all.Duplicated > 0 {
		add(Degraded, "%d replies came twice: by the server, or by the network", all.Duplicated)
	}
}

// unanswered is true when a server answered nothing at all.
func (r *Result) unanswered() bool {
	for i := range r.Arms {
		if r.Arms[i].Completed == 0 {
			return true
		}
	}
	return r.Completed == 0
}

func (r *Result) judgeRate(add addReason) {
	if !r.Config.Open() || r.Cut {
		return
	}
	slowest, least := &r.Counts, rateReachedMin
	if len(r.Arms) > 0 {
		least = rateReachedDuet
	}
	for i := range r.Arms {
		if r.Arms[i].Completed < slowest.Completed {
			slowest = &r.Arms[i].Counts
		}
	}
	if float64(slowest.Completed+owedMax) < least*float64(slowest.Arrivals) {
		add(Invalid, "the rate was not reached: %d of %d requests answered in the measured time", slowest.Completed, slowest.Arrivals)
	}
	r.judgeLag(add)
}

// judgeLag asks whether requests left when they were due. A response counts from
// the time due, so a late send is in it, and is not the server's doing: unless
// the server's full sockets, or the limit of requests in flight, held it up.
func (r *Result) judgeLag(add addReason) {
	oneWay := r.Config.Workload != nil && r.Config.Workload.OneWay()
	if r.SendLag.Count() == 0 || r.Blocked+r.Held > 0 {
		return
	}
	// With few requests p99 is the one slowest, and so is that of the lag.
	p := min(99, max(50, r.SendLag.HighestReportable()))
	lag := r.SendLag.Percentile(p, confidenceInternal).Value
	if oneWay { // no response to compare with: what is late comes in a burst
		switch {
		case lag > int64(lagOneWayInvalid):
			add(Invalid, "the generator was late: p%.3g of the send lag is %v", p, time.Duration(lag))
		case lag > int64(lagOneWayDegraded):
			add(Degraded, "the generator was late: p%.3g of the send lag is %v", p, time.Duration(lag))
		}
		return
	}
	median := r.Response.Percentile(50, confidenceInternal).Value
	tail := r.Response.Percentile(p, confidenceInternal).Value
	late := Invalid
	if len(r.Arms) > 0 {
		late = Degraded // it is the same in both arms
	}
	switch {
	case float64(lag) > lagOfTailMax*float64(tail):
		add(late, "the generator was late: p%.3g of the send lag is %v, of the response %v", p, time.Duration(lag), time.Duration(tail))
	case float64(lag) > lagOfMedianMax*float64(median):
		add(Degraded, "the generator was late: p%.3g of the send lag is %v, the median response %v", p, time.Duration(lag), time.Duration(median))
	}
}

// serverShare is the CPU of the busiest watched process, in cores. The arms of
// a duet share theirs.
func (r *Result) serverShare() float64 {
	share, sum := 0.0, 0.0
	for _, c := range r.Server {
		if c.Err == nil && r.Elapsed > 0 {
			used := float64(c.Used) / float64(r.Elapsed)
			share, sum = max(share, used), sum+used
		}
	}
	if len(r.Arms) > 0 {
		return sum
	}
	return share
}

// judgeGenerator asks whether the generator limited what it measured. In a
// closed loop that is only so when the server had more to give.
func (r *Result) judgeGenerator(add addReason) {
	if r.Audit.WorkerShare > workerShareMax && (r.Config.Open() || r.Audit.WorkerShare > r.serverShare()) {
		v := Degraded
		if r.Config.Open() {
			v = Invalid
		}
		add(v, "the generator was the bottleneck: it used %.0f %% of its core", 100*r.Audit.WorkerShare)
	}
	if d := r.Audit.RunDelay; r.Audit.RunDelayErr == nil && float64(d) > runDelayMax*float64(r.Elapsed) {
		add(Degraded, "the generator waited for its processor for %v of %v", d.Round(time.Millisecond), r.Elapsed.Round(time.Millisecond))
	}
	p99 := time.Duration(r.Response.Percentile(99, confidenceInternal).Value)
	if r.Audit.GCPauseMax > p99 && r.Response.Count() > 0 {
		add(Degraded, "the generator's own pause of %v is longer than p99 %v", r.Audit.GCPauseMax, p99)
	}
}
