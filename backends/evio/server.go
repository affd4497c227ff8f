package evio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/evio"
	"golang.org/x/sys/unix"

	"lars/reactor/driver"
)

const (
	// Pauses before a failed server is started again, doubling.
	backoffMin = 5 * time.Millisecond
	backoffMax = time.Second
	// ageMin is how old a server must be before it is told to end: evio loses
	// the end of a loop that comes before the goroutine of Serve waits for it,
	// which it does microseconds after the loops have started.
	ageMin = 10 * time.Millisecond
	// startMax bounds the start of a server.
	startMax = 10 * time.Second
	// portsMax is how many free ports are tried.
	portsMax = 10
)

// server is a listener: one evio server, and the next one when it has failed.
type server struct {
	engine  *engine
	addr    netip.AddrPort
	options driver.ListenOptions
	open    driver.Opener
	quit    chan struct{} // closed by Close
	over    chan struct{} // closed when no evio server runs and none will
	once    sync.Once

	closed, ending            atomic.Bool
	live                      atomic.Int64 // connections in evio's hands
	accepted, refused, errors atomic.Uint64

	mu       sync.Mutex // held while a control connection is dialled
	layout   *layout
	mine     map[netip.AddrPort]net.Conn // our ends of control connections
	controls []evio.Conn                 // evio's ends, alive
	arrived  chan error                  // told for each control connection
	started  time.Time
}

// listen starts the first evio server. A free port that is picked for it may be
// taken by somebody before evio binds it; then another one is.
func (s *server) listen() error {
	asked := s.addr
	var done chan error
	var err error
	for range portsMax {
		if done, err = s.bind(asked); asked.Port() != 0 || !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return err
	}
	go s.run(done)
	return nil
}

// bind starts an evio server at addr.
func (s *server) bind(addr netip.AddrPort) (done chan error, err error) {
	// evio's own listener would be a multipath one, package net's default; the
	// one with SO_REUSEPORT is not, but does not notice a port in use.
	probe, err := net.Listen("tcp", addr.String())
	if err != nil {
		return nil, err
	}
	s.addr = addrPort(probe.Addr())
	_ = probe.Close()
	return s.start()
}

// start starts an evio server and a control connection to each of its loops,
// and returns where Serve's return is told.
func (s *server) start() (done chan error, err error) {
	loops := len(s.engine.All())
	if err := spareDescriptors(8 + 4*loops); err != nil {
		return nil, err // evio panics without, and keeps the port
	}
	serving := make(chan struct{})
	done = make(chan error, 1)
	events := s.events()
	events.Serving = func(evio.Server) evio.Action {
		close(serving)
		return evio.None
	}
	s.mine, s.arrived = make(map[netip.AddrPort]net.Conn), make(chan error, loops)
	name := fmt.Sprintf("%p-%d", s, time.Now().UnixNano())
	go func() { done <- serve(name, events, fmt.Sprintf("tcp://%v?reuseport=1", s.addr)) }()
	select {
	case <-serving:
	case err := <-done:
		return nil, err
	}
	awaitParked(name, done)
	s.mu.Lock()
	s.started = time.Now()
	s.mu.Unlock()
	for range loops {
		if err := s.control(done); err != nil {
			s.ending.Store(true)
			s.wake()
			return nil, err
		}
	}
	return done, s.closeOnExec()
}

// control makes one control connection: evio can be told to end only in an
// event of a connection, and only for that can we make one. What fails for a
// moment, such as for want of descriptors, is tried again.
func (s *server) control(done chan error) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startMax)
	defer cancel()
	for ; ; time.Sleep(backoffMin) {
		if err = s.dialControl(ctx); err == nil {
			break
		}
		if ctx.Err() != nil {
			return err
		}
	}
	select {
	case err := <-s.arrived:
		return err
	case err := <-done:
		done <- err
		return errors.Join(errFailed, err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *server) dialControl(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", s.addr.String())
	if err == nil {
		s.mine[addrPort(c.LocalAddr())] = c
	}
	return err
}

// closeOnExec marks what evio has opened for its loops.
func (s *server) closeOnExec() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.controls) == 0 {
		return errFailed
	}
	listener, err := listenerOf(s.layout.of(s.controls[0]).epoll)
	if err != nil {
		return err
	}
	return markLoops(listener)
}

func (s *server) events() evio.Events {
	balance := evio.RoundRobin
	if s.engine.spread == driver.LeastConns {
		balance = evio.LeastConnections
	}
	return evio.Events{
		NumLoops: len(s.engine.All()), LoadBalance: balance,
		Opened: s.opened, Closed: s.connClosed, Data: s.data,
	}
}

