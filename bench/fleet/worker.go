package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"lars/bench/load"
)

// Worker makes loads for coordinators. Its fields are set before it serves.
type Worker struct {
	Name  string // for people
	Token []byte
	CPUs  []int // that the loops run on; none: anywhere
	// Make makes the workload that a coordinator names.
	Make func(Spec, Job) (load.Workload, error)
	Log  func(format string, args ...any) // nil: nobody listens

	began time.Time
	mu    sync.Mutex // held while a coordinator is served
}

// greetingsMax is how many connections may be greeting at once.
const greetingsMax = 16

func (w *Worker) log(format string, args ...any) {
	if w.Log != nil {
		w.Log(format, args...)
	}
}

// Listen serves the coordinators that connect, one after another, until ctx
// ends; with once it ends after the first that knew the token, and returns how
// that went.
func (w *Worker) Listen(ctx context.Context, l net.Listener, once bool) error {
	w.began = time.Now()
	ctx, end := context.WithCancel(ctx)
	defer end()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var first error
	var served sync.Once
	var open sync.WaitGroup
	greeting := make(chan struct{}, greetingsMax)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if conn != nil {
				conn.Close()
			}
			open.Wait()
			return first
		}
		if err != nil {
			return err
		}
		greeting <- struct{}{}
		open.Go(func() {
			known, err := w.welcome(ctx, conn, func() { <-greeting })
			if err != nil {
				w.log("%s: %v", conn.RemoteAddr(), err)
			}
			if known && once {
				served.Do(func() { first = err; end() })
			}
		})
	}
}

// joinPause is the time between attempts to reach a coordinator.
const joinPause = time.Second

// Join connects to a coordinator, trying again until it is there or ctx ends,
// and serves it.
func (w *Worker) Join(ctx context.Context, addr string) error {
	w.began = time.Now()
	dialer := net.Dialer{Timeout: greetTimeout}
	for told := false; ; told = true {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err == nil {
			_, err = w.welcome(ctx, conn, func() {})
			return err
		}
		if !told {
			w.log("waiting for the coordinator at %s: %v", addr, err)
		}
		select {
		case <-ctx.Done():
			return &stoppedError{"stopped while it waited for the coordinator at " + addr, context.Cause(ctx)}
		case <-time.After(joinPause):
		}
	}
}

// welcome greets a peer and serves it. known tells that it had the token;
// greeted is called once when that is clear.
func (w *Worker) welcome(ctx context.Context, conn net.Conn, greeted func()) (known bool, err error) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	l := newLink(conn)
	peer, err := l.greet(roleWorker, w.Name, w.Token)
	greeted()
	if err != nil {
		return false, err
	}
	if !w.mu.TryLock() {
		return false, l.send(message{Kind: kindFailed, Text: "it works for another coordinator"})
	}
	defer w.mu.Unlock()
	w.log("working for %s at %s", peer, conn.RemoteAddr())
	err = w.serve(ctx, l)
	w.log("done")
	return true, err
}

// inboxMax is how many messages may wait; a coordinator has few to send.
const inboxMax = 64

