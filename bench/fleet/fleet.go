package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// WorkersMax is the largest number of workers of a fleet.
const WorkersMax = 256

// Fleet is the workers of a coordinator. Make it with Connect or Accept. Drive
// is called by one goroutine; Close may be called by any, once.
type Fleet struct {
	workers []*remote
	events  chan event
	closing chan struct{}
	reading sync.WaitGroup
	lost    error // the first worker that is gone: nothing works any more
	// OnLoss, if set, is called when a worker fails, from the goroutine that
	// called Drive: what else was planned cannot be done either.
	OnLoss func(error)
}

// remote is a worker as the coordinator sees it.
type remote struct {
	link    *link
	name    string
	address string
	offset  int64         // its clock less ours, ns
	trip    time.Duration // the shortest way there and back
}

func (w *remote) String() string {
	if w.name == "" || w.name == w.address {
		return w.address
	}
	return fmt.Sprintf("%s (%s)", w.name, w.address)
}

// event is what one worker said; err is the end of its connection.
type event struct {
	worker int
	m      *message
	err    error
}

// Connect makes a fleet of workers that listen at the given addresses.
func Connect(ctx context.Context, addrs []string, name string, token []byte) (*Fleet, error) {
	if len(addrs) > WorkersMax {
		return nil, fmt.Errorf("%d workers: at most %d", len(addrs), WorkersMax)
	}
	var workers []*remote
	dialer := net.Dialer{Timeout: greetTimeout}
	for i, addr := range addrs {
		if slices.Contains(addrs[:i], addr) {
			closeWorkers(workers)
			return nil, fmt.Errorf("worker %s is named twice", addr)
		}
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err != nil {
			closeWorkers(workers)
			return nil, fmt.Errorf("worker %s: %w: does lars bench worker --listen run there?", addr, err)
		}
		w, err := meet(ctx, conn, addr, name, token)
		if err != nil {
			closeWorkers(workers)
			return nil, fmt.Errorf("worker %s: %w", addr, err)
		}
		workers = append(workers, w)
	}
	return assemble(workers), nil
}

// Accept makes a fleet of n workers that connect to l, which it closes. Peers
// without the token are refused and told to log; nil: nobody listens.
func Accept(ctx context.Context, l net.Listener, n int, name string, token []byte, log func(string)) (*Fleet, error) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	say := func(format string, args ...any) {
		if log != nil {
			log(fmt.Sprintf(format, args...))
		}
	}
	met := make(chan *remote)
	done := make(chan struct{})
	var open sync.WaitGroup
	open.Go(func() { receive(ctx, l, name, token, met, done, say) })
	var workers []*remote
	for len(workers) < n {
		select {
		case w := <-met:
			workers = append(workers, w)
			say("worker %v is here: %d of %d", w, len(workers), n)
		case <-ctx.Done():
			close(done)
			open.Wait()
			closeWorkers(workers)
			return nil, &stoppedError{fmt.Sprintf("stopped when %d of %d workers had come", len(workers), n), context.Cause(ctx)}
		}
	}
	close(done)
	l.Close()
	open.Wait()
	return assemble(workers), nil
}

// receive greets whoever connects, until done or the listener is closed.
func receive(ctx context.Context, l net.Listener, name string, token []byte, met chan<- *remote, done <-chan struct{}, say func(string, ...any)) {
	greeting := make(chan struct{}, greetingsMax)
	var open sync.WaitGroup
	defer open.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		greeting <- struct{}{}
		open.Go(func() {
			defer func() { <-greeting }()
			w, err := meet(ctx, conn, conn.RemoteAddr().String(), name, token)
			if err != nil {
				say("%v: %v", conn.RemoteAddr(), err)
				return
			}
			select {
			case met <- w:
			case <-done: // there are enough
				w.link.conn.Close()
			}
		})
	}
}

