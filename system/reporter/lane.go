package reporter

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lars/system/internal/service"
	"lars/system/store"
	"lars/system/tally"
)

const (
	retryMin    = 100 * time.Millisecond // first pause after a failure
	logEvery    = 10 * time.Second       // between lines about the same trouble
	lingerCheck = 4                      // looks at the queue within a linger
)

// lane is a queue and the writer that empties it.
type lane struct {
	s    *Service
	wake chan struct{} // has room for one: something waits

	mu    sync.Mutex // held for moments: the loops take it
	queue *tally.Queue
	infer *tally.Increments

	// Only of the writer.
	boot     uint64 // of the marks that we make
	number   uint64
	reports  []store.Report
	backoff  service.Backoff
	dropLog  service.Limiter
	dropped  uint64 // results, when that was last logged
	counters laneCounters
}

// laneCounters are written by the writer and read from anywhere.
type laneCounters struct {
	batches, stored, repeated, skipped, failures, refused atomic.Uint64
}

func newLane(s *Service) *lane {
	perLane := max(s.cfg.QueueBytesMax/s.cfg.Writers, 1)
	return &lane{
		s: s, wake: make(chan struct{}, 1),
		queue:   tally.NewQueue(tally.QueueConfig{BytesMax: perLane}),
		infer:   tally.NewIncrements(0),
		boot:    rand.Uint64() | 1,
		backoff: service.Backoff{Min: retryMin, Max: max(s.cfg.RetryMax, retryMin)},
		dropLog: service.Limiter{Every: logEvery},
	}
}

// put takes a report in; from any goroutine, never waiting for the store.
func (l *lane) put(r *tally.Report) {
	l.mu.Lock()
	l.infer.Fill(r)
	l.queue.Put(r)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) stats() tally.QueueStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.Stats()
}

// write saves batches until the service ends and nothing is left.
func (l *lane) write() {
	if !l.s.ready.wait(l.s.life) {
		return
	}
	for l.s.life.Err() == nil {
		batch := l.take()
		if len(batch) > 0 {
			l.save(batch)
			continue
		}
		select {
		case <-l.wake:
			l.linger()
		case <-l.s.ending.Done():
			if l.stats().Waiting == 0 {
				return
			}
		}
	}
}

func (l *lane) take() []*tally.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.Take(store.SaveRowsMax)
}

// linger waits for a batch worth a transaction.
func (l *lane) linger() {
	for range lingerCheck {
		if l.stats().Waiting >= store.SaveRowsMax || !service.Sleep(l.s.ending, l.s.cfg.Linger/lingerCheck) {
			return
		}
	}
}

// save stores a batch, however long that takes, unless the service is killed.
func (l *lane) save(batch []*tally.Report) {
	l.convert(batch)
	left := l.reports
	for len(left) > 0 {
		saved, err := l.s.st.SaveReports(l.s.life, left)
		left = left[saved.Reports:]
		l.counters.repeated.Add(uint64(saved.Repeated))
		l.counters.skipped.Add(uint64(saved.Skipped))
		switch {
		case err == nil:
			left = nil
		case l.s.life.Err() != nil:
			return
		case errors.Is(err, store.ErrInvalid), errors.Is(err, store.ErrConflict):
			l.refuse(left, err)
			left = nil
		case !l.pause(err):
			return
		}
	}
	l.back()
	l.counters.batches.Add(1)
	for _, r := range batch {
		l.counters.stored.Add(uint64(len(r.Results)))
	}
	l.mu.Lock()
	l.queue.Done(batch)
	l.mu.Unlock()
	l.logDrops()
}

// convert makes the batch what the store takes. What has no mark gets one of
// ours, which stays the same for as long as the batch is tried; it is cut, so
// that what has been merged does not make a transaction long.
func (l *lane) convert(batch []*tally.Report) {
	l.reports = l.reports[:0]
	for _, r := range batch {
		to := store.Report{Module: store.Module(r.Module), Caller: r.Caller, At: time.Unix(r.At, 0)}
		if r.Boot != 0 {
			to.Mark, to.Results = store.Mark{Boot: r.Boot, Number: r.Number}, results(r.Results)
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
			Host: store.Host(r.Host), Succ: r.Succ, Err: r.Err,
			AddSucc: r.SuccAdd, AddErr: r.ErrAdd, Overload: r.Overload,
		}
	}
	return to
}

// pause waits after a failure. False: the service is killed.
func (l *lane) pause(err error) bool {
	l.counters.failures.Add(1)
	wait := l.backoff.Next()
	if l.s.outage.goesOn(time.Now()) {
		t := l.s.Stats()
		l.s.cfg.Log.Warn("reporter: store away, results wait", "waiting", t.Waiting, "dropped", t.Dropped,
			"retry_in", wait.Round(time.Millisecond), "err", err)
	}
	l.logDrops()
	return service.Sleep(l.s.life, wait)
}

// back notes that the store answers.
func (l *lane) back() {
	l.backoff.Reset()
	if lasted := l.s.outage.end(time.Now()); lasted > 0 {
		l.s.cfg.Log.Info("reporter: store is back", "after", lasted.Round(time.Millisecond))
	}
}

// refuse gives up what the store says can never be stored.
func (l *lane) refuse(left []store.Report, err error) {
	n := 0
	for i := range left {
		n += len(left[i].Results)
	}
	l.counters.refused.Add(uint64(n))
	if l.dropLog.Ok(time.Now()) {
		l.s.cfg.Log.Error("reporter: results refused by the store", "results", n, "err", err)
	}
}

// logDrops says what found no room since it last said so.
func (l *lane) logDrops() {
	q := l.stats()
	if q.Dropped == l.dropped || !l.dropLog.Ok(time.Now()) {
		return
	}
	l.s.cfg.Log.Error("reporter: results dropped, the queue is full", "results", q.Dropped-l.dropped,
		"since_start", q.Dropped, "calls_since_start", q.DroppedCalls)
	l.dropped = q.Dropped
}

// readiness lets the writers start once the tables are there.
type readiness struct{ done chan struct{} }

func newReadiness() *readiness { return &readiness{make(chan struct{})} }

func (r *readiness) set() { close(r.done) }

func (r *readiness) wait(ctx context.Context) bool {
	select {
	case <-r.done:
		return true
	case <-ctx.Done():
		return false
	}
}
