package dns

import (
	"cmp"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"lars/reactor/conf"
	"lars/system/route"
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

	// Poll is how often the version is read. 0 means 250 ms: together with the
	// time to load and push, subscribers then hear of an edit within a second.
	Poll time.Duration
	// Reload is how often everything is read, changed or not; 0 means 10 s.
	Reload time.Duration
	// HintPoll is how often what agents suspect is read; 0 means 1 s. What has not
	// changed is told again at every fifth look.
	HintPoll time.Duration
	// Confirm is the time between a doubtful read and the second one; 0 means 1 s.
	Confirm time.Duration
	// SlowTimeout closes a subscriber that has taken nothing of what waits for
	// it for so long; 0 means 60 s.
	SlowTimeout time.Duration
	// ChangesKeep is for how long the change log is kept; 0 means 30 days.
	ChangesKeep time.Duration

	RoutesMax        int // routes in memory; 0 means 16,777,216
	SubscriptionsMax int // of all connections of a loop; 0 means 4,194,304
	PerConnMax       int // subscriptions of one connection; 0 means 65,536

	Log *slog.Logger // nil discards

	// Wall is the clock of what the change log is trimmed by and of log lines.
	// No other decision depends on it. nil means time.Now.
	Wall func() time.Time
	// Seed of the jitter of pauses, for runs that repeat. 0 picks one.
	Seed uint64
}

// Default is the configuration of the original's shipped file, and our own
// defaults for the rest.
func Default() Config {
	return Config{Port: wire.DNSPort}.withDefaults()
}

func (c Config) withDefaults() Config {
	c.IP = cmp.Or(c.IP, "127.0.0.1")
	c.MaxConn = cmp.Or(c.MaxConn, 1024)
	c.Threads = cmp.Or(c.Threads, 5)
	c.Poll = cmp.Or(c.Poll, 250*time.Millisecond)
	c.Reload = cmp.Or(c.Reload, 10*time.Second)
	c.HintPoll = cmp.Or(c.HintPoll, time.Second)
	c.Confirm = cmp.Or(c.Confirm, time.Second)
	c.SlowTimeout = cmp.Or(c.SlowTimeout, time.Minute)
	c.ChangesKeep = cmp.Or(c.ChangesKeep, 30*24*time.Hour)
	c.RoutesMax = cmp.Or(c.RoutesMax, 1<<24)
	c.SubscriptionsMax = cmp.Or(c.SubscriptionsMax, 1<<22)
	c.PerConnMax = cmp.Or(c.PerConnMax, 1<<16)
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

func (c *Config) limits() route.SubscriptionLimits {
	return route.SubscriptionLimits{PerConnMax: c.PerConnMax, TotalMax: c.SubscriptionsMax}
}

// Keys are those of lars_dns.conf: the original's in [reactor], ours in [dns].
// The section [mysql] belongs to whoever opens the store. What is zero in c
// becomes the default first.
func (c *Config) Keys() *conf.Set {
	c.Port = cmp.Or(c.Port, wire.DNSPort)
	*c = c.withDefaults()
	s := &conf.Set{}
	key := func(name, flag string) conf.Name { return conf.Name{Section: "reactor", Key: name, Flag: flag} }
	s.String(&c.IP, key("ip", "ip"), conf.IP, "`address` to listen on")
	s.Int(&c.Port, key("port", "port"), 0, 65535, "`port` to listen on, 0 for any free one")
	s.Int(&c.MaxConn, key("maxConn", "max-conn"), 1, 1<<24, "limit of live connections, a `number`")
	s.Int(&c.Threads, key("threadNum", "loops"), 1, 1024, "`number` of event loops")
	key = func(name, flag string) conf.Name { return conf.Name{Section: "dns", Key: name, Flag: flag} }
	s.Seconds(&c.Poll, key("poll", "poll"), 10*time.Millisecond, time.Minute, "`time` between two looks at the version")
	s.Seconds(&c.Reload, key("reload", "reload"), 100*time.Millisecond, time.Hour, "`time` between two loads of everything")
	s.Seconds(&c.HintPoll, key("hint_poll", "hint-poll"), 10*time.Millisecond, 2*time.Second, "`time` between two looks at what agents suspect")
	s.Seconds(&c.Confirm, key("confirm", "confirm"), 10*time.Millisecond, time.Hour, "`time` before a doubtful read is repeated")
	s.Seconds(&c.SlowTimeout, key("slow_timeout", "slow-timeout"), 100*time.Millisecond, time.Hour, "`time` after which a subscriber that takes nothing is closed")
	s.Seconds(&c.ChangesKeep, key("changes_keep", "changes-keep"), time.Minute, 10*365*24*time.Hour, "`time` for which the change log is kept")
	s.Int(&c.RoutesMax, key("routes_max", "routes-max"), 1, 1<<30, "limit of routes in memory, a `number`")
	s.Int(&c.SubscriptionsMax, key("subscriptions_max", "subscriptions-max"), 1, 1<<28, "limit of subscriptions of a loop, a `number`")
	s.Int(&c.PerConnMax, key("subscriptions_per_conn_max", "subscriptions-per-conn-max"), 1, 1<<28, "limit of subscriptions of a connection, a `number`")
	return s
}
