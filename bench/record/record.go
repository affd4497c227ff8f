// Package record writes the result of a run as files that anyone can read, and
// reads them back: run.json, Go benchmark text for benchstat, HdrHistogram logs
// and percentile files, a time series as CSV, a picture, and checksums.
//
// It is for the programs that measure and for those that compare: between them
// are only these files. Files are checked as they are read; one that is broken
// or not ours is refused with its name and what to do. What it will not do:
// compute a statistic (package stats does), or keep single requests.
//
// The format of run.json is described by results/schema. Within a version
// fields may be added, never changed; a reader leaves unknown ones alone.
package record

import (
	"time"

	"lars/bench/hist"
)

// Schema names the format of run.json.
const Schema = "lars.bench.run/v1"

// Run is the content of run.json. Integers are in ns and bytes; shares are 0
// to 1.
type Run struct {
	Schema     string   `json:"schema"`
	ID         string   `json:"id"`
	Kind       string   `json:"kind"`   // "single", "compare" or "capacity"
	Status     string   `json:"status"` // "valid", "degraded" or "invalid"
	Reasons    []Reason `json:"reasons"`
	Notes      []string `json:"notes,omitempty"` // said before the run
	Started    string   `json:"started"`         // RFC 3339 with ns
	DurationNS int64    `json:"duration_ns"`     // all rounds, wall clock
	Command    []string `json:"command"`         // that repeats the run
	Tool       Tool     `json:"tool"`
	Machine    Machine  `json:"machine"`
	Scenario   Scenario `json:"scenario"`
	Design     Design   `json:"design"`
	Arms       []Arm    `json:"arms"`
	// Comparison is of two arms that were measured as a pair.
	Comparison *Comparison `json:"comparison,omitempty"`
	Faults     []Fault     `json:"faults,omitempty"` // in the order of their beginning
}

// Fault is something that was done to the system on purpose.
type Fault struct {
	AtNS  int64  `json:"at_ns"`  // since Started
	EndNS int64  `json:"end_ns"` // the same as AtNS for what takes no time
	Kind  string `json:"kind"`
	Text  string `json:"text"`
}

// Reason is one thing that speaks against the run.
type Reason struct {
	Status string `json:"status"` // "degraded" or "invalid"
	Text   string `json:"text"`
}

// Tool is what measured.
type Tool struct {
	Version string `json:"version,omitempty"`
	Commit  string `json:"commit,omitempty"`
	Dirty   bool   `json:"dirty"`
	Go      string `json:"go"`
}

// Machine is where it was measured.
type Machine struct {
	ID     string `json:"id,omitempty"` // of the whole description, in machine.json
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	CPU    string `json:"cpu,omitempty"`
	CPUs   int    `json:"cpus"`
	Kernel string `json:"kernel,omitempty"`
	Clock  string `json:"clock,omitempty"` // the kernel's clock source
}

// Scenario is the load, the same for every arm.
type Scenario struct {
	Name         string  `json:"name"`    // "echo"
	Network      string  `json:"network"` // "tcp" or "udp"
	Mode         string  `json:"mode"`    // "closed" or "open"
	Conns        int     `json:"conns"`
	Depth        int     `json:"depth,omitempty"`    // in flight on each connection; of an open loop the limit, if any
	RateRPS      float64 `json:"rate_rps,omitempty"` // of an open loop
	Arrivals     string  `json:"arrivals,omitempty"`
	RequestBytes int     `json:"request_bytes"` // one frame with its head
	Seed         uint64  `json:"seed"`          // of round 0; each round adds 1
	WarmupNS     int64   `json:"warmup_ns"`
	DurationNS   int64   `json:"duration_ns"` // measured, of each round
	TimeoutNS    int64   `json:"timeout_ns"`
	// Of a scenario file: what the requests are, as Name is then the file's.
	// A shipped file has no folder; Changed are flags that overruled it.
	Workload string   `json:"workload,omitempty"`
	File     string   `json:"file,omitempty"`
	SHA256   string   `json:"sha256,omitempty"`
	Text     string   `json:"text,omitempty"`
	Changed  []string `json:"changed,omitempty"`
}

