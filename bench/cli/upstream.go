package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lars/bench/load"
	"lars/bench/workload"
	"lars/reactor/frame"
	system "lars/system/cli"
	"lars/system/store"
	"lars/system/store/sqlite"
	"lars/system/wire"
)

// upstream is what a measured service has behind it: a store, with the routes
// for a dns and empty for a reporter; for an agent somebody who answers as a dns does, and somebody who
// takes its statistics. All of it is there as long as the run.
type upstream struct {
	routes        workload.Routes
	folder        string // of the store; empty: none
	dns, reporter net.Listener
	external      string        // store of a reporter: somebody's own, not to be emptied
	since         time.Time     // the minute in which the run began
	before        uint64        // calls that stood in it, from then on, before the round
	store         *sqlite.Store // of a dns, for edits
	edits         int

	serving sync.WaitGroup
	mu      sync.Mutex
	conns   map[net.Conn]bool
	closed  bool
}

func newUpstream(ctx context.Context, service string, routes workload.Routes, external string) (u *upstream, err error) {
	u = &upstream{routes: routes, external: external, since: time.Now().Truncate(time.Minute), conns: map[net.Conn]bool{}}
	switch service {
	case dnsService:
		err = u.fill(ctx)
	case reporterService:
		err = u.makeFolder()
	case agentService:
		err = u.listen()
	}
	if err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return u, nil
}

// Close ends it, and waits for all that it began.
func (u *upstream) Close() error {
	var errs []error
	for _, l := range []net.Listener{u.dns, u.reporter} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	u.mu.Lock()
	u.closed = true
	for c := range u.conns {
		c.Close()
	}
	u.mu.Unlock()
	u.serving.Wait()
	if u.store != nil {
		errs = append(errs, u.store.Close())
	}
	if u.folder != "" {
		errs = append(errs, os.RemoveAll(u.folder))
	}
	return errors.Join(errs...)
}

// path is the store's file, and url its name.
func (u *upstream) path() string { return filepath.Join(u.folder, "lars.db") }
func (u *upstream) url() string  { return cmp.Or(u.external, "sqlite:"+u.path()) }

func (u *upstream) openStore() (store.Store, error) {
	options := system.StoreOptions{URL: u.url()}
	st, _, err := options.Open()
	return st, err
}

func (u *upstream) makeFolder() (err error) {
	u.folder, err = os.MkdirTemp("", "lars-bench-")
	return err
}

// beforeStore makes the store ready for a server: a fresh one, or of somebody's
// own the calls that stand in it are noted.
func (u *upstream) beforeStore(ctx context.Context) (err error) {
	if u.external == "" {
		return u.empty(ctx)
	}
	if u.before, err = u.total(); err != nil {
		return fmt.Errorf("--store: %w", err)
	}
	return nil
}

// driveStore makes the load of a store that has seen earlier runs: its agents
// need boots of their own, or all that they report would count as repeated.
func (u *upstream) driveStore(ctx context.Context, c load.Config) (*load.Result, error) {
	w, err := workload.NewReportStore(u.routes, rand.Uint64())
	if err != nil {
		return nil, err
	}
	c.Workload = w
	return load.Run(ctx, c)
}

