package dns

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"lars/reactor"
	"lars/system/internal/service"
	"lars/system/route"
	"lars/system/store"
)

const (
	awayPauseMax = 5 * time.Second  // between attempts while the store is away
	awayLogEvery = 10 * time.Second // between log lines about it
	trimEvery    = time.Hour
)

// watcher reads the store: a look on a worker, what follows from it on a loop,
// a pause, and so on. One or the other uses what is in it, never both.
type watcher struct {
	s    *Service
	st   Store
	log  *slog.Logger
	loop *reactor.Loop

	current  *route.Snapshot         // nil before the first load
	fresh    bool                    // current is not yet published
	changed  []route.Module          // in it
	refused  map[route.Module]string // settings without meaning, each told once
	migrated bool
	guard    route.Guard
	doubting bool          // the next read is the second one of a doubtful state
	looked   time.Duration // the loop's time when the look began
	reloaded time.Duration // likewise, of the last look that loaded everything
	trimmed  time.Duration // likewise, when a trim began
	trimming bool          // it goes on

	backoff   service.Backoff
	awaySince time.Time // zero while the store answers
	awayLog   service.Limiter
	trimLog   service.Limiter
	clock     service.Steady // to trim by
}

func newWatcher(s *Service, st Store) *watcher {
	return &watcher{
		s: s, st: st, log: s.cfg.Log, loop: s.r.Loops()[0], refused: map[route.Module]string{},
		backoff: service.Backoff{
			Min: s.cfg.Poll, Max: max(awayPauseMax, s.cfg.Poll), Random: rand.New(rand.NewPCG(s.cfg.Seed, 0)),
		},
		awayLog: service.Limiter{Every: awayLogEvery},
		trimLog: service.Limiter{Every: trimEvery},
		clock:   service.Steady{For: trimEvery},
	}
}

func (w *watcher) start() {
	w.loop.Post(func() {
		w.trimmed = w.loop.Now() // not at once, when many start together
		w.clock.Ok(w.s.cfg.Wall(), w.trimmed)
		w.look()
	})
}

// look asks the store once what is new, acts on it, and pauses until the next.
func (w *watcher) look() {
	var err error
	w.looked = w.loop.Now()
	w.s.jobs.Run(w.loop, func(ctx context.Context) { err = w.read(ctx) }, func() {
		if w.fresh {
			w.s.publish(w.current, w.changed)
			w.fresh, w.changed = false, nil
		}
		pause := w.note(err)
		w.trim()
		w.loop.After(pause, w.look)
	})
}

// read is the part of a look that waits for the store.
func (w *watcher) read(ctx context.Context) error {
	switch {
	case w.current == nil:
		return w.first(ctx)
	case w.doubting, w.looked-w.reloaded >= w.s.cfg.Reload:
		return w.reload(ctx)
	}
	w.s.counters.polls.Add(1)
	version, err := w.st.Version(ctx)
	if err != nil || version == w.current.Version() {
		return err
	}
	changes, err := w.st.Changes(ctx, w.current.Version())
	switch {
	case err != nil:
		return err
	case !changes.Complete:
		return w.reload(ctx)
	}
	policies := w.current.Policies()
	if modules := modulesOf(changes); len(modules) > 0 {
		if policies, err = w.policies(ctx, modules...); err != nil {
			return err
		}
	}
	w.s.counters.increments.Add(1)
	w.judge(w.current.Apply(changes.Version, changes.Modules).WithPolicies(policies))
	return nil
}

// first prepares the tables and loads everything.
func (w *watcher) first(ctx context.Context) error {
	if !w.migrated {
		if err := w.st.Migrate(ctx); err != nil {
			return err
		}
		w.migrated = true
	}
	began := w.s.cfg.Wall()
	b := route.Builder{RoutesMax: w.s.cfg.RoutesMax}
	loaded, err := w.st.Load(ctx, func(r store.Route) error {
		return b.Add(r.Module, r.Host)
	})
	if err != nil {
		return err
	}
	policies, err := w.policies(ctx)
	if err != nil {
		return err
	}
	w.countLoad(loaded)
	w.current, w.fresh = b.Build(loaded.Version).WithPolicies(policies), true
	w.log.Info("dns: routes loaded", "version", loaded.Version, "modules", w.current.Modules(),
		"routes", w.current.Routes(), "duplicates", loaded.Duplicates, "garbage", loaded.Garbage,
		"took", w.s.cfg.Wall().Sub(began).Round(time.Millisecond))
	return nil
}

