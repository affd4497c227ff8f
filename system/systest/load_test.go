package systest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lars/system/lars"
	"lars/system/store"
	"lars/system/up"
)

// key is what calls are counted by.
type key struct {
	store.Module
	store.Host
}

// figures of calls.
type figures struct{ succ, err int64 }

// load is callers in a loop: get_host, then report. Each waits for the answer
// before it goes on, so that no socket overflows and no report is lost as long
// as an agent listens.
type load struct {
	client *lars.Client
	calls  atomic.Int64 // get_hosts, of any outcome
	picked atomic.Int64 // of those, answered with a host
	away   atomic.Bool  // no agent: errors of the socket are allowed

	mu    sync.Mutex
	sent  map[key]figures
	wrong []error

	stop context.CancelFunc
	all  sync.WaitGroup
}

// wrongMax bounds the errors that are kept.
const wrongMax = 10

// startLoad starts callers of the modules, one for each.
func startLoad(t *testing.T, e *env, modules []store.Module) *load {
	// It asks again soon: what a killed agent had in its socket is lost.
	const again = 100 * time.Millisecond
	c, err := lars.New(lars.Config{Addrs: e.sys.Addrs(up.Agent), Timeout: again, Tries: int(2 * answerWithin / again)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{client: c, sent: map[key]figures{}, stop: cancel}
	for i, m := range modules {
		l.all.Go(func() { l.loop(ctx, m, uint64(i)) })
	}
	t.Cleanup(func() { l.end() })
	return l
}

// callPause leaves the machine to others; a caller of the real world works
// between two calls, too.
const callPause = 2 * time.Millisecond

func (l *load) loop(ctx context.Context, m store.Module, n uint64) {
	tick := time.NewTicker(callPause)
	defer tick.Stop()
	for ; ctx.Err() == nil; n++ {
		a, err := l.client.GetHost(ctx, lars.Module(m))
		if ctx.Err() != nil {
			return
		}
		l.calls.Add(1)
		if err != nil {
			l.failed(m, err)
		} else {
			l.picked.Add(1)
			l.report(ctx, key{m, hostOf(a)}, n%16 == 0) // too few errors to overload
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// report counts first: what the agent has must have been counted.
func (l *load) report(ctx context.Context, k key, failed bool) {
	l.mu.Lock()
	f, code := l.sent[k], int32(0)
	if failed {
		f.err, code = f.err+1, 1
	} else {
		f.succ++
	}
	l.sent[k] = f
	l.mu.Unlock()
	if err := l.client.Report(ctx, lars.Module(k.Module), addr(k.Host), code); err != nil && ctx.Err() == nil {
		l.failed(k.Module, err)
	} else if err != nil {
		l.unsent(k, failed)
	}
}

// unsent takes back what the end of the load kept from being sent.
func (l *load) unsent(k key, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.sent[k]
	if failed {
		f.err--
	} else {
		f.succ--
	}
	l.sent[k] = f
}

func (l *load) failed(m store.Module, err error) {
	if l.away.Load() && isAny(err, lars.ErrSystem, lars.ErrTimeout) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wrong) < wrongMax {
		l.wrong = append(l.wrong, fmt.Errorf("%v: %w", m, err))
	}
}

// end stops the callers; a second call does nothing.
func (l *load) end() {
	l.stop()
	l.all.Wait()
	l.client.Close()
}

// served wants no error until now.
func (l *load) served(t *testing.T, when string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wrong) > 0 {
		t.Errorf("callers %s: %v", when, errors.Join(l.wrong...))
		l.wrong = nil
	}
}

// counts is what was reported until now.
func (l *load) counts() map[key]figures {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.sent)
}

// more waits until that many further calls were made.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	awaitCount(t, "calls", &l.calls, n)
}

// asked waits until that many further questions went out, answered or not.
func (l *load) asked(t *testing.T, n uint64) {
	t.Helper()
	questions := func() uint64 { st := l.client.Stats(); return st.Asked + st.Again }
	goal := questions() + n
	within(t, fmt.Sprintf("%d more questions", n), func(context.Context) error {
		if now := questions(); now < goal {
			return fmt.Errorf("%d missing", goal-now)
		}
		return nil
	})
}

// answered waits until that many further calls got a host.
func (l *load) answered(t *testing.T, n int64) {
	t.Helper()
	awaitCount(t, "answered calls", &l.picked, n)
}

func awaitCount(t *testing.T, what string, count *atomic.Int64, n int64) {
	t.Helper()
	goal := count.Load() + n
	within(t, fmt.Sprintf("%d more %s", n, what), func(context.Context) error {
		if now := count.Load(); now < goal {
			return fmt.Errorf("%d missing", goal-now)
		}
		return nil
	})
}

// stored sums the totals per minute in the store.
func (e *env) stored(ctx context.Context, modules []store.Module) (map[key]figures, error) {
	all := map[key]figures{}
	for _, m := range modules {
		rows, err := e.store.Minutes(ctx, store.MinuteQuery{Module: m})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			k := key{r.Module, r.Host}
			all[k] = figures{all[k].succ + r.Succ, all[k].err + r.Err}
		}
	}
	return all, nil
}

