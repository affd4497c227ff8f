package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"lars/bench/fleet"
	"lars/bench/load"
	"lars/bench/proc"
	"lars/bench/run"
	"lars/bench/workload"
	"lars/internal/cli"
)

// fleetFlags name the machines that make the load instead of this one.
type fleetFlags struct {
	workers   string
	listen    string
	count     int
	tokenFile string
}

func (w *fleetFlags) define(f *cli.Flags) {
	f.StringVar(&w.workers, "workers", "", "let these make the load: comma-separated `host:port` of lars bench worker --listen")
	f.StringVar(&w.listen, "workers-listen", "", "or wait at this `ip:port` for lars bench worker --join")
	f.IntVar(&w.count, "workers-count", 0, "`number` of workers to wait for with --workers-listen")
	f.StringVar(&w.tokenFile, "token-file", "", "`file` with the secret that coordinator and workers share; - is standard input")
}

func (w *fleetFlags) used() bool { return w.workers != "" || w.listen != "" }

// check finds what does not fit before anything is started.
func (w *fleetFlags) check(f *cli.Flags) error {
	switch {
	case w.workers != "" && w.listen != "":
		return f.Errorf("--workers and --workers-listen exclude each other")
	case w.listen != "" && (w.count < 1 || w.count > fleet.WorkersMax):
		return f.Errorf("--workers-count %d: choose 1 to %d", w.count, fleet.WorkersMax)
	case w.listen == "" && w.count != 0:
		return f.Errorf("--workers-count is for --workers-listen")
	}
	return nil
}

// assemble brings the workers together.
func (w *fleetFlags) assemble(ctx context.Context, f *cli.Flags, stderr io.Writer) (*fleet.Fleet, error) {
	token, err := readToken(f, w.tokenFile)
	if err != nil {
		return nil, err
	}
	if w.workers != "" {
		var addrs []string
		for _, a := range strings.Split(w.workers, ",") {
			addrs = append(addrs, strings.TrimSpace(a))
		}
		all, err := fleet.Connect(ctx, addrs, hostName(), token)
		if err != nil {
			return nil, f.Errorf("--workers: %v", err)
		}
		return all, nil
	}
	l, err := listenFor(f, "--workers-listen", w.listen, token)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(stderr, "waiting at %v for %d workers\n", l.Addr(), w.count)
	return fleet.Accept(ctx, l, w.count, hostName(), token, func(s string) { fmt.Fprintln(stderr, s) })
}

// gather brings the workers together, if some are asked for, and gives them the
// load. lost is called when one of them fails; the notes say who they are.
func (o *options) gather(ctx context.Context, stderr io.Writer, targets []run.Target, lost func(error)) (notes []string, err error) {
	if !o.remote.used() {
		return nil, nil
	}
	if o.fleet, err = o.remote.assemble(ctx, o.flags, stderr); err != nil {
		return nil, err
	}
	o.fleet.OnLoss = lost
	names := o.fleet.Names()
	note := "the load comes from worker " + names[0]
	if len(names) > 1 {
		note = fmt.Sprintf("the load comes from %d workers: %s", len(names), strings.Join(names, ", "))
	}
	return []string{note}, o.spread(o.fleet, targets)
}

// spread gives the load of every target to the workers.
func (o *options) spread(all *fleet.Fleet, targets []run.Target) error {
	for i := range targets {
		if targets[i].Drive != nil {
			return o.flags.Errorf("--workers: the load of %s is made by this machine alone", o.kind.name)
		}
		targets[i].Drive = all.Drive(fleet.Spec{
			Name: o.kind.name, Payloads: o.payload, Modules: o.routes.Modules, Hosts: o.routes.Hosts,
			Mix: [3]int{o.mix.GetHost, o.mix.Report, o.mix.GetRoute},
		})
	}
	return nil
}

// makeWorkload is what a worker does with the name that it is given.
func makeWorkload(s fleet.Spec, j fleet.Job) (load.Workload, error) {
	o := &options{payload: s.Payloads, routes: workload.Routes{Modules: s.Modules, Hosts: s.Hosts}, depth: j.Depth, rate: j.Rate}
	o.mix = workload.Mix{GetHost: s.Mix[0], Report: s.Mix[1], GetRoute: s.Mix[2]}
	for _, k := range kinds() {
		if k.name == s.Name {
			return k.make(o)
		}
	}
	return nil, fmt.Errorf("not known here. Known: %s", kindNames())
}