// Design is how the arms were measured.
type Design struct {
	Rounds        int     `json:"rounds"`
	Loops         int     `json:"loops"`          // of each server
	Workers       int     `json:"workers"`        // of the generator
	Pinned        bool    `json:"pinned"`         // to these processors
	ServerCPUs    []int   `json:"server_cpus"`    // empty when not pinned
	GeneratorCPUs []int   `json:"generator_cpus"` // empty when not pinned
	Baseline      string  `json:"baseline,omitempty"`
	Confidence    float64 `json:"confidence"` // of intervals, as asked for
}

// Arm is one server.
type Arm struct {
	Name     string      `json:"name"`
	Backend  string      `json:"backend,omitempty"`
	Module   string      `json:"module,omitempty"`
	StandIns []string    `json:"stand_ins"` // in place of what the backend lacks
	Command  []string    `json:"command,omitempty"`
	Address  string      `json:"address,omitempty"` // of a server that was there
	Metrics  []Metric    `json:"metrics"`
	Latency  []Latency   `json:"latency"`
	Rounds   []RoundInfo `json:"rounds"`
	Idle     *Idle       `json:"idle,omitempty"`
	Syscalls *Syscalls   `json:"syscalls,omitempty"`
	Sweep    *Sweep      `json:"sweep,omitempty"`
	// Stages are where the time of a request went, in their order.
	Stages []StageTime `json:"stages,omitempty"`

	Correctness *Correctness `json:"correctness,omitempty"`
}

// Errors counts what must not happen, in the measured time of all rounds.
func (a *Arm) Errors() int64 {
	n := int64(0)
	for _, round := range a.Rounds {
		for _, kind := range []string{"wrong", "stale", "lost", "duplicated", "dropped", "disconnected", "timed_out"} {
			n += round.Counts[kind]
		}
	}
	return n
}

