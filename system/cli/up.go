package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"lars/internal/cli"
	"lars/reactor/driver"
	"lars/system/store"
	"lars/system/up"
)

// upOptions of "lars up".
type upOptions struct {
	flags     *cli.Flags
	config    up.Config
	basePort  int
	processes bool
	store     string
	json      bool
	more      map[string]*string // flags of each service
}

// Up is the command "lars up". open finds a backend by one of the names.
func Up(open func(name string) (driver.Driver, error), names []string) cli.Func {
	return func(ctx context.Context, stdout, stderr io.Writer, args []string) error {
		o := newUp(names)
		if done, err := o.parse(stdout, args); done || err != nil {
			return err
		}
		if _, err := open(o.config.Backend); err != nil {
			return o.flags.Errorf("%v", err)
		}
		o.config.Open, o.config.Log, o.config.Stderr = open, newLog(stderr), stderr
		return o.run(ctx, stdout)
	}
}

func newUp(backends []string) *upOptions {
	o := &upOptions{config: up.Config{Ports: up.OriginalPorts()}, more: map[string]*string{}}
	f := cli.NewFlags("lars up", "[--backend NAME] [--processes]",
		"Runs the whole system on this machine: dns, reporter, agent, and a database in a folder that keeps its\n"+
			"data. The first start adds sample routes. Ctrl-C ends it in order, a second one at once.",
		"lars up", "lars up --backend netpoll --processes", "lars up --base-port 0 --json",
		"lars up --agent-flags '--balance algorithm=classic --probe-num 5'",
		"lars up --store 'mysql://lars@db:3306/lars_dns?password_file=/etc/lars/db_password'")
	o.flags = f
	c := &o.config
	f.StringVar(&c.Backend, "backend", "epoll", "`name` of the backend: "+strings.Join(backends, ", "))
	f.BoolVar(&o.processes, "processes", false, "run each service as a process, and start it again when it ends by itself")
	f.StringVar(&c.Folder, "data", folderDefault, "`folder` of the database and of the agent's routes, made when it is missing")
	f.StringVar(&o.store, "store", "", "`store` instead of the database in the folder: sqlite:PATH or mysql://USER@HOST:PORT/DATABASE?password_file=PATH")
	f.BoolVar(&c.NoSamples, "no-samples", false, "leave an empty store empty")
	f.StringVar(&c.IP, "ip", "127.0.0.1", "`address` to listen on")
	f.IntVar(&o.basePort, "base-port", -1, "first `port` of five in a row: dns, reporter, and the agent's three; 0 for any free ones; -1 for the original's")
	f.IntVar(&c.Ports.DNS, "dns-port", 0, "TCP `port` of dns, instead")
	f.IntVar(&c.Ports.Reporter, "reporter-port", 0, "TCP `port` of the reporter, instead")
	f.IntVar(&c.Ports.Agent, "agent-port", 0, "first `port` of the agent's three in a row (UDP), instead")
	f.IntVar(&c.Loops, "loops", 0, "`number` of event loops of each service; 0 for each one's default")
	f.BoolVar(&o.json, "json", false, "print each event as a line of JSON")
	for _, name := range up.Services() {
		o.more[name] = f.String(name+"-flags", "", "further `flags` of lars "+name+", separated by spaces; not for its address and store")
	}
	return o
}

func (o *upOptions) parse(stdout io.Writer, args []string) (done bool, err error) {
	if done, err = o.flags.Parse(stdout, args); done || err != nil {
		return done, err
	}
	c := &o.config
	if c.Ports, err = upPorts(o.basePort, c.Ports); err != nil {
		return false, o.flags.Errorf("%v", err)
	}
	if a, err := netip.ParseAddr(c.IP); err != nil || !a.Is4() {
		return false, o.flags.Errorf("listen on %q: want an IPv4 address, such as 127.0.0.1, or 0.0.0.0 for all", c.IP)
	}
	if c.Loops < 0 || c.Loops > 1024 {
		return false, o.flags.Errorf("%d loops: want 0 to 1024", c.Loops)
	}
	c.Args = map[string][]string{}
	for name, text := range o.more {
		c.Args[name] = strings.Fields(*text)
	}
	c.StoreURL = o.store
	if c.StoreURL == "" {
		c.StoreURL = "sqlite:" + filepath.Join(c.Folder, "lars.db")
	}
	if err := checkStoreURL(c.StoreURL); err != nil {
		return false, o.flags.Errorf("%v", err)
	}
	if o.processes {
		if c.Program, err = os.Executable(); err != nil {
			return false, fmt.Errorf("lars up: where is this program? %w", err)
		}
	}
	return false, nil
}

// upPorts puts the ports together: those of base, unless named one by one.
func upPorts(base int, named up.Ports) (up.Ports, error) {
	for _, p := range []int{named.DNS, named.Reporter, named.Agent} {
		if p < 0 || p > 65533 {
			return named, fmt.Errorf("port %d: want 1 to 65533", p)
		}
	}
	if base < -1 || base > 65531 {
		return named, fmt.Errorf("base port %d: want 1 to 65531, 0 or -1", base)
	}
	all := up.OriginalPorts()
	if base >= 0 {
		all = up.PortsFrom(base)
	}
	if named.DNS != 0 {
		all.DNS = named.DNS
	}
	if named.Reporter != 0 {
		all.Reporter = named.Reporter
	}
	if named.Agent != 0 {
		all.Agent = named.Agent
	}
	return all, nil
}

// run starts the system, tells so, and ends it when ctx does.
func (o *upOptions) run(ctx context.Context, stdout io.Writer) error {
	if err := os.MkdirAll(o.config.Folder, 0o755); err != nil {
		return o.flags.Errorf("folder of the data: %v", err)
	}
	st, err := o.openStore()
	if err != nil {
		return o.flags.Errorf("%v", err)
	}
	defer st.Close()
	o.config.Store = st
	p := &upPrinter{out: stdout, json: o.json, store: o.config.StoreURL}
	o.config.OnRestart = p.restarted
	s, err := up.Start(ctx, o.config)
	if err != nil {
		return explainUp(ctx, err)
	}
	p.up(s)
	<-ctx.Done()
	p.stopping()
	stop, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	stats, err := s.Close(stop)
	p.stopped(stats)
	return err
}

func (o *upOptions) openStore() (store.Store, error) {
	st, _, err := openURL(o.config.StoreURL)
	return st, err
}

// explainUp adds to an error what a person can do about it.
func explainUp(ctx context.Context, err error) error {
	var taken *up.TakenError
	switch {
	case ctx.Err() != nil: // interrupted while starting
		return cli.Reported(cli.ExitFailed)
	case errors.As(err, &taken):
		return cli.Usagef("lars up: nothing was started: %v\n"+
			"Perhaps the system runs already: try 'lars gethost 1 1'. To use other ports:\n"+
			"  lars up --base-port 17778    these and the next four\n"+
			"  lars up --base-port 0        any free ones\n"+
			"or --dns-port, --reporter-port, --agent-port one by one.", err)
	}
	return fmt.Errorf("lars up: %w", err)
}
