package drivertest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"lars/reactor/driver"
)

func engineCases() []testCase {
	var all []testCase
	all = append(all, testCase{name: "Engine/OpenClose", f: engineOpenClose})
	all = append(all, testCase{name: "Engine/CloseEarly", f: engineCloseEarly})
	all = append(all, testCase{name: "Engine/AfterClose", f: engineAfterClose})
	all = append(all, bothSides("Engine/CloseIdle", engineCloseIdle)...)
	all = append(all, bothSides("Engine/CloseUnderLoad", engineCloseUnderLoad)...)
	return all
}

// warmUp makes what a backend or package net keeps for the life of the
// process, so that the first case does not count it as left behind.
func warmUp(t *testing.T, h Harness) {
	e := newEnv(t, h, accepted, patienceDefault)
	defer e.closeSockets()
	en, a := e.open(driver.Config{Loops: 2}), h.Driver.Abilities()
	defer en.close()
	if a.Listen {
		r := e.rawDial(en.serve(driver.ListenOptions{}, echoHooks()).Addr())
		r.send([]byte("warm"))
		r.expect([]byte("warm"))
	}
	if a.Packet {
		en.packet(en.loops[0], driver.PacketOptions{Local: loopback()}, echoPackets())
	}
}

// engineOpenClose leaves nothing behind, with any number of loops.
func engineOpenClose(e *env) {
	for _, loops := range []int{0, 1, 2, 5} {
		e.open(driver.Config{Loops: loops}).close()
	}
}

// engineCloseEarly: a callback that does not return makes Close return the
// context's error; once it has, Close ends well.
func engineCloseEarly(e *env) {
	en := e.open(driver.Config{})
	g := en.loops[0].hold()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := en.closeWith(ctx); !errors.Is(err, context.Canceled) {
		e.errorf("Close with a cancelled context and a callback that hangs returned %v, want context.Canceled", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	if err := en.closeWith(ctx); !errors.Is(err, context.DeadlineExceeded) {
		e.errorf("a second Close returned %v, want context.DeadlineExceeded", err)
	}
	g.release()
	en.close()
	if err := en.closeWith(context.Background()); err != nil {
		e.errorf("Close of a closed engine: %v", err)
	}
}

// engineAfterClose: nothing opens on a closed engine.
func engineAfterClose(e *env) {
	en, a := e.open(driver.Config{}), e.h.Driver.Abilities()
	l := en.loops[0]
	en.close()
	check := func(able bool, what string, err error) {
		want := driver.ErrEngineClosed
		if !able {
			want = driver.ErrUnsupported
		}
		if !errors.Is(err, want) {
			e.errorf("%s on a closed engine returned %v, want %q", what, err, want)
		}
	}
	_, err := en.eng.Listen(loopback(), driver.ListenOptions{}, en.opener(driver.ConnOptions{}, hooks{}, func(*conn) {}))
	check(a.Listen, "Listen", err)
	var out outcome
	check(a.Dial, "Dial", en.tryDial(l, e.freePort(), driver.DialOptions{}, hooks{}, &out))
	_, err = en.eng.ListenPacket(l.Loop, driver.PacketOptions{Local: loopback()}, &packet{loop: l, en: en})
	check(a.Packet, "ListenPacket", err)
	_ = l.Stats()
	if l.Index() != 0 || len(en.eng.Loops()) != 1 {
		e.errorf("a closed engine has lost its loops")
	}
}

// engineCloseIdle: quiet connections are closed with ErrEngineClosed, also
// paused ones and ones whose output nobody reads.
func engineCloseIdle(e *env) {
	en := e.open(driver.Config{Loops: 2})
	r1, quiet := en.connect(driver.ConnOptions{}, hooks{})
	r2, paused := en.connect(driver.ConnOptions{}, hooks{})
	_, full := en.connect(smallBuffers(driver.ConnOptions{OutputBytesMax: 100_000}), hooks{})
	paused.loop.do(paused.Pause)
	r2.send([]byte("unread"))
	full.loop.do(func() { full.stuff(newStream(70), 4000) })
	en.close()
	for _, c := range []*conn{quiet, paused, full} {
		over, err := false, error(nil)
		e.look(func() { over, err = c.isClosed, c.err })
		if !over || !errors.Is(err, driver.ErrEngineClosed) {
			e.errorf("when Engine.Close returned: Closed called %v, with %v, want ErrEngineClosed", over, err)
		}
	}
	r1.expectEnd()
}

// engineCloseUnderLoad closes while connections echo, timers run, functions
// are posted and peers come and go.
func engineCloseUnderLoad(e *env) {
	for range 4 {
		en := e.open(driver.Config{Loops: 2})
		const conns = 6
		var all []*conn
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range conns {
			r, c := en.connect(driver.ConnOptions{}, echoHooks())
			all = append(all, c)
			wg.Go(func() { r.SetLinger(0); hammer(r) })
			wg.Go(func() { postUntilRefused(e, c.loop) })
			c.loop.do(func() { c.loop.after(time.Millisecond, func() {}); c.loop.after(time.Hour, func() {}) })
		}
		if e.side == accepted {
			s := en.serve(driver.ListenOptions{}, echoHooks())
			wg.Go(func() { e.knock(s, stop) })
		}
		e.await("every connection is busy", func() bool {
			for _, c := range all {
				if c.receivedBytes < 2000 {
					return false
				}
			}
			return true
		})
		en.close()
		close(stop)
		for _, c := range all {
			over, err := false, error(nil)
			e.look(func() { over, err = c.isClosed, c.err })
			if !over || !errors.Is(err, driver.ErrEngineClosed) {
				e.errorf("when Engine.Close returned: Closed called %v, with %v, want ErrEngineClosed", over, err)
			}
		}
		wg.Wait()
	}
}

// hammer echoes until the connection ends.
func hammer(r *raw) {
	b := make([]byte, 1000)
	for {
		if _, err := r.Write(b); err != nil {
			return
		}
		if err := r.tryExpect(b); err != nil {
			return
		}
	}
}

// knock connects again and again until stopped.
func (e *env) knock(s *server, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		if c, err := e.h.Net.Dial(s.Addr(), e.patience); err == nil {
			c.SetLinger(0)
			c.Close()
		}
	}
}
