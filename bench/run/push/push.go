// Package push measures how long a change of a route takes to reach those who
// subscribed to it: many connections ask a dns for one module, then the module
// is edited again and again, the next edit when all have the one before.
//
//	e := push.Editor{Routes: routes, Edit: commit, Next: number}
//	target.Drive = e.Run
//
// It is for package bench/cli and gives what a
// load.Run would: a completed request is one push of one edit that came to one
// subscriber, its response time counts from just before the edit was handed to
// the store, and so holds the commit itself. Each subscriber must get each edit
// once and none twice; routes must never go back.
//
// An edit follows at once when all have heard of the one before, and so falls
// just after a look of the dns at its store: the response holds a whole pause
// between two looks, the worst case.
//
// It reads with a goroutine for each connection: with thousands of them the
// response holds what the waking of all of those takes. It is not for finding
// the fastest push, but for the time after which really everybody knows.
package push

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/proc"
	"lars/bench/workload"
	"lars/reactor/frame"
	"lars/system/wire"
)

// Editor changes the route of module 0 of Routes.
type Editor struct {
	Routes workload.Routes
	// Edit commits the next edit, which is then number n (see Routes.Edited).
	Edit func(ctx context.Context) (n int, err error)
	// Next is the number that the next edit will have.
	Next func() int
}

// timeoutDefault is how long an edit may take to reach all.
const timeoutDefault = 10 * time.Second

// subscribers are all connections of a run.
type subscribers struct {
	editor Editor
	config *load.Config
	result *load.Result
	conns  []net.Conn
	live   sync.WaitGroup
	told   chan struct{} // gets one when the last one has heard

	mu       sync.Mutex
	ended    bool
	expected int // edit under way, 0: the first answer
	began    time.Time
	missing  int
	counts   load.Counts // of the edit under way
	response *hist.Recorder
	started  time.Time
}

// Run subscribes c.Conns connections at c.Addr and edits until c.Warmup and
// c.Duration are over. An edit that has not reached all within c.Timeout counts
// as timed out for those it has not. Of c it uses besides PIDs and the hooks.
func (e Editor) Run(ctx context.Context, c load.Config) (*load.Result, error) {
	if c.Timeout == 0 {
		c.Timeout = timeoutDefault
	}
	latency := load.Latency{Response: hist.New(), Service: hist.New(), SendLag: hist.New()}
	s := &subscribers{
		editor: e, config: &c, told: make(chan struct{}, 1), response: hist.New(),
		result: &load.Result{Config: c, Latency: latency},
	}
	defer s.close()
	if err := s.subscribe(ctx); err != nil {
		return nil, err
	}
	s.started = time.Now()
	s.result.Started = s.started
	if err := s.phase(ctx, load.Warmup, c.Warmup); err != nil {
		return nil, err
	}
	before, own, err := s.usage()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := s.phase(ctx, load.Measured, c.Duration); err != nil {
		return nil, err
	}
	s.result.Elapsed = time.Since(began)
	s.result.Cut = ctx.Err() != nil
	after, ownAfter, err := s.usage()
	for i := range after {
		s.result.Server = append(s.result.Server, load.CPU{PID: c.PIDs[i], Used: after[i] - before[i]})
	}
	s.result.Audit.CPU = ownAfter - own
	return s.result, err
}

// usage reads the CPU times of the servers and of this process.
func (s *subscribers) usage() (servers []time.Duration, own time.Duration, err error) {
	for _, pid := range s.config.PIDs {
		used, err := proc.CPUTime(pid)
		if err != nil {
			return nil, 0, err
		}
		servers = append(servers, used)
	}
	own, err = proc.SelfCPU()
	return servers, own, err
}

// subscribe opens the connections and waits for the first answer of each.
func (s *subscribers) subscribe(ctx context.Context) error {
	var q wire.GetRouteRequest
	q.ModID, q.CmdID = s.editor.Routes.Module(0)
	request := frame.Append(nil, wire.IDGetRouteRequest, q.AppendTo(nil))
	var d net.Dialer
	s.missing = s.config.Conns // no reader yet
	for range s.config.Conns {
		c, err := d.DialContext(ctx, "tcp", s.config.Addr.String())
		if err != nil {
			return fmt.Errorf("%w: connection %d of %d: %w", load.ErrDial, len(s.conns)+1, s.config.Conns, err)
		}
		s.conns = append(s.conns, c)
		s.live.Go(func() { s.read(c) })
		if _, err := c.Write(request); err != nil {
			return err
		}
	}
	if !s.await(ctx) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("%d of %d subscribers had no answer within %v", s.missing, s.config.Conns, s.config.Timeout)
	}
	return nil
}

