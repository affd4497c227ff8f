package reactor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"lars/reactor/driver"
)

const (
	backoffMinDefault = 100 * time.Millisecond
	backoffMaxDefault = 10 * time.Second
)

// State of a Client.
type State int

const (
	Connecting State = iota // a dial is under way
	Connected
	Waiting // before the next dial
	Stopped // for good
)

// String names the state.
func (s State) String() string {
	return [...]string{"connecting", "connected", "waiting", "stopped"}[s]
}

// ClientConfig of a TCP client. The zero value is usable.
type ClientConfig struct {
	Endpoint
	// OnState is called for every change of state, on the client's loop, with
	// the error that led to it, if any.
	OnState func(s State, addr string, err error)
	// DialTimeout limits one attempt, and the look-up of its name; 0 means 10 s.
	DialTimeout time.Duration
	// BackoffMin and BackoffMax bound the pause between attempts, which
	// doubles with each failure (one is also a connection that did not last
	// as long as the pause before it) and is drawn from its upper half, so that many
	// clients do not come back together. 0 means 100 ms and 10 s (or
	// BackoffMin, where that is more).
	BackoffMin, BackoffMax time.Duration
	// NoReconnect stops the client when its first connection ends or its
	// first attempt at each address has failed.
	NoReconnect bool
	// Loop is 1 for the reactor's first loop and so on; 0 takes the next in turn.
	Loop int
}

// check sets the defaults of a client's times.
func (c *ClientConfig) check() error {
	if c.BackoffMin == 0 {
		c.BackoffMin = backoffMinDefault
	}
	if c.BackoffMax == 0 {
		c.BackoffMax = max(backoffMaxDefault, c.BackoffMin)
	}
	if c.BackoffMin < 0 || c.BackoffMax < c.BackoffMin {
		return fmt.Errorf("reactor: dial: backoff from %v to %v: want 0 < BackoffMin <= BackoffMax", c.BackoffMin, c.BackoffMax)
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = driver.DialTimeoutDefault
	}
	if c.DialTimeout < 0 {
		return fmt.Errorf("reactor: dial: DialTimeout %v is negative", c.DialTimeout)
	}
	return nil
}

// A Client keeps one connection to the first of its addresses that answers,
// and makes a new one whenever it ends. Its messages go to Endpoint.Router.
type Client struct {
	config ClientConfig
	addrs  []string
	r      *Reactor
	loop   *Loop
	end    *endpoint
	id     uint64 // in the order of their making
	state  atomic.Int32
	conn   atomic.Pointer[Conn]

	// Only on the loop.
	turn     int           // of addrs
	failures int           // since a connection that lasted
	since    time.Duration // when the present connection was made
	paused   time.Duration // before it
	random   *rand.Rand
	cancel   func() // of the pause's timer
}

// Dial starts a client of "host:port", or of several such addresses, of which
// the next is tried whenever one fails. It returns before it is connected.
func (r *Reactor) Dial(c ClientConfig, addrs ...string) (*Client, error) {
	if len(addrs) == 0 {
		return nil, errors.New("reactor: dial: no address")
	}
	for _, a := range addrs {
		if _, port, err := net.SplitHostPort(a); err != nil || port == "" {
			return nil, fmt.Errorf("reactor: dial %q: want host:port, such as 127.0.0.1:7777", a)
		}
	}
	end, err := newEndpoint(c.Endpoint, 0)
	if err != nil {
		return nil, err
	}
	l, err := r.pick(c.Loop)
	if err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	cl := &Client{config: c, addrs: addrs, r: r, loop: l, end: end, id: r.ids.Add(1)}
	cl.random = rand.New(rand.NewPCG(r.seed(), cl.id))
	end.closed = cl.lost
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing.Load() || !l.Post(cl.connect) {
		return nil, ErrReactorClosed
	}
	r.clients[cl] = struct{}{}
	return cl, nil
}

// seed of a client's jitter.
func (r *Reactor) seed() uint64 {
	if r.config.Seed != 0 {
		return r.config.Seed
	}
	if v, ok := r.engine.(driver.Seeder); ok {
		return v.Seed()
	}
	return rand.Uint64()
}

func (c *Client) compare(other *Client) int { return cmp.Compare(c.id, other.id) }

// State of the client now.
func (c *Client) State() State { return State(c.state.Load()) }

// Conn is the present connection, or nil.
func (c *Client) Conn() *Conn { return c.conn.Load() }

