package up

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lars/backends"
	"lars/system/store"
	"lars/system/store/sqlite"
)

// The running system is tested in package systest, on every backend.

func TestPortsPicked(t *testing.T) {
	for range 20 {
		p, err := Ports{}.pick("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if p.DNS < pickedMin || p.Agent+2 >= 32768 || p.Reporter != p.DNS+1 || p.Agent != p.DNS+2 {
			t.Errorf("picked %+v", p)
		}
	}
	fixed := Ports{DNS: 1, Reporter: 2, Agent: 3} // whether they are free is not asked
	if p, err := fixed.pick("127.0.0.1"); err != nil || p != fixed {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestPortsTaken(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	dns, agent := tcp.Addr().(*net.TCPAddr).Port, udp.LocalAddr().(*net.UDPAddr).Port
	free, err := Ports{}.pick("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	var taken *TakenError
	err = Ports{DNS: dns, Reporter: free.Reporter, Agent: agent}.check("127.0.0.1")
	if !errors.As(err, &taken) || len(taken.Taken) < 2 || !strings.Contains(taken.Taken[0], "/tcp (dns): address already in use") ||
		!strings.Contains(taken.Taken[1], "/udp (agent): address already in use") {
		t.Errorf("%v", err)
	}
	if err := free.check("127.0.0.1"); err != nil {
		t.Error(err)
	}
	// One that is to be used and taken: no pick of the others helps.
	if _, err := (Ports{DNS: dns}).pick("127.0.0.1"); !errors.As(err, &taken) {
		t.Errorf("picked beside a taken port: %v", err)
	}
	if p, err := (Ports{DNS: free.DNS}).pick("127.0.0.1"); err != nil || p.DNS != free.DNS || p.Agent == 0 {
		t.Errorf("picked beside a free port: %+v, %v", p, err)
	}
}

func open(t *testing.T) store.Store {
	t.Helper()
	st, err := sqlite.Open(sqlite.Config{Path: filepath.Join(t.TempDir(), "lars.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func routes(t *testing.T, st store.Store) (all []store.Route) {
	t.Helper()
	if _, err := st.Load(t.Context(), func(r store.Route) error { all = append(all, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// Samples come once: not again after they were removed, and never where
// somebody has routes.
func TestPrepare(t *testing.T) {
	st := open(t)
	if p, err := prepare(t.Context(), st, true); err != nil || p != (Prepared{}) || len(routes(t, st)) != 0 {
		t.Errorf("no samples: %+v, %v", p, err)
	}
	p, err := prepare(t.Context(), st, false)
	if err != nil || p.Samples != 4 || p.Version != 1 || !slices.Equal(routes(t, st), store.SampleRoutes()) {
		t.Errorf("first: %+v, %v, %v", p, err, routes(t, st))
	}
	for _, r := range store.SampleRoutes() {
		e := store.Edit{Actor: "test", Modules: []store.ModuleEdit{{Module: r.Module, Op: store.OpReplace}}}
		if _, err := st.Edit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if p, err = prepare(t.Context(), st, false); err != nil || p.Samples != 0 || p.Version != 5 || len(routes(t, st)) != 0 {
		t.Errorf("after all were removed: %+v, %v", p, err)
	}
}

// handWritten has routes without a version, as an original's database whose
// rows were typed in.
type handWritten struct{ store.Store }

func (handWritten) Version(context.Context) (int64, error) { return 0, nil }

func TestPrepareKeepsHandWrittenRoutes(t *testing.T) {
	st := open(t)
	if _, err := prepare(t.Context(), st, false); err != nil {
		t.Fatal(err)
	}
	e := store.Edit{Actor: "test", Modules: []store.ModuleEdit{{Module: store.Module{ModID: 1, CmdID: 1}, Op: store.OpReplace}}}
	if _, err := st.Edit(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if p, err := prepare(t.Context(), handWritten{st}, false); err != nil || p.Samples != 0 || len(routes(t, st)) != 3 {
		t.Errorf("%+v, %v, %v", p, err, routes(t, st))
	}
}

// broken is a store whose first call fails.
type broken struct {
	store.Store
	err error
}

func (b broken) Migrate(context.Context) error { return b.err }

func TestPrepareWithoutStore(t *testing.T) {
	if p, err := prepare(t.Context(), broken{err: store.ErrUnavailable}, false); err != nil || !errors.Is(p.Away, store.ErrUnavailable) {
		t.Errorf("away: %+v, %v", p, err)
	}
	if _, err := prepare(t.Context(), broken{err: store.ErrSchema}, false); !errors.Is(err, store.ErrSchema) {
		t.Errorf("no database of ours: %v", err)
	}
}

func TestLines(t *testing.T) {
	var got []string
	l := &lines{each: func(line string) { got = append(got, line) }}
	for _, part := range []string{"a\nb", "c\n\nd", "", "\n", strings.Repeat("x", lineBytesMax+1)} {
		if _, err := io.WriteString(l, part); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"a", "bc", "", "d", strings.Repeat("x", lineBytesMax+1)}; !slices.Equal(got, want) {
		t.Errorf("%d lines: %.80q", len(got), got)
	}
	if len(l.part) != 0 {
		t.Errorf("%d bytes kept", len(l.part))
	}
}

func TestChildrenLastWords(t *testing.T) {
	for line, want := range map[string]string{
		`lars dns: stopped {"conns":0}`: `{"conns":0}`, "lars dns: stopped {": "", "": "", "lars dns: listening on 1.2.3.4:5": "",
	} {
		c := &child{listening: make(chan struct{})}
		c.said(line)
		if got := string(c.stats()); got != want {
			t.Errorf("%q: %q", line, got)
		}
	}
}

// Every service in this process reads the clock that it is given.
func TestWall(t *testing.T) {
	st := open(t)
	for _, name := range Services() {
		read := make(chan struct{}, 1)
		s, err := Start(t.Context(), Config{
			Backend: "std", Open: backends.Open, Store: st, Folder: t.TempDir(), Only: []string{name},
			Wall: func() time.Time {
				select {
				case read <- struct{}{}:
				default:
				}
				return time.Now()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-read:
		case <-time.After(20 * time.Second):
			t.Errorf("%s does not read its clock", name)
		}
		if _, err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
