package epoll

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"lars/reactor/driver"
)

// dialer is a connection that is not there yet.
type dialer struct {
	loop   *loop
	addr   netip.AddrPort
	opts   *driver.ConnOptions
	open   driver.Opener
	failed func(error)
	fd     int
	slot   uint32
	cancel func() // of the timeout
}

func (l *loop) dial(addr netip.AddrPort, o driver.DialOptions, open driver.Opener, failed func(error)) {
	d := &dialer{loop: l, addr: addr, opts: &o.Conn, open: open, failed: failed}
	fd, err := socket(family(addr), unix.SOCK_STREAM, func(fd int) error { return setConnOptions(fd, o.Conn) })
	if err != nil {
		failed(d.wrap(err))
		return
	}
	d.fd = fd
	switch err := unix.Connect(fd, sockaddr(addr)); err {
	case nil, unix.EINPROGRESS, unix.EINTR:
	default:
		_ = unix.Close(fd)
		failed(d.wrap(os.NewSyscallError("connect", err)))
		return
	}
	d.slot = l.insert(nil, d)
	if err := l.register(d.slot, fd, unix.EPOLLOUT); err != nil {
		l.remove(d.slot)
		_ = unix.Close(fd)
		failed(d.wrap(err))
		return
	}
	d.cancel = l.After(o.Timeout, func() { d.abort(driver.ErrDialTimeout) })
}

func (d *dialer) ready(uint32) {
	e, err := unix.GetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && e != 0 {
		err = unix.Errno(e)
	}
	if err == nil && localAddr(d.fd) == d.addr {
		// TCP's simultaneous open: a free local port was connected to itself.
		err = unix.ECONNREFUSED
	}
	if err != nil {
		d.abort(os.NewSyscallError("connect", err))
		return
	}
	d.cancel()
	l := d.loop
	l.remove(d.slot)
	_ = epollCtl(l.epfd, unix.EPOLL_CTL_DEL, d.fd, &unix.EpollEvent{})
	l.conns.Add(1)
	l.adopt(d.fd, d.addr, d.opts, d.open)
}

func (d *dialer) abort(err error) {
	d.cancel()
	d.loop.remove(d.slot)
	_ = unix.Close(d.fd)
	d.failed(d.wrap(err))
}

func (d *dialer) wrap(err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(d.addr), Err: err}
}
