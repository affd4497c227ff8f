package drivertest

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lars/reactor/driver"
)

func loadCases() []testCase {
	var all []testCase
	all = append(all, testCase{name: "Load/Churn", needs: needListen, f: loadChurn})
	all = append(all, testCase{name: "Load/ManyOpen", needs: needListen, f: loadManyOpen})
	all = append(all, bothSides("Load/CallbacksNeverOverlap", loadNeverOverlap)...)
	return all
}

// loadChurn opens and closes 10,000 connections (1,000 in short runs), each
// after one echo, ended by either side in every way.
func loadChurn(e *env) {
	const workers = 16
	each := 10_000 / workers
	if testing.Short() {
		each /= 10
	}
	total := each * workers
	en := e.open(driver.Config{Loops: 2})
	closedCount := 0
	h := hooks{
		received: func(c *conn, view []byte) int {
			n := c.echo(view)
			switch view[0] {
			case 'n':
				c.Close(nil)
			case 'c':
				c.Close(errCause)
			}
			return n
		},
		closed: func(c *conn, _ error) { e.note(func() { closedCount++ }) },
	}
	s := en.serve(driver.ListenOptions{}, h)
	e.parallel(workers, func(w int) error {
		for i := range each {
			if err := e.oneEcho(s, "frnc"[i%4]); err != nil {
				return fmt.Errorf("connection %d: %w", i, err)
			}
		}
		return nil
	})
	e.await("every connection is opened and closed", func() bool { return len(s.conns) == total && closedCount == total })
	e.poll("the loops count no connection", func() bool {
		return en.loops[0].Stats().Conns == 0 && en.loops[1].Stats().Conns == 0
	})
	if st := s.Stats(); st.Accepted != uint64(total) || st.Refused != 0 {
		e.fatalf("the listener counts %+v, want %d accepted", st, total)
	}
}

// oneEcho opens a connection, sends one message whose first byte says who ends
// it, and ends it: f finishes and r resets at the peer, n and c close at the
// driver without and with a cause.
func (e *env) oneEcho(s *server, end byte) error {
	c, err := e.tryDial(s.Addr())
	if err != nil {
		return err
	}
	defer c.Close()
	m := []byte{end, 1, 2, 3, 4, 5, 6, 7}
	if _, err := c.Write(m); err != nil {
		return err
	}
	if end == 'c' { // drops its output
		_, err := io.ReadAll(c)
		if errors.Is(err, syscall.ECONNRESET) {
			err = nil
		}
		return err
	}
	if err := c.tryExpect(m); err != nil {
		return err
	}
	if end == 'r' {
		c.SetLinger(0)
	}
	return nil
}

// loadManyOpen holds many connections open at once, both ends in this process:
// as many as the limit on descriptors allows, 4,000 at most (400 in short and
// race runs).
func loadManyOpen(e *env) {
	n := scaled(4_000, 400)
	if e.h.Net.Descriptors() {
		n = min(n, (descriptorsMax()-300)/2)
		e.Logf("%d connections at once; the limit on descriptors is %d", n, descriptorsMax())
	}
	en := e.open(driver.Config{Loops: 2})
	s := en.serve(driver.ListenOptions{}, echoHooks())
	peers := make([]*raw, n)
	e.parallel(8, func(w int) (err error) {
		for i := w; i < n && err == nil; i += 8 {
			peers[i], err = e.tryDial(s.Addr())
		}
		return err
	})
	e.await("all are accepted", func() bool { return len(s.conns) == n })
	for i, r := range peers {
		r.send(fmt.Appendf(nil, "%08d", i))
	}
	for i, r := range peers {
		r.expect(fmt.Appendf(nil, "%08d", i))
	}
	var open int64
	e.poll("the loops count all of them", func() bool {
		open = en.loops[0].Stats().Conns + en.loops[1].Stats().Conns
		return open == int64(n)
	})
}

// loadNeverOverlap has connections, timers, posted functions and closes busy
// on two loops at once; loop.run detects a callback inside another one.
func loadNeverOverlap(e *env) {
	en := e.open(driver.Config{Loops: 2})
	const conns = 6
	rounds := scaled(200, 50)
	peers, cs := make([]*raw, conns), make([]*conn, conns)
	for i := range conns {
		peers[i], cs[i] = en.connect(driver.ConnOptions{}, echoHooks())
	}
	var beat func(l *loop) func()
	beat = func(l *loop) func() {
		return func() { l.after(time.Millisecond, beat(l)) }
	}
	for _, l := range en.loops {
		l.do(beat(l))
	}
	e.parallel(2*conns, func(i int) error {
		r, c := peers[i/2], cs[i/2]
		m := make([]byte, 100)
		for range rounds {
			if i%2 == 0 {
				c.loop.post(func() { spin(200) })
				continue
			}
			if _, err := r.Write(m); err != nil {
				return err
			}
			if err := r.tryExpect(m); err != nil {
				return err
			}
		}
		return nil
	})
}

