package sim_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"lars/backends/sim"
	"lars/reactor/driver"
)

// echoPort is where echo servers listen, over TCP and UDP.
const echoPort = 7777

const messageBytes = 28

// engine opens one on a host.
func engine(t testing.TB, w *sim.World, host string) driver.Engine {
	t.Helper()
	e, err := w.Driver(host).Open(driver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// echo answers with what it gets, and stops reading while its output is full.
type echo struct{ c driver.Conn }

func (h echo) Received(view []byte) (done int) {
	for done < len(view) {
		b, err := h.c.Alloc(min(len(view)-done, 16<<10))
		if err != nil {
			h.c.Pause()
			break
		}
		done += copy(b, view[done:])
	}
	return done
}

func (h echo) Drained()   { h.c.Resume() }
func (echo) Closed(error) {}

type echoPackets struct{ p driver.PacketConn }

func (h *echoPackets) Received(from netip.AddrPort, view []byte) {
	if b, err := h.p.Alloc(len(view), from); err == nil {
		copy(b, view)
	}
}
func (*echoPackets) Failed(error) {}
func (*echoPackets) Closed(error) {}

// serveEcho starts an engine that echoes.
func serveEcho(t testing.TB, w *sim.World, host string) driver.Engine {
	t.Helper()
	e, h, at := engine(t, w, host), &echoPackets{}, w.Host(host).AddrPort(echoPort)
	_, err1 := e.Listen(at, driver.ListenOptions{}, func(c driver.Conn) driver.Handler { return echo{c} })
	p, err2 := e.ListenPacket(e.Loops()[0], driver.PacketOptions{Local: at}, h)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	h.p = p
	return e
}

// A client sends a message at every tick over TCP and over UDP, connects again
// when its connection ends, and counts.
type client struct {
	t      testing.TB
	e      driver.Engine
	l      driver.Loop
	server netip.AddrPort
	every  time.Duration
	o      driver.ConnOptions

	c           driver.Conn
	p           driver.PacketConn
	sent        int
	bytes       int // received over TCP
	packets     int // received over UDP
	unreachable int
	ends        []error // of connections and of attempts
}

func startClient(t testing.TB, w *sim.World, host, server string, every time.Duration) *client {
	t.Helper()
	e := engine(t, w, host)
	c := &client{t: t, e: e, l: e.Loops()[0], server: w.Host(server).AddrPort(echoPort), every: every}
	var err error
	if c.p, err = e.ListenPacket(c.l, driver.PacketOptions{Peer: c.server}, (*clientPackets)(c)); err != nil {
		t.Fatal(err)
	}
	c.l.Post(c.dial)
	c.l.Post(c.tick)
	return c
}

func (c *client) dial() {
	open := func(conn driver.Conn) driver.Handler {
		c.c = conn
		return c
	}
	if err := c.e.Dial(c.l, c.server, driver.DialOptions{Conn: c.o, Timeout: time.Second}, open, c.ended); err != nil {
		c.t.Error(err)
	}
}

// ended waits a little and connects again.
func (c *client) ended(err error) {
	c.c = nil
	c.ends = append(c.ends, err)
	c.l.After(100*time.Millisecond, c.dial)
}

func (c *client) tick() {
	c.sent++
	if c.c != nil {
		if b, err := c.c.Alloc(messageBytes); err == nil {
			binary.LittleEndian.PutUint64(b, uint64(c.sent))
			c.c.Flush()
		}
	}
	if b, err := c.p.Alloc(messageBytes, c.server); err == nil {
		binary.LittleEndian.PutUint64(b, uint64(c.sent))
		c.p.Flush()
	}
	c.l.After(c.every, c.tick)
}

func (c *client) Received(view []byte) int {
	c.bytes += len(view)
	return len(view)
}
func (c *client) Drained()         {}
func (c *client) Closed(err error) { c.ended(err) }

type clientPackets client

func (c *clientPackets) Received(netip.AddrPort, []byte) { c.packets++ }
func (c *clientPackets) Failed(error)                    { c.unreachable++ }
func (c *clientPackets) Closed(error)                    {}
