package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"lars/bench/pace"
	"lars/reactor/frame"
)

// Config says what load to make. The zero value of every field but Addr and
// Duration is useful.
type Config struct {
	Network string         // "tcp" (also "") or "udp"
	Addr    netip.AddrPort // the server: an IPv4 address and port
	// Rival is a second server, the other arm of a duet (Bulej et al. 2020):
	// both get the same load in the same seconds, over Conns connections each.
	// In an open loop every arrival goes to both, in an order that a coin from
	// Seed decides, and both latencies count from the time it was due; in a
	// closed loop each has requests in flight of its own. Result.Arms tells
	// them apart. The zero value: there is none.
	Rival netip.AddrPort
	// Workload makes the requests and judges the replies; nil is the Echo
	// with the original's content.
	Workload Workload
	Conns    int // connections (sockets, for UDP); 0 is 1
	// Depth is how many requests each connection keeps in flight in a closed
	// loop; 0 is 1. In an open loop it is the most that may be in flight on
	// a connection, and those above wait; 0 is no limit.
	Depth int
	// Rate is the requests per second of an open loop, over all connections;
	// 0 makes a closed loop: each reply releases the next request.
	Rate     float64
	Arrivals pace.Kind // of an open loop
	Seed     uint64    // of the arrivals
	// Churn makes a new connection for each request and closes it after the
	// reply; Conns is then how many there are at once, and Depth is 1. A request
	// counts as sent when its connection begins, so response and service hold the
	// connecting; in an open loop the response also holds the wait for one of the
	// Conns to be free. TCP only.
	Churn    bool
	Warmup   time.Duration
	Duration time.Duration // measured, after the warm-up, with no pause between
	// Part makes this the load of one of several generators.
	Part Part
	// Timeout is how long a request may stay unanswered after it was sent; it
	// is then given up, counted and censored at that value. 0: 10 s on TCP,
	// 1 s on UDP. It is also the longest wait for replies after the end.
	Timeout     time.Duration
	DialTimeout time.Duration // to establish all connections; 0 is 30 s
	// Workers is the number of loops, each a locked thread; 0 is 1. More than
	// one pays only where the generator has that many cores to itself.
	Workers int
	CPUs    []int         // worker i runs on CPUs[i mod len]; none: anywhere allowed
	Every   time.Duration // length of an interval; 0 is 1 s
	// OnConnected, if set, is called once all connections are there; the load
	// begins when it returns, and does not after an error.
	OnConnected func(context.Context) error
	// OnInterval, if set, is called after each interval and once at the end of
	// the warm-up, from the goroutine that called Run. The histograms in it
	// are valid until it returns.
	OnInterval func(*Interval)
	// OnPhase, if set, is called from the same goroutine when the warm-up
	// begins (Warmup), the measured time (Measured), and the wait for the last
	// replies (Draining), each a little after the fact.
	OnPhase func(Phase)
	// PIDs are processes whose CPU time is read by a worker at the very
	// boundaries of each interval and of the measured time.
	PIDs []int
	// QueueRequestsMax limits the requests that wait to be sent or answered,
	// over all connections; 0 is 4,194,304 (16 bytes each). An arrival above
	// it is dropped and counted, and makes the run invalid.
	QueueRequestsMax int
}

// Part is one of several generators that share a load. Of an open loop all have
// the same schedule: arrival k belongs to generator k mod Of, so that each is
// sent exactly once. Rate is that of all, Conns are those of this one. The zero
// value is the whole.
type Part struct{ Index, Of int }

// Limits of a configuration.
const (
	ConnsMax         = 1_000_000
	DepthMax         = 65_536
	WorkersMax       = 256
	queueDefault     = 4 << 20
	connsPerAddress  = 28_000 // of the usual 28,232 ephemeral ports
	descriptorsSpare = 64     // for everything that is no connection
)

// ErrConfig is a configuration that cannot be run; the text says what to change.
var ErrConfig = errors.New("load: invalid configuration")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
}

// Open reports whether c is an open loop.
func (c *Config) Open() bool { return c.Rate > 0 }

func (c *Config) duet() bool { return c.Rival.IsValid() }

// armsMax is the most servers of one run.
const armsMax = 2

// arms is the number of servers.
func (c *Config) arms() int {
	if c.duet() {
		return armsMax
	}
	return 1
}

// addr is the server of an arm.
func (c *Config) addr(arm int) netip.AddrPort {
	if arm == 0 {
		return c.Addr
	}
	return c.Rival
}

func (c *Config) udp() bool { return c.Network == "udp" }

// MayDouble tells whether a reply may come twice by no fault of the server: a
// network may double datagrams, loopback never does.
func (c *Config) MayDouble() bool { return c.udp() && !c.Addr.Addr().IsLoopback() }

