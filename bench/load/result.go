package load

import (
	"time"

	"lars/bench/hist"
)

// Phase is a part of a run.
type Phase uint8

const (
	// Warmup is load that is not measured.
	Warmup Phase = iota
	// Measured is what the result speaks of.
	Measured
	// Draining sends nothing more and waits for the replies still due.
	Draining
)

// String names the phase.
func (p Phase) String() string {
	return [...]string{"warm-up", "measured", "draining"}[p]
}

// Counts are the requests and replies of an interval or of a run, and what went
// wrong by kind. All are numbers of requests or frames unless said otherwise.
type Counts struct {
	Arrivals  uint64 // requests due: the schedule's, or released by replies
	Sent      uint64 // handed to the kernel in full
	Completed uint64 // answered rightly, within the timeout
	BytesOut  uint64
	BytesIn   uint64

	// These are a server's faults on TCP; each one makes a run invalid there.
	// On UDP Reordered and Late are the network's habit and only reported, Lost
	// degrades the run, and so does Duplicated where a network may double; Wrong
	// is invalid everywhere.
	Wrong      uint64 // not the reply to any request made, or wrong content
	Lost       uint64 // never answered, not even late: known at the end of a run
	Duplicated uint64 // answered a second time
	Reordered  uint64 // answered after a younger one of the same connection
	Late       uint64 // answered after it was given up
	TimedOut   uint64 // given up at the timeout: censored in the histograms
	Dropped    uint64 // not made at all: the queue was at QueueRequestsMax

	OneWay   uint64 // of Completed: requests that have no reply, completed when sent
	Stale    uint64 // replies older than one before: what a driver with edits finds
	Connects uint64 // connections made in the run itself, of Config.Churn

	Refused      uint64 // UDP: the kernel reported the peer unreachable
	Disconnected uint64 // TCP connections that ended before the run
	BadFrames    uint64 // of those, because of a length that cannot be
	Pushed       uint64 // frames that answer nothing and are in order
	// Blocked counts the times a socket could take no more and requests had
	// to wait for it; no fault by itself.
	Blocked uint64
	// Held counts the times a request waited for the limit of those in flight.
	Held uint64
}

// Add adds other to c.
func (c *Counts) Add(other *Counts) {
	c.Arrivals += other.Arrivals
	c.Sent += other.Sent
	c.Completed += other.Completed
	c.BytesOut += other.BytesOut
	c.BytesIn += other.BytesIn
	c.Wrong += other.Wrong
	c.Lost += other.Lost
	c.Duplicated += other.Duplicated
	c.Reordered += other.Reordered
	c.Late += other.Late
	c.TimedOut += other.TimedOut
	c.Dropped += other.Dropped
	c.OneWay += other.OneWay
	c.Stale += other.Stale
	c.Connects += other.Connects
	c.Refused += other.Refused
	c.Disconnected += other.Disconnected
	c.BadFrames += other.BadFrames
	c.Pushed += other.Pushed
	c.Blocked += other.Blocked
	c.Held += other.Held
}

// Errors is the sum of what must not happen on any network: wrong replies,
// dropped arrivals, ended connections.
func (c *Counts) Errors() uint64 {
	return c.Wrong + c.Stale + c.Dropped + c.Disconnected
}

// Latency is the three distributions of a run or interval, in ns.
type Latency struct {
	// Response is from the intended send time to the reply: what a user sees.
	// In a closed loop it is the same as Service.
	Response *hist.Recorder
	Service  *hist.Recorder // from the actual send to the reply
	SendLag  *hist.Recorder // from the intended to the actual send; empty in a closed loop
}

func (l *Latency) merge(from *Latency) {
	l.Response.Merge(from.Response)
	l.Service.Merge(from.Service)
	l.SendLag.Merge(from.SendLag)
}

func (l *Latency) reset() {
	l.Response.Reset()
	l.Service.Reset()
	l.SendLag.Reset()
}

