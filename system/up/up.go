// Package up runs the whole scheduling system on one machine: dns, reporter and
// agent, on one store, in this process or as processes of the same program. It
// is for the command "lars up", for tests of the whole system, and for whoever
// wants an agent with everything behind it in a program of their own.
//
//	s, err := up.Start(ctx, up.Config{Open: backends.Open, Backend: "epoll", Store: st, Folder: "lars-data"})
//	... s.Status() says who listens where
//	stats, err := s.Close(ctx)
//
// Each service has a reactor of its own, so that one can be ended and started
// again while the others go on (Kill, Stop, Revive); a process that ends by
// itself is started again on the same ports.
//
// What it will not do: run several agents (several Systems can, each with Only
// an agent), or look after a database server.
package up

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"lars/reactor/driver"
	"lars/system/store"
)

// The services, by the names of their commands.
const (
	DNS      = "dns"
	Reporter = "reporter"
	Agent    = "agent"
)

// Services lists them in the order in which they are started.
func Services() []string { return []string{DNS, Reporter, Agent} }

// Config of a System.
type Config struct {
	Backend string
	// Open finds a backend by its name. Not needed with Program.
	Open func(name string) (driver.Driver, error)

	// Program is the path of the command lars: each service becomes a process
	// of it. "" runs the services in this process.
	Program string

	// Store is prepared before anything starts and, without Program, used by the
	// services. It stays the caller's: close it after the System.
	Store store.Store
	// StoreURL names the same store to processes. Not needed without Program.
	StoreURL string
	// NoSamples leaves an empty store empty. Zero: it gets store.SampleRoutes.
	NoSamples bool

	// Folder, which must exist, is where the agent keeps its routes.
	Folder string

	// Only are the services to start; none means all. What one of them needs of
	// the others' addresses then stands in Args.
	Only []string

	IP    string // to listen on; "" means 127.0.0.1
	Ports Ports  // what is zero of them is picked
	Loops int    // event loops of each service; 0 leaves it to them

	// Args are further flags of each service, by its name, as its command takes
	// them.
	Args map[string][]string

	// OnRestart is told, on a goroutine of its own, of each process that ended
	// by itself and was started again; err says why that failed, in which case
	// it is tried again. nil: nobody is told.
	OnRestart func(service string, pid int, err error)

	// Wall is the clock of services in this process; nil means time.Now.
	Wall func() time.Time

	Log    *slog.Logger // of services in this process; nil discards
	Stderr io.Writer    // of processes, each line after the service's name; nil discards
}

const (
	// prepareWithin bounds the first look at the store.
	prepareWithin = 15 * time.Second
	// restartPause is between the end of a process and its next start.
	restartPause = 500 * time.Millisecond
	// pickTries is how often ports are picked before giving up: somebody else
	// may take one between the pick and the start.
	pickTries = 5
	// reviveTries are made with revivePause between them.
	reviveTries = 5
	revivePause = 100 * time.Millisecond
)

// A System is a running system. Its methods are safe from any goroutine.
type System struct {
	cfg      Config
	prepared Prepared
	ports    Ports

	watching sync.WaitGroup
	closing  chan struct{} // closed first when the System closes

	mu    sync.Mutex
	parts map[string]part // those that run
	held  map[string]bool // ended on purpose: not to be started again by itself
	done  bool
}

// part is one running service.
type part interface {
	// stop ends it in order, or at once when ctx ends, and returns its counters.
	stop(ctx context.Context) (stats json.RawMessage, err error)
	// kill ends it at once, with what it has not yet sent or stored.
	kill()
	// ended is closed when it has ended by whatever cause; nil: only by the two.
	ended() <-chan struct{}
	pid() int // 0: this process
}

// Start prepares the store and starts the services. The error is a *TakenError
// when ports are in use; nothing runs then. A store that is away does not keep
// the services from starting: see Prepared.Away.
func Start(ctx context.Context, cfg Config) (*System, error) {
	cfg.IP = cmp.Or(cfg.IP, "127.0.0.1")
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Stderr == nil {
		cfg.Stderr = io.Discard
	}
	for try := 1; ; try++ {
		ports, err := cfg.Ports.pick(cfg.IP)
		if err != nil {
			return nil, err
		}
		s, err := start(ctx, cfg, ports)
		// Either the error says so itself, or a service could not listen and the
		// ports say it now: whoever tried one out may have let it go since.
		var taken *TakenError
		if err == nil || try == pickTries || ports == cfg.Ports ||
			!errors.As(err, &taken) && !errors.As(ports.check(cfg.IP), &taken) {
			return s, err
		}
	}
}

