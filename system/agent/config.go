package agent

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"lars/reactor/conf"
	"lars/system/balance"
	"lars/system/wire"
)

// Config of an agent. The zero value is an agent on any free ports that knows
// no dns and no reporter; Keys makes it that of the original's shipped file.
type Config struct {
	// IP is the address to listen on. "" means 127.0.0.1; the original
	// listens on every address.
	IP string
	// Port is the first of three UDP ports in a row. 0 means any three free
	// ones, which Service.Addrs tells.
	Port int

	// Threads is the number of loops to open the reactor with; for whoever
	// does. 0 means 3: one for each port.
	Threads int

	DNS      Peer // who knows the routes; none: only those on disk
	Reporter Peer // who takes statistics; none: they are not kept

	// Caller is the IPv4 that statistics are reported under. "" means the
	// one that the host's name stands for, as in the original.
	Caller string

	// Balance is how modules are balanced of which dns says nothing: the text
	// form of balance.Settings. "" means that package's default policy;
	// "algorithm=classic" what the original does. Settings of a module replace
	// it as a whole.
	Balance string
	// Zone is where the agent and its callers are; 0: not known.
	Zone int

	// The knobs of the algorithm classic, where neither Balance nor a module's
	// settings name them; a zero one means what package balance says.
	ProbeNum, InitSuccCnt, InitErrCnt, ContinErrLimit, ContinSuccLimit int
	ErrRate, SuccRate, WindowErrRate                                   float64
	IdleTimeout, OverloadTimeout                                       time.Duration

	// UpdateTimeout: a route older than this is pulled again when asked for.
	// 0 means 15 s.
	UpdateTimeout time.Duration
	// NegativeTTL is the least time between two pulls of one module, and so
	// how long dns's word that it does not exist holds. 0 means 1 s.
	NegativeTTL time.Duration
	// PullSpread is the time over which all modules are pulled again after a
	// reconnect to dns. 0 means 1 s.
	PullSpread time.Duration
	// SilenceMax is how long dns may leave a pull without any answer, and the
	// reporter take nothing of what waits for it, before the connection is
	// given up for the next address. 0 means 10 s.
	SilenceMax time.Duration
	// ReportEvery is how often statistics go to the reporter. 0 means 1 s;
	// negative: at every report of a caller, as the original does.
	ReportEvery time.Duration

	// ModulesMax bounds the modules known, with route or without. 0 means
	// 65,536.
	ModulesMax int
	// UnknownMax bounds those among them that were asked for and have no
	// route (yet). 0 means 10,000.
	UnknownMax int
	// HostsMax bounds the hosts of one module. 0 means 65,536.
	HostsMax int
	// TallyBytesMax and SentBytesMax bound the memory of statistics and of
	// reports kept to be sent again. 0 means 64 MiB and 32 MiB.
	TallyBytesMax, SentBytesMax int

	// RoutesFile keeps routes and policies for a restart without dns. "" keeps
	// none.
	RoutesFile string
	Files      Files // where that is kept; nil: on the disk

	// Log takes what an operator should know. nil: nothing is logged.
	Log *slog.Logger

	// Wall is the clock of the times that others read: in reports and in the
	// routes file. No decision depends on it. nil means time.Now.
	Wall func() time.Time
	// Seed of the boot ids and of the jitter, for runs that repeat; two runs of
	// an agent must not share one. 0 picks one.
	Seed uint64
}

// A Peer is a server of the agent, possibly with several instances, of which
// one is used and the next tried when it fails. The zero value is none.
type Peer struct {
	IP    string
	Port  int
	Addrs string // "host:port,host:port": instead of IP and Port
}

