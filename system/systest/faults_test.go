package systest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lars/backends"
	"lars/system/store"
	"lars/system/up"
)

// TestFaults kills services at random moments under load and starts them again:
// a process by SIGKILL, one in this process by closing its sockets and dropping
// what it holds.
func TestFaults(t *testing.T) {
	onAll(t, func(t *testing.T, e *env) {
		r := seed(t)
		modules := e.modules(t, 40, 3, 3)
		l := startLoad(t, e, modules)
		l.answered(t, 50)
		for round := range rounds() {
			order := []string{up.DNS, up.Reporter}
			r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			for _, name := range order {
				e.outage(t, r, l, name, 10*round+len(name))
			}
		}
		e.bothAway(t, r, l)
		l.end()
		l.served(t, "while dns and reporter were killed")
		e.equal(t, l.counts(), modules)
		e.agentKilled(t, r, 41)
		e.agentAlone(t, 42)
	})
}

// rounds of kills of dns and reporter.
func rounds() int {
	if testing.Short() {
		return 1
	}
	return 2
}

// outage kills a service, makes an edit while it is away, starts it again, and
// wants callers served all the time and the edit seen at last.
func (e *env) outage(t *testing.T, r *rand.Rand, l *load, name string, n int) {
	t.Helper()
	m := store.Module{ModID: 43, CmdID: int32(n)}
	e.edit(t, m, store.OpAdd, host(1))
	e.serves(t, m, host(1))
	l.more(t, int64(r.IntN(100)))
	e.sys.Kill(name)
	e.edit(t, m, store.OpAdd, host(2))
	l.answered(t, int64(20+r.IntN(100)))
	e.revive(t, name)
	e.serves(t, m, host(1), host(2))
	l.served(t, "while "+name+" was killed")
}

