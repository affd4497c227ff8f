package dns_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"lars/backends/epoll"
	"lars/reactor"
	"lars/reactor/driver"
	"lars/system/dns"
	"lars/system/store"
	"lars/system/wire"
)

// crowdEnv makes the test binary the crowd of subscribers: they need a process
// of their own, since 20,000 descriptors are more than one may have.
const crowdEnv = "LARS_TEST_CROWD"

func TestMain(m *testing.M) {
	if addr, n, ok := strings.Cut(os.Getenv(crowdEnv), " "); ok {
		count, _ := strconv.Atoi(n)
		if err := crowd(addr, count); err != nil {
			fmt.Println("crowd:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// subscribers is how many there are.
func subscribers() int {
	if testing.Short() || raceEnabled {
		return 1000
	}
	return 10_000
}

// crowd subscribes n connections to module 1,1, prints a line when each has its
// answer and one when each has been pushed to once, and lives until its standard
// input ends.
func crowd(addr string, n int) error {
	r, err := reactor.Open(epoll.Driver{}, reactor.Config{})
	if err != nil {
		return err
	}
	defer r.Close()
	messages := make(chan struct{}, 4*n)
	router := reactor.NewRouter()
	router.Handle(wire.IDGetRouteResponse, func(*reactor.Request) { messages <- struct{}{} }, nil)
	req := wire.GetRouteRequest{ModID: 1, CmdID: 1}
	config := reactor.ClientConfig{Endpoint: reactor.Endpoint{
		Router: router,
		OnOpen: func(c *reactor.Conn) { _ = c.Write(wire.IDGetRouteRequest, req.AppendTo(nil)) },
	}}
	for range n {
		if _, err := r.Dial(config, addr); err != nil {
			return err
		}
	}
	for _, what := range []string{"subscribed", "pushed"} {
		for range n {
			select {
			case <-messages:
			case <-time.After(patience):
				return errors.New("not all " + what)
			}
		}
		fmt.Println(what)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	if extra := len(messages); extra > 0 {
		return fmt.Errorf("%d messages too many", extra)
	}
	return nil
}

// Everyone of thousands of subscribers has the new route; the time from the
// edit's commit to the last of them is printed.
func TestPushToThousands(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(1, 1), 1, 2, 3))
		s, _ := start(t, d, dns.Config{MaxConn: 20_000}, db) // the intervals of production
		loaded(t, s)

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		child := exec.CommandContext(ctx, os.Args[0])
		child.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", crowdEnv, s.Addr(), subscribers()))
		stdin, err := child.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		line := func(want string) {
			t.Helper()
			if !lines.Scan() || lines.Text() != want {
				t.Fatalf("the crowd says %q, want %q", lines.Text(), want)
			}
		}
		line("subscribed")
		db.edit(t, replace(module(1, 1), 4, 5, 6))
		committed := time.Now()
		line("pushed")
		took := time.Since(committed)
		n := s.Stats().Pushes
		t.Logf("%s: %d subscribers have the new route %v after the commit", d.Name(), n, took.Round(time.Millisecond))
		if int(n) != s.Stats().Conns {
			t.Errorf("%d pushes to %d connections", n, s.Stats().Conns)
		}
		_ = stdin.Close()
		if err := child.Wait(); err != nil {
			t.Errorf("the crowd: %v", err)
		}
	})
}

// In steady state a request costs nothing but its bytes.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	db := newDatabase(t)
	var hosts []int
	for i := range 10 {
		hosts = append(hosts, i+1)
	}
	db.edit(t, replace(module(1, 1), hosts...), replace(module(2, 2), hosts...))
	cfg := quick()
	cfg.Poll, cfg.Reload = time.Hour, time.Hour // the store's goroutine sleeps
	s, _ := start(t, epoll.Driver{}, cfg, db)
	loaded(t, s)
	const batch, rounds = 100, 200
	ask, answers := pipeline(t, s, batch)
	ask(answers)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		ask(answers)
	}
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > batch*rounds/100 {
		t.Errorf("%d allocations for %d requests", n, batch*rounds)
	}
}

