package dns

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"lars/reactor"
	"lars/system/internal/service"
	"lars/system/route"
	"lars/system/store"
	"lars/system/wire"
)

// Store is what the service needs of a store.Store.
type Store interface {
	Migrate(ctx context.Context) error
	store.RouteReader
	store.HintReader
	Trim(ctx context.Context, limits store.TrimLimits) (store.Trimmed, error)
}

// A Service is a running dns. Its methods may be called from any goroutine.
type Service struct {
	cfg      Config
	server   *reactor.Server
	conns    *service.Conns
	loops    []*loop
	r        *reactor.Reactor
	current  atomic.Pointer[route.Snapshot] // nil before the first load
	started  time.Time
	counters storeCounters

	jobs *service.Jobs // reading the store
}

// Start opens the port and begins to read the store. It returns as soon as the
// port is bound; the routes may not be there yet, nor the store reachable. The
// store stays the caller's: close it after the service.
func Start(r *reactor.Reactor, cfg Config, st Store) (*Service, error) {
	cfg = cfg.withDefaults()
	s := &Service{cfg: cfg, r: r, conns: service.NewConns(r), started: cfg.Wall(), jobs: service.NewJobs()}
	for _, l := range r.Loops() {
		s.loops = append(s.loops, newLoop(s, l))
	}
	var err error
	s.server, err = r.Listen(cfg.addr(), reactor.ServerConfig{
		ConnsMax: cfg.MaxConn,
		Endpoint: reactor.Endpoint{
			Router:       s.router(),
			BodyBytesMax: wire.BodyBytesMax,
			SendBytesMax: wire.RouteBodyBytesMax,
			OnOpen:       s.conns.Add,
			OnClose:      s.closed,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	newWatcher(s, st).start()
	h := newHinter(s, st)
	h.loop.Post(h.look)
	return s, nil
}

func (s *Service) router() *reactor.Router {
	router := reactor.NewRouter()
	router.Handle(wire.IDGetRouteRequest, func(q *reactor.Request) {
		s.loops[q.Loop().Index()].getRoute(q)
	}, nil)
	router.Handle(wire.IDStatsRequest, s.tellStats, nil)
	return router
}

func (s *Service) tellStats(q *reactor.Request) {
	a, err := service.StatsAnswer(q.Body, "dns", func() any { return s.Stats() }, s.r)
	if err != nil {
		s.loops[q.Loop().Index()].counters.malformed.Add(1)
		return
	}
	_ = q.Reply(wire.IDStatsResponse, a) // the reactor counts; who asked may ask again
}

func (s *Service) closed(c *reactor.Conn, _ error) {
	s.loops[c.Loop().Index()].closed(c)
	s.conns.Remove(c)
}

// Addr is the address that the service listens on.
func (s *Service) Addr() netip.AddrPort { return s.server.Addr() }

// Close stops reading the store, stops accepting, and ends the connections once
// what is queued for them is sent, or when ctx ends, whose error it then
// returns. The reactor goes on. Never call it on a loop.
func (s *Service) Close(ctx context.Context) error {
	s.jobs.Stop()
	if err := s.server.Close(); err != nil {
		return err
	}
	return s.conns.Close(ctx)
}

// publish puts a snapshot in force on every loop. changed are the modules whose
// routes differ from the snapshot before.
func (s *Service) publish(next *route.Snapshot, changed []route.Module) {
	s.current.Store(next)
	for _, l := range s.loops {
		l.loop.Post(func() { l.publish(next, changed) })
	}
}
