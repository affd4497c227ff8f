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
	"syscall"

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
	dns    *service
	report *service
	agents []*service
	main   *up.System
}

// service is one of them. What is done to it, is done in order on a goroutine
// of its own, since to start and to stop takes a moment.
type service struct {
	name   string // of the package up
	system *up.System
	jobs   chan func()
	done   sync.WaitGroup
	killed bool // once: what it had counted is not known
	stats  json.RawMessage
}

func newService(name string, s *up.System) *service {
	v := &service{name: name, system: s, jobs: make(chan func(), 1000)}
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
		NoSamples: true, Folder: s.folder, Only: []string{up.DNS, up.Reporter}, Args: r.cfg.Args,
	}
	if s.main, err = up.Start(ctx, c); err != nil {
		return s, err
	}
	s.dns, s.report = newService(up.DNS, s.main), newService(up.Reporter, s.main)
	for i := range r.cfg.Plan.Workload.Callers.Count {
		c := c
		on := func(m route.Module, h route.Host, out bool) { r.moved(i, m, h, out) }
		c.Only, c.Log, c.Stderr = []string{up.Agent}, slog.New(moves{slog.DiscardHandler, on}), told{on}
		c.Folder = filepath.Join(s.folder, fmt.Sprint("agent-", i+1))
		if err := os.Mkdir(c.Folder, 0o700); err != nil {
			return s, err
		}
		c.Args = map[string][]string{up.Agent: append([]string{
			"--dns", s.main.Addrs(up.DNS)[0], "--reporter", s.main.Addrs(up.Reporter)[0], "--caller", callerName(i),
		}, r.cfg.Args[up.Agent]...)}
		a, err := up.Start(ctx, c)
		if err != nil {
			return s, err
		}
		s.agents = append(s.agents, newService(up.Agent, a))
	}
	return s, nil
}

// callerName is the address under which an agent reports.
func callerName(agent int) string { return fmt.Sprintf("172.16.0.%d", agent+1) }

func (s *services) agentAddrs(i int) []string { return s.agents[i].system.Addrs(up.Agent) }

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
	for _, a := range s.agents {
		err = errors.Join(err, a.end(ctx))
		_, e := a.system.Close(ctx)
		err = errors.Join(err, e)
	}
	for _, v := range []*service{s.report, s.dns} {
		if v != nil {
			err = errors.Join(err, v.end(ctx))
		}
	}
	if s.main != nil {
		_, e := s.main.Close(ctx)
		err = errors.Join(err, e)
	}
	s.agents, s.report, s.dns, s.main = nil, nil, nil, nil
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
