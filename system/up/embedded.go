package up

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"strconv"

	"lars/reactor"
	"lars/reactor/conf"
	"lars/system/agent"
	"lars/system/dns"
	"lars/system/reporter"
)

// args are the flags of a service, the same for a process and for this one.
func (s *System) args(service string) []string {
	args := []string{"--ip", s.cfg.IP}
	switch service {
	case DNS:
		args = append(args, "--port", strconv.Itoa(s.ports.DNS))
	case Reporter:
		args = append(args, "--port", strconv.Itoa(s.ports.Reporter))
	case Agent:
		args = append(
			args, "--port", strconv.Itoa(s.ports.Agent),
			"--dns", s.Addrs(DNS)[0], "--reporter", s.Addrs(Reporter)[0],
			"--routes-file", s.routesFile(),
		)
	}
	if s.cfg.Loops > 0 {
		args = append(args, "--loops", strconv.Itoa(s.cfg.Loops))
	}
	return append(args, s.cfg.Args[service]...)
}

// parse sets the keys of a service.
func parse(service string, keys *conf.Set, args []string) error {
	fs := flag.NewFlagSet(service, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	keys.Flags(fs)
	return fs.Parse(args)
}

// service is what the three have in common.
type service interface {
	Close(ctx context.Context) error
}

// embedded is a service in this process.
type embedded struct {
	reactor *reactor.Reactor
	service service
	stats   func() any
}

// embed starts a service in this process.
func (s *System) embed(_ context.Context, name string) (part, error) {
	log, args := s.cfg.Log.With("service", name), s.args(name)
	switch name {
	case DNS:
		return s.embedDNS(log, args)
	case Reporter:
		return s.embedReporter(log, args)
	default:
		return s.embedAgent(log, args)
	}
}

func (s *System) embedDNS(log *slog.Logger, args []string) (part, error) {
	var c dns.Config
	if err := parse(DNS, c.Keys(), args); err != nil {
		return nil, err
	}
	c.Log, c.Wall = log, s.cfg.Wall
	return s.run(reactor.Config{Loops: c.Threads}, func(r *reactor.Reactor) (service, func() any, error) {
		v, err := dns.Start(r, c, s.cfg.Store)
		return v, func() any { return v.Stats() }, err
	})
}

func (s *System) embedReporter(log *slog.Logger, args []string) (part, error) {
	var c reporter.Config
	if err := parse(Reporter, c.Keys(), args); err != nil {
		return nil, err
	}
	c.Log, c.Wall = log, s.cfg.Wall
	return s.run(c.Reactor(), func(r *reactor.Reactor) (service, func() any, error) {
		v, err := reporter.Start(r, c, s.cfg.Store)
		return v, func() any { return v.Stats() }, err
	})
}

func (s *System) embedAgent(log *slog.Logger, args []string) (part, error) {
	var c agent.Config
	if err := parse(Agent, c.Keys(), args); err != nil {
		return nil, err
	}
	c.Log, c.Wall = log, s.cfg.Wall
	return s.run(reactor.Config{Loops: c.Threads}, func(r *reactor.Reactor) (service, func() any, error) {
		v, err := agent.Start(r, c)
		return v, func() any { return v.Stats() }, err
	})
}

// run opens a reactor and starts a service on it.
func (s *System) run(c reactor.Config, start func(*reactor.Reactor) (service, func() any, error)) (part, error) {
	d, err := s.cfg.Open(s.cfg.Backend)
	if err != nil {
		return nil, err
	}
	r, err := reactor.Open(d, c)
	if err != nil {
		return nil, err
	}
	v, stats, err := start(r)
	if err != nil {
		r.Close()
		return nil, err
	}
	return &embedded{reactor: r, service: v, stats: stats}, nil
}

func (e *embedded) stop(ctx context.Context) (json.RawMessage, error) {
	err := e.service.Close(ctx)
	stats, _ := json.Marshal(e.stats()) // plain figures: it cannot fail
	e.reactor.Close()
	return stats, err
}

func (e *embedded) kill() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = e.service.Close(ctx) // what is lost is meant to be
	e.reactor.Close()
}

func (e *embedded) ended() <-chan struct{} { return nil }

func (e *embedded) pid() int { return 0 }