// reload reads everything and compares.
func (w *watcher) reload(ctx context.Context) error {
	c := compare{before: w.current, max: w.s.cfg.RoutesMax}
	loaded, err := w.st.Load(ctx, c.add)
	if err != nil {
		return err
	}
	policies, err := w.policies(ctx)
	if err != nil {
		return err
	}
	w.countLoad(loaded)
	changed := c.finish()
	if loaded.Version == w.current.Version() && len(changed) > 0 && !w.doubting {
		w.s.counters.byHand.Add(uint64(len(changed)))
		w.log.Info("dns: routes were changed without a new version", "modules", len(changed), "version", loaded.Version)
	}
	w.judge(w.current.Apply(loaded.Version, changed).WithPolicies(policies))
	return nil
}

func (w *watcher) countLoad(loaded store.Loaded) {
	w.reloaded = w.looked
	c := &w.s.counters
	c.loads.Add(1)
	c.duplicates.Store(int64(loaded.Duplicates))
	c.garbage.Store(int64(loaded.Garbage))
}

// judge puts a snapshot in force, or keeps it back until a second read.
func (w *watcher) judge(next *route.Snapshot) {
	verdict := w.guard.Judge(w.current, next)
	attrs := []any{
		"reason", reason(verdict.Alarm, next.Version()), "version", next.Version(), "version_in_force", w.current.Version(),
		"routes", next.Routes(), "routes_in_force", w.current.Routes(),
	}
	switch {
	case !verdict.Accept:
		w.s.counters.alarms.Add(1)
		w.log.Error("dns: ALARM: the store looks wrong; the routes stay in force until a second read", attrs...)
		w.doubting = true
		return
	case verdict.Alarm != 0:
		w.s.counters.confirmed.Add(1)
		w.log.Error("dns: ALARM confirmed by a second read: the routes of the store are in force", attrs...)
	case w.doubting:
		w.log.Info("dns: alarm over: the second read shows nothing wrong")
	}
	w.doubting = false
	changed := route.Diff(w.current, next)
	w.current = next
	if len(changed) == 0 {
		w.s.current.Store(next) // the version
		return
	}
	w.s.counters.changed.Add(uint64(len(changed)))
	w.fresh, w.changed = true, changed
}

// reason names what is doubtful about a snapshot. A version of 0 is no version.
func reason(a route.Alarm, version int64) string {
	text := a.String()
	if a&route.Regressed != 0 && version == 0 {
		text += ": RouteVersion has no row with id 1, or a 0 in it; the next edit begins anew"
	}
	return text
}

// note remembers how a look went, says so when that is news, and returns the
// pause before the next.
func (w *watcher) note(err error) time.Duration {
	now := w.s.cfg.Wall()
	c := &w.s.counters
	if err == nil {
		c.readAt.Store(int64(now.Sub(w.s.started)))
		if !w.awaySince.IsZero() {
			w.log.Info("dns: store is back", "after", now.Sub(w.awaySince).Round(time.Millisecond))
			w.awaySince = time.Time{}
			c.away.Store(false)
			w.awayLog.Reset()
			w.backoff.Reset()
		}
		if w.doubting {
			return w.s.cfg.Confirm
		}
		return w.s.cfg.Poll
	}
	c.errors.Add(1)
	if w.awaySince.IsZero() {
		w.awaySince = now
		c.away.Store(true)
	}
	pause := w.backoff.Next()
	if w.awayLog.Ok(now) {
		w.logAway(now, pause, err)
	}
	return pause
}

func (w *watcher) logAway(now time.Time, pause time.Duration, err error) {
	pause = pause.Round(time.Millisecond)
	if w.current == nil {
		w.log.Warn("dns: no routes yet, store away", "for", now.Sub(w.awaySince).Round(time.Millisecond), "retry_in", pause, "err", err)
		return
	}
	age := now.Sub(w.s.started) - time.Duration(w.s.counters.readAt.Load())
	w.log.Warn("dns: store away, serving the last routes", "age", age.Round(time.Millisecond), "retry_in", pause, "err", err)
}

// trim begins to delete what is too old in the change log, when that is due and
// the clock has not just stepped. Several dns may do it at the same time. However
// long it takes, the watcher goes on.
func (w *watcher) trim() {
	if w.trimming || w.loop.Now()-w.trimmed < trimEvery || !w.awaySince.IsZero() {
		return
	}
	w.trimmed = w.loop.Now()
	now := w.s.cfg.Wall()
	if !w.clock.Ok(now, w.trimmed) {
		return
	}
	w.trimming = true
	var err error
	w.s.jobs.Run(w.loop, func(ctx context.Context) {
		var done store.Trimmed
		done, err = w.st.Trim(ctx, store.TrimLimits{Changes: now.Add(-w.s.cfg.ChangesKeep)})
		w.s.counters.trimmed.Add(uint64(done.Changes))
	}, func() {
		w.trimming = false
		if err != nil && w.trimLog.Ok(now) {
			w.log.Warn("dns: change log not trimmed", "err", err)
		}
	})
}
