package service

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"lars/reactor"
)

// ErrClosing ends the connections that are left when there is no more time to
// let them send what is queued.
var ErrClosing = errors.New("service is closing")

// Conns are the live connections of one service on a reactor that it may share
// with others, so that it can end its own and nothing else.
type Conns struct {
	r     *reactor.Reactor
	loops []map[*reactor.Conn]struct{} // each only on its loop
	live  atomic.Int64

	draining, closing atomic.Bool
	drained           chan struct{} // has room for one: draining, and none is left or the time is over
	empty             chan struct{} // has room for one: closing, and none is left
}

// NewConns makes an empty set.
func NewConns(r *reactor.Reactor) *Conns {
	c := &Conns{r: r, drained: make(chan struct{}, 1), empty: make(chan struct{}, 1)}
	for range r.Loops() {
		c.loops = append(c.loops, map[*reactor.Conn]struct{}{})
	}
	return c
}

// Add is to be called by the OnOpen hook. A connection that comes while the
// service closes is closed.
func (c *Conns) Add(conn *reactor.Conn) {
	c.loops[conn.Loop().Index()][conn] = struct{}{}
	c.live.Add(1)
	if c.closing.Load() {
		conn.Close(ErrClosing)
	}
}

// Remove is to be called by the OnClose hook.
func (c *Conns) Remove(conn *reactor.Conn) {
	delete(c.loops[conn.Loop().Index()], conn)
	if c.live.Add(-1) == 0 {
		c.checkEmpty()
	}
}

// Of returns the connections of a loop, the oldest first; only on that loop.
func (c *Conns) Of(l *reactor.Loop) []*reactor.Conn {
	return slices.SortedFunc(maps.Keys(c.loops[l.Index()]), func(a, b *reactor.Conn) int { return cmp.Compare(a.ID(), b.ID()) })
}

// Len is the number of live connections.
func (c *Conns) Len() int { return int(c.live.Load()) }

// Drain waits until no connection is left, at most for d and until ctx ends: a
// peer that has sent its last words and closed is heard out, though the words
// may still be on their way to the loop. Call it between the end of accepting
// and Close, once, and never on a loop.
func (c *Conns) Drain(ctx context.Context, d time.Duration) {
	over := c.r.Loops()[0].After(d, func() { signal(c.drained) })
	defer over.Stop()
	c.draining.Store(true)
	c.checkEmpty()
	_ = c.r.Await(ctx, c.drained) // the connections that are left are ended by Close
}

// Close ends every connection once its output is sent, or when ctx ends, whose
// error it then returns. It may be called twice, and never on a loop.
func (c *Conns) Close(ctx context.Context) error {
	c.closing.Store(true)
	c.end(nil)
	c.checkEmpty()
	err := c.r.Await(ctx, c.empty)
	if err != nil {
		c.end(ErrClosing)
	}
	return err
}

func (c *Conns) end(cause error) {
	c.r.PostAll(func(l *reactor.Loop) {
		for _, conn := range c.Of(l) {
			conn.Close(cause)
		}
	})
}

func (c *Conns) checkEmpty() {
	if c.live.Load() > 0 {
		return
	}
	if c.draining.Load() {
		signal(c.drained)
	}
	if c.closing.Load() {
		signal(c.empty)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