// list returns the addresses, none for the zero value.
func (p Peer) list() (addrs []string) {
	for _, a := range strings.Split(p.Addrs, ",") {
		if a = strings.TrimSpace(a); a != "" {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 && p.Port != 0 {
		addrs = append(addrs, fmt.Sprintf("%s:%d", cmp.Or(p.IP, "127.0.0.1"), p.Port))
	}
	return addrs
}

// String lists the addresses.
func (p Peer) String() string {
	if l := p.list(); len(l) > 0 {
		return strings.Join(l, ", ")
	}
	return "none"
}

// Default is the configuration of the original's shipped file, and our own
// values for the rest: what Keys makes of the zero value.
func Default() Config {
	var c Config
	c.preset()
	return c
}

// timeMax bounds every time of the configuration.
const timeMax = time.Hour

// Keys are those of the original's lars_lb_agent.conf, and our own in section
// [agent]. What is zero in c becomes the default first: that of the file that
// the original ships, not of its code where the two differ. A file that names
// keys of the original's balancing, and not balance, is the original's: with it
// an agent balances as the one that it replaces.
func (c *Config) Keys() *conf.Set {
	c.preset()
	s := &conf.Set{}
	peerKeys(s, &c.Reporter, "reporter", "the reporter")
	peerKeys(s, &c.DNS, "dnsserver", "dns")
	c.balanceKeys(s)
	c.agentKeys(s)
	s.Note(c.knobsNote)
	return s
}

// preset fills in the original's values, and ours where it has none.
func (c *Config) preset() {
	c.IP = cmp.Or(c.IP, "127.0.0.1")
	c.Port = cmp.Or(c.Port, wire.AgentPort)
	c.DNS.IP, c.DNS.Port = cmp.Or(c.DNS.IP, "127.0.0.1"), cmp.Or(c.DNS.Port, wire.DNSPort)
	c.Reporter.IP, c.Reporter.Port = cmp.Or(c.Reporter.IP, "127.0.0.1"), cmp.Or(c.Reporter.Port, wire.ReporterPort)
	c.RoutesFile = cmp.Or(c.RoutesFile, "lars_agent.routes")
	c.Threads = cmp.Or(c.Threads, wire.AgentPorts)
	c.ProbeNum = cmp.Or(c.ProbeNum, 10)
	c.InitSuccCnt, c.InitErrCnt = cmp.Or(c.InitSuccCnt, 180), cmp.Or(c.InitErrCnt, 5)
	c.ErrRate, c.SuccRate, c.WindowErrRate = cmp.Or(c.ErrRate, 0.1), cmp.Or(c.SuccRate, 0.5), cmp.Or(c.WindowErrRate, 0.7)
	c.ContinErrLimit, c.ContinSuccLimit = cmp.Or(c.ContinErrLimit, 15), cmp.Or(c.ContinSuccLimit, 15)
	c.IdleTimeout, c.OverloadTimeout = cmp.Or(c.IdleTimeout, 15*time.Second), cmp.Or(c.OverloadTimeout, 15*time.Second)
	c.limits()
}

// limits fills in what is zero of the rest.
func (c *Config) limits() {
	c.UpdateTimeout = cmp.Or(c.UpdateTimeout, 15*time.Second)
	c.NegativeTTL = cmp.Or(c.NegativeTTL, time.Second)
	c.PullSpread = cmp.Or(c.PullSpread, time.Second)
	c.SilenceMax = cmp.Or(c.SilenceMax, 10*time.Second)
	c.ReportEvery = cmp.Or(c.ReportEvery, time.Second)
	c.ModulesMax = cmp.Or(c.ModulesMax, 1<<16)
	c.UnknownMax = cmp.Or(c.UnknownMax, 10_000)
	c.HostsMax = cmp.Or(c.HostsMax, 1<<16)
	c.TallyBytesMax = cmp.Or(c.TallyBytesMax, 64<<20)
	c.SentBytesMax = cmp.Or(c.SentBytesMax, 32<<20)
}

func peerKeys(s *conf.Set, p *Peer, section, who string) {
	flag := map[string]string{"reporter": "reporter", "dnsserver": "dns"}[section]
	s.String(&p.IP, conf.Name{Section: section, Key: "ip", Flag: flag + "-ip"}, conf.IP, "`address` of "+who)
	s.Int(&p.Port, conf.Name{Section: section, Key: "port", Flag: flag + "-port"}, 1, 65535, "TCP `port` of "+who)
	s.String(&p.Addrs, conf.Name{Section: section, Key: "addrs", Flag: flag}, hostPorts,
		"instead of the two: `addresses` of all instances of "+who+", as host:port,host:port")
}

// hostPorts is a check of addresses separated by commas.
func hostPorts(v string) error {
	for _, a := range (Peer{Addrs: v}).list() {
		if host, port, ok := strings.Cut(a, ":"); !ok || host == "" || port == "" {
			return fmt.Errorf("%q is not host:port, such as 127.0.0.1:7778", a)
		}
	}
	return nil
}

// rateMin is the least of a rate: zero would mean the default.
const rateMin = 1e-6

func (c *Config) balanceKeys(s *conf.Set) {
	name := func(key string) conf.Name {
		return conf.Name{Section: "loadbalance", Key: key, Flag: strings.ReplaceAll(key, "_", "-")}
	}
	s.String(&c.Balance, name("balance"), checkBalance, "`settings` of modules of which dns says nothing, such as \"algorithm=p2c outlier=off\"; empty: the default policy; algorithm=classic: the original's, to which the keys from probe_num to overload_timeout belong, and which holds when a file has one of those and not this key. See lars policy list")
	s.Int(&c.ProbeNum, name("probe_num"), 1, 1<<30, "`number` of picks between two probes of overloaded hosts")
	s.Int(&c.InitSuccCnt, name("init_succ_cnt"), 1, 1<<30, "`number` of successes that a fresh idle host is credited with")
	s.Int(&c.InitErrCnt, name("init_err_cnt"), 1, 1<<30, "`number` of errors that a freshly overloaded host is charged with")
	s.Float(&c.ErrRate, name("err_rate"), rateMin, 1, "an idle host above this `share` of errors is overloaded")
	s.Float(&c.SuccRate, name("succ_rate"), rateMin, 1, "an overloaded host above this `share` of successes is idle")
	s.Int(&c.ContinErrLimit, name("contin_err_limit"), 1, 1<<30, "this `number` of errors in a row overloads a host")
	s.Int(&c.ContinSuccLimit, name("contin_succ_limit"), 1, 1<<30, "this `number` of successes in a row frees a host")
	s.Float(&c.WindowErrRate, name("window_err_rate"), rateMin, 1, "this `share` of errors in a window overloads a host")
	s.Seconds(&c.IdleTimeout, name("idle_timeout"), time.Millisecond, timeMax, "`time` that an idle host's window lasts")
	s.Seconds(&c.OverloadTimeout, name("overload_timeout"), time.Millisecond, timeMax, "`time` after which an overloaded host is tried again")
	s.Imply("loadbalance", "balance", "algorithm=classic", "probe_num", "init_succ_cnt", "init_err_cnt", "err_rate", "succ_rate",
		"contin_err_limit", "contin_succ_limit", "window_err_rate", "idle_timeout", "overload_timeout")
	s.Seconds(&c.UpdateTimeout, name("update_timeout"), time.Millisecond, timeMax, "`time` after which a route is pulled again when asked for")
}

func (c *Config) agentKeys(s *conf.Set) {
	name := func(key string) conf.Name {
		return conf.Name{Section: "agent", Key: key, Flag: strings.ReplaceAll(key, "_", "-")}
	}
	s.String(&c.IP, name("ip"), conf.IP, "`address` to listen on")
	s.Int(&c.Port, name("port"), 0, 65533, "first `port` of three in a row (UDP), 0 for any three free ones")
	s.Int(&c.Zone, name("zone"), 0, 65535, "`number` of the zone that the agent and its callers are in, 0 when not known")
	s.Int(&c.Threads, conf.Name{Section: "agent", Key: "threads", Flag: "loops"}, 1, 1024, "`number` of event loops; more than three idle")
	s.String(&c.Caller, name("caller"), emptyOr(conf.IP), "IPv4 `address` that statistics are reported under, instead of the host's own")
	s.Seconds(&c.NegativeTTL, name("negative_ttl"), time.Millisecond, timeMax, "least `time` between two pulls of one module")
	s.Seconds(&c.PullSpread, name("pull_spread"), time.Millisecond, timeMax, "`time` over which all routes are pulled after a reconnect to dns")
	s.Seconds(&c.SilenceMax, name("silence_max"), time.Second, timeMax, "`time` without an answer from dns, or with output that the reporter does not take, after which the connection is given up")
	s.Seconds(&c.ReportEvery, name("report_every"), -time.Second, timeMax, "`time` between two sendings of statistics; -1: at every report, as the original does")
	s.Int(&c.ModulesMax, name("modules_max"), 3, 1<<24, "limit of modules known, a `number`")
	s.Int(&c.UnknownMax, name("unknown_max"), 3, 1<<24, "limit of modules known that have no route, a `number`")
	s.Int(&c.HostsMax, name("hosts_max"), 1, 1<<24, "limit of hosts of one module, a `number`")
	s.Int(&c.TallyBytesMax, name("tally_bytes_max"), 1<<16, 1<<34, "limit of memory for statistics, in `bytes`")
	s.Int(&c.SentBytesMax, name("sent_bytes_max"), 1<<16, 1<<34, "limit of memory for reports that are kept to be sent again, in `bytes`")
	s.String(&c.RoutesFile, name("routes_file"), nil, "`file` that keeps routes and policies for a restart without dns; empty for none")
}

func emptyOr(check func(string) error) func(string) error {
	return func(v string) error {
		if v == "" {
			return nil
		}
		return check(v)
	}
}

// resolve checks a Config that did not come from Keys, too.
func (c Config) resolve() (Config, error) {
	c.limits()
	c.IP = cmp.Or(c.IP, "127.0.0.1")
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Files == nil {
		c.Files = disk{}
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	if _, err := netip.ParseAddr(c.IP); err != nil {
		return c, fmt.Errorf("agent: listen on %q: not an IP address", c.IP)
	}
	if c.Port < 0 || c.Port > 65535-wire.AgentPorts+1 {
		return c, fmt.Errorf("agent: port %d: three ports in a row, from 1 to 65533 (0: any)", c.Port)
	}
	if min(c.UpdateTimeout, c.NegativeTTL, c.PullSpread, c.SilenceMax) < 0 ||
		min(c.Threads, c.ModulesMax, c.UnknownMax, c.HostsMax, c.TallyBytesMax, c.SentBytesMax) < 0 {
		return c, errors.New("agent: a time or limit is negative")
	}
	for _, p := range []Peer{c.DNS, c.Reporter} {
		if err := hostPorts(p.Addrs); err != nil {
			return c, fmt.Errorf("agent: %w", err)
		}
	}
	if c.Zone < 0 || c.Zone > 65535 {
		return c, fmt.Errorf("agent: zone %d: a number from 0 to 65535", c.Zone)
	}
	_, err := c.settings("")
	return c, err
}

// settings are those of a module of which dns says text.
func (c *Config) settings(text string) (balance.Settings, error) {
	s, err := balance.ParseSettings(cmp.Or(text, c.Balance))
	if err != nil {
		return s, fmt.Errorf("agent: %w", err)
	}
	k := &s.Classic
	k.ProbeNum = cmp.Or(k.ProbeNum, c.ProbeNum)
	k.InitSuccCnt, k.InitErrCnt = cmp.Or(k.InitSuccCnt, c.InitSuccCnt), cmp.Or(k.InitErrCnt, c.InitErrCnt)
	k.ErrRate, k.SuccRate = cmp.Or(k.ErrRate, float32(c.ErrRate)), cmp.Or(k.SuccRate, float32(c.SuccRate))
	k.WindowErrRate = cmp.Or(k.WindowErrRate, float32(c.WindowErrRate))
	k.ContinErrLimit = cmp.Or(k.ContinErrLimit, c.ContinErrLimit)
	k.ContinSuccLimit = cmp.Or(k.ContinSuccLimit, c.ContinSuccLimit)
	k.IdleTimeout, k.OverloadTimeout = cmp.Or(k.IdleTimeout, c.IdleTimeout), cmp.Or(k.OverloadTimeout, c.OverloadTimeout)
	k.HostsMax = min(cmp.Or(k.HostsMax, c.HostsMax), c.HostsMax)
	return s, s.Check()
}

// knobs are those of the algorithm classic, the original's values for zeros.
func (c Config) knobs() balance.Config {
	c.preset()
	return balance.Config{
		ProbeNum: c.ProbeNum, InitSuccCnt: c.InitSuccCnt, InitErrCnt: c.InitErrCnt,
		ErrRate: float32(c.ErrRate), SuccRate: float32(c.SuccRate), WindowErrRate: float32(c.WindowErrRate),
		ContinErrLimit: c.ContinErrLimit, ContinSuccLimit: c.ContinSuccLimit,
		IdleTimeout: c.IdleTimeout, OverloadTimeout: c.OverloadTimeout,
	}
}

// knobsTurned reports whether any of them is not as the original ships it.
func (c *Config) knobsTurned() bool { return c.knobs() != (Config{}).knobs() }

// knobsNote says to people that the knobs are not heeded, if so. Whoever brings
// the original's file could not know.
func (c *Config) knobsNote() string {
	s, err := c.settings("")
	algorithm := cmp.Or(s.Algorithm, balance.DefaultAlgorithm)
	if err != nil || algorithm == "classic" || algorithm == "elb" {
		return ""
	}
	return "[loadbalance] probe_num to overload_timeout hold for modules that are balanced by classic or elb alone, and here that is " +
		algorithm + "; balance = algorithm=classic makes it the original's way"
}

func checkBalance(text string) error {
	_, err := balance.ParseSettings(text)
	return err
}
