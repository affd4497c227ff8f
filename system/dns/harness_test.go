package dns_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"lars/backends/epoll"
	"lars/backends/std"
	"lars/reactor"
	"lars/reactor/driver"
	"lars/reactor/frame"
	"lars/system/dns"
	"lars/system/store"
	"lars/system/store/sqlite"
	"lars/system/wire"
)

// patience is for what must happen at last; nothing is measured by it.
const patience = time.Minute

// onBackends runs a test body on backends of different kinds: event loops of
// our own, and goroutines.
func onBackends(t *testing.T, body func(t *testing.T, d driver.Driver)) {
	for _, d := range []driver.Driver{epoll.Driver{}, std.Driver{}} {
		t.Run(d.Name(), func(t *testing.T) { body(t, d) })
	}
}

// database is an SQLite file of a test.
type database struct {
	path string
	*sqlite.Store
	raw *sql.DB // what programs other than ours do
}

func newDatabase(t testing.TB) *database {
	t.Helper()
	db := &database{path: filepath.Join(t.TempDir(), "lars.db")}
	db.Store = db.open(t)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+db.path+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	db.raw = raw
	return db
}

func (db *database) open(t testing.TB) *sqlite.Store {
	t.Helper()
	st, err := sqlite.Open(sqlite.Config{Path: db.path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// edit replaces the routes of modules in one edit.
func (db *database) edit(t testing.TB, edits ...store.ModuleEdit) {
	t.Helper()
	if _, err := db.Edit(t.Context(), store.Edit{Actor: "test", Modules: edits}); err != nil {
		t.Fatal(err)
	}
}

func (db *database) exec(t testing.TB, text string, args ...any) {
	t.Helper()
	if _, err := db.raw.ExecContext(t.Context(), text, args...); err != nil {
		t.Fatal(err)
	}
}

func module(modid, cmdid int32) store.Module { return store.Module{ModID: modid, CmdID: cmdid} }

// replace makes a module's hosts those of 192.168.1.x:80.
func replace(m store.Module, lasts ...int) store.ModuleEdit {
	e := store.ModuleEdit{Module: m, Op: store.OpReplace}
	for _, last := range lasts {
		e.Hosts = append(e.Hosts, store.Host{IP: 0xC0A80100 + uint32(last), Port: 80})
	}
	return e
}

// many are so many hosts of a module, the first of which is told by first.
func many(m store.Module, first uint32, n int) store.ModuleEdit {
	e := store.ModuleEdit{Module: m, Op: store.OpReplace}
	for i := range n {
		e.Hosts = append(e.Hosts, store.Host{IP: 0xC0000000 + first + uint32(i), Port: 80})
	}
	return e
}

// quick is a configuration that does in milliseconds what takes seconds.
func quick() dns.Config {
	return dns.Config{
		Port: 0, MaxConn: 20_000,
		Poll: 10 * time.Millisecond, HintPoll: 10 * time.Millisecond, Reload: 100 * time.Millisecond, Confirm: 50 * time.Millisecond,
	}
}

// lines collects log lines.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), part)
}

// start runs a dns until the test ends.
func start(t testing.TB, d driver.Driver, cfg dns.Config, st dns.Store) (*dns.Service, *lines) {
	t.Helper()
	log := &lines{}
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	r, err := reactor.Open(d, reactor.Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	s, err := dns.Start(r, cfg, st)
	if err != nil {
		r.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.Close(ctx)
		r.Close()
	})
	return s, log
}

// until waits for a condition that must come true.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func loaded(t testing.TB, s *dns.Service) {
	t.Helper()
	until(t, "routes loaded", func() bool { return s.Stats().Loaded })
}

// peer is an agent as far as dns sees it.
type peer struct {
	t testing.TB
	*net.TCPConn
	in *bufio.Reader
}

func connect(t testing.TB, s *dns.Service) *peer {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &peer{t, c.(*net.TCPConn), bufio.NewReaderSize(c, 1<<16)}
}

func request(m store.Module) []byte {
	req := wire.GetRouteRequest{ModID: m.ModID, CmdID: m.CmdID}
	return frame.Append(nil, wire.IDGetRouteRequest, req.AppendTo(nil))
}

func (p *peer) send(b []byte) {
	p.t.Helper()
	if _, err := p.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// read returns the next message as "modid,cmdid last,last": the last bytes of
// the hosts' addresses.
func (p *peer) read() string {
	p.t.Helper()
	text, err := p.tryRead()
	if err != nil {
		p.t.Fatalf("no message: %v", err)
	}
	return text
}

func (p *peer) message() (msg wire.GetRouteResponse, err error) {
	body, err := p.body(wire.IDGetRouteResponse)
	if err != nil {
		return msg, err
	}
	return msg, msg.Decode(body)
}

// body is that of the next message, which must have this id.
func (p *peer) body(want int32) ([]byte, error) {
	_ = p.SetReadDeadline(time.Now().Add(patience))
	head := make([]byte, frame.HeadBytes)
	if _, err := io.ReadFull(p.in, head); err != nil {
		return nil, err
	}
	id, n := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
	if id != uint32(want) || n > wire.RouteBodyBytesMax {
		return nil, fmt.Errorf("message %d of %d bytes", id, n)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(p.in, body)
	return body, err
}

func (p *peer) tryRead() (string, error) {
	msg, err := p.message()
	if err != nil {
		return "", err
	}
	var lasts []string
	for _, h := range msg.Hosts {
		lasts = append(lasts, fmt.Sprint(uint32(h.IP)&255))
	}
	return fmt.Sprintf("%d,%d %s", msg.ModID, msg.CmdID, strings.Join(lasts, ",")), nil
}

// ask sends a request and returns the next message, which is its answer when
// nothing is pushed meanwhile.
func (p *peer) ask(m store.Module) string {
	p.t.Helper()
	p.send(request(m))
	return p.read()
}

func expect(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

// faulty is a real store that can be made to fail.
type faulty struct {
	dns.Store
	away atomic.Bool
	// spoil changes what Load says, once.
	spoil atomic.Pointer[func(r store.Route) bool]
}

func (f *faulty) err() error {
	if f.away.Load() {
		return fmt.Errorf("%w: switched off by the test", store.ErrUnavailable)
	}
	return nil
}

func (f *faulty) Migrate(ctx context.Context) error {
	if err := f.err(); err != nil {
		return err
	}
	return f.Store.Migrate(ctx)
}

func (f *faulty) Version(ctx context.Context) (int64, error) {
	if err := f.err(); err != nil {
		return 0, err
	}
	return f.Store.Version(ctx)
}

func (f *faulty) Changes(ctx context.Context, since int64) (store.Changes, error) {
	if err := f.err(); err != nil {
		return store.Changes{}, err
	}
	return f.Store.Changes(ctx, since)
}

func (f *faulty) Load(ctx context.Context, yield func(store.Route) error) (store.Loaded, error) {
	if err := f.err(); err != nil {
		return store.Loaded{}, err
	}
	keep := f.spoil.Swap(nil)
	return f.Store.Load(ctx, func(r store.Route) error {
		if keep != nil && !(*keep)(r) {
			return nil
		}
		return yield(r)
	})
}

func sorted(texts ...string) []string {
	slices.Sort(texts)
	return texts
}
