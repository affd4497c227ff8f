package serial

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"lars/reactor/driver"
)

func open1(t *testing.T) (*Group, *Loop) {
	t.Helper()
	g := Open(driver.Config{})
	t.Cleanup(func() { closeGroup(t, g) })
	return g, g.All()[0]
}

func closeGroup(t *testing.T, g *Group) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := g.Close(ctx, func() {}); err != nil {
		t.Error("Close:", err)
	}
}

// TestOneAtATime counts without a lock of its own, in events and in tasks.
func TestOneAtATime(t *testing.T) {
	_, l := open1(t)
	const each = 2000
	var wg sync.WaitGroup
	n := 0
	for range 4 {
		wg.Go(func() {
			for range each {
				l.Enter()
				n++
				l.Leave()
			}
		})
		wg.Add(each)
		go func() {
			for range each {
				l.Post(func() { n++; wg.Done() })
			}
		}()
	}
	wg.Wait()
	if n != 8*each {
		t.Errorf("%d callbacks, want %d", n, 8*each)
	}
}

func TestPostOrderAndEnd(t *testing.T) {
	g, l := open1(t)
	const posts = 10_000
	var got []int
	for i := range posts {
		if !l.Post(func() { got = append(got, i) }) {
			t.Fatal("refused before the end")
		}
	}
	closeGroup(t, g) // what was accepted runs
	if len(got) != posts || !slices.IsSorted(got) {
		t.Errorf("%d of %d ran, in order: %t", len(got), posts, slices.IsSorted(got))
	}
	if l.Post(func() {}) || l.Go(func() {}) {
		t.Error("accepted after the end")
	}
}

// TestTimerFromTimer lets timers without delay make each other: functions that
// are posted meanwhile still get their turn.
func TestTimerFromTimer(t *testing.T) {
	_, l := open1(t)
	runs, busy, stop := 0, make(chan struct{}), false // runs and stop are the loop's
	var again func()
	again = func() {
		if runs++; runs == 10 {
			close(busy)
		}
		if !stop {
			l.After(0, again)
		}
	}
	l.Post(again)
	<-busy
	turn := make(chan struct{})
	l.Post(func() { l.Post(func() { stop = true; close(turn) }) })
	<-turn
}

func TestCloseGivesUpAndGoesOn(t *testing.T) {
	g, l := open1(t)
	held, release := make(chan struct{}), make(chan struct{})
	l.Post(func() { close(held); <-release })
	<-held
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.Close(ctx, func() {}); err != context.Canceled {
		t.Errorf("Close beside a callback that does not return: %v", err)
	}
	close(release)
	closeGroup(t, g)
}

type member struct {
	l     *Loop
	cause error
}

func (m *member) Abort(cause error) { m.cause = cause }

func TestMembersAreAborted(t *testing.T) {
	g, l := open1(t)
	stays, leaves := &member{l: l}, &member{l: l}
	l.Add(stays)
	l.Add(leaves)
	l.Remove(leaves)
	closeGroup(t, g)
	if stays.cause != driver.ErrEngineClosed || leaves.cause != nil {
		t.Errorf("aborted with %v and %v", stays.cause, leaves.cause)
	}
	if l.Add(leaves) {
		t.Error("accepted after the end")
	}
}

func TestForeignLoop(t *testing.T) {
	g, l := open1(t)
	other, _ := open1(t)
	if _, err := other.Own(l); err != driver.ErrForeignLoop {
		t.Errorf("Own of another's loop: %v", err)
	}
	if own, err := g.Own(l); own != l || err != nil {
		t.Errorf("Own: %v, %v", own, err)
	}
}

func BenchmarkEnterLeave(b *testing.B) {
	g := Open(driver.Config{})
	defer g.Close(context.Background(), func() {})
	l := g.All()[0]
	b.ReportAllocs()
	for b.Loop() {
		l.Enter()
		l.Leave()
	}
}
