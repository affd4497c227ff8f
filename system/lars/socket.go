package lars

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"lars/reactor/frame"
	"lars/system/wire"
)

// callsMax bounds the calls that wait for an answer on one socket.
const callsMax = 1 << 16

// readPause is how long a socket rests after an error that is not known.
const readPause = 10 * time.Millisecond

// call is one question that waits for its answer. Calls are used again.
type call struct {
	module Module
	seq    uint32
	done   chan struct{} // has room for one: the call was answered, or failed

	// Set before done.
	err     error
	host    wire.HostInfo
	retcode int32
	hosts   []wire.HostInfo // of a route; its room is used again
	cut     bool

	timer    *time.Timer
	askHost  wire.GetHostRequest
	askRoute wire.GetRouteRequest
	report   wire.ReportRequest
	buf      [96]byte // the encoded question
}

func newCall() *call {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &call{done: make(chan struct{}, 1), timer: t}
}

// socket is the one to one of the agent's ports.
type socket struct {
	client *Client
	conn   *net.UDPConn

	mu     sync.Mutex
	hosts  map[uint32]*call   // by sequence number
	routes map[Module][]*call // the answer carries no number: it is for all who asked
	n      int                // calls that wait
	ended  bool
	answer wire.GetHostResponse  // of the reading goroutine
	route  wire.GetRouteResponse // likewise
}

func newSocket(c *Client, conn *net.UDPConn) *socket {
	return &socket{client: c, conn: conn, hosts: map[uint32]*call{}, routes: map[Module][]*call{}}
}

// await registers a call; id says which answer it waits for.
func (s *socket) await(id int32, c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return ErrClosed
	case s.n >= callsMax:
		return ErrBusy
	case id == wire.IDGetHostRequest:
		s.hosts[c.seq] = c
	default:
		s.routes[c.module] = append(s.routes[c.module], c)
	}
	s.n++
	return nil
}

// forget takes a call back. After it, done will not be sent to any more; it
// may have been just before.
func (s *socket) forget(id int32, c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == wire.IDGetHostRequest {
		if s.hosts[c.seq] == c {
			delete(s.hosts, c.seq)
			s.n--
		}
		return
	}
	waiting := s.routes[c.module]
	for i, w := range waiting {
		if w == c {
			waiting[i] = waiting[len(waiting)-1]
			s.keep(c.module, waiting[:len(waiting)-1])
			s.n--
			return
		}
	}
}

func (s *socket) keep(m Module, waiting []*call) {
	if len(waiting) == 0 {
		delete(s.routes, m)
		return
	}
	s.routes[m] = waiting
}

// write sends a datagram. A connected socket tells the fate of an earlier
// datagram at the next call, which is then not carried out: that one is tried
// again.
func (s *socket) write(b []byte) error {
	_, err := s.conn.Write(b)
	if errors.Is(err, syscall.ECONNREFUSED) {
		_, err = s.conn.Write(b)
	}
	return err
}

// read is the socket's goroutine: it hands answers to the calls that wait.
func (s *socket) read() {
	buf := make([]byte, 1<<16)
	for {
		n, err := s.conn.Read(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			s.end(ErrClosed, true)
			return
		case err != nil:
			s.end(system(err), false)
			if !errors.Is(err, syscall.ECONNREFUSED) { // nobody listens there
				time.Sleep(readPause) // whatever it is, it may last
			}
		default:
			s.take(buf[:n])
		}
	}
}

// end fails every call that waits; closed: and any to come.
func (s *socket) end(err error, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = s.ended || closed
	for _, c := range s.hosts {
		c.fail(err)
	}
	for _, all := range s.routes {
		for _, c := range all {
			c.fail(err)
		}
	}
	clear(s.hosts)
	clear(s.routes)
	s.n = 0
}

func (c *call) fail(err error) {
	c.err = err
	c.done <- struct{}{}
}

// take looks at one datagram.
func (s *socket) take(b []byte) {
	id, body, err := frame.Datagram(b, len(b))
	if err != nil {
		s.client.counts.garbage.Add(1)
		return
	}
	switch id {
	case wire.IDGetHostResponse:
		err = s.takeHost(body)
	case wire.IDAPIGetRouteResponse:
		err = s.takeRoute(body)
	default:
		err = wire.ErrMalformed
	}
	if err != nil {
		s.client.counts.garbage.Add(1)
	}
}

func (s *socket) takeHost(body []byte) error {
	a := &s.answer
	if err := a.Decode(body); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.hosts[a.Seq]
	if c == nil || c.module != (Module{ModID: a.ModID, CmdID: a.CmdID}) {
		s.client.counts.late.Add(1)
		return nil
	}
	delete(s.hosts, a.Seq)
	s.n--
	c.err, c.host, c.retcode = nil, a.Host, a.Retcode
	c.done <- struct{}{}
	return nil
}

func (s *socket) takeRoute(body []byte) error {
	a := &s.route
	if err := a.Decode(body); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := Module{ModID: a.ModID, CmdID: a.CmdID}
	waiting := s.routes[m]
	if len(waiting) == 0 {
		s.client.counts.late.Add(1)
		return nil
	}
	for _, c := range waiting {
		c.err, c.hosts, c.cut = nil, append(c.hosts[:0], a.Hosts...), a.Truncated
		c.done <- struct{}{}
	}
	s.n -= len(waiting)
	delete(s.routes, m)
	return nil
}

// encode writes a question into the call's own room.
func (c *call) encode(id int32, m interface {
	Size() int
	AppendTo([]byte) []byte
},
) []byte {
	b := c.buf[:frame.HeadBytes]
	frame.PutHead(b, id, m.Size())
	return m.AppendTo(b)
}