// meet greets a worker; it closes the connection of one that it refuses.
func meet(ctx context.Context, conn net.Conn, addr, name string, token []byte) (*remote, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	w := &remote{link: newLink(conn), address: addr}
	var err error
	if w.name, err = w.link.greet(roleCoordinator, name, token); err != nil {
		conn.Close()
		return nil, err
	}
	return w, nil
}

func closeWorkers(workers []*remote) {
	for _, w := range workers {
		w.link.conn.Close()
	}
}

// eventsMax is how many messages of all workers may wait for the coordinator.
const eventsMax = 256

func assemble(workers []*remote) *Fleet {
	f := &Fleet{workers: workers, events: make(chan event, eventsMax), closing: make(chan struct{})}
	for i, w := range workers {
		f.reading.Go(func() {
			for {
				m, err := w.link.receive(0)
				select {
				case f.events <- event{i, m, err}:
				case <-f.closing:
					return
				}
				if err != nil {
					return
				}
			}
		})
	}
	return f
}

// Close leaves the workers: they stop what they do for this coordinator.
func (f *Fleet) Close() {
	close(f.closing)
	closeWorkers(f.workers)
	f.reading.Wait()
}

// Names of the workers, with their addresses.
func (f *Fleet) Names() []string {
	var out []string
	for _, w := range f.workers {
		out = append(out, w.String())
	}
	return out
}

// far names a worker that is on another machine, as far as addresses tell; nil
// when all are here.
func (f *Fleet) far() *remote {
	for _, w := range f.workers {
		addr, err := netip.ParseAddrPort(w.link.conn.RemoteAddr().String())
		local, _, _ := net.SplitHostPort(w.link.conn.LocalAddr().String())
		if err != nil || !addr.Addr().Unmap().IsLoopback() && addr.Addr().String() != local {
			return w
		}
	}
	return nil
}

// errLeft is a worker whose connection has ended.
var errLeft = errors.New("its connection ended")

// wait is the next thing that a worker says; an error names the worker.
func (f *Fleet) wait(ctx context.Context, deadline <-chan time.Time) (event, error) {
	select {
	case e := <-f.events:
		switch {
		case e.err != nil:
			e.err = fmt.Errorf("%w: %v", errLeft, e.err)
		case e.m.Kind == kindFailed:
			e.err = errors.New(printable(e.m.Text))
		}
		return e, nil
	case <-deadline:
		return event{}, errSilent
	case <-ctx.Done():
		return event{}, context.Cause(ctx)
	}
}

var errSilent = errors.New("it did not answer in time")

// pings estimate a clock: the one that came back soonest is the best.
const pings = 16

// clocks learns how far the workers' clocks are from the coordinator's, which
// are counted from base.
func (f *Fleet) clocks(ctx context.Context, base time.Time) error {
	timeout := time.NewTimer(greetTimeout)
	defer timeout.Stop()
	for i, w := range f.workers {
		w.trip = time.Hour
		for range pings {
			sent := time.Since(base)
			if err := w.link.send(message{Kind: kindPing}); err != nil {
				return f.failure(i, err)
			}
			e, err := f.wait(ctx, timeout.C)
			if err != nil {
				return f.failure(i, err)
			}
			if e.err != nil || e.m.Kind != kindPong {
				return f.failure(e.worker, e.err)
			}
			if trip := time.Since(base) - sent; trip < w.trip {
				w.trip, w.offset = trip, e.m.Clock-int64(sent+trip/2)
			}
		}
	}
	return nil
}

// failure names the worker that spoilt it.
func (f *Fleet) failure(worker int, err error) error {
	if err == nil {
		err = confused("an answer that does not belong here")
	}
	return fmt.Errorf("worker %v failed: %w", f.workers[worker], err)
}

// stoppedError says in words what was under way when a context ended, whose own
// words mean nothing to a person.
type stoppedError struct {
	text  string
	cause error
}

func (e *stoppedError) Error() string { return e.text }

func (e *stoppedError) Unwrap() error { return e.cause }
