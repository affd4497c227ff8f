package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"lars/reactor"
	"lars/system/wire"
)

// recvBufferBytes is asked for each UDP socket: a burst of callers should wait
// there rather than be lost. The kernel may grant less.
const recvBufferBytes = 1 << 20

// Service is a running agent. Its methods are safe from any goroutine, but not
// on a loop of the reactor.
type Service struct {
	config   Config
	reactor  *reactor.Reactor
	caller   uint32
	shards   [wire.AgentPorts]*shard
	dns      dns
	reporter reporter
	keeper   *keeper

	closing sync.Once
	closed  error
}

// Start runs an agent on the reactor's loops: the shards and connections are
// dealt out to them in turn, so three loops are as good as it gets. It returns
// once the sockets are open and the routes of the file are loaded; dns and the
// reporter may come later. Do not call it on a loop.
func Start(r *reactor.Reactor, c Config) (*Service, error) {
	c, err := c.resolve()
	if err != nil {
		return nil, err
	}
	if note := c.knobsNote(); note != "" && c.knobsTurned() {
		c.Log.Warn(note)
	}
	s := &Service{config: c, reactor: r, caller: localIPv4(c.Caller), keeper: newKeeper(c.RoutesFile, c.Files)}
	loops := r.Loops()
	for i := range s.shards {
		if s.shards[i], err = newShard(s, i, loops[i%len(loops)]); err != nil {
			return nil, err
		}
	}
	if err := s.open(); err != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return nil, errors.Join(err, ignore(s.Close(ctx), context.Canceled))
	}
	return s, nil
}

func ignore(err, known error) error {
	if errors.Is(err, known) {
		return nil
	}
	return err
}

// open brings the parts up, each on its loop.
func (s *Service) open() error {
	if err := s.load(); err != nil {
		return err
	}
	n := len(s.reactor.Loops())
	err := s.on(s.reactor.Loops()[wire.AgentPorts%n], func() error { return s.dns.start(s, wire.AgentPorts%n) })
	if err != nil {
		return err
	}
	at := (wire.AgentPorts + 1) % n
	if err := s.on(s.reactor.Loops()[at], func() error { return s.reporter.start(s, at) }); err != nil {
		return err
	}
	for i, sh := range s.shards {
		if err := s.listen(i, sh); err != nil {
			return err
		}
		every := s.config.ReportEvery
		if every < 0 {
			every = time.Second // for what found no room at its report
		}
		sh.timers = append(sh.timers, sh.loop.Every(time.Second, sh.second), sh.loop.Every(every, sh.out.flush))
	}
	if s.config.RoutesFile != "" {
		first := s.shards[0]
		first.timers = append(first.timers, first.loop.Every(saveEvery, s.save))
	}
	return nil
}

// on runs f on a loop and waits for it. So what a client's hooks use is in
// place before the first of them runs.
func (s *Service) on(l *reactor.Loop, f func() error) error {
	done := make(chan struct{})
	var err error
	posted := l.Post(func() {
		defer close(done)
		err = f()
	})
	if !posted {
		return reactor.ErrReactorClosed
	}
	if stuck := s.reactor.Await(context.Background(), done); stuck != nil {
		return stuck
	}
	return err
}

func (s *Service) listen(i int, sh *shard) (err error) {
	port := s.config.Port
	if port != 0 {
		port += i
	}
	addr := net.JoinHostPort(s.config.IP, strconv.Itoa(port))
	sh.socket, err = s.reactor.ListenPacket(addr, reactor.PacketConfig{
		Router: sh.router(), RecvBufferBytes: recvBufferBytes, Loop: sh.loop.Index() + 1,
	})
	if err != nil {
		return fmt.Errorf("agent: listen on %s (is another agent running?): %w", addr, err)
	}
	return nil
}