// await waits until all have heard.
func (s *subscribers) await(ctx context.Context) bool {
	timeout := time.NewTimer(s.config.Timeout)
	defer timeout.Stop()
	select {
	case <-s.told:
		return true
	case <-timeout.C:
	case <-ctx.Done():
	}
	return false
}

// phase makes edits for a time.
func (s *subscribers) phase(ctx context.Context, p load.Phase, lasts time.Duration) error {
	if s.config.OnPhase != nil {
		s.config.OnPhase(p)
	}
	for until := time.Now().Add(lasts); time.Now().Before(until) && ctx.Err() == nil; {
		if err := s.edit(ctx, p); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// edit makes one edit and waits for all.
func (s *subscribers) edit(ctx context.Context, p load.Phase) error {
	s.mu.Lock()
	s.expected, s.began, s.missing = s.editor.Next(), time.Now(), s.config.Conns
	s.counts = load.Counts{Arrivals: uint64(s.missing), Sent: uint64(s.missing), Disconnected: s.counts.Disconnected}
	s.mu.Unlock()
	n, err := s.editor.Edit(ctx)
	if err != nil {
		return fmt.Errorf("edit %d: %w", n, err)
	}
	s.await(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.told: // just after the wait
	default:
	}
	if ctx.Err() != nil {
		s.missing = 0 // somebody stopped it: they had time left
	}
	s.settle(p)
	return nil
}

// settle adds an edit to the result, with mu held.
func (s *subscribers) settle(p load.Phase) {
	s.counts.TimedOut = uint64(s.missing)
	for range s.missing {
		s.response.Censor()
	}
	counts := &s.result.WarmupCounts
	if p == load.Measured {
		counts = &s.result.Counts
		s.result.Response.Merge(s.response)
		s.result.Service.Merge(s.response)
	}
	counts.Add(&s.counts)
	if s.config.OnInterval != nil {
		s.config.OnInterval(&load.Interval{
			Phase: p, Start: s.began.Sub(s.started), End: time.Since(s.started), Counts: s.counts,
			Latency: load.Latency{Response: s.response, Service: s.response, SendLag: hist.New()},
		})
	}
	s.counts.Disconnected = 0
	s.response.Reset()
}

// close ends the connections and waits for their readers.
func (s *subscribers) close() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.live.Wait()
}

// read takes the messages of one connection.
func (s *subscribers) read(c net.Conn) {
	in := bufio.NewReaderSize(c, 1024)
	last := -1 // edit heard of; before the first answer none
	for {
		a, bytes, err := next(in)
		now := time.Now()
		s.mu.Lock()
		if err != nil {
			if !s.ended {
				s.counts.Disconnected++
			}
			s.mu.Unlock()
			return
		}
		s.counts.BytesIn += uint64(bytes)
		last = s.heard(a, last, now)
		s.mu.Unlock()
	}
}

// heard judges one message, with mu held, and returns the edit last heard of.
func (s *subscribers) heard(a *wire.GetRouteResponse, last int, now time.Time) int {
	n, ok := s.editor.Routes.EditOf(0, a)
	switch {
	case !ok:
		s.counts.Wrong++
		return last
	case last < 0: // the answer to the subscription
	case n == last:
		s.counts.Duplicated++
		return last
	case n > last && n < s.expected:
		s.counts.Late++ // its edit was given up
		return n
	case n < last:
		s.counts.Stale++
		return last
	case n != s.expected:
		s.counts.Wrong++ // an edit that nobody made
		return last
	default:
		s.counts.Completed++
		s.response.Record(int64(now.Sub(s.began)))
	}
	if s.missing--; s.missing == 0 {
		s.told <- struct{}{}
	}
	return n
}

// next reads one message.
func next(in *bufio.Reader) (*wire.GetRouteResponse, int, error) {
	var head [frame.HeadBytes]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, 0, err
	}
	n := binary.LittleEndian.Uint32(head[4:])
	if n > wire.RouteBodyBytesMax {
		return nil, 0, frame.ErrTooLarge
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, 0, err
	}
	var a wire.GetRouteResponse
	return &a, len(head) + len(body), a.Decode(body)
}
