// Package server holds the servers that the lab measures: each is a small
// application of package reactor, run as a process of its own by
// "lars serve", on the backend that a flag names.
//
// It is for the lab and for whoever wants to point another load generator at a
// backend. It prints one line, "listening on ADDR", when it is ready, and on
// SIGTERM or SIGINT stops, printing its Counters as one line of JSON; it also tells
// them to whoever sends CountersID.
package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	"lars/internal/cli"
	"lars/reactor"
	"lars/reactor/conf"
	"lars/reactor/driver"
)

// stopWithin bounds the drain when the server is asked to stop.
const stopWithin = 5 * time.Second

// options of a server, from flags and a file.
type options struct {
	ip        string
	port      int
	maxConn   int
	threadNum int

	backend   string
	listen    string
	udp       bool
	reusePort bool
	bodyMax   int
	config    string
	stamps    bool
	inject    string
}

// Commands are the subcommands of "lars serve". open finds a backend by name.
func Commands(open func(name string) (driver.Driver, error), names []string) cli.Table {
	return cli.Table{
		Name:    "lars serve",
		Summary: "Servers to measure, each on a backend of your choice.",
		Commands: []cli.Command{
			{Name: "echo", Summary: "answer every message of id 1 with itself, over TCP or UDP", Run: func(ctx context.Context, stdout, _ io.Writer, args []string) error {
				return echo(ctx, stdout, args, open, names)
			}},
		},
		Examples: []string{"lars serve echo --backend epoll --listen 127.0.0.1:7777"},
	}
}

func echo(ctx context.Context, stdout io.Writer, args []string, open func(string) (driver.Driver, error), names []string) error {
	o, done, err := parse(stdout, args, names)
	if done || err != nil {
		return err
	}
	d, err := open(o.backend)
	if err != nil {
		return cli.Usagef("lars serve echo: %v", err)
	}
	slow, err := parseInjection(o.inject)
	if err != nil {
		return cli.Usagef("lars serve echo: %v", err)
	}
	handler, stopSlow := slow(func(q *reactor.Request) { _ = q.Reply(q.ID, q.Body) })
	defer stopSlow()
	router := reactor.NewRouter()
	router.Handle(1, handler, nil)
	if o.stamps {
		s, err := newStamper(d, o.threadNum)
		if err != nil {
			return err
		}
		s.serve(router)
		d = s
	}
	r, err := reactor.Open(d, reactor.Config{Loops: o.threadNum})
	if err != nil {
		return err
	}
	tellCounters(router, r)
	addr, err := listen(r, o, router)
	if err != nil {
		r.Close()
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w: choose another port (0 is a free one), or stop what holds it", err)
		}
		return cli.Exit(cli.ExitUsage, err)
	}
	fmt.Fprintf(stdout, "listening on %s\n", addr)
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	err = r.Shutdown(stop)
	if line, jerr := json.Marshal(readCounters(r)); jerr == nil {
		fmt.Fprintf(stdout, "%s\n", line)
	}
	return err
}

func parse(stdout io.Writer, args, names []string) (o options, done bool, err error) {
	o = options{ip: "127.0.0.1", port: 7777, maxConn: reactor.ConnsMaxDefault, threadNum: 1}
	f := cli.NewFlags("lars serve echo", "--backend NAME [--listen IP:PORT] [--udp]",
		"Answers every message of id 1 with itself. Reads the original's configuration file.",
		"lars serve echo --backend epoll", "lars serve echo --backend std --listen 127.0.0.1:0 --loops 2", "lars serve echo --config serv.conf")
	f.StringVar(&o.backend, "backend", "epoll", fmt.Sprintf("`name` of the backend: %v", names))
	f.StringVar(&o.listen, "listen", "", "`ip:port` to listen on, instead of --ip and --port; port 0 picks a free one")
	f.BoolVar(&o.udp, "udp", false, "UDP instead of TCP")
	f.BoolVar(&o.reusePort, "reuseport", false, "a listening socket for each loop (SO_REUSEPORT)")
	f.IntVar(&o.bodyMax, "body-max", 0, "largest message body in `bytes` (0: 65527)")
	f.BoolVar(&o.stamps, "stamps", false, "also answer messages that ask for the times of their own handling")
	f.StringVar(&o.inject, "inject", "", injectHelp)
	f.StringVar(&o.config, "config", "", "configuration `file` with a [reactor] section")
	s := keys(&o)
	s.Flags(f.FlagSet)
	if done, err = f.Parse(stdout, args); done || err != nil {
		return o, done, err
	}
	if o.udp && o.reusePort {
		return o, false, cli.Usagef("--reuseport with --udp: a UDP socket for each loop is what --loops makes already")
	}
	if o.config != "" {
		if err := s.Load(o.config); err != nil {
			return o, false, cli.Exit(cli.ExitUsage, err)
		}
	}
	if o.listen == "" {
		o.listen = net.JoinHostPort(o.ip, strconv.Itoa(o.port))
	}
	return o, false, nil
}

// keys are those of the original's [reactor] section.
func keys(o *options) *conf.Set {
	s := &conf.Set{}
	s.String(&o.ip, conf.Name{Section: "reactor", Key: "ip", Flag: "ip"}, conf.IP, "`address` to listen on")
	s.Int(&o.port, conf.Name{Section: "reactor", Key: "port", Flag: "port"}, 0, 65535, "`port` to listen on, 0 for any free one")
	s.Int(&o.maxConn, conf.Name{Section: "reactor", Key: "maxConn", Flag: "max-conn"}, 1, 1<<24, "`number` of live connections at most")
	s.Int(&o.threadNum, conf.Name{Section: "reactor", Key: "threadNum", Flag: "loops"}, 1, 1024, "`number` of event loops")
	return s
}

// listen opens the echo and returns its address.
func listen(r *reactor.Reactor, o options, router *reactor.Router) (fmt.Stringer, error) {
	if !o.udp {
		e := reactor.Endpoint{Router: router, BodyBytesMax: o.bodyMax}
		s, err := r.Listen(o.listen, reactor.ServerConfig{Endpoint: e, ConnsMax: o.maxConn, ReusePort: o.reusePort})
		if err != nil {
			return nil, err
		}
		return s.Addr(), nil
	}
	first, err := r.ListenPacket(o.listen, reactor.PacketConfig{Router: router, BodyBytesMax: o.bodyMax, ReusePort: len(r.Loops()) > 1, Loop: 1})
	if err != nil {
		return nil, err
	}
	for i := 2; i <= len(r.Loops()); i++ {
		c := reactor.PacketConfig{Router: router, BodyBytesMax: o.bodyMax, ReusePort: true, Loop: i}
		if _, err := r.ListenPacket(first.LocalAddr().String(), c); err != nil {
			return nil, err
		}
	}
	return first.LocalAddr(), nil
}
