package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lars/system/store"
)

const (
	editAgain = 200 * time.Millisecond // after an edit of which nothing is known
	editsWait = 1000                   // edits that may wait for the one before
)

// editor is the program that edits routes: one edit after the other, each again
// under its key until the store says what became of it.
type editor struct {
	r     *run
	model map[store.Module][]store.Host // what was acknowledged
	queue chan job
	keys  int
	done  int
}

// job is an edit whose hosts are made when its turn comes; without f it says
// that all before are done.
type job struct {
	module int
	f      func(hosts []store.Host) []store.Host
	over   chan struct{}
}

func newEditor(r *run) *editor {
	e := &editor{r: r, model: map[store.Module][]store.Host{}, queue: make(chan job, editsWait)}
	for i, m := range r.names {
		for k := range r.cfg.Plan.Workload.Modules.Hosts {
			e.model[m] = append(e.model[m], r.hosts.at(i, k).name())
		}
	}
	return e
}

// replace queues an edit that makes a module's hosts what f makes of them. What
// finds too many waiting is not done.
func (e *editor) replace(module int, f func(hosts []store.Host) []store.Host) {
	select {
	case e.queue <- job{module: module, f: f}:
	default:
	}
}

// work makes the edits until ctx ends.
func (e *editor) work(ctx context.Context) {
	for {
		select {
		case j := <-e.queue:
			if j.f == nil {
				close(j.over)
				continue
			}
			e.edit(ctx, e.r.names[j.module], j.f)
		case <-ctx.Done():
			return
		}
	}
}

// finish waits for all edits, some time at most.
func (e *editor) finish(ctx context.Context) {
	over := make(chan struct{})
	late := time.NewTimer(convergeWithin)
	defer late.Stop()
	select {
	case e.queue <- job{over: over}:
	case <-ctx.Done():
		return
	case <-late.C:
		e.r.failf("edits", "edits are not done in the end")
		return
	}
	select {
	case <-over:
	case <-ctx.Done():
	case <-late.C:
		e.r.failf("edits", "edits are not done in the end")
	}
}

func (e *editor) edit(ctx context.Context, m store.Module, f func([]store.Host) []store.Host) {
	before := e.model[m]
	hosts := f(slices.Clone(before))
	slices.SortFunc(hosts, store.Host.Compare)
	if slices.Equal(hosts, before) {
		return
	}
	e.keys++
	edit := store.Edit{
		Actor: "editor", Key: fmt.Sprint("edit ", e.keys), At: time.Now(),
		Modules: []store.ModuleEdit{{Module: m, Op: store.OpReplace, Hosts: hosts}},
	}
	// An agent may know of it before the store has answered.
	e.r.mu.Lock()
	e.r.routes.Is(m, hosts)
	for _, h := range hosts {
		if !slices.Contains(before, h) {
			e.r.picks.Joined(m, h)
		}
	}
	e.r.mu.Unlock()
	for {
		_, err := e.r.services.store.Edit(ctx, edit)
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil {
			e.r.failf("edits", "%v: %v", m, err)
			return
		}
		if !e.r.sleepUntil(ctx, e.r.now()+editAgain) {
			return
		}
	}
	now := e.r.now()
	e.r.mu.Lock()
	for _, h := range before {
		if !slices.Contains(hosts, h) {
			e.r.picks.Left(now, m, h)
		}
	}
	e.r.mu.Unlock()
	e.model[m] = hosts
	e.done++
}