// opened is evio's event.
func (s *server) opened(ec evio.Conn) (out []byte, o evio.Options, a evio.Action) {
	remote := addrPort(ec.RemoteAddr())
	s.mu.Lock()
	if s.layout == nil {
		y, err := layoutOf(ec)
		if err != nil {
			s.mu.Unlock()
			s.arrived <- err
			return nil, o, evio.Shutdown
		}
		s.layout = &y
	}
	_, mine := s.mine[remote]
	if mine {
		s.controls = append(s.controls, ec)
	}
	s.mu.Unlock()
	if mine {
		s.arrived <- nil
		return nil, o, evio.None
	}
	return nil, evio.Options{ReuseInputBuffer: true}, s.take(ec, remote)
}

// take makes a connection of ours.
func (s *server) take(ec evio.Conn, remote netip.AddrPort) evio.Action {
	if s.closed.Load() {
		return evio.Close
	}
	s.accepted.Add(1)
	c := &conn{ec: ec, private: s.layout.of(ec), options: s.options.Conn, remote: remote}
	if sa, err := unix.Getsockname(c.private.fd); err == nil {
		c.local = fromSockaddr(sa)
	}
	tune(c.private.fd, c.options)
	l := s.engine.All()[c.private.loop]
	ec.SetContext(c)
	s.live.Add(1)
	l.Take()
	refused, a := c.opened(l, s.open)
	if refused {
		s.refused.Add(1)
	}
	return a
}

// data is evio's event for input and for wake-ups.
func (s *server) data(ec evio.Conn, in []byte) ([]byte, evio.Action) {
	if c, ok := ec.Context().(*conn); ok {
		return nil, c.data(in)
	}
	if s.ending.Load() {
		return nil, evio.Shutdown
	}
	return nil, evio.None
}

// connClosed is evio's event.
func (s *server) connClosed(ec evio.Conn, err error) evio.Action {
	c, ok := ec.Context().(*conn)
	if !ok {
		s.forget(ec)
		return evio.None
	}
	var cause error
	if err == nil && serverEnds() {
		cause = driver.ErrAccept
	}
	c.closed(err, cause)
	if s.live.Add(-1) == 0 && s.closed.Load() {
		s.end()
	}
	return evio.None
}

// forget drops a control connection. Before evio closes what a wake-up writes
// to, it has closed all connections; so one that is listed may be woken.
func (s *server) forget(ec evio.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.controls {
		if c == ec {
			s.controls = append(s.controls[:i], s.controls[i+1:]...)
			return
		}
	}
}

// end makes evio's server end, and run not start another.
func (s *server) end() {
	s.mu.Lock()
	started := s.started
	s.mu.Unlock()
	if wait := ageMin - time.Since(started); wait > 0 {
		time.Sleep(wait)
	}
	s.ending.Store(true)
	s.wake()
}

// wake makes an event of a control connection.
func (s *server) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.controls) > 0 {
		s.controls[0].Wake()
	}
}

// run waits for the end of evio's server, which may be a failed accept, and
// starts another unless the listener is closed.
func (s *server) run(done chan error) {
	defer close(s.over)
	pause := backoffMin
	for {
		if done != nil {
			<-done
			s.dropControls()
		}
		if s.closed.Load() {
			return
		}
		s.ending.Store(false) // of a start that failed
		s.errors.Add(1)
		select {
		case <-s.quit:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, backoffMax)
		var err error
		if done, err = s.start(); err != nil {
			s.dropControls()
			continue
		}
		pause = backoffMin
		if s.closed.Load() && s.live.Load() == 0 {
			s.end() // Close found nobody to wake while this one started
		}
	}
}

func (s *server) dropControls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.mine {
		_ = c.Close()
	}
	s.mine, s.controls = nil, nil
}

// Addr implements driver.Listener.
func (s *server) Addr() netip.AddrPort { return s.addr }

// Close implements driver.Listener.
func (s *server) Close() (err error) {
	s.once.Do(func() {
		s.closed.Store(true)
		close(s.quit)
		s.engine.remove(s)
		s.mu.Lock()
		if len(s.controls) > 0 {
			err = releaseAddress(s.layout.of(s.controls[0]).epoll)
		}
		s.mu.Unlock()
		if s.live.Load() == 0 {
			s.end()
		}
	})
	return err
}

// Stats implements driver.Listener.
func (s *server) Stats() driver.ListenerStats {
	return driver.ListenerStats{
		Accepted: s.accepted.Load(), Refused: s.refused.Load(), AcceptErrors: s.errors.Load(),
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

var (
	errNoListener = errors.New("evio: the listening socket was not found")
	errFailed     = errors.New("evio: the server ended while it was started")
)