// empty removes the store, so that the next server begins with none.
func (u *upstream) empty(context.Context) error {
	var errs []error
	for _, file := range []string{u.path(), u.path() + "-wal", u.path() + "-shm"} {
		if err := os.Remove(file); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// fill makes the store.
func (u *upstream) fill(ctx context.Context) error {
	if err := u.makeFolder(); err != nil {
		return err
	}
	st, err := sqlite.Open(sqlite.Config{Path: u.path()})
	if err != nil {
		return err
	}
	u.store = st
	if err := st.Migrate(ctx); err != nil {
		return err
	}
	_, err = store.Import(ctx, st, store.ImportOptions{Actor: actor}, u.rows)
	return err
}

// actor is who edits the routes of a run.
const actor = "lars bench"

func (u *upstream) nextEdit() int { return u.edits + 1 }

// edit commits the next edit of module 0.
func (u *upstream) edit(ctx context.Context) (n int, err error) {
	n = u.nextEdit()
	if n > workload.EditsMax {
		return n, fmt.Errorf("more than %d edits in a run", workload.EditsMax)
	}
	a := u.routes.Edited(0, n)
	e := store.ModuleEdit{Module: store.Module{ModID: a.ModID, CmdID: a.CmdID}, Op: store.OpReplace}
	for _, h := range a.Hosts {
		e.Hosts = append(e.Hosts, store.Host{IP: uint32(h.IP), Port: uint16(h.Port)})
	}
	_, err = u.store.Edit(ctx, store.Edit{Actor: actor, Modules: []store.ModuleEdit{e}})
	u.edits = n
	return n, err
}

func (u *upstream) rows(yield func(store.Item, error) bool) {
	for a := range u.routes.All() {
		m := store.Module{ModID: a.ModID, CmdID: a.CmdID}
		for _, h := range a.Hosts {
			host := store.Host{IP: uint32(h.IP), Port: uint16(h.Port)}
			if !yield(store.Item{Route: store.Route{Module: m, Host: host}}, nil) {
				return
			}
		}
	}
}

// listen opens the ports of dns and reporter.
func (u *upstream) listen() (err error) {
	if u.dns, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	if u.reporter, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	u.serve(u.dns, u.answer)
	u.serve(u.reporter, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	return nil
}

func (u *upstream) serve(l net.Listener, one func(net.Conn)) {
	u.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			u.mu.Lock()
			u.conns[c] = true
			if u.closed {
				c.Close()
			}
			u.mu.Unlock()
			u.serving.Go(func() {
				one(c)
				c.Close()
				u.mu.Lock()
				delete(u.conns, c)
				u.mu.Unlock()
			})
		}
	})
}

// answer is a dns whose routes never change, on one connection.
func (u *upstream) answer(c net.Conn) {
	in := bufio.NewReader(c)
	var head [frame.HeadBytes]byte
	var request [64]byte // a GetRouteRequest of an agent is shorter
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		n := binary.LittleEndian.Uint32(head[4:])
		if n > uint32(len(request)) {
			return
		}
		if _, err := io.ReadFull(in, request[:n]); err != nil {
			return
		}
		var q wire.GetRouteRequest
		if q.Decode(request[:n]) != nil {
			return
		}
		a := wire.GetRouteResponse{ModID: q.ModID, CmdID: q.CmdID}
		if i, ok := u.routes.Index(q.ModID, q.CmdID); ok {
			a = u.routes.Answer(i)
		}
		if _, err := c.Write(frame.Append(nil, wire.IDGetRouteResponse, a.AppendTo(nil))); err != nil {
			return
		}
	}
}

const (
	learnMost   = 20 * time.Second
	learnAtOnce = 64                   // modules; fewer than an agent remembers as unknown
	learnPause  = 5 * time.Millisecond // without an answer; then those missing are asked again
)

// learn asks an agent for a host of each module until it has one for all.
func (u *upstream) learn(ctx context.Context, agent netip.AddrPort) error {
	w, err := workload.NewGetHost(u.routes)
	if err != nil {
		return err
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(agent))
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, learnMost)
	defer cancel()
	for from := 0; from < u.routes.Modules; from += learnAtOnce {
		missing := map[uint64]bool{}
		for i := from; i < min(from+learnAtOnce, u.routes.Modules); i++ {
			missing[uint64(i)] = true // request i is about module i
		}
		for len(missing) > 0 {
			if ctx.Err() != nil {
				return fmt.Errorf("%d of %d modules after %v: %w", from, u.routes.Modules, learnMost, context.Cause(ctx))
			}
			if err := askMissing(c, w, missing, uint64(from)); err != nil {
				return err
			}
		}
	}
	return nil
}

// askMissing sends each request that has no right answer yet, and takes those
// off that get one.
func askMissing(c *net.UDPConn, w load.Workload, missing map[uint64]bool, oldest uint64) error {
	var buf [512]byte
	for seq := range missing {
		if _, err := c.Write(w.MakeRequest(buf[:0], 0, seq)); err != nil {
			return err
		}
	}
	for len(missing) > 0 {
		if err := c.SetReadDeadline(time.Now().Add(learnPause)); err != nil {
			return err
		}
		n, err := c.Read(buf[:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if seq, is := w.CheckReply(buf[:n], 0, oldest); is == load.Answer {
			delete(missing, seq)
		}
	}
	return nil
}