// pipeline returns a function that sends a batch of requests for two modules in
// turn on one connection, and reads so many bytes of answers.
func pipeline(t testing.TB, s *dns.Service, batch int) (ask func(answers int), answers int) {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	var requests []byte
	for i := range batch {
		requests = append(requests, request(module(int32(i%2+1), int32(i%2+1)))...)
	}
	const hosts, bytesPerHost, ids = 10, 2 + 11 + 2, 4
	answers = batch * (8 + ids + hosts*bytesPerHost)
	buf := make([]byte, answers)
	return func(n int) {
		if _, err := c.Write(requests); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf[:n]); err != nil {
			t.Fatal(err)
		}
	}, answers
}

func BenchmarkGetRoute10Hosts(b *testing.B) {
	db := newDatabase(b)
	var hosts []int
	for i := range 10 {
		hosts = append(hosts, i+1)
	}
	db.edit(b, replace(module(1, 1), hosts...), replace(module(2, 2), hosts...))
	s, _ := start(b, epoll.Driver{}, dns.Config{}, db)
	loaded(b, s)
	const batch = 100
	ask, answers := pipeline(b, s, batch)
	ask(answers)
	b.ReportAllocs()
	for b.Loop() {
		ask(answers)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/request")
}

// synthetic is a store of a million routes, ten to a module, without a file:
// what is measured is the service.
type synthetic struct{ modules, hosts int }

func (s synthetic) Migrate(context.Context) error          { return nil }
func (s synthetic) Version(context.Context) (int64, error) { return 1, nil }
func (s synthetic) Changes(context.Context, int64) (store.Changes, error) {
	return store.Changes{Version: 1, Complete: true}, nil
}
func (s synthetic) Hosts(context.Context, store.Module) ([]store.Host, error) { return nil, nil }
func (s synthetic) Policies(context.Context, ...store.Module) ([]store.Policy, error) {
	return nil, nil
}

func (s synthetic) Suspicions(context.Context, time.Time) ([]store.Suspicion, error) {
	return nil, nil
}

func (s synthetic) Trim(context.Context, store.TrimLimits) (store.Trimmed, error) {
	return store.Trimmed{}, nil
}

func (s synthetic) Load(_ context.Context, yield func(store.Route) error) (store.Loaded, error) {
	loaded := store.Loaded{Version: 1, Routes: s.modules * s.hosts}
	for m := range s.modules {
		for h := range s.hosts {
			r := store.Route{Module: module(int32(m), 1), Host: store.Host{IP: uint32(m*s.hosts + h + 1), Port: 80}}
			if err := yield(r); err != nil {
				return loaded, err
			}
		}
	}
	return loaded, nil
}

// A million routes cost little more than their data, also after reloads.
func TestMillionRoutes(t *testing.T) {
	if raceEnabled {
		t.Skip("too slow with the race detector")
	}
	const modules, hosts = 100_000, 10
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, began := heap(), time.Now()
	cfg := quick()
	cfg.Reload = 300 * time.Millisecond
	s, _ := start(t, epoll.Driver{}, cfg, synthetic{modules, hosts})
	loaded(t, s)
	took := time.Since(began)
	until(t, "two reloads", func() bool { return s.Stats().Loads >= 3 })
	perRoute := float64(heap()-before) / (modules * hosts)
	t.Logf("%d routes in %d modules loaded in %v; %.1f bytes per route", s.Stats().Routes, s.Stats().Modules, took.Round(time.Millisecond), perRoute)
	if perRoute > 16 {
		t.Errorf("%.1f bytes per route, want at most 16: its data are 6, a module's 8", perRoute)
	}
	expect(t, "the last one", connect(t, s).ask(module(modules-1, 1)), "99999,1 "+lasts(modules*hosts-hosts+1, hosts))
	if st := s.Stats(); st.Alarms+st.ByHand+st.Changed != 0 {
		t.Errorf("stats: %+v", st)
	}
}

func lasts(first, n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprint((first+i)&255))
	}
	return strings.Join(all, ",")
}
