package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"lars/simulator/fault"
	"lars/system/route"
	"lars/system/store"
	"lars/system/store/sqlite"
	"lars/system/up"
)

// services are dns, the reporter and the agents, on a database of their own.
type services struct {
	folder string
	truth  store.Store // meets no faults
	store  *faulty     // what the services and the editor use

	dns, reporters, agents []*service
	links                  []*link
	ways                   [][]string // of each caller to its agent
}

// service is one of them, in a System of its own. What is done to it, is done in order on a goroutine
// of its own, since to start and to stop takes a moment.
type service struct {
	name   string // of the package up
	system *up.System
	jobs   chan func()
	done   sync.WaitGroup
	killed bool          // once: what it had counted is not known
	skew   *atomic.Int64 // of its clock, in nanoseconds
	stats  json.RawMessage
}

func newService(name string, s *up.System, skew *atomic.Int64) *service {
	v := &service{name: name, system: s, jobs: make(chan func(), 1000), skew: skew}
	v.done.Go(func() {
		for f := range v.jobs {
			f()
		}
	})
	return v
}

// startServices starts them all in a new folder.
func startServices(ctx context.Context, r *run, edit []store.ModuleEdit) (s *services, err error) {
	s = &services{}
	defer func() {
		if err != nil {
			s.close(context.Background())
		}
	}()
	if s.folder, err = os.MkdirTemp("", "lars-sim-"); err != nil {
		return s, err
	}
	path := filepath.Join(s.folder, "lars.db")
	if s.truth, err = sqlite.Open(sqlite.Config{Path: path}); err != nil {
		return s, err
	}
	s.store = &faulty{Store: s.truth}
	if err := s.truth.Migrate(ctx); err != nil {
		return s, err
	}
	for part := range slices.Chunk(edit, 100) {
		if _, err := s.truth.Edit(ctx, store.Edit{Actor: "setup", Modules: part}); err != nil {
			return s, err
		}
	}
	c := up.Config{
		Backend: r.cfg.Backend, Open: r.cfg.Open, Program: r.cfg.Program, Store: s.store, StoreURL: "sqlite:" + path,
		NoSamples: true, Folder: s.folder, Args: r.cfg.Args,
	}
	for range r.cfg.Plan.Count(fault.DNS) {
		if err := start(ctx, c, up.DNS, &s.dns); err != nil {
			return s, err
		}
	}
	for range r.cfg.Plan.Count(fault.Reporter) {
		if err := start(ctx, c, up.Reporter, &s.reporters); err != nil {
			return s, err
		}
	}
	for i := range r.cfg.Plan.Workload.Callers.Count {
		if err := s.startAgent(ctx, r, c, i); err != nil {
			return s, err
		}
	}
	return s, nil
}

// start starts one more of a kind.
func start(ctx context.Context, c up.Config, name string, all *[]*service) error {
	skew := new(atomic.Int64)
	c.Only, c.Wall = []string{name}, func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
	v, err := up.Start(ctx, c)
	if err == nil {
		*all = append(*all, newService(name, v, skew))
	}
	return err
}

func (s *services) startAgent(ctx context.Context, r *run, c up.Config, i int) error {
	on := func(m route.Module, h route.Host, out bool) { r.moved(i, m, h, out) }
	c.Log, c.Stderr = slog.New(moves{slog.DiscardHandler, on}), told{on}
	c.Folder = filepath.Join(s.folder, fmt.Sprint("agent-", i+1))
	if err := os.Mkdir(c.Folder, 0o700); err != nil {
		return err
	}
	dns, err := s.peers(r, i, fault.DNS, s.dns)
	if err != nil {
		return err
	}
	reporters, err := s.peers(r, i, fault.Reporter, s.reporters)
	if err != nil {
		return err
	}
	c.Args = map[string][]string{up.Agent: append([]string{
		"--dns", dns, "--reporter", reporters, "--caller", callerName(i),
	}, r.cfg.Args[up.Agent]...)}
	if err := start(ctx, c, up.Agent, &s.agents); err != nil {
		return err
	}
	var ways []string
	for _, addr := range s.agents[i].system.Addrs(up.Agent) {
		way, err := s.between(r, i, fault.Caller, i, addr)
		if err != nil {
			return err
		}
		ways = append(ways, way)
	}
	s.ways = append(s.ways, ways)
	return nil
}

// callerName is the address under which an agent reports.
func callerName(agent int) string { return fmt.Sprintf("172.16.0.%d", agent+1) }

// end ends a service in order and keeps what it has counted.
func (v *service) end(ctx context.Context) error {
	close(v.jobs)
	v.done.Wait()
	var err error
	v.stats, err = v.system.Stop(ctx, v.name)
	return err
}

// close ends everything: in order what has not ended yet, while ctx lasts.
func (s *services) close(ctx context.Context) error {
	var err error
	for _, v := range slices.Concat(s.agents, s.reporters, s.dns) {
		err = errors.Join(err, v.end(ctx))
		_, e := v.system.Close(ctx)
		err = errors.Join(err, e)
	}
	for _, l := range s.links {
		l.Close()
	}
	s.agents, s.reporters, s.dns, s.links = nil, nil, nil, nil
	return err
}

// remove frees the database and its folder, after close.
func (s *services) remove() error {
	var err error
	if s.truth != nil {
		err = s.truth.Close()
	}
	if s.folder == "" {
		return err
	}
	return errors.Join(err, os.RemoveAll(s.folder))
}

func (v *service) kill() {
	v.jobs <- func() {
		v.killed = true
		v.system.Kill(v.name)
	}
}

func (v *service) revive(fail func(error)) {
	v.jobs <- func() {
		if err := v.system.Revive(context.Background(), v.name); err != nil {
			fail(err)
		}
	}
}

// signal stops the process, or lets it go on.
func (v *service) signal(sig syscall.Signal) {
	v.jobs <- func() {
		for _, x := range v.system.Status().Services {
			if x.Name == v.name && x.PID != 0 {
				_ = syscall.Kill(x.PID, sig) // it may have ended
			}
		}
	}
}
