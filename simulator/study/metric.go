package study

// Metric is what a run is measured by.
type Metric int

// The metrics.
const (
	Errors Metric = iota
	Leak
	Eject
	Recover
	P50
	P99
	P999
	CV
	Jain
	HotSpot
	FalsePositives
	Flips
	Amplification
	Goodput
	Recovery
	CrossZone
	RestartErrors
	Remapped
	Moved
	StepErrors
	KeptOut
	ErrorsToEject
	Probes
	Messages
	FlightMean
	FlightP99
	FlightMax
	Herd
	metrics // how many there are
)

// Info is what a metric means.
type Info struct {
	ID, Name, Unit, Doc string
	Higher              bool // is better
	Digits              int  // after the point
}

// Info tells about a metric.
func (m Metric) Info() Info {
	return [metrics]Info{
		{"errors", "errors", "%", "calls of the window that failed, timed out or got no host", false, 2},
		{"leak", "leak", "%", "share of the calls that went to the bad hosts in the second half of the window", false, 2},
		{"t_eject", "out after", "s", "from the fault to the first second in which bad hosts got less than a quarter of an even share; the window if never", false, 1},
		{"t_recover", "back after", "s", "from the fault's end to three seconds in which they got half of an even share; the rest of the run if never", false, 1},
		{"p50", "p50", "ms", "latency of the window's calls, time-outs included, fast failures not", false, 1},
		{"p99", "p99", "ms", "latency, the same", false, 1},
		{"p999", "p99.9", "ms", "latency, the same", false, 1},
		{"cv", "CV", "", "standard deviation of the hosts' calls, over the mean", false, 3},
		{"jain", "Jain", "", "Jain's index of the hosts' calls; 1 is even", true, 3},
		{"hot_spot", "max/mean, 1st s", "", "calls of the busiest host in the window's first second, over the mean", false, 2},
		{"false_positives", "wrong ejections", "/h", "hosts ejected while nothing was wrong with them, of an agent in an hour", false, 1},
		{"flips", "flips", "/min", "hosts going in or out of use, of an agent in a minute", false, 2},
		{"amplification", "amplification", "", "share of calls that went well, over what the hosts' errors leave to any policy", true, 3},
		{"goodput", "goodput", "", "calls served in the window, over what the hosts could", true, 3},
		{"recovery", "well again after", "s", "from the window's end to the last second with a failed call", false, 1},
		{"cross_zone", "to other zones", "%", "share of the calls before the fault that left their zone", false, 1},
		{"restart_errors", "errors a restart", "", "failed calls for each restart", false, 1},
		{"remapped", "keys moved", "%", "keys that change their host when one of the hosts is replaced, without load", false, 1},
		{"moved", "calls moved", "%", "calls that met another host than the last with their key", false, 1},
		{"step_errors", "errors there", "%", "errors of the two agents whose clocks step", false, 2},
		{"kept_out", "kept out", "s", "longest time after the fault for which one of those two had the host out; the rest of the run at most", false, 1},
		{"errors_to_eject", "errors until out", "", "failed calls of an agent at a bad host until it takes it out; until the window's end if it never does", false, 1},
		{"probes", "probes", "%", "share of the calls that went to hosts that are out, to find out about them", false, 2},
		{"messages", "messages", "/1000 calls", "what hints cost: an agent's words of a second that its suspicions changed, and what is pushed to an agent when their sums did", false, 1},
		{"in_flight_mean", "in flight", "", "calls at a host that somebody waits for, served and queued; mean over hosts and tenths of a second", false, 1},
		{"in_flight_p99", "in flight, p99", "", "the same, the 99 % quantile", false, 1},
		{"in_flight_max", "in flight, max", "", "the most at one host at any time of the window", false, 1},
		{"herd", "herd", "", "variance of a host's calls in a tenth of a second, over their mean; of the hosts that are well; by chance alone it is 1", false, 2},
	}[m]
}
