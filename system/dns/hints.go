package dns

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"lars/reactor"
	"lars/system/internal/service"
	"lars/system/route"
	"lars/system/store"
	"lars/system/wire"
)

const (
	// hintRepeat is after how many looks what has not changed is told again:
	// before agents, which keep a hint for 15 s, take it for old.
	hintRepeat = 5
	// hintHostsMax bounds the hosts of a module that are told; those that most
	// agents suspect are.
	hintHostsMax = 1000
	// hintPart is the part of a module's agents, at most, by which a number may
	// change without being told before the next repetition.
	hintPart = 50
	// hintRest is how many times as long as a look took the pause lasts, at least.
	hintRest = 10
)

// hints are what agents suspect of one module. They do not change.
type hints struct {
	agents uint32
	hosts  []wire.HostHint // in the order of addresses
	body   []byte          // of the message
	looks  int             // since it was told
}

// hinter looks at what agents suspect and has it told: a look on a worker, what
// follows on a loop, a pause, and so on, apart from that of the watcher, so that
// neither waits for the other.
type hinter struct {
	s       *Service
	st      store.HintReader
	loop    *reactor.Loop
	now     map[route.Module]*hints
	backoff service.Backoff
	lines   service.Limiter
}

func newHinter(s *Service, st store.HintReader) *hinter {
	return &hinter{
		s: s, st: st, loop: s.r.Loops()[0],
		backoff: service.Backoff{
			Min: s.cfg.HintPoll, Max: max(awayPauseMax, s.cfg.HintPoll), Random: rand.New(rand.NewPCG(s.cfg.Seed, 1)),
		},
		lines: service.Limiter{Every: time.Hour},
	}
}

// look asks the store once and acts on it. Before the first load there may be no
// tables.
func (h *hinter) look() {
	if h.s.current.Load() == nil {
		h.loop.After(h.s.cfg.HintPoll, h.look)
		return
	}
	began, now := h.loop.Now(), h.s.cfg.Wall()
	var found []store.Suspicion
	var err error
	h.s.jobs.Run(h.loop, func(ctx context.Context) { found, err = h.st.Suspicions(ctx, now) }, func() {
		if err != nil {
			h.s.counters.hintErrors.Add(1)
			if h.lines.Ok(now) {
				h.s.cfg.Log.Warn("dns: what agents suspect is not told", "err", err)
			}
			h.loop.After(h.backoff.Next(), h.look)
			return
		}
		h.backoff.Reset()
		h.tell(found)
		h.loop.After(max(h.s.cfg.HintPoll, hintRest*(h.loop.Now()-began)), h.look)
	})
}

// tell has subscribers told what is news, and what was told long ago.
func (h *hinter) tell(found []store.Suspicion) {
	before := h.now
	h.now = hintsOf(found, h.s.current.Load())
	var news []route.Module
	for m, next := range h.now {
		if old := before[m]; old != nil && old.looks < hintRepeat-1 && !next.differs(old) {
			kept := *old
			kept.looks++
			h.now[m] = &kept
			continue
		}
		news = append(news, m)
	}
	for m := range before {
		if h.now[m] == nil {
			news = append(news, m)
		}
	}
	h.s.counters.hinted.Store(int64(len(h.now)))
	if len(news) == 0 {
		return
	}
	slices.SortFunc(news, route.Module.Compare) // in an order that a run repeats
	all := h.now
	for _, l := range h.s.loops {
		l.loop.Post(func() {
			l.hinted = all
			l.hints.mark(news)
		})
	}
}

// hintsOf makes messages of what is in order of modules and hosts, leaving out
// hosts that are in no route.
func hintsOf(found []store.Suspicion, snap *route.Snapshot) map[route.Module]*hints {
	all := map[route.Module]*hints{}
	for len(found) > 0 {
		m := found[0].Module
		n := slices.IndexFunc(found, func(s store.Suspicion) bool { return s.Module != m })
		if n < 0 {
			n = len(found)
		}
		if next := newHints(m, found[:n], snap); next != nil {
			all[m] = next
		}
		found = found[n:]
	}
	return all
}

func newHints(m route.Module, found []store.Suspicion, snap *route.Snapshot) *hints {
	h, hosts := &hints{agents: found[0].Of}, snap.Lookup(m)
	for _, s := range found {
		if _, known := slices.BinarySearchFunc(hosts, s.Host, route.Host.Compare); known {
			h.hosts = append(h.hosts, wire.HostHint{HostInfo: wire.HostInfo{IP: int32(s.Host.IP), Port: int32(s.Host.Port)}, Suspected: s.By})
		}
	}
	if len(h.hosts) == 0 {
		return nil
	}
	if len(h.hosts) > hintHostsMax {
		slices.SortStableFunc(h.hosts, func(a, b wire.HostHint) int { return cmp.Compare(b.Suspected, a.Suspected) })
		h.hosts = h.hosts[:hintHostsMax]
		slices.SortFunc(h.hosts, func(a, b wire.HostHint) int {
			return cmp.Or(cmp.Compare(uint32(a.IP), uint32(b.IP)), cmp.Compare(a.Port, b.Port))
		})
	}
	msg := wire.Hints{ModID: m.ModID, CmdID: m.CmdID, Agents: h.agents, Hosts: h.hosts}
	h.body = msg.AppendTo(nil)
	return h
}

// differs reports whether another host is suspected than was told, or one by
// notably more or fewer agents.
func (h *hints) differs(told *hints) bool {
	return !slices.EqualFunc(h.hosts, told.hosts, func(a, b wire.HostHint) bool {
		return a.HostInfo == b.HostInfo && max(a.Suspected, b.Suspected)-min(a.Suspected, b.Suspected) <= h.agents/hintPart
	})
}

// sendHints encodes what agents suspect of a module, which may be nothing.
func (l *loop) sendHints(c *reactor.Conn, m route.Module) bool {
	if h := l.hinted[m]; h != nil {
		return l.send(c, wire.IDHints, h.body)
	}
	none := wire.Hints{ModID: m.ModID, CmdID: m.CmdID}
	return l.send(c, wire.IDHints, none.AppendTo(nil))
}