// Metric is one figure of an arm over its rounds.
type Metric struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Better string  `json:"better"` // "lower" or "higher"
	Value  float64 `json:"value"`  // median of the samples
	MAD    float64 `json:"mad"`    // median absolute deviation from it
	// Samples are by round; a round without the figure is missing.
	Samples []Sample `json:"samples"`
	// Ratio to the baseline arm, over the rounds that both have.
	Ratio *Ratio `json:"ratio,omitempty"`
	// Low and High are the interval of Value: of one round by order statistics
	// of its requests, of six or more by those of the rounds; else absent.
	Low  *float64 `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
	// Censored: the true value is above Value, by an unknown amount, because
	// too many requests were given up.
	Censored bool `json:"censored,omitempty"`
}

// Sample is a figure of one round.
type Sample struct {
	Round    int     `json:"round"`
	Value    float64 `json:"value"`
	Censored bool    `json:"censored,omitempty"` // the true value is above
}

// Correctness is what the oracle of a workload found, over all rounds of an arm
// and their warm-up. A violation makes the run invalid.
type Correctness struct {
	Sent  int64 `json:"sent"`  // requests; of a workload with a store the results in them
	Acked int64 `json:"acked"` // answered rightly; of what has no answer: counted by the server
	// Stored is what was found in the store after the server's end; nil
	// without a store.
	Stored      *int64   `json:"stored,omitempty"`
	Lost        int64    `json:"lost"` // sent and never heard of; on UDP no violation
	Duplicated  int64    `json:"duplicated"`
	StaleRoutes int64    `json:"stale_routes"` // older than one that the same connection had had
	Violations  []string `json:"violations"`
}

// Ratio compares an arm with the baseline. Without enough rounds there is no
// interval: Low and High are absent.
type Ratio struct {
	Value      float64  `json:"value"`
	Low        *float64 `json:"low,omitempty"`
	High       *float64 `json:"high,omitempty"`
	Confidence float64  `json:"confidence,omitempty"`
	Rounds     int      `json:"rounds"`
}

// Latency is a distribution of an arm, merged over its rounds.
type Latency struct {
	Stage       string       `json:"stage"` // "response", "service" or "send_lag"
	Count       int64        `json:"count"`
	Censored    int64        `json:"censored"` // given up at the timeout
	Over        int64        `json:"over"`     // above the histogram's range
	MinNS       int64        `json:"min_ns"`
	MaxNS       int64        `json:"max_ns"`
	MeanNS      float64      `json:"mean_ns"`
	Percentiles []Percentile `json:"percentiles"` // only those with ten samples above
	HLog        string       `json:"hlog,omitempty"`
	HGrm        string       `json:"hgrm,omitempty"`
	// HDR is the distribution itself: an HdrHistogram of 1 ns to 60 s with
	// three digits, V2 compressed, in base64.
	HDR string `json:"hdr_v2,omitempty"`
}

// Percentile is one point of a distribution. The bounds are by order
// statistics, as if samples were independent: repetition shows more.
type Percentile struct {
	P        float64 `json:"p"`
	NS       int64   `json:"ns"`
	LowNS    int64   `json:"low_ns"`
	HighNS   int64   `json:"high_ns"`
	Censored bool    `json:"censored,omitempty"`  // the true value is above ns
	HighOpen bool    `json:"high_open,omitempty"` // and the upper bound above high_ns
}

// RoundInfo is one round of an arm.
type RoundInfo struct {
	Round         int              `json:"round"`
	Position      int              `json:"position"` // within the round
	Started       string           `json:"started"`
	ElapsedNS     int64            `json:"elapsed_ns"`
	Counts        map[string]int64 `json:"counts"`
	Server        *ServerInfo      `json:"server,omitempty"`
	Generator     GeneratorInfo    `json:"generator"`
	MachineShares *MachineShares   `json:"machine,omitempty"`
	// Workers are the machines that made the load, if it was not the
	// coordinator's alone; all else is of them together.
	Workers []WorkerInfo `json:"workers,omitempty"`
	// ServerReport is what the server said of its whole life, warm-up included.
	ServerReport map[string]any `json:"server_report,omitempty"`
}

// ServerInfo is what the server's process used.
type ServerInfo struct {
	CPUNS       int64 `json:"cpu_ns"`             // in the measured time
	RSSBytes    int64 `json:"rss_bytes"`          // after the load
	RSSMaxBytes int64 `json:"rss_max_bytes"`      // ever
	Voluntary   int64 `json:"switches_voluntary"` // of warm-up and measured time
	Involuntary int64 `json:"switches_involuntary"`
}

// GeneratorInfo is what the generator knows of itself.
type GeneratorInfo struct {
	CPUNS        int64   `json:"cpu_ns"`
	WorkerShare  float64 `json:"worker_share"` // of one processor, busiest worker
	GCCycles     int64   `json:"gc_cycles"`
	GCPauseMaxNS int64   `json:"gc_pause_max_ns"`
	StallMaxNS   int64   `json:"stall_max_ns"`
	Pacer        string  `json:"pacer,omitempty"`
	Wakeups      int64   `json:"wakeups,omitempty"`  // waits for events that ended
	Events       int64   `json:"events,omitempty"`   // that they brought
	Switches     int64   `json:"switches,omitempty"` // context switches, of comparisons
}

// WorkerInfo is one of several machines that made a load together. Latencies
// are 0 where too few requests support them.
type WorkerInfo struct {
	Name        string  `json:"name"`
	Address     string  `json:"address"`
	SkewNS      int64   `json:"skew_ns"` // from the common start to its own
	Sent        int64   `json:"sent"`
	Completed   int64   `json:"completed"`
	P50NS       int64   `json:"p50_ns"` // of its own responses
	P99NS       int64   `json:"p99_ns"`
	LagP50NS    int64   `json:"send_lag_p50_ns"`
	LagP99NS    int64   `json:"send_lag_p99_ns"`
	WorkerShare float64 `json:"worker_share"` // of one processor, busiest loop
}

// MachineShares is what went on around a round.
type MachineShares struct {
	Steal   float64 `json:"steal"`
	Busy    float64 `json:"busy"`
	Waiting float64 `json:"waiting"`
	Others  float64 `json:"others_cpus"` // processors used by other processes
}

// Idle is the memory of connections that do nothing.
type Idle struct {
	Conns        int       `json:"conns"`
	BeforeBytes  int64     `json:"rss_before_bytes"` // of the process with the median growth
	AfterBytes   int64     `json:"rss_after_bytes"`
	BytesPerConn float64   `json:"bytes_per_conn"`
	Samples      []float64 `json:"samples"` // of each process, bytes per connection
}

// Syscalls are the server's system calls, counted in a phase of its own.
type Syscalls struct {
	Total      int64   `json:"total"`
	PerRequest float64 `json:"per_request"`
	Tool       string  `json:"tool"`
	// ByName holds those that were asked for and occurred.
	ByName map[string]int64 `json:"by_name,omitempty"`
}

// Sweep is the search for the highest rate at which an arm meets an objective.
// The answer is a bracket: at Low it was confirmed to meet it, at High not to.
type Sweep struct {
	SLO SLO `json:"slo"`
	// Points are the rates that were tried, each with all its windows, by
	// direction and rate.
	Points     []SweepPoint `json:"points"`
	Low        float64      `json:"low"`            // requests per second; 0: none met it
	High       float64      `json:"high,omitempty"` // 0: none failed, up to the limit of the search
	Confidence float64      `json:"confidence"`     // that the bracket holds the answer; 0: not confirmed
	// Notes say what a reader should know: hysteresis, a limit that was hit.
	Notes []string `json:"notes,omitempty"`
}

// SLO is an objective: of the responses to all requests that were due, a share
// of Percentile has to come within the limit.
type SLO struct {
	Percentile float64 `json:"percentile"` // in percent: 99.9
	LimitNS    int64   `json:"limit_ns"`
}

// Directions of a SweepPoint: approached from below, or from above.
const (
	DirectionUp   = "up"
	DirectionDown = "down"
)

// SweepPoint is one rate. Latencies are of all its windows together, of
// responses from the time due; absent where too few requests support them.
type SweepPoint struct {
	Rate      float64 `json:"rate"`     // offered, requests per second
	Achieved  float64 `json:"achieved"` // Rate times the share of the requests due that was answered in the windows
	Pass      bool    `json:"pass"`     // by the majority of windows
	Windows   int     `json:"windows"`
	Passed    int     `json:"passed"` // windows that met the objective
	P50NS     int64   `json:"p50_ns,omitempty"`
	P99NS     int64   `json:"p99_ns,omitempty"`
	P999NS    int64   `json:"p999_ns,omitempty"`
	SLONS     int64   `json:"slo_ns,omitempty"` // at the objective's percentile
	Direction string  `json:"direction"`
}

// Slice is an interval of a run, for the log and the time series.
type Slice struct {
	Arm          string
	Round        int
	Phase        string // "warm-up" and so on
	Start, End   time.Time
	Sent         int64
	Completed    int64
	Errors       int64
	P50, P99     time.Duration
	ServerCPU    time.Duration
	ServerKnown  bool
	GeneratorCPU time.Duration
	InFlight     int64
	Queued       int64
	Response     []hist.Bucket // without the empty ones
}

// Bundle is everything that Write needs. Recorders are by arm and stage.
type Bundle struct {
	Run    Run
	Hists  map[string]map[string]*hist.Recorder
	Slices []Slice
	// Circumstances becomes machine.json: everything known of the machine and
	// of the measuring process. Nil leaves the file out.
	Circumstances any
	// Compact keeps the folder small, for one that is committed: logs with two
	// digits and 5 s intervals, and not what servers said of themselves.
	Compact bool
}
