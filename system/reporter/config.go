package reporter

import (
	"cmp"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"lars/reactor"
	"lars/reactor/conf"
	"lars/system/wire"
)

// Config of a Service. Zero fields mean the defaults of Default.
type Config struct {
	IP      string // to listen on; empty means 127.0.0.1
	Port    int    // 0 picks a free one
	MaxConn int    // limit of live connections; 0 means 1,024
	// Threads is the number of loops to open the reactor with; for whoever
	// does. 0 means 5.
	Threads int

	Writers int // that save to the store; 0 means 3
	// QueueBytesMax bounds the memory of the reports that wait, of all writers
	// together; 0 means 256 MiB. Ten results in one report take about 0.5 kB, so
	// that a minute of 50,000 results a second fits.
	QueueBytesMax int
	// Linger is how long a writer waits for more after the first result;
	// 0 means 50 ms.
	Linger time.Duration
	// MinutesKeep is for how long totals per minute are kept; 0 means 7 days.
	MinutesKeep time.Duration
	// MarksKeep is for how long the marks of reports are kept once they are
	// written; it must be longer than an agent may send a report again, and than
	// a report may wait here while another reporter writes it. 0 means 15
	// minutes.
	MarksKeep time.Duration
	TrimEvery time.Duration // pause between trims; 0 means 1 minute
	// RetryMax bounds the pause between attempts while the store is away;
	// 0 means 2 s.
	RetryMax time.Duration

	Log *slog.Logger // nil discards

	// Wall is the clock by which reports count for a minute, and rows are too
	// old. No other decision depends on it. nil means time.Now.
	Wall func() time.Time
	// Seed of the boot ids of our own marks and of the jitter of pauses, for runs
	// that repeat; two runs of a reporter must not share one. 0 picks one.
	Seed uint64
}

// Reactor is what to open the reactor with: a worker for each writer, and for
// what the service does beside them.
func (c Config) Reactor() reactor.Config {
	c = c.withDefaults()
	return reactor.Config{Loops: c.Threads, Workers: c.Writers + 2}
}

// Default is the configuration of the original's shipped file, and our own
// defaults for the rest.
func Default() Config {
	return Config{Port: wire.ReporterPort}.withDefaults()
}

func (c Config) withDefaults() Config {
	c.IP = cmp.Or(c.IP, "127.0.0.1")
	c.MaxConn = cmp.Or(c.MaxConn, 1024)
	c.Threads = cmp.Or(c.Threads, 5)
	c.Writers = cmp.Or(c.Writers, 3)
	c.QueueBytesMax = cmp.Or(c.QueueBytesMax, 256<<20)
	c.Linger = cmp.Or(c.Linger, 50*time.Millisecond)
	c.MinutesKeep = cmp.Or(c.MinutesKeep, 7*24*time.Hour)
	c.MarksKeep = cmp.Or(c.MarksKeep, 15*time.Minute)
	c.TrimEvery = cmp.Or(c.TrimEvery, time.Minute)
	c.RetryMax = cmp.Or(c.RetryMax, 2*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	return c
}

func (c *Config) addr() string { return net.JoinHostPort(c.IP, strconv.Itoa(c.Port)) }

// Keys are those of lars_reporter.conf: the original's in [reactor] and in
// [repoter], which is how its file spells it while its program reads
// [reporter]; here both count. Ours are in [reporter]. The section [mysql]
// belongs to whoever opens the store. What is zero in c becomes the default
// first.
func (c *Config) Keys() *conf.Set {
	c.Port = cmp.Or(c.Port, wire.ReporterPort)
	*c = c.withDefaults()
	s := &conf.Set{}
	key := func(name, flag string) conf.Name { return conf.Name{Section: "reactor", Key: name, Flag: flag} }
	s.String(&c.IP, key("ip", "ip"), conf.IP, "`address` to listen on")
	s.Int(&c.Port, key("port", "port"), 0, 65535, "`port` to listen on, 0 for any free one")
	s.Int(&c.MaxConn, key("maxConn", "max-conn"), 1, 1<<24, "limit of live connections, a `number`")
	s.Int(&c.Threads, key("threadNum", "loops"), 1, 1024, "`number` of event loops")
	const writers = "`number` of writers to the store"
	s.Int(&c.Writers, conf.Name{Section: "repoter", Key: "db_thread_cnt", Flag: "writers"}, 1, 256, writers)
	key = func(name, flag string) conf.Name { return conf.Name{Section: "reporter", Key: name, Flag: flag} }
	s.Int(&c.Writers, key("db_thread_cnt", ""), 1, 256, writers)
	s.Int(&c.QueueBytesMax, key("queue_bytes_max", "queue-bytes-max"), 1<<20, math.MaxInt, "limit of memory for reports that wait for the store, in `bytes`")
	s.Seconds(&c.Linger, key("linger", "linger"), time.Millisecond, time.Minute, "`time` that a writer waits for more")
	s.Seconds(&c.MinutesKeep, key("minutes_keep", "minutes-keep"), time.Minute, 10*365*24*time.Hour, "`time` for which totals per minute are kept")
	s.Seconds(&c.MarksKeep, key("marks_keep", "marks-keep"), time.Minute, 365*24*time.Hour, "`time` for which a repeated report is recognised")
	s.Seconds(&c.TrimEvery, key("trim_every", "trim-every"), time.Second, 24*time.Hour, "`time` between two removals of what is too old")
	s.Seconds(&c.RetryMax, key("retry_max", "retry-max"), 10*time.Millisecond, time.Hour, "longest `time` between attempts while the store is away")
	return s
}
