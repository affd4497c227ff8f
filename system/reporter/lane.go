package reporter

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lars/reactor"
	"lars/system/internal/service"
	"lars/system/store"
	"lars/system/tally"
)

const (
	retryMin = 100 * time.Millisecond // first pause after a failure
	logEvery = 10 * time.Second       // between lines about the same trouble
)

// lane is a queue and the writer that empties it: a state machine on a loop,
// which lingers, saves a batch on a worker, and so on until nothing waits.
type lane struct {
	s    *Service
	loop *reactor.Loop

	mu    sync.Mutex // held for moments: the loops take it
	queue *tally.Queue
	infer *tally.Increments
	awake bool // the writer is at work, or has been told
	early bool // the writer lingers, and is to be told when there is a full batch

	// Only of the writer, on its loop or in its work.
	linger   *reactor.Timer // not nil while it lingers
	ended    func()         // of a closing service: called once nothing is left
	batch    []*tally.Report
	boot     uint64 // of the marks that we make
	number   uint64
	reports  []store.Report // the batch
	left     []store.Report // of it, not yet saved
	few      int            // as many of them are tried at once, since the store refuses one; 0: all
	refused  int            // results of the batch
	backoff  service.Backoff
	dropLog  service.Limiter
	dropped  uint64 // results, when that was last logged
	counters laneCounters
}

// laneCounters are written by the writer and read from anywhere.
type laneCounters struct {
	batches, stored, repeated, skipped, failures, refused atomic.Uint64
}

// newLane makes a lane whose writer sleeps until it is told that the tables are
// there.
func newLane(s *Service, index int, loop *reactor.Loop) *lane {
	perLane := max(s.cfg.QueueBytesMax/s.cfg.Writers, 1)
	random := rand.New(rand.NewPCG(s.cfg.Seed, uint64(index)))
	return &lane{
		s: s, loop: loop,
		queue:   tally.NewQueue(tally.QueueConfig{BytesMax: perLane}),
		infer:   tally.NewIncrements(0),
		awake:   true,
		boot:    random.Uint64() | 1,
		backoff: service.Backoff{Min: retryMin, Max: max(s.cfg.RetryMax, retryMin), Random: random},
		dropLog: service.Limiter{Every: logEvery},
	}
}

// put takes a report in; from any goroutine, never waiting for the store.
func (l *lane) put(r *tally.Report) {
	l.mu.Lock()
	l.infer.Fill(r)
	l.queue.Put(r)
	wake := !l.awake
	hurry := l.early && l.queue.Stats().Waiting >= store.SaveRowsMax
	l.awake, l.early = true, l.early && !hurry
	l.mu.Unlock()
	if wake {
		l.loop.Post(l.wake)
	}
	if hurry {
		l.loop.Post(l.hurry)
	}
}

func (l *lane) stats() tally.QueueStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.Stats()
}

// wake begins with what has come: it waits for a batch worth a transaction.
func (l *lane) wake() {
	l.linger = l.loop.After(l.s.cfg.Linger, l.next)
	l.mu.Lock()
	l.early = l.queue.Stats().Waiting < store.SaveRowsMax
	hurry := !l.early || l.ended != nil
	l.mu.Unlock()
	if hurry {
		l.hurry()
	}
}

// hurry ends the wait.
func (l *lane) hurry() {
	if l.linger != nil {
		l.linger.Stop()
		l.next()
	}
}

// next begins with a batch, or sleeps.
func (l *lane) next() {
	l.linger = nil
	l.batch = l.take()
	if len(l.batch) > 0 {
		l.convert(l.batch)
		l.left, l.few, l.refused = l.reports, 0, 0
		l.save()
	} else if l.ended != nil {
		l.ended()
		l.ended = nil
	}
}

// take returns the next batch; none when nothing waits.
func (l *lane) take() []*tally.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	batch := l.queue.Take(store.SaveRowsMax)
	l.awake, l.early = len(batch) > 0, false
	return batch
}

// end asks for everything to be saved soon; ended is called, once, when it is.
// Without tables that is when there are some.
func (l *lane) end(ended func()) {
	l.ended = ended
	if l.stats().Waiting == 0 {
		l.ended()
		l.ended = nil
		return
	}
	l.hurry()
}

