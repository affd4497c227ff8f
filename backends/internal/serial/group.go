package serial

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// A Group is the loops of one engine. Its methods may be called from any
// goroutine.
type Group struct {
	start  time.Time
	pool   *buffer.Pool
	spread driver.Spread
	loops  []*Loop
	views  []driver.Loop
	turn   atomic.Uint64

	wg    sync.WaitGroup // goroutines started by Loop.Go
	once  sync.Once
	ended chan struct{}
}

// Open starts the loops of an engine.
func Open(c driver.Config) *Group {
	g := &Group{start: time.Now(), pool: c.Pool, spread: c.Spread, ended: make(chan struct{})}
	if g.pool == nil {
		g.pool = buffer.New(buffer.Config{})
	}
	for i := range max(c.Loops, 1) {
		l := newLoop(g, i)
		g.loops = append(g.loops, l)
		g.views = append(g.views, l)
	}
	return g
}

// Loops implements driver.Engine.
func (g *Group) Loops() []driver.Loop { return g.views }

// All are the loops themselves.
func (g *Group) All() []*Loop { return g.loops }

// Own returns l as a loop of this group, or driver.ErrForeignLoop.
func (g *Group) Own(l driver.Loop) (*Loop, error) {
	own, ok := l.(*Loop)
	if !ok || own.group != g {
		return nil, driver.ErrForeignLoop
	}
	return own, nil
}

// Pick chooses the loop of a new connection as Config.Spread says, and counts
// the connection on it; Loop.drop takes it off again.
func (g *Group) Pick() *Loop {
	best := g.loops[0]
	if g.spread == driver.LeastConns {
		for _, l := range g.loops[1:] {
			if l.Conns() < best.Conns() {
				best = l
			}
		}
	} else {
		best = g.loops[(g.turn.Add(1)-1)%uint64(len(g.loops))]
	}
	best.conns.Add(1)
	return best
}

// Take counts a new connection on this loop, for callers that do not Pick.
func (l *Loop) Take() { l.conns.Add(1) }

// Drop takes a connection off that Pick or Take counted.
func (l *Loop) Drop() { l.conns.Add(-1) }

// Close ends all loops as driver.Engine.Close says: stop, which ends the
// sources of events, then the loops, then the goroutines. When ctx ends first
// it returns ctx's error and the end goes on; it may be called again.
func (g *Group) Close(ctx context.Context, stop func()) error {
	g.once.Do(func() {
		go func() {
			defer close(g.ended)
			stop()
			for _, l := range g.loops {
				l.shutdown()
			}
			g.wg.Wait()
		}()
	})
	select {
	case <-g.ended:
		return nil
	default:
	}
	select {
	case <-g.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