// spin keeps a callback busy for long enough that another thread may come.
func spin(rounds int) {
	for range rounds {
		_ = time.Now()
	}
}

// acceptDescriptorsExhausted runs in a process of its own. Its clients have
// their descriptors before the limit is lowered to what is in use, so that
// accept, and nothing else, runs out.
func acceptDescriptorsExhausted(e *env) {
	const clients = 12
	en := e.open(driver.Config{})
	s := en.serve(driver.ListenOptions{}, echoHooks())
	old := e.rawDial(s.Addr())
	old.send([]byte("open"))
	old.expect([]byte("open"))
	var fds descriptorList
	for range clients {
		if _, err := fds.socket(); err != nil {
			e.fatalf("the suite's own socket: %v", err)
		}
	}
	e.keep(fds)
	restore := exhaustDescriptors(e)
	defer restore()
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(s.Addr().Port())}
	for _, fd := range fds {
		if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS {
			e.fatalf("connect: %v", err)
		}
		unix.SetNonblock(fd, false)
		unix.Write(fd, []byte("waiting"))
	}
	if !e.h.Driver.Abilities().AcceptBackoff {
		e.acceptMayFail(s, old)
		return
	}
	e.poll("the listener counts an accept error", func() bool { return s.Stats().AcceptErrors > 0 })
	first := s.Stats().AcceptErrors
	en.loops[0].passLoop()
	if n := s.Stats().AcceptErrors - first; n > 200 {
		e.fatalf("accept failed %d times within some milliseconds: it spins", n)
	}
	old.send([]byte("still"))
	old.expect([]byte("still"))
	restore()
	e.await("all waiting clients are accepted", func() bool { return len(s.conns) == clients+1 })
	for _, fd := range fds {
		expectOn(e, fd, "waiting")
	}
}

// acceptExhausted is the same for a Net that can make accept fail inside this
// process.
func acceptExhausted(e *env, exhaust func() (func(), bool)) {
	const clients = 12
	en := e.open(driver.Config{})
	s := en.serve(driver.ListenOptions{}, echoHooks())
	old := e.rawDial(s.Addr())
	old.send([]byte("open"))
	old.expect([]byte("open"))
	restore, _ := exhaust()
	defer restore()
	var waiting []*raw
	for range clients {
		r := e.rawDial(s.Addr())
		r.send([]byte("waiting"))
		waiting = append(waiting, r)
	}
	e.poll("the listener counts an accept error", func() bool { return s.Stats().AcceptErrors > 0 })
	first := s.Stats().AcceptErrors
	en.loops[0].passLoop()
	if n := s.Stats().AcceptErrors - first; n > 200 {
		e.fatalf("accept failed %d times within some milliseconds: it spins", n)
	}
	old.send([]byte("still"))
	old.expect([]byte("still"))
	restore()
	e.await("all waiting clients are accepted", func() bool { return len(s.conns) == clients+1 })
	for _, r := range waiting {
		r.expect([]byte("waiting"))
	}
}

// acceptMayFail: without the ability, the open connection either lives on or
// is closed with ErrAccept.
func (e *env) acceptMayFail(s *server, old *raw) {
	c := s.awaitConn(0)
	var closed bool
	var err error
	old.Write([]byte("still"))
	e.await("an answer or Closed", func() bool { return c.isClosed || c.receivedBytes == 9 })
	e.look(func() { closed, err = c.isClosed, c.err })
	if closed && !errors.Is(err, driver.ErrAccept) {
		e.fatalf("closed with %v, want ErrAccept", err)
	}
}

// exhaustDescriptors lowers the soft limit to what is in use and fills holes.
func exhaustDescriptors(e *env) (restore func()) {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		e.fatalf("getrlimit: %v", err)
	}
	all := descriptors()
	low := lim
	low.Cur = uint64(all[len(all)-1]) + 1
	for _, fd := range all {
		low.Cur = max(low.Cur, uint64(fd)+1)
	}
	var fill []int
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		e.fatalf("setrlimit: %v", err)
	}
	for {
		fd, err := unix.Dup(0)
		if err != nil {
			break
		}
		fill = append(fill, fd)
	}
	done := false
	return func() {
		if done {
			return
		}
		done = true
		unix.Setrlimit(unix.RLIMIT_NOFILE, &lim)
		for _, fd := range fill {
			unix.Close(fd)
		}
	}
}

func expectOn(e *env, fd int, want string) {
	tv := unix.NsecToTimeval(e.patience.Nanoseconds())
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
	b := make([]byte, len(want))
	n, err := unix.Read(fd, b)
	if err != nil || string(b[:n]) != want {
		e.fatalf("a client that waited for its accept read %q (%v), want %q", b[:max(n, 0)], err, want)
	}
}
