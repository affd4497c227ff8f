package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// ErrDial is a connection that could not be made.
var ErrDial = errors.New("load: cannot connect")

// epollIn is what a connection waits for unless it is blocked.
const epollIn = unix.EPOLLIN

// dialingMax is how many connections may be on their way at once: far below the
// usual backlog of a listener, whose overflow costs a second for each.
const dialingMax = 128

// dialPoll is how often the wait for connections looks at the context.
const dialPoll = 50 * time.Millisecond

// bufferBytesUDP is asked for each UDP socket, for bursts of large datagrams.
const bufferBytesUDP = 4 << 20

// dialer makes all connections of a run.
type dialer struct {
	cfg    *Config
	addr   netip.AddrPort
	poll   *poller
	fds    []int // by connection; -1 until it is opened
	opened int
	ready  int
}

// dialArms returns the connected sockets of each arm, or an error and none.
func dialArms(ctx context.Context, c *Config) ([][]int, error) {
	var arms [][]int
	for arm := range c.arms() {
		fds, err := dialAll(ctx, c, c.addr(arm))
		if err != nil {
			closeArms(arms)
			return nil, err
		}
		arms = append(arms, fds)
	}
	return arms, nil
}

func closeArms(arms [][]int) {
	for _, fds := range arms {
		closeAll(fds)
	}
}

// dialAll returns one connected socket for each connection to a server, or an
// error and none.
func dialAll(ctx context.Context, c *Config, addr netip.AddrPort) ([]int, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	defer poll.close()
	d := &dialer{cfg: c, addr: addr, poll: poll, fds: make([]int, c.Conns)}
	for i := range d.fds {
		d.fds[i] = -1
	}
	if err := d.all(ctx); err != nil {
		closeAll(d.fds)
		return nil, err
	}
	return d.fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (d *dialer) all(ctx context.Context) error {
	deadline := time.Now().Add(d.cfg.DialTimeout)
	for d.ready < len(d.fds) {
		for d.opened < len(d.fds) && d.opened-d.ready < dialingMax {
			if err := d.open(d.opened); err != nil {
				return err
			}
		}
		if d.ready == len(d.fds) {
			break
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: %w", ErrDial, err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w to %v: %d of %d connections after %v: raise the dial timeout, or ask for fewer",
				ErrDial, d.addr, d.ready, len(d.fds), d.cfg.DialTimeout)
		}
		if err := d.await(); err != nil {
			return err
		}
	}
	return nil
}

// open starts connection i.
func (d *dialer) open(i int) error {
	kind := unix.SOCK_STREAM
	if d.cfg.udp() {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return d.failed(i, err)
	}
	d.fds[i] = fd
	d.opened++
	if err := d.options(i, fd); err != nil {
		return d.failed(i, err)
	}
	addr := d.addr
	switch err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().Unmap().As4()}); err {
	case nil:
		d.ready++
		return nil
	case unix.EINPROGRESS:
		return d.poll.add(fd, int32(i), unix.EPOLLOUT)
	default:
		return d.failed(i, err)
	}
}

func (d *dialer) options(i, fd int) error {
	if d.cfg.udp() {
		// Best effort: the kernel caps it at net.core.{r,w}mem_max.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bufferBytesUDP)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bufferBytesUDP)
	} else if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	source, ok := sourceAddr(d.addr.Addr().Unmap(), i, len(d.fds))
	if !ok {
		return nil
	}
	// The port is chosen at connect, when the four-tuple is known.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: source.As4()})
}

// sourceAddr is the address that connection i of n comes from when one has not
// enough ports for all; only loopback has more than one to offer.
func sourceAddr(server netip.Addr, i, n int) (netip.Addr, bool) {
	if n <= connsPerAddress || !server.IsLoopback() {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i/connsPerAddress)}), true
}

// await takes the connections that are made by now.
func (d *dialer) await() error {
	events, err := d.poll.wait(dialPoll)
	if err != nil {
		return err
	}
	for _, e := range events {
		i := int(e.Fd)
		code, err := unix.GetsockoptInt(d.fds[i], unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		if err != nil {
			return d.failed(i, err)
		}
		if err := unix.EpollCtl(d.poll.ep, unix.EPOLL_CTL_DEL, d.fds[i], nil); err != nil {
			return d.failed(i, err)
		}
		d.ready++
	}
	return nil
}

// failed says which connection failed, why, and what to do about it.
func (d *dialer) failed(i int, err error) error {
	remedy := ""
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		remedy = ": is the server running?"
	case errors.Is(err, unix.EMFILE):
		remedy = fmt.Sprintf(": run `ulimit -n %d` first", d.cfg.Conns+descriptorsSpare)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		remedy = ": no port is free; wait a minute for old connections, ask for fewer, or widen net.ipv4.ip_local_port_range"
	}
	return fmt.Errorf("%w to %v: connection %d of %d: %w%s", ErrDial, d.addr, i+1, len(d.fds), err, remedy)
}