// Arm is what concerns one server of a duet.
type Arm struct {
	Counts
	Latency
	WarmupCounts Counts // of a Result: the time before the measured one
	First        uint64 // arrivals of an open loop that were sent to this one first
}

// CPU is what a process used of the processors.
type CPU struct {
	PID  int
	Used time.Duration
	Err  error // why it could not be read; Used is then meaningless
}

// Interval is a slice of a run, for live progress and interval logs.
type Interval struct {
	Phase      Phase
	Start, End time.Duration // since the first request was due
	Counts
	Latency                    // empty in a duet
	Arms         []Arm         // of a duet: Addr's and Rival's
	Server       []CPU         // of Config.PIDs, between Start and End
	GeneratorCPU time.Duration // of this whole process, between Start and End
	InFlight     int64         // requests sent and unanswered, at the end
	Queued       int64         // requests due and not sent, at the end
}

// Result is what the measured time gave.
type Result struct {
	Config  Config        // with the defaults filled in; Workload and hooks as given
	Started time.Time     // wall clock, when the first request was due
	Elapsed time.Duration // the measured time, as it was: Duration unless cut short
	Cut     bool          // the context ended the run early
	// Counts of the measured time: Completed are the replies that came in it.
	// Lost is over the whole run, warm-up included.
	Counts
	// Latency of the requests that were due in the measured time, also those
	// answered while draining.
	Latency
	// Arms are those of a duet, Addr's and Rival's; all counts and latencies
	// above are then of both together.
	Arms         []Arm
	WarmupCounts Counts // of the time before
	Server       []CPU  // of Config.PIDs in the measured time
	Audit        Audit
	// Faults are what a driver around Run found wrong, in words: each makes
	// the result invalid.
	Faults []string
	// Parts are the generators that made it, if it was more than this one.
	Parts []PartResult
	// Remarks are what these have against it; Judge repeats them.
	Remarks []Reason
}

// PartResult is what one of several generators did.
type PartResult struct {
	Name      string        // of the worker, as its host calls it
	Address   string        // as the coordinator sees it
	Skew      time.Duration // from the common start to its own, by estimated clocks
	Sent      uint64
	Completed uint64
	// P50 and P99 are of the response, 0 where too few requests support them.
	P50, P99       time.Duration
	LagP50, LagP99 time.Duration // of the send lag
	WorkerShare    float64       // as in Audit
}

// Throughput is the replies per second of the measured time.
func (r *Result) Throughput() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Completed) / r.Elapsed.Seconds()
}

// ServerCPUPerRequest is the CPU time of process i of Config.PIDs per
// completed request, in ns; false when it could not be measured.
func (r *Result) ServerCPUPerRequest(i int) (ns float64, ok bool) {
	if i >= len(r.Server) || r.Server[i].Err != nil || r.Completed == 0 {
		return 0, false
	}
	return float64(r.Server[i].Used) / float64(r.Completed), true
}

// GeneratorCPUPerRequest is the same for the generator's process; 0 when
// nothing was completed.
func (r *Result) GeneratorCPUPerRequest() (ns float64) {
	if r.Completed == 0 {
		return 0
	}
	return float64(r.Audit.CPU) / float64(r.Completed)
}

// Audit is what the generator knows of its own weaknesses in the measured time.
type Audit struct {
	CPU         time.Duration // of the generator's process
	WorkerShare float64       // CPU of the busiest worker thread, of one core: 0 to 1
	// RunDelay is the longest that a worker thread was ready to run and had
	// no processor, in total; RunDelayErr says why it is not known.
	RunDelay    time.Duration
	RunDelayErr error
	GCCycles    uint32
	GCPauseMax  time.Duration
	GCPauses    time.Duration // in total
	Clock       string        // the kernel's clock source: tsc is good
	Pacer       string        // how an open loop waits
	// Wakeups is how often a worker waited for events; Events the events it
	// got. Completed per wake-up says how much it batched.
	Wakeups, Events uint64
	// StallMax is the longest a worker was away from its wait beyond what it
	// asked for: the longest time in which it noticed nothing.
	StallMax time.Duration
}
