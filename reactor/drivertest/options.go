package drivertest

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"lars/reactor/driver"
)

func optionCases() []testCase {
	var all []testCase
	all = append(all, bothSides("Options/Socket", optionsSocket)...)
	all = append(all, bothSides("Options/Stats", optionsStats)...)
	all = append(all, testCase{name: "Options/CloseOnExec", needs: needListen, f: optionsCloseOnExec})
	return all
}

// descriptorOf finds the driver's socket of a connection among those of the
// process, by its two addresses.
func (c *conn) descriptorOf() int {
	e := c.en.e
	us, them := c.addresses()
	for _, fd := range descriptors() {
		local, err1 := unix.Getsockname(fd)
		peer, err2 := unix.Getpeername(fd)
		if err1 != nil || err2 != nil {
			continue
		}
		l, ok1 := local.(*unix.SockaddrInet4)
		p, ok2 := peer.(*unix.SockaddrInet4)
		if ok1 && ok2 && l.Port == int(us.Port()) && p.Port == int(them.Port()) {
			return fd
		}
	}
	e.fatalf("no descriptor of the process is the connection %v - %v", us, them)
	return -1
}

func descriptors() (all []int) {
	names, _ := os.ReadDir("/proc/self/fd")
	for _, n := range names {
		fd, err := strconv.Atoi(n.Name())
		if err != nil {
			continue
		}
		// The descriptor that read the list is closed by now.
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			all = append(all, fd)
		}
	}
	return all
}

// optionsSocket reads the options of the connection's socket from the kernel.
func optionsSocket(e *env) {
	if !e.h.Net.Descriptors() {
		e.opensNoDescriptor()
		return
	}
	en := e.open(driver.Config{})
	for _, t := range []struct {
		o                    driver.ConnOptions
		noDelay, alive, idle int
	}{
		{driver.ConnOptions{}, 1, 1, 15},
		{driver.ConnOptions{Delay: true}, 0, 1, 15},
		{driver.ConnOptions{KeepAlive: 70 * time.Second}, 1, 1, 70},
		{driver.ConnOptions{KeepAlive: -1}, 1, 0, 0},
	} {
		_, c := en.connect(t.o, hooks{})
		fd := c.descriptorOf()
		check := func(name string, level, option, want int) {
			if got, err := unix.GetsockoptInt(fd, level, option); err != nil || got != want {
				e.errorf("%s with %+v is %d (%v), want %d", name, t.o, got, err, want)
			}
		}
		check("TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, t.noDelay)
		check("SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, t.alive)
		if t.alive == 1 {
			check("TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, t.idle)
		}
	}
	_, c := en.connect(driver.ConnOptions{SendBufferBytes: 20_000, RecvBufferBytes: 30_000}, hooks{})
	fd := c.descriptorOf()
	// Linux doubles what is asked for.
	snd, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	rcv, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if snd != 40_000 || rcv != 60_000 {
		e.errorf("SO_SNDBUF and SO_RCVBUF are %d and %d, want 40000 and 60000", snd, rcv)
	}
}

// opensNoDescriptor is what cases about descriptors become for a driver that
// has none: an engine with connections must not open any. Options for a kernel
// are taken and ignored, and buffers of the sizes asked for work.
func (e *env) opensNoDescriptor() {
	before := countDescriptors()
	en := e.open(driver.Config{Loops: 2})
	for _, o := range []driver.ConnOptions{
		{},
		{Delay: true},
		{KeepAlive: 70 * time.Second},
		{KeepAlive: -1},
		{SendBufferBytes: 20_000, RecvBufferBytes: 30_000},
	} {
		r, _ := en.connect(o, echoHooks())
		m := newStream(90).next(100_000)
		e.parallel(2, func(i int) error {
			if i == 0 {
				_, err := r.Write(m)
				return err
			}
			return r.tryExpect(m)
		})
	}
	if now := countDescriptors(); now > before {
		e.errorf("the process has %d descriptors, %d before the engine was opened", now, before)
	}
}

// optionsStats: a counter is right or, when the backend cannot know it, zero;
// reading it needs no loop.
func optionsStats(e *env) {
	en := e.open(driver.Config{})
	r, c := en.connect(driver.ConnOptions{}, echoHooks())
	l := c.loop
	const rounds, bytes = 10, 100
	m := make([]byte, bytes)
	for range rounds {
		r.send(m)
		r.expect(m)
	}
	fired := false
	l.do(func() { l.after(0, func() { e.note(func() { fired = true }) }) })
	e.await("a timer runs", func() bool { return fired })
	rightOrZero := func(n, want uint64) bool { return n == 0 || n == want }
	e.poll("the loop's counters are right, or zero", func() bool {
		s := l.Stats()
		return s.Conns == 1 && rightOrZero(s.ReadBytes, rounds*bytes) && rightOrZero(s.WriteBytes, rounds*bytes) &&
			rightOrZero(s.Timers, 1)
	})
	l.do(func() { c.Close(nil) })
	c.awaitClosed()
	e.poll("no connection is counted", func() bool { return l.Stats().Conns == 0 })
}

// optionsCloseOnExec: a child process must not inherit the driver's
// descriptors.
func optionsCloseOnExec(e *env) {
	if !e.h.Net.Descriptors() {
		e.opensNoDescriptor()
		return
	}
	before := map[int]bool{}
	for _, fd := range descriptors() {
		before[fd] = true
	}
	en := e.open(driver.Config{Loops: 2})
	r, _ := en.connect(driver.ConnOptions{}, echoHooks())
	if e.h.Driver.Abilities().Packet {
		en.packet(en.loops[0], driver.PacketOptions{Local: loopback()}, packetHooks{})
	}
	r.send([]byte("x"))
	r.expect([]byte("x"))
	for _, fd := range descriptors() {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && !before[fd] && flags&unix.FD_CLOEXEC == 0 {
			name, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
			e.errorf("descriptor %d (%s) is not close-on-exec", fd, name)
		}
	}
}
