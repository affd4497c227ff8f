package systest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"lars/backends"
	"lars/internal/loopback"
	"lars/system/lars"
	"lars/system/store"
	"lars/system/store/sqlite"
	"lars/system/up"
)

// patience is for what must happen at last; nothing is measured by it.
const patience = time.Minute

// answerWithin is what an agent has for an answer. It is not about its speed: a
// busy machine may not let it run for a second.
const answerWithin = 5 * time.Second

// TestMain removes the program when all tests are done.
func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "lars-systest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := os.Setenv(folderVariable, folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// folderVariable is where TestMain tells the folder of the program.
const folderVariable = "LARS_SYSTEST_FOLDER"

// building makes the tests that need the program build it one at a time; all
// but the first find it.
var building sync.Mutex

// program is the path of the command lars, built without the race detector.
func program(t testing.TB) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	path := filepath.Join(os.Getenv(folderVariable), "lars")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if out, err := exec.Command("go", "build", "-o", path, "lars").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// A kind is one way to run the system.
type kind struct {
	backend   string
	processes bool
}

func (k kind) String() string {
	if k.processes {
		return k.backend + "/processes"
	}
	return k.backend + "/one process"
}

// kinds are all of them; with -short, one of either form.
func kinds() (all []kind) {
	if testing.Short() {
		return []kind{{"epoll", true}, {"std", false}}
	}
	for _, backend := range backends.Names() {
		all = append(all, kind{backend, false}, kind{backend, true})
	}
	return all
}

// onAll runs a test body on every kind of system, each a fresh one.
func onAll(t *testing.T, body func(t *testing.T, e *env)) {
	for _, k := range kinds() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			body(t, newEnv(t, k, nil))
		})
	}
}

// env is a running system with a store to edit and a caller's client.
type env struct {
	kind   kind
	sys    *up.System
	store  store.Store
	client *lars.Client
	folder string
	words  *words
	saves  int32 // modules made by routesSaved
}

// quick are flags that make a system fast enough for tests, and leave it no
// other way to learn of an edit than the push: nothing is read or pulled again
// within the test's time. Modules are balanced as by the original, unless a test
// says otherwise, and its windows do not end by themselves.
func quick() map[string][]string {
	return map[string][]string{
		up.DNS:      {"--poll", "50ms", "--reload", "1h"},
		up.Reporter: {"--linger", "10ms", "--retry-max", "200ms"},
		up.Agent: {
			"--report-every", "100ms", "--negative-ttl", "100ms", "--pull-spread", "10ms", "--update-timeout", "1h",
			"--idle-timeout", "1h", "--overload-timeout", "1h", "--caller", "10.9.8.7", "--balance", "algorithm=classic",
		},
	}
}

// caller is the address that agents of quick report under.
const caller = 10<<24 | 9<<16 | 8<<8 | 7

// newEnv starts a system on SQLite, or on what change makes of its
// configuration.
func newEnv(t *testing.T, k kind, change func(*up.Config)) *env {
	t.Helper()
	e := &env{kind: k, folder: t.TempDir(), words: &words{}}
	path := filepath.Join(e.folder, "lars.db")
	c := up.Config{
		Backend: k.backend, Open: backends.Open, Folder: e.folder, StoreURL: "sqlite:" + path, Loops: 2,
		IP:   loopback.Own().String(), // where its ports stay free while a service is away
		Args: quick(), Log: slog.New(slog.NewTextHandler(e.words, nil)), Stderr: e.words,
	}
	if k.processes {
		c.Program = program(t)
	}
	if change != nil {
		change(&c)
	}
	if c.Store == nil {
		st, err := sqlite.Open(sqlite.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		c.Store = st
	}
	e.store = c.Store
	var err error
	if e.sys, err = up.Start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.close(t) })
	// It asks once: what is asked again moves the agent's turns on, which tests
	// follow pick by pick.
	if e.client, err = lars.New(lars.Config{Addrs: e.sys.Addrs(up.Agent), Timeout: answerWithin, Tries: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.client.Close() })
	return e
}

// close ends the system, and shows what it said when the test failed.
func (e *env) close(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := e.sys.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	if t.Failed() {
		t.Logf("what the services said:\n%s", e.words)
	}
}

// words keeps what services say.
type words struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// wordsBytesMax bounds it.
const wordsBytesMax = 1 << 20

func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.text.Len() < wordsBytesMax {
		w.text.Write(b)
	}
	return len(b), nil
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// within calls f until it returns nil.
func within(t *testing.T, what string, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last error // of a try that had its time
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s: not within %v: %v", what, patience, cmp.Or(last, err))
		}
		last = err
		rest(ctx)
	}
}

// rest is the pause between two looks at something.
func rest(ctx context.Context) {
	tick := time.NewTimer(5 * time.Millisecond)
	defer tick.Stop()
	select {
	case <-ctx.Done():
	case <-tick.C:
	}
}

// edit changes one module.
func (e *env) edit(t *testing.T, m store.Module, op store.Op, hosts ...store.Host) {
	t.Helper()
	ed := store.Edit{Actor: "systest", Modules: []store.ModuleEdit{{Module: m, Op: op, Hosts: hosts}}}
	if _, err := e.store.Edit(t.Context(), ed); err != nil {
		t.Fatalf("edit of %v: %v", m, err)
	}
}

// serves waits until the agent tells callers exactly these hosts.
func (e *env) serves(t *testing.T, m store.Module, hosts ...store.Host) {
	t.Helper()
	want := map[netip.AddrPort]bool{}
	for _, h := range hosts {
		want[addr(h)] = true
	}
	within(t, fmt.Sprintf("route of %v is %v", m, hosts), func(ctx context.Context) error {
		r, err := e.client.GetRoute(ctx, lars.Module(m))
		if err != nil {
			return err
		}
		for _, h := range r.Hosts {
			if !want[h] {
				return fmt.Errorf("has %v", r.Hosts)
			}
		}
		if len(r.Hosts) != len(want) {
			return fmt.Errorf("has %v", r.Hosts)
		}
		return nil
	})
}

// host n of a module of tests.
func host(n int) store.Host { return store.Host{IP: 10<<24 | uint32(n), Port: uint16(1000 + n)} }

func addr(h store.Host) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(h.IP >> 24), byte(h.IP >> 16), byte(h.IP >> 8), byte(h.IP)}), h.Port)
}

func hostOf(a netip.AddrPort) store.Host {
	b := a.Addr().As4()
	return store.Host{IP: uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]), Port: a.Port()}
}

// seed is LARS_SEED, or a new one, and is printed.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	n := rand.Uint64()
	if text := os.Getenv("LARS_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("LARS_SEED: %v", err)
		}
	}
	t.Logf("LARS_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 0))
}

// gethost calls GetHost with a time of its own.
func (e *env) gethost(t *testing.T, m store.Module) (store.Host, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := e.client.GetHost(ctx, lars.Module(m))
	if err != nil {
		return store.Host{}, err
	}
	return hostOf(a), nil
}

// report calls Report.
func (e *env) report(t *testing.T, m store.Module, h store.Host, retcode int32) {
	t.Helper()
	if err := e.client.Report(t.Context(), lars.Module(m), addr(h), retcode); err != nil {
		t.Fatal(err)
	}
}

// isAny reports whether err is one of them.
func isAny(err error, known ...error) bool {
	for _, k := range known {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}