// serve does jobs until the coordinator leaves.
func (w *Worker) serve(ctx context.Context, l *link) error {
	inbox := make(chan *message, inboxMax)
	var gone error // set before inbox is closed
	go func() {
		defer close(inbox)
		for {
			m, err := l.receive(0)
			if err != nil {
				gone = err
				return
			}
			select {
			case inbox <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		l.conn.Close()
		for range inbox { // the receiver ends
		}
	}()
	for m := range inbox {
		var err error
		switch m.Kind {
		case kindPing:
			err = l.send(message{Kind: kindPong, Clock: w.clock()})
		case kindJob:
			err = w.do(ctx, l, m.Job, inbox)
		case kindAbort: // of a job that is over
		default:
			err = confused("%s where a job was expected", m.Kind)
		}
		if err != nil {
			return err
		}
	}
	if errors.Is(gone, io.EOF) || ctx.Err() != nil {
		return nil
	}
	return gone
}

func (w *Worker) clock() int64 { return int64(time.Since(w.began)) }

// errGone is a coordinator that left while there was a load for it.
var errGone = errors.New("the coordinator left during the load")

// do makes one load, and listens to the coordinator meanwhile.
func (w *Worker) do(ctx context.Context, l *link, job *Job, inbox <-chan *message) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start := make(chan int64, 1)
	finished := make(chan error, 1)
	go func() { finished <- w.load(ctx, l, job, start) }()
	for {
		select {
		case err := <-finished:
			return err
		case m, ok := <-inbox:
			switch {
			case !ok:
				cancel()
				<-finished
				return errGone
			case m.Kind == kindStart && len(start) == 0:
				start <- m.Clock
			case m.Kind == kindAbort:
				cancel()
			default:
				cancel()
				<-finished
				return confused("%s during a load", m.Kind)
			}
		}
	}
}

// load runs the job and reports it. Only what the connection cannot take is an
// error; a load that fails is said.
func (w *Worker) load(ctx context.Context, l *link, job *Job, start <-chan int64) error {
	var lost error // of the connection
	say := func(m message) {
		if err := l.send(m); err != nil && lost == nil {
			lost = err
		}
	}
	c, err := w.config(job)
	if err != nil {
		return l.send(message{Kind: kindFailed, Text: err.Error()})
	}
	w.log("%d connections to %v, part %d of %d", c.Conns, c.Addr, c.Part.Index+1, c.Part.Of)
	c.OnConnected = func(ctx context.Context) error {
		say(message{Kind: kindReady})
		return w.await(ctx, start)
	}
	c.OnPhase = func(p load.Phase) { say(message{Kind: kindPhase, Phase: p}) }
	c.OnInterval = func(v *load.Interval) { say(message{Kind: kindInterval, Interval: describeInterval(v)}) }
	r, err := load.Run(ctx, c)
	if err != nil {
		say(message{Kind: kindFailed, Text: err.Error()})
		return lost
	}
	say(message{Kind: kindReport, Report: w.describe(r)})
	return lost
}

// await waits for the moment to begin.
func (w *Worker) await(ctx context.Context, start <-chan int64) error {
	select {
	case at := <-start:
		wait := time.Duration(at - w.clock())
		if wait > startMost {
			return confused("a start in %v", wait)
		}
		select {
		case <-time.After(wait):
			return nil
		case <-ctx.Done():
			return errAborted
		}
	case <-ctx.Done():
		return errAborted
	}
}

// startMost is how far ahead a start may lie.
const startMost = time.Minute

var errAborted = errors.New("stopped before the load began")

func (w *Worker) config(job *Job) (load.Config, error) {
	workload, err := w.Make(job.Workload, *job)
	if err != nil {
		return load.Config{}, fmt.Errorf("workload %.40q: %w", job.Workload.Name, err)
	}
	c := load.Config{
		Network: job.Network, Addr: job.Addr, Workload: workload, Conns: job.Conns, Depth: job.Depth,
		Rate: job.Rate, Arrivals: job.Arrivals, Seed: job.Seed, Warmup: job.Warmup, Duration: job.Duration,
		Timeout: job.Timeout, DialTimeout: job.DialTimeout, Workers: job.Loops, Every: job.Every, Part: job.Part, CPUs: w.CPUs, Churn: job.Churn,
	}
	return c, c.Validate()
}

func describeInterval(v *load.Interval) *interval {
	return &interval{
		Phase: v.Phase, Start: v.Start, End: v.End, Counts: v.Counts, Response: &histogram{v.Response},
		CPU: v.GeneratorCPU, InFlight: v.InFlight, Queued: v.Queued,
	}
}

func (w *Worker) describe(r *load.Result) *report {
	out := &report{
		Clock: int64(r.Started.Sub(w.began)), Elapsed: r.Elapsed, Cut: r.Cut, Counts: r.Counts, Warmup: r.WarmupCounts,
		Response: &histogram{r.Response}, Service: &histogram{r.Service}, SendLag: &histogram{r.SendLag}, Audit: r.Audit,
	}
	if err := r.Audit.RunDelayErr; err != nil {
		out.DelayErr, out.Audit.RunDelayErr = err.Error(), nil
	}
	return out
}
