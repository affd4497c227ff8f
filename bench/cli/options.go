package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"lars/bench/fleet"
	"lars/bench/load"
	"lars/bench/pace"
	"lars/bench/run"
	"lars/bench/run/crowd"
	"lars/bench/workload"
	"lars/internal/cli"
)

// options are the flags of "run" and "all".
type options struct {
	command *command
	flags   *cli.Flags

	workload string
	kind     kind
	routes   workload.Routes
	withEcho bool
	upstream *upstream // nil unless the workload needs one
	remote   fleetFlags
	fleet    *fleet.Fleet // nil unless other machines make the load

	scenario string     // as given
	source   run.Source // what it held
	mix      workload.Mix
	slow     crowd.Stalled
	edits    float64
	store    string

	backend, server, addr, listen string
	pid                           int
	backends, baseline            string

	udp                       bool
	conns, depth              int
	payload                   sizes
	rate                      float64
	arrivals                  string
	duration, warmup, timeout time.Duration
	seed                      uint64
	repeat, loops, threads    int
	pin                       string
	idle                      int
	syscalls                  bool
	out, archive              string
	json, markdown, noLive    bool
}

// close ends what config has begun.
func (o *options) close() {
	if o.fleet != nil {
		o.fleet.Close()
	}
	if o.upstream != nil {
		_ = o.upstream.Close() // what was measured stands
	}
}

func (c *command) options() *options {
	o := &options{command: c}
	if c.compare {
		o.flags = cli.NewFlags(c.name, "[--backends LIST] [flags]",
			"Measures several servers in one run, interleaved, and prints one table with ratios.",
			"lars bench all", "lars bench all --backends floor,epoll,std --conns 1000 --depth 16 --repeat 7", "lars bench all --udp --conns 100",
			"lars bench all --workload gethost", "lars bench all --workload getroute --backends epoll,std --with-echo=false")
		o.flags.StringVar(&o.backends, "backends", "all", "comma-separated `list` of "+c.known())
		o.flags.BoolVar(&o.withEcho, "with-echo", true, "with gethost and getroute: beside each backend a bare echo on it, with frames as long as the replies (not with --workers)")
		o.flags.StringVar(&o.baseline, "baseline", "", "`name` of the one that others are compared with (floor, or the first without it)")
	} else {
		o.flags = cli.NewFlags(c.name, "--backend NAME [flags]",
			"Starts a server on a backend as a process of its own, loads it, and prints what it did and cost.",
			"lars bench run --backend epoll", "lars bench run --backend epoll --conns 100 --rate 50000",
			"lars bench run --backend std --udp --conns 100", "lars bench run --backend epoll --workload gethost", "lars bench run --addr 192.0.2.7:7777 --duration 10s")
		o.flags.StringVar(&o.backend, "backend", "epoll", "`name`: "+c.known())
		o.flags.StringVar(&o.server, "server", "", "instead of a backend: `command` that prints \"listening on ADDR\"")
		o.flags.StringVar(&o.addr, "addr", "", "instead of a backend: `ip:port` of a server that is running")
		o.flags.IntVar(&o.pid, "pid", 0, "process `id` of the server at --addr, for its CPU time and memory")
	}
	o.flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "`ip:port` for a started server; port 0 is a free one")
	o.loadFlags()
	o.paceFlags()
	o.runFlags()
	o.placeFlags()
	o.remote.define(o.flags)
	return o
}

func (o *options) loadFlags() {
	f := o.flags
	o.mix, o.slow = mixDefault(), slowDefault()
	f.StringVar(&o.scenario, "scenario", "", "`name or file` of a scenario: other flags overrule what it says; lars bench scenarios lists them")
	f.StringVar(&o.workload, "workload", "echo", "`name`: "+kindNames())
	f.IntVar(&o.routes.Modules, "modules", 1000, "`number` of modules that the dns or agent knows")
	f.IntVar(&o.routes.Hosts, "hosts", 10, "`number` of hosts of each module")
	f.BoolVar(&o.udp, "udp", false, "UDP instead of TCP, for echo")
	f.IntVar(&o.conns, "conns", 100, "`number` of connections (of sockets, for UDP)")
	f.IntVar(&o.depth, "depth", 0, "`requests` in flight on each connection: of a closed loop (1), or at most, with --rate (no limit)")
	f.StringVar(&o.arrivals, "arrivals", "poisson", "open loop: `law` of the arrivals, poisson or constant")
	f.Var(&o.payload, "payload", "`bytes` of content in a message, or a list of several that take turns; 0 is the original's 13 (a 20-byte body)")
	f.Float64Var(&o.edits, "edits", 0, "getroute: `edits` a second of a route, which watchers may not see go back")
	f.IntVar(&o.slow.Readers, "stalled", o.slow.Readers, "slow: `number` of readers that stall")
	f.StringVar(&o.store, "store", "", "reportstore: `store` instead of a fresh SQLite file: mysql://USER@HOST:PORT/DATABASE")
	f.DurationVar(&o.timeout, "timeout", 0, "`time` after which a request is given up (10s, UDP 1s)")
	f.Uint64Var(&o.seed, "seed", 1, "`number` that the arrivals follow from; round k uses seed+k")
}

