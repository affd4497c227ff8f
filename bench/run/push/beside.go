package push

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lars/bench/load"
	"lars/reactor/frame"
	"lars/system/wire"
)

const (
	watchers     = 4
	askEvery     = 20 * time.Millisecond
	messageBytes = 1024 // read at once
)

// Beside is a driver that makes the load of load.Run while routes change: so
// many edits a second of module 0, which the load must not ask for. A few
// watchers subscribe to it, ask for it again and again, and so get it both as
// answers and as pushes: neither may be older than what the same connection had
// before, and each watcher must have the last edit in the end.
func (e Editor) Beside(perSecond float64) func(context.Context, load.Config) (*load.Result, error) {
	return func(ctx context.Context, c load.Config) (*load.Result, error) {
		w := &watch{editor: e, every: time.Duration(float64(time.Second) / perSecond), timeout: c.Timeout}
		if w.timeout == 0 {
			w.timeout = timeoutDefault
		}
		defer w.close()
		if err := w.begin(ctx, &c); err != nil {
			return nil, err
		}
		r, err := load.Run(ctx, c)
		if ended := w.end(ctx, r); err == nil {
			err = ended
		}
		return r, err
	}
}

// watch is the editor and the watchers of a load.
type watch struct {
	editor  Editor
	every   time.Duration
	timeout time.Duration
	conns   []net.Conn
	live    sync.WaitGroup // readers and askers
	edited  chan error     // gets one when no edit is under way any more

	stop, stopAsking context.CancelFunc

	mu      sync.Mutex
	closing bool
	made    int           // the last edit that was begun
	heard   []int         // the newest that each watcher had; -1 before the first
	news    chan struct{} // gets one, if empty, with each newer one
	counts  load.Counts
}

func (w *watch) begin(ctx context.Context, c *load.Config) error {
	w.made, w.news, w.edited = w.editor.Next()-1, make(chan struct{}, 1), make(chan error, 1)
	var q wire.GetRouteRequest
	q.ModID, q.CmdID = w.editor.Routes.Module(0)
	request := frame.Append(nil, wire.IDGetRouteRequest, q.AppendTo(nil))
	editing, stop := context.WithCancel(ctx)
	asking, stopAsking := context.WithCancel(ctx)
	w.stop, w.stopAsking = stop, stopAsking
	var d net.Dialer
	for i := range watchers {
		conn, err := d.DialContext(ctx, "tcp", c.Addr.String())
		if err != nil {
			w.edited <- nil
			return fmt.Errorf("%w: watcher %d: %w", load.ErrDial, i, err)
		}
		w.conns, w.heard = append(w.conns, conn), append(w.heard, -1)
		w.live.Go(func() { w.ask(asking, conn, request) })
	}
	for i, conn := range w.conns {
		w.live.Go(func() { w.read(conn, i) })
	}
	go func() { w.edited <- w.edit(editing) }()
	return nil
}

// ask asks again and again until ctx ends or the connection does, which its
// reader counts.
func (w *watch) ask(ctx context.Context, c net.Conn, request []byte) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		if _, err := c.Write(request); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// edit edits until ctx ends. An edit under way is finished. Edits are not what is
// measured but share a processor with the generator, so they run on a thread
// that gives way at once, as the lowest of usual priorities does not (EEVDF lets
// it end its slice), and that ends with this goroutine.
func (w *watch) edit(ctx context.Context) error {
	runtime.LockOSThread()
	idle := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
	if err := unix.SchedSetAttr(0, &idle, 0); err != nil { // of this thread alone
		return fmt.Errorf("a thread that gives way: %w", err)
	}
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		w.mu.Lock()
		w.made = w.editor.Next()
		w.mu.Unlock()
		if n, err := w.editor.Edit(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("edit %d: %w", n, err)
		}
	}
}

func (w *watch) read(c net.Conn, i int) {
	in := bufio.NewReaderSize(c, messageBytes)
	for {
		a, _, err := next(in)
		w.mu.Lock()
		if err != nil {
			if !w.closing {
				w.counts.Disconnected++
			}
			w.mu.Unlock()
			return
		}
		w.hear(i, a)
		w.mu.Unlock()
	}
}

// hear judges one message, with mu held.
func (w *watch) hear(i int, a *wire.GetRouteResponse) {
	n, ok := w.editor.Routes.EditOf(0, a)
	switch {
	case !ok || n > w.made:
		w.counts.Wrong++
	case n < w.heard[i]:
		w.counts.Stale++
	case n > w.heard[i]:
		w.heard[i] = n
		select {
		case w.news <- struct{}{}:
		default:
		}
	}
}

// end stops the editing, waits until all have heard of the last edit, and adds
// what was wrong to the result, if there is one.
func (w *watch) end(ctx context.Context, r *load.Result) error {
	w.stop()
	err := <-w.edited
	w.edited <- nil // for close
	if r == nil {
		return err
	}
	timeout := time.NewTimer(w.timeout)
	defer timeout.Stop()
	behind, counts := w.state()
	for waiting := true; behind > 0 && waiting && err == nil; behind, counts = w.state() {
		select {
		case <-w.news:
		case <-timeout.C:
			waiting = false
		case <-ctx.Done():
			waiting = false
		}
	}
	r.Counts.Add(&counts)
	if behind > 0 && ctx.Err() == nil {
		r.Faults = append(r.Faults, fmt.Sprintf("%d of %d watchers had not heard of the last edit after %v", behind, watchers, w.timeout))
	}
	return err
}

// state is how many have not heard of the last edit, and what was wrong so far.
func (w *watch) state() (behind int, counts load.Counts) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.heard {
		if n < w.made {
			behind++
		}
	}
	return behind, w.counts
}

// close ends the watchers and waits for all that was begun.
func (w *watch) close() {
	w.stop()
	w.stopAsking()
	<-w.edited
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.live.Wait()
}