// load takes the routes of the file in, before anybody asks for them.
func (s *Service) load() error {
	if s.config.RoutesFile == "" {
		return nil
	}
	agreed, routes, damage := readRoutes(s.config.Files, s.config.RoutesFile)
	if damage != nil {
		s.config.Log.Warn("routes file cannot be used", "err", damage, "of_the_one_before", len(routes))
	}
	if len(routes) == 0 {
		return nil
	}
	s.dns.heard.Store(agreed.UnixNano())
	s.keeper.take(routes)
	var byShard [wire.AgentPorts][]said
	for _, r := range routes {
		i, _ := wire.PortFor(r.module.ModID, r.module.CmdID) // no id is negative
		byShard[i] = append(byShard[i], r)
	}
	for i, sh := range s.shards {
		err := s.on(sh.loop, func() error {
			for _, r := range byShard[i] {
				sh.load(r.module, r.news)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	s.config.Log.Info("routes are loaded from disk", "file", s.config.RoutesFile,
		"modules", len(routes), "age", s.config.Wall().Sub(agreed).Round(time.Second))
	return nil
}

// save writes the routes file when that is due, on a worker.
func (s *Service) save() {
	now := s.config.Wall()
	if !s.keeper.due(now, s.dns.heard.Load() == connectedNow) {
		return
	}
	err := s.shards[0].loop.Offload(func() { s.saveNow(now) }, nil)
	if err != nil {
		s.keeper.count.add(SavesFailed)
	}
}

func (s *Service) saveNow(now time.Time) error {
	first, err := s.keeper.save(now, now.Add(-max(0, s.dns.age(now))))
	if first {
		s.config.Log.Error("routes cannot be kept on disk; trying on", "err", err)
	}
	return err
}

// each runs f for every shard, on its loop, soon.
func (s *Service) each(f func(*shard)) {
	for _, sh := range s.shards {
		sh.loop.Post(func() { f(sh) })
	}
}

// Addrs are the addresses of the three sockets: that at i is for modules with
// (modid + cmdid) mod 3 = i.
func (s *Service) Addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(s.shards))
	for i, sh := range s.shards {
		addrs[i] = sh.socket.LocalAddr()
	}
	return addrs
}

// Close stops the agent: it reads what has come and takes no more, hands the
// last statistics to the reporter, and saves the routes. When ctx ends first,
// what is left of the statistics is dropped. The reactor goes on; what Close
// returns beside ctx's error is the failure to save. A second call returns what
// the first did.
func (s *Service) Close(ctx context.Context) error {
	s.closing.Do(func() { s.closed = s.close(ctx) })
	return s.closed
}

func (s *Service) close(ctx context.Context) error {
	err := s.eachDone(ctx, func(sh *shard, done func()) { sh.stop(ctx, done) })
	if err == nil {
		// Now nothing comes in, not even from one shard to another.
		err = s.eachDone(ctx, func(sh *shard, done func()) { sh.out.drain(done) })
	}
	s.dns.close()
	s.reporter.close()
	if err == nil && s.reporter.client != nil {
		err = s.reactor.Await(ctx, s.reporter.closed)
	}
	if now := s.config.Wall(); s.keeper.due(now, s.dns.heard.Load() == connectedNow) {
		err = errors.Join(err, s.saveNow(now))
	}
	return err
}

// eachDone runs f on each shard's loop and waits until all have called done.
func (s *Service) eachDone(ctx context.Context, f func(sh *shard, done func())) error {
	all := make(chan struct{}, len(s.shards))
	done := func() { all <- struct{}{} }
	for _, sh := range s.shards {
		if !sh.loop.Post(func() { f(sh, done) }) {
			done() // the reactor is gone, and all sockets with it
		}
	}
	for range s.shards {
		if err := s.reactor.Await(ctx, all); err != nil {
			return err
		}
	}
	return nil
}

// What callers have sent waits in the socket, and nobody sends it again. So a
// shard that closes reads on until nothing has come for quietLooks looks, and
// for no more than looksMax.
const (
	lookEvery  = 5 * time.Millisecond
	quietLooks = 2
	looksMax   = 20
)

// stop ends the shard's timers, and its socket when what had come is read, or at
// once when ctx has ended.
func (s *shard) stop(ctx context.Context, done func()) {
	for _, t := range s.timers {
		t.Stop()
	}
	s.resync = 0
	seen, quiet, looks := s.messagesIn(), 0, 0
	var look func()
	look = func() {
		if now := s.messagesIn(); now == seen {
			quiet++
		} else {
			seen, quiet = now, 0
		}
		if looks++; quiet < quietLooks && looks < looksMax && ctx.Err() == nil {
			s.loop.After(lookEvery, look)
			return
		}
		s.socket.Close()
		done()
	}
	switch {
	case s.socket == nil:
		done()
	case ctx.Err() != nil:
		s.socket.Close()
		done()
	default:
		s.loop.After(lookEvery, look)
	}
}

// messagesIn counts what has come to the shard's loop.
func (s *shard) messagesIn() uint64 {
	return s.service.reactor.Stats().Loops[s.loop.Index()].MessagesIn
}