// paceFlags are those of a load that is known before.
func (o *options) paceFlags() {
	f := o.flags
	f.Float64Var(&o.rate, "rate", 0, "open loop: `requests` per second over all connections (report and reportstore: always; 10000, 5000)")
	f.DurationVar(&o.duration, "duration", o.pick(5*time.Second, 2*time.Second), "measured `time` of each round")
	f.DurationVar(&o.warmup, "warmup", o.pick(time.Second, 500*time.Millisecond), "`time` of load before it that is not measured")
}

func (o *options) runFlags() {
	f := o.flags
	repeat := 1
	if o.command.compare {
		repeat = 7
	}
	f.IntVar(&o.repeat, "repeat", repeat, "`rounds`, each in a fresh server; intervals need 6, and many short rounds beat few long ones")
	f.IntVar(&o.idle, "idle", 0, "also measure the memory of this `number` of idle connections")
	f.BoolVar(&o.syscalls, "syscalls", false, "also count the system calls of the server, with perf or strace, after the rounds")
}

// placeFlags say where server and generator run, and where the result goes.
func (o *options) placeFlags() {
	f := o.flags
	f.IntVar(&o.loops, "loops", 1, "`number` of event loops of the server, each on a processor")
	f.IntVar(&o.threads, "generator-loops", 1, "`number` of generator threads, each on a processor")
	f.StringVar(&o.pin, "pin", "auto", "`processors`: auto, off, or SERVER:GENERATOR such as 0:1 or 0,1:2-3")
	f.StringVar(&o.out, "out", "", "`directory` for the result files (out/ID); \"none\" writes none")
	f.StringVar(&o.archive, "archive", "", "`directory` of results that are kept, such as results: a compact folder YYYY/MM/ID in it, instead of --out")
	f.BoolVar(&o.json, "json", false, "print run.json instead of the table")
	f.BoolVar(&o.markdown, "markdown", false, "print Markdown, for a comment or a README")
	f.BoolVar(&o.noLive, "no-live", false, "show nothing while it runs; otherwise a terminal shows rates and percentiles")
}

func (o *options) pick(run, all time.Duration) time.Duration {
	if o.command.compare {
		return all
	}
	return run
}

// known lists what can be measured by name.
func (c *command) known() string { return strings.Join(append(c.names(), floorName), ", ") }

func (c *command) names() []string {
	var out []string
	for _, b := range c.backends {
		out = append(out, b.Name)
	}
	return out
}

// config turns the flags into a run. Notes, such as a missing compiler for the
// floor of a comparison, go to stderr.
func (o *options) config(ctx context.Context, stderr io.Writer) (run.Config, error) {
	c := run.Config{Loops: o.loops, Workers: o.threads, Rounds: o.repeat, Idle: o.idle, Calls: o.syscalls, Source: o.source}
	if o.loops < 1 || o.threads < 1 || o.repeat < 1 {
		return c, o.flags.Errorf("--loops, --generator-loops and --repeat are 1 or more")
	}
	if o.json && o.markdown {
		return c, o.flags.Errorf("--json and --markdown exclude each other")
	}
	if err := o.chooseKind(); err != nil {
		return c, err
	}
	if err := o.remote.check(o.flags); err != nil {
		return c, err
	}
	o.withEcho = o.withEcho && !o.remote.used()
	var err error
	if c.Pin, err = run.ParsePin(o.pin); err != nil {
		return c, o.flags.Errorf("%v", err)
	}
	if c.Load, err = o.load(); err != nil {
		return c, o.flags.Errorf("%v", err)
	}
	if c.Name = o.kind.name; o.kind.service != "" {
		if o.upstream, err = newUpstream(ctx, o.kind.service, o.routes, o.store); err != nil {
			return c, err
		}
	}
	c.Targets, err = o.targets(ctx, stderr)
	if err == nil && o.withEcho {
		c.Targets, err = o.addEchoes(c.Targets, c.Load.Workload)
	}
	if err == nil {
		c.Targets, c.Beside = o.surround(c.Targets)
	}
	return c, err
}

func (o *options) load() (load.Config, error) {
	w, err := o.kind.make(o) // which may limit the depth
	if err != nil {
		return load.Config{}, err
	}
	c := load.Config{
		Workload: w, Network: "tcp", Conns: o.conns, Depth: o.depth, Rate: o.rate, Seed: o.seed,
		Warmup: o.warmup, Duration: o.duration, Timeout: o.timeout, Every: o.every(),
	}
	if o.udp {
		c.Network = "udp"
	}
	if o.conns < 1 {
		return c, fmt.Errorf("--conns %d: choose 1 or more", o.conns)
	}
	c.Churn = o.kind.name == churnName
	c.Arrivals, err = pace.ParseKind(o.arrivals)
	return c, err
}

// intervalsMin is how many intervals a short run still has, so that progress
// and logs show something.
const intervalsMin = 4

func (o *options) every() time.Duration {
	return min(time.Second, max(o.duration/intervalsMin, 50*time.Millisecond))
}
