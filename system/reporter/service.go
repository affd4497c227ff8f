package reporter

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"lars/reactor"
	"lars/system/internal/service"
	"lars/system/route"
	"lars/system/store"
	"lars/system/tally"
	"lars/system/wire"
)

// Store is what the service needs of a store.Store.
type Store interface {
	Migrate(ctx context.Context) error
	store.ReportWriter
	Trim(ctx context.Context, limits store.TrimLimits) (store.Trimmed, error)
}

// A Service is a running reporter. Its methods may be called from any goroutine.
type Service struct {
	cfg    Config
	r      *reactor.Reactor
	st     Store
	server *reactor.Server
	conns  *service.Conns
	decode []*decoder // of each loop
	lanes  []*lane

	jobs   *service.Jobs // using the store
	trims  trimCounters
	outage outage
}

// Start opens the port and starts the writers. It returns as soon as the port
// is bound; the store may not be reachable yet. The store stays the caller's:
// close it after the service.
func Start(r *reactor.Reactor, cfg Config, st Store) (*Service, error) {
	cfg = cfg.withDefaults()
	s := &Service{
		cfg: cfg, r: r, st: st, conns: service.NewConns(r), jobs: service.NewJobs(),
		outage: outage{lines: service.Limiter{Every: logEvery}},
	}
	for range r.Loops() {
		s.decode = append(s.decode, &decoder{})
	}
	for i := range cfg.Writers {
		s.lanes = append(s.lanes, newLane(s, i, r.Loops()[i%len(r.Loops())]))
	}
	var err error
	s.server, err = r.Listen(cfg.addr(), reactor.ServerConfig{
		ConnsMax: cfg.MaxConn,
		Endpoint: reactor.Endpoint{
			Router:       s.router(),
			BodyBytesMax: wire.BodyBytesMax,
			OnOpen:       s.conns.Add,
			OnClose:      func(c *reactor.Conn, _ error) { s.conns.Remove(c) },
		},
	})
	if err != nil {
		return nil, fmt.Errorf("reporter: %w", err)
	}
	u := newUpkeep(s)
	r.Loops()[0].Post(func() {
		u.prepare()
		u.trim()
	})
	return s, nil
}

func (s *Service) router() *reactor.Router {
	router := reactor.NewRouter()
	router.Handle(wire.IDReportStatusRequest, func(q *reactor.Request) {
		s.decode[q.Loop().Index()].report(s.cfg.Wall(), q.Body, s.put)
	}, nil)
	router.Handle(wire.IDStatsRequest, s.tellStats, nil)
	return router
}

func (s *Service) tellStats(q *reactor.Request) {
	a, err := service.StatsAnswer(q.Body, "reporter", func() any { return s.Stats() }, s.r)
	if err != nil {
		s.decode[q.Loop().Index()].counts.malformed.Add(1)
		return
	}
	_ = q.Reply(wire.IDStatsResponse, a) // the reactor counts; who asked may ask again
}

// put queues a report for the writer of its module.
func (s *Service) put(r *tally.Report) {
	s.lanes[tally.Lane(r.Module, len(s.lanes))].put(r)
}

// Addr is the address that the service listens on.
func (s *Service) Addr() netip.AddrPort { return s.server.Addr() }

// lastWordsWithin is for how long a closing reporter hears out agents that have
// ended a moment before: what they sent last nobody would send again. Agents
// that live keep what they sent, and repeat it to whoever comes next.
const lastWordsWithin = 300 * time.Millisecond

// Close stops accepting, hears out agents that end at the same time, ends the
// other connections, and stores what waits. When ctx ends first, what is left
// is lost, counted and logged, and ctx's error returned. The reactor goes on.
// Never call it on a loop.
func (s *Service) Close(ctx context.Context) error {
	if err := s.server.Close(); err != nil {
		return err
	}
	s.conns.Drain(ctx, lastWordsWithin)
	err := s.conns.Close(ctx)
	if late := s.endLanes(ctx); err == nil {
		err = late
	}
	s.jobs.Stop()
	if left := s.Stats().Waiting; left > 0 {
		s.cfg.Log.Error("reporter: results lost at the end", "results", left)
	}
	return err
}

// endLanes waits until nothing waits for the store, or ctx ends.
func (s *Service) endLanes(ctx context.Context) error {
	all := make(chan struct{}, len(s.lanes))
	done := func() { all <- struct{}{} }
	for _, l := range s.lanes {
		if !l.loop.Post(func() { l.end(done) }) {
			done() // the reactor is gone, and what waited with it
		}
	}
	for range s.lanes {
		if err := s.r.Await(ctx, all); err != nil {
			return err
		}
	}
	return nil
}

// decoder turns bodies into reports. Only on its loop.
type decoder struct {
	msg      wire.ReportStatusRequest
	out      tally.Report
	suspects int // of out
	counts   decodeCounters
}

// resultsKept bounds the scratch lists that are kept for reuse.
const resultsKept = 4096

// report checks a body that came now and passes what is good of it to put,
// which copies.
func (d *decoder) report(now time.Time, body []byte, put func(*tally.Report)) {
	defer d.counts.reports.Add(1) // last: who sees it counted finds it queued
	if err := d.msg.Decode(body); err != nil {
		d.counts.malformed.Add(1)
		return
	}
	m := route.Module{ModID: d.msg.ModID, CmdID: d.msg.CmdID}
	if !m.Valid() {
		d.counts.badModule.Add(1)
		return
	}
	d.out = tally.Report{
		Module: m, Caller: uint32(d.msg.Caller), TS: d.msg.TS, At: now.Unix(), Boot: d.msg.Boot, Number: d.msg.Number,
		Sharing: d.msg.Sharing && d.msg.Boot != 0, Results: d.out.Results[:0],
	}
	d.suspects = 0
	for i := range d.msg.Results {
		d.result(&d.msg.Results[i])
	}
	d.counts.results.Add(uint64(len(d.out.Results)))
	if len(d.out.Results) > 0 {
		put(&d.out)
	}
	if cap(d.msg.Results) > resultsKept {
		d.msg.Results, d.out.Results = nil, nil
	}
}

func (d *decoder) result(r *wire.HostCallResult) {
	h, err := route.MakeHost(int64(r.IP), int64(r.Port))
	if err != nil {
		d.counts.badHost.Add(1)
		return
	}
	d.out.Results = append(d.out.Results, tally.Result{
		Host: h, Succ: r.Succ, Err: r.Err, SuccAdd: r.SuccAdd, ErrAdd: r.ErrAdd, Overload: r.Overload,
		Suspect: d.word(r.Suspect),
	})
}

// suspectsMax bounds the hosts of one report that its agent may suspect, or
// clear: twice what agents of ours suspect of a module.
const suspectsMax = 128

// word is what an agent says of a host, if that means something.
func (d *decoder) word(said uint32) tally.Word {
	switch {
	case said == 0:
		return tally.Nothing
	case !d.out.Sharing || said > wire.Cleared || d.suspects == suspectsMax:
		d.counts.badSuspect.Add(1)
		return tally.Nothing
	}
	d.suspects++
	return tally.Word(said)
}