const tokenBytesMax = 4096

// readToken reads the shared secret; none without a file.
func readToken(f *cli.Flags, file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	from := io.Reader(os.Stdin)
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, f.Errorf("--token-file: %v", err)
		}
		defer opened.Close()
		from = opened
	}
	token, err := io.ReadAll(io.LimitReader(from, tokenBytesMax+1))
	if err != nil {
		return nil, f.Errorf("--token-file %s: %v", file, err)
	}
	token = bytes.TrimSpace(token)
	if len(token) == 0 || len(token) > tokenBytesMax {
		return nil, f.Errorf("--token-file %s: a token has 1 to %d bytes: head -c 24 /dev/urandom | base64 makes one", file, tokenBytesMax)
	}
	return token, nil
}

// listenFor opens a port, which needs a token unless only this machine can
// reach it: a worker sends load wherever it is told.
func listenFor(f *cli.Flags, flag, addr string, token []byte) (net.Listener, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, f.Errorf("%s %q: write it as 192.0.2.7:7070, or 0.0.0.0:7070 for every address of this machine", flag, addr)
	}
	if len(token) == 0 && !at.Addr().IsLoopback() {
		return nil, f.Errorf("%s %s: others can reach it, so --token-file is needed", flag, addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, f.Errorf("%s: %v", flag, err)
	}
	return l, nil
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "unnamed"
	}
	return name
}

// worker is "lars bench worker".
func worker(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	f := cli.NewFlags("lars bench worker", "--listen IP:PORT | --join HOST:PORT [flags]",
		"Makes load for a coordinator: lars bench run or all with --workers, or with --workers-listen. The coordinator says\n"+
			"where to, how much, and when; each worker sends its share of one schedule.",
		"lars bench worker --listen 0.0.0.0:7070 --token-file token",
		"lars bench run --addr 192.0.2.7:7777 --rate 200000 --conns 1000 --workers 192.0.2.8:7070,192.0.2.9:7070 --token-file token",
		"for h in a b; do ssh $h lars bench worker --join 192.0.2.1:7070 --token-file - < token & done; lars bench run --backend epoll --listen 192.0.2.1:0 --workers-listen 192.0.2.1:7070 --workers-count 2 --token-file token")
	listen := f.String("listen", "", "wait at this `ip:port` for coordinators, one after another")
	join := f.String("join", "", "connect to the coordinator at this `host:port`, as soon as it is there, and end with it")
	once := f.Bool("once", false, "with --listen: end after the first coordinator")
	tokenFile := f.String("token-file", "", "`file` with the secret that coordinator and workers share; - is standard input")
	cpus := f.String("cpus", "", "`processors` for the generator threads, such as 2,3 or 2-3 (any)")
	name := f.String("name", hostName(), "`name` of this worker in results")
	if done, err := f.Parse(stdout, args); done || err != nil {
		return err
	}
	if (*listen == "") == (*join == "") {
		return f.Errorf("give either --listen or --join")
	}
	w := &fleet.Worker{Name: *name, Make: makeWorkload, Log: func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }}
	var err error
	if *cpus != "" {
		if w.CPUs, err = proc.ParseCPUs(*cpus); err != nil {
			return f.Errorf("--cpus: %v", err)
		}
		if allowed, err := proc.AllowedCPUs(0); err == nil {
			for _, cpu := range w.CPUs {
				if !slices.Contains(allowed, cpu) {
					return f.Errorf("--cpus %s: processor %d: this process may use %v", *cpus, cpu, allowed)
				}
			}
		}
	}
	if w.Token, err = readToken(f, *tokenFile); err != nil {
		return err
	}
	if *join != "" {
		return w.Join(ctx, *join)
	}
	l, err := listenFor(f, "--listen", *listen, w.Token)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on %v\n", l.Addr())
	return w.Listen(ctx, l, *once)
}
