package dns

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"lars/backends/epoll"
	"lars/reactor"
	"lars/system/store"
)

// largeLog is a store whose change log takes until release to trim.
type largeLog struct {
	Store
	looks    atomic.Int64
	limits   chan store.TrimLimits // of a trim that began
	release  chan struct{}         // one value ends one trim
	canceled atomic.Bool
}

func (s *largeLog) Migrate(context.Context) error { return nil }

func (s *largeLog) Load(context.Context, func(store.Route) error) (store.Loaded, error) {
	return store.Loaded{Version: 1}, nil
}

func (s *largeLog) Policies(context.Context, ...store.Module) ([]store.Policy, error) {
	return nil, nil
}

func (s *largeLog) Suspicions(context.Context, time.Time) ([]store.Suspicion, error) {
	return nil, nil
}

func (s *largeLog) Version(context.Context) (int64, error) {
	s.looks.Add(1)
	return 1, nil
}

func (s *largeLog) Trim(ctx context.Context, limits store.TrimLimits) (store.Trimmed, error) {
	s.limits <- limits
	select {
	case <-s.release:
		return store.Trimmed{Changes: 3}, nil
	case <-ctx.Done():
		s.canceled.Store(true)
		return store.Trimmed{Changes: 2}, ctx.Err()
	}
}

// However long it takes to trim the change log, new versions are noticed, and
// no second trim begins; the end of the service ends it.
func TestTrimDelaysNothing(t *testing.T) {
	r, err := reactor.Open(epoll.Driver{}, reactor.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	st := &largeLog{limits: make(chan store.TrimLimits, 10), release: make(chan struct{})}
	s, err := Start(r, Config{IP: "127.0.0.1", Poll: time.Millisecond, ChangesKeep: 24 * time.Hour}, st)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.jobs.Stop) // before the reactor's end, which waits for the trim
	// A second watcher of the same, for which a trim has long been due.
	w := newWatcher(s, st)
	due := func() { w.trimmed = w.loop.Now() - 2*trimEvery }
	w.loop.Post(func() { due(); w.look() })
	begun := func() time.Time {
		t.Helper()
		select {
		case l := <-st.limits:
			return l.Changes
		case <-time.After(time.Minute):
			t.Fatal("no trim")
			return time.Time{}
		}
	}
	if age := time.Since(begun()); age < 24*time.Hour || age > 25*time.Hour {
		t.Errorf("trimmed what is older than %v, want 24h", age)
	}
	wait := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("did not happen:", what)
			}
		}
	}
	onLoop := func(f func()) {
		done := make(chan struct{})
		w.loop.Post(func() { f(); close(done) })
		<-done
	}
	looked := func() (at time.Duration) {
		onLoop(func() { at = w.looked })
		return at
	}
	onLoop(due)
	at := looked()
	wait("the watcher looks again while the trim goes on", func() bool { return looked() > at })
	at = looked()
	wait("and again", func() bool { return looked() > at })
	if n := len(st.limits); n != 0 {
		t.Errorf("%d more trims began beside the first", n)
	}

	st.release <- struct{}{}
	wait("the trim is counted", func() bool { return s.Stats().Trimmed >= 3 })
	begun() // the next, which has been due meanwhile
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error("Close:", err)
	}
	if !st.canceled.Load() {
		t.Error("Close did not end the trim")
	}
}