// Loop is the client's loop.
func (c *Client) Loop() *Loop { return c.loop }

// Send sends a message on the present connection, from any goroutine, or
// returns ErrNotConnected. See Conn.Send.
func (c *Client) Send(id int32, body []byte) error {
	conn := c.Conn()
	if conn == nil {
		return ErrNotConnected
	}
	return conn.Send(id, body)
}

// Close stops the client: queued output is sent, then its connection ends.
func (c *Client) Close() { c.loop.Post(c.stop) }

// set changes the state and tells the hook. Nothing follows Stopped.
func (c *Client) set(s State, err error) {
	if c.State() == Stopped {
		return
	}
	c.state.Store(int32(s))
	if s == Stopped {
		c.r.mu.Lock()
		delete(c.r.clients, c)
		c.r.mu.Unlock()
	}
	if c.config.OnState != nil {
		c.config.OnState(s, c.addr(), err)
	}
}

func (c *Client) addr() string { return c.addrs[c.turn%len(c.addrs)] }

func (c *Client) connect() {
	if c.State() == Stopped {
		return
	}
	c.cancel = nil
	c.set(Connecting, nil)
	if at, err := netip.ParseAddrPort(c.addr()); err == nil {
		c.dial(at)
		return
	}
	c.resolve(c.addr())
}

// resolve looks a name up on a worker, for that blocks.
func (c *Client) resolve(addr string) {
	var at netip.AddrPort
	var err error
	round := c.failures / len(c.addrs)
	work := func() {
		ctx, cancel := context.WithTimeout(c.r.stopping, c.config.DialTimeout)
		defer cancel()
		at, err = lookup(ctx, addr, round)
	}
	done := func() {
		if err != nil {
			c.failed(err)
		} else {
			c.dial(at)
		}
	}
	if err := c.loop.Offload(work, done); err != nil {
		c.failed(err)
	}
}

// lookup finds an address of a name: of several the first, and another with
// each round of failures.
func lookup(ctx context.Context, addr string, round int) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ips[round%len(ips)].Unmap(), uint16(port)), nil
}

func (c *Client) dial(at netip.AddrPort) {
	if c.State() == Stopped {
		return
	}
	o := driver.DialOptions{Conn: c.end.options(), Timeout: c.config.DialTimeout}
	open := c.end.opener(c.r, c.opened)
	wanted := func(d driver.Conn) driver.Handler {
		if c.State() == Stopped { // while the dial was under way
			return nil
		}
		return open(d)
	}
	if err := c.r.engine.Dial(c.loop.d, at, o, wanted, c.failed); err != nil {
		c.failed(err)
	}
}

// opened is called before OnOpen.
func (c *Client) opened(conn *Conn) {
	c.since = c.loop.Now()
	c.conn.Store(conn)
	c.set(Connected, nil)
}

func (c *Client) lost(conn *Conn, err error) {
	c.conn.CompareAndSwap(conn, nil)
	if c.loop.Now()-c.since > c.paused {
		c.failures = 0
	}
	if c.config.NoReconnect {
		c.set(Stopped, err)
		return
	}
	c.failed(err)
}

// failed waits, unless all is over, and tries the next address.
func (c *Client) failed(err error) {
	if c.State() == Stopped {
		return
	}
	c.failures++
	if c.config.NoReconnect && c.failures >= len(c.addrs) {
		c.set(Stopped, err)
		return
	}
	c.set(Waiting, err)
	if c.State() == Stopped { // the hook closed us
		return
	}
	c.turn++
	c.paused = c.pause()
	c.cancel = c.loop.d.After(c.paused, c.connect)
}

// pause is drawn from the upper half of a limit that doubles with each round
// of failures ("equal jitter").
func (c *Client) pause() time.Duration {
	round := min((c.failures-1)/len(c.addrs), 30)
	limit := c.config.BackoffMax
	if c.config.BackoffMin < limit>>round {
		limit = c.config.BackoffMin << round
	}
	return limit/2 + time.Duration(c.random.Int64N(int64(limit/2)+1))
}

// stop ends the client on its loop.
func (c *Client) stop() {
	if c.cancel != nil {
		c.cancel()
	}
	if c.State() == Stopped {
		return
	}
	c.set(Stopped, nil)
	if conn := c.Conn(); conn != nil {
		conn.Close(nil)
	}
}