// save tries to store what is left of the batch, or a few of it.
func (l *lane) save() {
	some := l.left
	if l.few > 0 {
		some = some[:min(l.few, len(some))]
	}
	var saved store.Saved
	var err error
	l.s.jobs.Run(l.loop, func(ctx context.Context) {
		saved, err = l.s.st.SaveReports(ctx, some)
		l.left = l.left[saved.Reports:]
		l.counters.repeated.Add(uint64(saved.Repeated))
		l.counters.skipped.Add(uint64(saved.Skipped))
	}, func() { l.saved(len(some)-saved.Reports, err) })
}

// saved goes on after an attempt, however often it takes. Of tried reports that
// the store refused each half is tried, and so on, until the one is found: it is
// given up, and with each success twice as many are tried again.
func (l *lane) saved(tried int, err error) {
	switch {
	case err == nil, tried == 0:
		l.few *= 2
	case !errors.Is(err, store.ErrInvalid) && !errors.Is(err, store.ErrConflict):
		l.loop.After(l.pause(err), l.save)
		return
	case tried > 1:
		l.few = tried / 2
	default:
		l.refuse(&l.left[0], err)
		l.left, l.few = l.left[1:], 1
	}
	l.back()
	if len(l.left) > 0 {
		l.save()
		return
	}
	l.counters.batches.Add(1)
	stored := -l.refused
	for _, r := range l.batch {
		stored += len(r.Results)
	}
	l.counters.stored.Add(uint64(stored))
	l.mu.Lock()
	l.queue.Done(l.batch)
	l.mu.Unlock()
	l.logDrops()
	l.next()
}

// convert makes the batch what the store takes. What has no mark gets one of
// ours, which stays the same for as long as the batch is tried; it is cut, so
// that what has been merged does not make a transaction long.
func (l *lane) convert(batch []*tally.Report) {
	l.reports = l.reports[:0]
	for _, r := range batch {
		to := store.Report{Module: r.Module, Caller: r.Caller, At: time.Unix(r.At, 0)}
		if r.Boot != 0 {
			to.Mark, to.Results = store.Mark{Boot: r.Boot, Number: r.Number}, results(r.Results)
			to.Sharing = r.Sharing
			l.reports = append(l.reports, to)
			continue
		}
		to.Sent = time.Unix(int64(r.TS), 0)
		for part := range slices.Chunk(r.Results, store.SaveRowsMax) {
			l.number++
			to.Mark, to.Results = store.Mark{Boot: l.boot, Number: l.number}, results(part)
			l.reports = append(l.reports, to)
		}
	}
}

func results(from []tally.Result) []store.Result {
	to := make([]store.Result, len(from))
	for i, r := range from {
		to[i] = store.Result{
			Host: r.Host, Succ: r.Succ, Err: r.Err,
			AddSucc: r.SuccAdd, AddErr: r.ErrAdd, Overload: r.Overload, Suspect: store.Word(r.Suspect),
		}
	}
	return to
}

// pause is how long to wait after a failure.
func (l *lane) pause(err error) time.Duration {
	l.counters.failures.Add(1)
	wait := l.backoff.Next()
	if l.s.outage.goesOn(l.s.cfg.Wall()) {
		t := l.s.Stats()
		l.s.cfg.Log.Warn("reporter: store away, results wait", "waiting", t.Waiting, "dropped", t.Dropped,
			"retry_in", wait.Round(time.Millisecond), "err", err)
	}
	l.logDrops()
	return wait
}

// back notes that the store answers.
func (l *lane) back() {
	l.backoff.Reset()
	if lasted := l.s.outage.end(l.s.cfg.Wall()); lasted > 0 {
		l.s.cfg.Log.Info("reporter: store is back", "after", lasted.Round(time.Millisecond))
	}
}

// refuse gives up a report that the store says it can never take.
func (l *lane) refuse(r *store.Report, err error) {
	l.refused += len(r.Results)
	l.counters.refused.Add(uint64(len(r.Results)))
	if l.dropLog.Ok(l.s.cfg.Wall()) {
		l.s.cfg.Log.Error("reporter: results refused by the store", "module", r.Module.String(), "results", len(r.Results), "err", err)
	}
}

// logDrops says what found no room since it last said so.
func (l *lane) logDrops() {
	q := l.stats()
	if q.Dropped == l.dropped || !l.dropLog.Ok(l.s.cfg.Wall()) {
		return
	}
	l.s.cfg.Log.Error("reporter: results dropped, the queue is full", "results", q.Dropped-l.dropped,
		"since_start", q.Dropped, "calls_since_start", q.DroppedCalls)
	l.dropped = q.Dropped
}