func start(ctx context.Context, cfg Config, ports Ports) (*System, error) {
	if err := ports.check(cfg.IP); err != nil {
		return nil, err
	}
	s := &System{cfg: cfg, ports: ports, closing: make(chan struct{}), parts: map[string]part{}, held: map[string]bool{}}
	var err error
	if s.prepared, err = prepare(ctx, cfg.Store, cfg.NoSamples); err != nil {
		return nil, err
	}
	for _, name := range cfg.started() {
		if err := s.revive(ctx, name); err != nil {
			s.killAll()
			return nil, err
		}
	}
	return s, nil
}

// started lists what Start starts, in order.
func (c *Config) started() []string {
	if len(c.Only) == 0 {
		return Services()
	}
	return c.Only
}

func (s *System) killAll() {
	for _, name := range Services() {
		s.Kill(name)
	}
	s.shut()
}

// Revive starts a service that Kill or Stop has ended, on the ports it had.
// Somebody who looks for free ports may hold one of them for a moment, so it
// tries a few times.
func (s *System) Revive(ctx context.Context, service string) error {
	for try := 1; ; try++ {
		err := s.revive(ctx, service)
		if err == nil || try == reviveTries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(revivePause):
		}
	}
}

func (s *System) revive(ctx context.Context, service string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return errors.New("up: the system is closed")
	}
	if s.parts[service] != nil {
		return fmt.Errorf("up: %s runs already", service)
	}
	return s.launch(ctx, service)
}

// launch starts a service, with mu held.
func (s *System) launch(ctx context.Context, service string) error {
	start := s.embed
	if s.cfg.Program != "" {
		start = s.spawn
	}
	p, err := start(ctx, service)
	if err != nil {
		return err
	}
	s.parts[service] = p
	delete(s.held, service)
	if p.ended() != nil {
		s.watching.Go(func() { s.watch(service, p) })
	}
	return nil
}

// watch starts a process again that ended by itself.
func (s *System) watch(service string, p part) {
	<-p.ended()
	s.mu.Lock()
	if s.parts[service] == p {
		delete(s.parts, service)
	}
	s.mu.Unlock()
	for {
		select {
		case <-s.closing:
			return
		case <-time.After(restartPause):
		}
		done, pid, err := s.relaunch(service)
		if s.cfg.OnRestart != nil && (pid != 0 || err != nil) {
			s.cfg.OnRestart(service, pid, err)
		}
		if done {
			return
		}
	}
}

// relaunch starts a service unless it runs or is not to. done: no more tries.
func (s *System) relaunch(service string) (done bool, pid int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done || s.held[service] || s.parts[service] != nil {
		return true, 0, nil
	}
	if err := s.launch(context.Background(), service); err != nil {
		return false, 0, err
	}
	return true, s.parts[service].pid(), nil
}

// take removes a running service, so that it is not started again by itself.
func (s *System) take(service string) part {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parts[service]
	delete(s.parts, service)
	s.held[service] = true
	return p
}

// Kill ends a service at once: a process by SIGKILL, one in this process
// without sending or storing what it holds. It stays ended until Revive.
func (s *System) Kill(service string) {
	if p := s.take(service); p != nil {
		p.kill()
	}
}

// Stop ends a service in order, or at once when ctx ends, and returns its
// counters as JSON, nil when it did not run or tell. It stays ended until
// Revive.
func (s *System) Stop(ctx context.Context, service string) (json.RawMessage, error) {
	p := s.take(service)
	if p == nil {
		return nil, nil
	}
	stats, err := p.stop(ctx)
	if err != nil {
		err = fmt.Errorf("up: stop %s: %w", service, err)
	}
	return stats, err
}

// Close ends the services in order: the agent, which hands its statistics to
// the reporter, which stores them, and dns. What is left when ctx ends is ended
// at once. The result is the counters of each service as JSON, by its name.
func (s *System) Close(ctx context.Context) (stats map[string]json.RawMessage, err error) {
	stats = map[string]json.RawMessage{}
	for _, name := range []string{Agent, Reporter, DNS} {
		counters, stopErr := s.Stop(ctx, name)
		err = errors.Join(err, stopErr)
		if counters != nil {
			stats[name] = counters
		}
	}
	s.shut()
	return stats, err
}

// shut ends what Stop and Kill have left.
func (s *System) shut() {
	s.mu.Lock()
	first := !s.done
	s.done = true
	s.mu.Unlock()
	if first {
		close(s.closing)
	}
	s.watching.Wait()
}

// routesFile is where the agent keeps its routes.
func (s *System) routesFile() string { return filepath.Join(s.cfg.Folder, "agent.routes") }
