package virtual

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lars/system/store"
)

const (
	editAgain = 500 * time.Millisecond // after an edit of which nothing is known
	editsWait = 1000                   // edits that may wait for the one before
)

// editor is the person, or the program, that edits routes: one edit after the
// other, each again under its key until the store says what became of it.
type editor struct {
	r     *run
	st    store.Store
	queue []func() store.ModuleEdit // made when their turn comes
	busy  bool
	model map[store.Module][]store.Host // what was acknowledged
	keys  int
	done  int
}

func newEditor(r *run) *editor {
	e := &editor{r: r, st: tampered(r.db.Open(), r.cfg.Tamper.EditorStore), model: map[store.Module][]store.Host{}}
	for _, m := range r.modules {
		e.model[m.name] = slices.Clone(m.known)
	}
	return e
}

// replace queues an edit that makes a module's hosts what f makes of them. What
// finds too many waiting is not done.
func (e *editor) replace(m *module, f func(hosts []store.Host) []store.Host) {
	if len(e.queue) >= editsWait {
		return
	}
	e.queue = append(e.queue, func() store.ModuleEdit {
		return store.ModuleEdit{Module: m.name, Op: store.OpReplace, Hosts: f(slices.Clone(e.model[m.name]))}
	})
	e.next()
}

func (e *editor) next() {
	if e.busy || len(e.queue) == 0 {
		return
	}
	e.busy = true
	me := e.queue[0]()
	e.queue = e.queue[1:]
	e.keys++
	e.try(store.Edit{
		Actor: "editor", Key: fmt.Sprint("edit ", e.keys), At: e.r.w.Host("database").Now(), Modules: []store.ModuleEdit{me},
	})
}

func (e *editor) try(edit store.Edit) {
	now := e.r.w.Now()
	me := edit.Modules[0]
	_, err := e.st.Edit(context.Background(), edit)
	e.r.noteRoute(now, e.r.module(me.Module))
	switch {
	case err == nil:
		e.done++
		e.model[me.Module] = me.Hosts
		slices.SortFunc(e.model[me.Module], store.Host.Compare)
		e.r.note("module %v is now %s", me.Module, store.FormatHosts(me.Hosts))
	case errors.Is(err, store.ErrUnavailable):
		e.r.w.At(now+editAgain, func() { e.try(edit) })
		return
	default:
		e.r.log.Failf(now, "edits", "%v: %v", me.Module, err)
	}
	e.busy = false
	e.next()
}

// forget takes the database as it is: a fail-over has lost edits.
func (e *editor) forget() {
	now := e.r.w.Now()
	for _, m := range e.r.modules {
		e.r.noteRoute(now, m)
		e.model[m.name] = slices.Clone(m.known)
	}
}

// check compares the database with what was acknowledged (I1).
func (e *editor) check(now time.Duration) {
	if e.busy {
		e.r.log.Failf(now, "edits", "an edit is not done in the end")
	}
	for _, m := range e.r.modules {
		if got := e.r.hostsOf(m.name); !slices.Equal(got, e.model[m.name]) {
			e.r.log.Failf(now, "edits", "module %v has %q, the edits made it %q", m.name,
				store.FormatHosts(got), store.FormatHosts(e.model[m.name]))
		}
	}
}