// latest are the newest figures in the original's table.
func (e *env) latest(ctx context.Context, modules []store.Module) (map[key]figures, error) {
	all := map[key]figures{}
	for _, m := range modules {
		rows, err := e.store.Latest(ctx, store.LatestQuery{Module: &m})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if r.Caller != caller {
				return nil, fmt.Errorf("caller %d in %+v", r.Caller, r)
			}
			all[key{r.Module, r.Host}] = figures{int64(r.Succ), int64(r.Err)}
		}
	}
	return all, nil
}

// equal wants the store to show, at last, exactly what was reported: as totals,
// and as the latest figures of an agent that was not restarted.
func (e *env) equal(t *testing.T, want map[key]figures, modules []store.Module) {
	t.Helper()
	for name, read := range map[string]func(context.Context, []store.Module) (map[key]figures, error){"totals": e.stored, "latest": e.latest} {
		within(t, name+" equal what callers reported", func(ctx context.Context) error {
			got, err := read(ctx, modules)
			if err != nil {
				return err
			}
			if !maps.Equal(got, want) {
				return fmt.Errorf("stored %v, reported %v", got, want)
			}
			return nil
		})
	}
}

// statistics in the store equal what callers reported, host by host.
func statistics(t *testing.T, e *env) {
	modules := e.modules(t, 32, 4, 3)
	l := startLoad(t, e, modules)
	l.answered(t, 400)
	l.end()
	l.served(t, "in a system without faults")
	e.equal(t, l.counts(), modules)
}

// lastCalls: what callers reported just before the system is closed is in the
// store when that is done.
func lastCalls(t *testing.T, e *env) {
	modules := e.modules(t, 34, 2, 2)
	l := startLoad(t, e, modules)
	l.answered(t, 100)
	l.end()
	l.served(t, "before the end")
	for _, m := range modules {
		if _, err := e.gethost(t, m); err != nil { // behind the last report in the agent's socket
			t.Error(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := e.sys.Close(ctx); err != nil {
		t.Fatal(err)
	}
	got, err := e.stored(t.Context(), modules)
	if err != nil || !maps.Equal(got, l.counts()) {
		t.Errorf("stored %v, %v; reported %v", got, err, l.counts())
	}
}

// modules makes n modules of so many hosts each, and waits until they are
// served.
func (e *env) modules(t *testing.T, modid int32, n, hosts int) (all []store.Module) {
	t.Helper()
	for cmdid := range int32(n) {
		m := store.Module{ModID: modid, CmdID: cmdid}
		var some []store.Host
		for i := range hosts {
			some = append(some, host(i+1))
		}
		e.edit(t, m, store.OpAdd, some...)
		e.serves(t, m, some...)
		all = append(all, m)
	}
	return all
}