func (e *env) revive(t *testing.T, name string) {
	t.Helper()
	if err := e.sys.Revive(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

// bothAway: dns and reporter are away at once.
func (e *env) bothAway(t *testing.T, r *rand.Rand, l *load) {
	t.Helper()
	e.sys.Kill(up.DNS)
	e.sys.Kill(up.Reporter)
	l.answered(t, int64(20+r.IntN(100)))
	e.revive(t, up.Reporter)
	e.revive(t, up.DNS)
	l.answered(t, 20)
}

// agentKilled: while the agent is away calls fail in time; afterwards each
// module is answered with a host again, never with "not exist"; and what the
// store shows was reported, once.
func (e *env) agentKilled(t *testing.T, r *rand.Rand, modid int32) {
	t.Helper()
	modules := e.modules(t, modid, 3, 2)
	e.routesSaved(t)
	l := startLoad(t, e, modules)
	l.answered(t, int64(50+r.IntN(100)))
	before, err := e.stored(t.Context(), modules)
	if err != nil {
		t.Fatal(err)
	}
	l.away.Store(true)
	e.sys.Kill(up.Agent)
	l.asked(t, uint64(1+r.IntN(50)))
	e.revive(t, up.Agent)
	l.answered(t, 50)
	l.away.Store(false)
	l.answered(t, int64(50+r.IntN(100)))
	l.end()
	l.served(t, "while the agent was killed")
	e.lastWords(t, modules)
	after, err := e.stored(t.Context(), modules)
	if err != nil {
		t.Fatal(err)
	}
	sent := l.counts()
	for k, f := range after {
		if s := sent[k]; f.succ > s.succ || f.err > s.err {
			t.Errorf("%v: stored %v, reported only %v", k, f, s)
		}
	}
	for k, f := range before {
		if a := after[k]; f.succ > a.succ || f.err > a.err {
			t.Errorf("%v: %v were stored, now %v", k, f, a)
		}
	}
	if len(after) == 0 {
		t.Error("nothing was stored")
	}
}

// lastWords stops the agent, which hands over all it has, and waits until the
// reporter has stored a report that comes after.
func (e *env) lastWords(t *testing.T, modules []store.Module) {
	t.Helper()
	for _, name := range []string{up.Agent, up.Reporter} {
		if _, err := e.sys.Stop(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	e.revive(t, up.Reporter)
	e.revive(t, up.Agent)
	for _, m := range modules {
		within(t, fmt.Sprintf("%v is served", m), func(context.Context) error {
			_, err := e.gethost(t, m)
			return err
		})
	}
}

// agentAlone: an agent that is killed while dns is away answers from its disk.
func (e *env) agentAlone(t *testing.T, modid int32) {
	t.Helper()
	modules := e.modules(t, modid, 3, 2)
	e.routesSaved(t)
	e.sys.Kill(up.DNS)
	e.sys.Kill(up.Agent)
	e.revive(t, up.Agent)
	for _, m := range modules {
		h, err := e.gethost(t, m)
		if err != nil || h != host(1) && h != host(2) {
			t.Errorf("%v without dns: %v, %v", m, h, err)
		}
	}
	e.edit(t, modules[0], store.OpReplace, host(3))
	e.revive(t, up.DNS)
	e.serves(t, modules[0], host(3))
}

// routesSaved waits until the agent has written its routes twice more: the
// first write may have begun before.
func (e *env) routesSaved(t *testing.T) {
	t.Helper()
	for range 2 {
		m := store.Module{ModID: 44, CmdID: e.saves}
		e.saves++
		asked := time.Now()
		e.edit(t, m, store.OpAdd, host(1))
		e.serves(t, m, host(1)) // so there is something to write
		within(t, "routes are on disk", func(context.Context) error {
			info, err := os.Stat(filepath.Join(e.folder, "agent.routes"))
			if err == nil && !info.ModTime().After(asked) {
				err = errors.New("it is the file of before")
			}
			return err
		})
	}
}

// TestSupervision: a process that is killed by somebody else is started again
// on its ports.
func TestSupervision(t *testing.T) {
	t.Parallel()
	type restart struct {
		service string
		pid     int
		err     error
	}
	restarts := make(chan restart, 10)
	e := newEnv(t, kind{"epoll", true}, func(c *up.Config) {
		c.OnRestart = func(service string, pid int, err error) { restarts <- restart{service, pid, err} }
	})
	m := e.modules(t, 50, 1, 1)[0]
	for _, v := range e.sys.Status().Services {
		if err := syscall.Kill(v.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-restarts:
			if got.service != v.Name || got.pid == v.PID || got.err != nil {
				t.Errorf("killed %s: %+v", v.Name, got)
			}
		case <-time.After(patience):
			t.Fatalf("%s was not started again", v.Name)
		}
		within(t, "served after "+v.Name, func(context.Context) error {
			_, err := e.gethost(t, m)
			return err
		})
	}
	e.edit(t, m, store.OpAdd, host(2))
	e.serves(t, m, host(1), host(2))
}

// TestStartFails says why, and leaves nothing behind.
func TestStartFails(t *testing.T) {
	t.Parallel()
	e := newEnv(t, kind{"std", false}, nil)
	st := e.sys.Status()
	for _, processes := range []bool{false, true} {
		c := up.Config{Backend: "std", Open: backends.Open, Store: e.store, StoreURL: "sqlite:" + filepath.Join(e.folder, "lars.db"), Folder: t.TempDir()}
		c.IP, c.Ports = listens(t, st)
		if processes {
			c.Program = program(t)
		}
		var taken *up.TakenError
		if _, err := up.Start(t.Context(), c); !errors.As(err, &taken) || len(taken.Taken) != 5 {
			t.Errorf("ports in use: %v", err)
		}
		c.Ports = up.Ports{}
		c.Args = map[string][]string{up.Agent: {"--no-such-flag"}} // when two services run already
		if _, err := up.Start(t.Context(), c); err == nil {
			t.Error("started with a flag that does not exist")
		}
	}
	m := e.modules(t, 51, 1, 1)[0]
	if h, err := e.gethost(t, m); err != nil || h != host(1) {
		t.Errorf("the first system: %v, %v", h, err)
	}
}

// listens is where a system does.
func listens(t *testing.T, st up.Status) (ip string, p up.Ports) {
	t.Helper()
	ports := map[string]*int{up.DNS: &p.DNS, up.Reporter: &p.Reporter, up.Agent: &p.Agent}
	for _, v := range st.Services {
		at, err := netip.ParseAddrPort(v.Addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		ip, *ports[v.Name] = at.Addr().String(), int(at.Port())
	}
	return ip, p
}