// withDefaults fills in what zero means.
func (c Config) withDefaults() Config {
	set(&c.Network, "tcp")
	set(&c.Conns, 1)
	if !c.Open() || c.Churn {
		set(&c.Depth, 1)
	}
	set(&c.Workers, 1)
	set(&c.Part.Of, 1)
	set(&c.Every, time.Second)
	set(&c.DialTimeout, 30*time.Second)
	set(&c.QueueRequestsMax, queueDefault)
	if c.udp() {
		set(&c.Timeout, time.Second)
	}
	set(&c.Timeout, 10*time.Second)
	if c.Workload == nil {
		c.Workload = Echo{}
	}
	return c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports the first thing wrong with c, before any socket is opened.
// Run calls it.
func (c Config) Validate() error {
	c = c.withDefaults()
	for _, check := range []func() error{c.checkTarget, c.checkShape, c.checkTimes, c.checkFrames, c.checkDescriptors} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkTarget() error {
	switch {
	case c.Network != "tcp" && c.Network != "udp":
		return invalid("network %q: choose tcp or udp", c.Network)
	case c.duet() && c.Rival == c.Addr:
		return invalid("both arms of the duet are the server at %v: start two", c.Addr)
	}
	for arm := range c.arms() {
		switch a := c.addr(arm); {
		case !a.IsValid() || !a.Addr().Unmap().Is4():
			return invalid("server address %v: give an IPv4 address and port, such as 127.0.0.1:7777", a)
		case a.Port() == 0:
			return invalid("server address %v: the port is 0", a)
		}
	}
	return nil
}

func (c *Config) checkShape() error {
	switch {
	case c.Conns < 1 || c.Conns > ConnsMax:
		return invalid("%d connections: choose 1 to %d", c.Conns, ConnsMax)
	case c.Rate < 0 || c.Rate > pace.RateMax || c.Rate != c.Rate:
		return invalid("rate %v: choose 0 (closed loop) to %g per second", c.Rate, float64(pace.RateMax))
	case c.Part.Index < 0 || c.Part.Index >= c.Part.Of:
		return invalid("part %d of %d: parts are counted from 0", c.Part.Index, c.Part.Of)
	case c.Depth < 0 || c.Depth > DepthMax:
		return invalid("depth %d: choose 1 to %d", c.Depth, DepthMax)
	case !c.Open() && c.arms()*c.Depth*c.Conns > c.QueueRequestsMax:
		return invalid("%d connections with depth %d: at most %d requests may wait; ask for less, or raise QueueRequestsMax",
			c.Conns, c.Depth, c.QueueRequestsMax)
	case !c.Open() && c.Workload.OneWay():
		return invalid("requests without a reply need a rate: a closed loop waits for replies")
	case c.Churn && (c.Depth != 1 || c.udp() || c.Workload.OneWay()):
		return invalid("a connection for each request: only over TCP, with a depth of 1 and replies")
	case c.Workers < 1 || c.Workers > WorkersMax:
		return invalid("%d workers: choose 1 to %d", c.Workers, WorkersMax)
	case c.Workers > c.Conns:
		return invalid("%d workers for %d connections: a worker needs one of its own", c.Workers, c.Conns)
	case c.duet() && isTimed(c.Workload):
		return invalid("this workload takes the times of one server: a duet has two")
	case c.QueueRequestsMax < c.Conns && c.Open():
		return invalid("a queue of %d requests for %d connections: at least one each", c.QueueRequestsMax, c.Conns)
	}
	if _, err := pace.New(c.Arrivals, 1, 0); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// Limits of times, those of scenario files: what is longer is a slip of the
// finger, and would be noticed after hours.
const (
	DurationMax = 24 * time.Hour
	WarmupMax   = time.Hour
	TimeoutMax  = time.Hour
)

func (c *Config) checkTimes() error {
	switch {
	case c.Duration <= 0:
		return invalid("duration %v: nothing would be measured", c.Duration)
	case c.Duration > DurationMax:
		return invalid("duration %v: choose up to %v", c.Duration, DurationMax)
	case c.Warmup < 0 || c.Warmup > WarmupMax:
		return invalid("warm-up %v: choose 0 to %v", c.Warmup, WarmupMax)
	case c.Timeout < time.Millisecond || c.Timeout > TimeoutMax:
		return invalid("timeout %v: choose 1 ms to %v", c.Timeout, TimeoutMax)
	case c.DialTimeout < time.Millisecond:
		return invalid("dial timeout %v: choose 1 ms or more", c.DialTimeout)
	case c.Every < 10*time.Millisecond:
		return invalid("interval %v: choose 10 ms or more", c.Every)
	}
	return nil
}

// datagramBytesMax is the largest payload of one IPv4 datagram.
const datagramBytesMax = 65507

func (c *Config) checkFrames() error {
	request, reply := c.Workload.FrameBytesMax()
	limit := frame.HeadBytes + frame.BodyBytesMax
	if c.udp() {
		limit = datagramBytesMax
	}
	if request < frame.HeadBytes || request > limit || reply > limit {
		return invalid("frames of up to %d bytes out and %d in: %s allows %d to %d",
			request, reply, c.Network, frame.HeadBytes, limit)
	}
	return nil
}
