package load

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for sockets and, to the nanosecond as far as the kernel can, for
// a time. Go's own timers cannot: they round up to a millisecond. Where
// epoll_pwait2 is missing (Linux before 5.11) a timer descriptor in the same set
// does it, for two more system calls.
type poller struct {
	ep     int
	timer  int // -1 with epoll_pwait2
	events []unix.EpollEvent
}

// timerKey marks the timer descriptor among the events.
const timerKey = -1

// eventsMax is the most events that one wait returns.
const eventsMax = 256

func newPoller() (*poller, error) {
	p, err := newPollerPwait2()
	if errors.Is(err, unix.ENOSYS) {
		return newPollerTimer()
	}
	return p, err
}

func newPollerPwait2() (*poller, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("load: epoll: %w", err)
	}
	p := &poller{ep: ep, timer: -1, events: make([]unix.EpollEvent, eventsMax)}
	if _, err := p.wait(0); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func newPollerTimer() (*poller, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("load: epoll: %w", err)
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		unix.Close(ep)
		return nil, fmt.Errorf("load: timerfd: %w", err)
	}
	p := &poller{ep: ep, timer: timer, events: make([]unix.EpollEvent, eventsMax)}
	if err := p.add(timer, timerKey, unix.EPOLLIN|unix.EPOLLET); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// name says how it waits, for the audit.
func (p *poller) name() string {
	if p.timer < 0 {
		return "epoll_pwait2"
	}
	return "timerfd"
}

func (p *poller) close() {
	unix.Close(p.ep)
	if p.timer >= 0 {
		unix.Close(p.timer)
	}
}

func (p *poller) add(fd int, key int32, events uint32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, key, events)
}

func (p *poller) modify(fd int, key int32, events uint32) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, key, events)
}

func (p *poller) control(op, fd int, key int32, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: key}
	if err := unix.EpollCtl(p.ep, op, fd, &e); err != nil {
		return fmt.Errorf("load: epoll_ctl: %w", err)
	}
	return nil
}

// wait returns the events there are, or those that come within d. The slice is
// valid until the next call.
func (p *poller) wait(d time.Duration) ([]unix.EpollEvent, error) {
	var n int
	var errno unix.Errno
	if p.timer < 0 {
		n, errno = p.pwait2(max(d, 0))
	} else {
		n, errno = p.waitTimer(max(d, 0))
	}
	switch errno {
	case 0:
		return p.events[:n], nil
	case unix.EINTR:
		return nil, nil
	}
	return nil, fmt.Errorf("load: waiting for events: %w", errno)
}

func (p *poller) pwait2(d time.Duration) (int, unix.Errno) {
	ts := unix.NsecToTimespec(int64(d))
	at, size := uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events))
	if d == 0 { // cannot block: the scheduler need not know
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.ep), at, size, uintptr(unsafe.Pointer(&ts)), 0, 0)
		return int(n), errno
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.ep), at, size, uintptr(unsafe.Pointer(&ts)), 0, 0)
	return int(n), errno
}

func (p *poller) waitTimer(d time.Duration) (int, unix.Errno) {
	ms := -1
	if d == 0 {
		ms = 0
	} else {
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
		if err := unix.TimerfdSettime(p.timer, 0, &spec, nil); err != nil {
			return 0, err.(unix.Errno)
		}
	}
	n, err := unix.EpollWait(p.ep, p.events, ms)
	if err != nil {
		return 0, err.(unix.Errno)
	}
	return p.withoutTimer(n), 0
}

// withoutTimer removes the timer's own event: a timeout shows as no events.
func (p *poller) withoutTimer(n int) int {
	kept := 0
	for _, e := range p.events[:n] {
		if e.Fd != timerKey {
			p.events[kept] = e
			kept++
		}
	}
	return kept
}
