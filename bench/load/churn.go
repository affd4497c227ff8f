package load

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// close ends the connection, if there is one.
func (c *conn) close() {
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
	c.fd = -1
}

// hangUp ends the connection after its one request. The closing side keeps the
// pair of ports for a minute (TIME_WAIT), and that is this one, as with clients.
func (c *conn) hangUp() {
	c.close()
	c.blocked, c.dialing, c.began = false, false, 0
	c.in, c.out, c.outAt = c.in[:0], c.out[:0], 0
}

// connectsPerAddress is how many connections come from one loopback address
// before the next has its turn; fewer than its ports, of which those in
// TIME_WAIT are not free. After churnAddresses the first is free again: 20,000
// connections a second would take 250 s to come round.
const (
	connectsPerAddress = 20_000
	churnAddresses     = 250
)

// reconnect begins a new connection at now: c is blocked until it stands.
func (w *worker) reconnect(c *conn, now int64) {
	c.began = now
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.fail(fmt.Errorf("load: a connection again: %w", err))
		return
	}
	addr := w.cfg.addr(int(c.arm))
	c.fd, c.blocked, c.dialing = fd, true, true
	if err := w.dress(fd, addr.Addr().Unmap().IsLoopback()); err != nil {
		w.fail(fmt.Errorf("load: a connection again: %w", err))
		return
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().Unmap().As4()})
	switch err {
	case nil, unix.EINPROGRESS:
	case unix.EADDRNOTAVAIL:
		w.fail(fmt.Errorf("load: no port is free for connection %d: ask for a lower --rate or a shorter --duration", w.connects))
		return
	default: // refused
		w.disconnect(c)
		return
	}
	if err := w.poll.add(fd, c.key, unix.EPOLLIN|unix.EPOLLOUT); err != nil {
		w.fail(err)
	}
}

// dress sets the options of a new socket, and the address that it comes from.
func (w *worker) dress(fd int, loopback bool) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	turn := w.connects / connectsPerAddress
	w.connects++
	if !loopback {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, byte(1 + w.number%churnAddresses), byte(1 + turn%churnAddresses)}})
}

// connected tells whether the connection stands by now.
func (w *worker) connected(c *conn) bool {
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || code != 0 {
		w.disconnect(c)
		return false
	}
	c.dialing = false
	w.of(c).Connects++
	return true
}
