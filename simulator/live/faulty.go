package live

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lars/simulator/workload"
	"lars/system/store"
)

// faulty is a store that can be away, slow, or lose its answers.
type faulty struct {
	store.Store

	mu     sync.Mutex
	away   bool
	delay  time.Duration
	errors float64 // share of calls whose answer gets lost
	random *workload.Random
}

func (f *faulty) set(away bool, delay time.Duration, share float64, r *workload.Random) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away, f.delay, f.errors, f.random = away, delay, share, r
}

// before is what a call meets on its way, and whether its answer will be lost.
func (f *faulty) before(ctx context.Context) (lost bool, err error) {
	f.mu.Lock()
	away, delay := f.away, f.delay
	lost = f.errors > 0 && f.random.Chance(f.errors)
	f.mu.Unlock()
	if delay > 0 {
		t := time.NewTimer(delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return false, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
		}
	}
	if away {
		return false, fmt.Errorf("%w: simulated", store.ErrUnavailable)
	}
	return lost, nil
}

// through makes a call under the faults of now.
func through[T any](ctx context.Context, f *faulty, call func() (T, error)) (T, error) {
	var none T
	lost, err := f.before(ctx)
	if err != nil {
		return none, err
	}
	v, err := call()
	if lost && err == nil {
		return none, fmt.Errorf("%w: simulated, the answer is lost", store.ErrUnavailable)
	}
	return v, err
}

// Version implements store.Store.
func (f *faulty) Version(ctx context.Context) (int64, error) {
	return through(ctx, f, func() (int64, error) { return f.Store.Version(ctx) })
}

// Load implements store.Store.
func (f *faulty) Load(ctx context.Context, yield func(store.Route) error) (store.Loaded, error) {
	return through(ctx, f, func() (store.Loaded, error) { return f.Store.Load(ctx, yield) })
}

// Changes implements store.Store.
func (f *faulty) Changes(ctx context.Context, since int64) (store.Changes, error) {
	return through(ctx, f, func() (store.Changes, error) { return f.Store.Changes(ctx, since) })
}

// Hosts implements store.Store.
func (f *faulty) Hosts(ctx context.Context, m store.Module) ([]store.Host, error) {
	return through(ctx, f, func() ([]store.Host, error) { return f.Store.Hosts(ctx, m) })
}

// Edit implements store.Store.
func (f *faulty) Edit(ctx context.Context, e store.Edit) (store.Edited, error) {
	return through(ctx, f, func() (store.Edited, error) { return f.Store.Edit(ctx, e) })
}

// SaveReports implements store.Store.
func (f *faulty) SaveReports(ctx context.Context, reports []store.Report) (store.Saved, error) {
	return through(ctx, f, func() (store.Saved, error) { return f.Store.SaveReports(ctx, reports) })
}

// Trim implements store.Store.
func (f *faulty) Trim(ctx context.Context, limits store.TrimLimits) (store.Trimmed, error) {
	return through(ctx, f, func() (store.Trimmed, error) { return f.Store.Trim(ctx, limits) })
}
