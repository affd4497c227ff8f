package agent

import (
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"lars/reactor"
	"lars/system/route"
	"lars/system/wire"
)

var errSilent = errors.New("agent: dns does not answer")

// dns is the connection to dns: it takes the shards' pulls and gives them the
// routes, answers and pushes alike. When it is lost, routes stay as they are;
// when it is back, every shard pulls all its modules again.
type dns struct {
	service *Service
	client  *reactor.Client // nil: none is configured
	loop    *reactor.Loop
	timer   *reactor.Timer
	count   counters // read from anywhere
	at      atomic.Pointer[string]
	number  int  // of connections so far; on the loop
	up      bool // on the loop
	route   wire.GetRouteResponse
	hints   wire.Hints

	// asked is the loop's time, plus one, of the first pull since dns last
	// spoke; 0: it owes nothing.
	asked atomic.Int64
	// heard is the wall time in Unix nanoseconds at which dns was connected
	// last; 0 never, while it is: connectedNow.
	heard atomic.Int64
}

const connectedNow = -1

func (d *dns) start(s *Service, loop int) (err error) {
	d.service = s
	addrs := s.config.DNS.list()
	if len(addrs) == 0 {
		return nil
	}
	router := reactor.NewRouter()
	router.Handle(wire.IDGetRouteResponse, d.onRoute, nil)
	router.Handle(wire.IDHints, d.onHints, nil)
	d.loop = s.reactor.Loops()[loop]
	d.client, err = s.reactor.Dial(reactor.ClientConfig{
		Endpoint:   reactor.Endpoint{Router: router, BodyBytesMax: wire.RouteBodyBytesMax},
		OnState:    d.onState,
		BackoffMax: 2 * time.Second,
		Loop:       loop + 1,
	}, addrs...)
	if err == nil {
		d.timer = d.loop.Every(time.Second, d.second)
	}
	return err
}

func (d *dns) state() string {
	if d.client == nil {
		return "none"
	}
	return describe(d.client.State(), d.at.Load())
}

// age is how long ago dns was connected: 0 while it is, negative when never.
func (d *dns) age(now time.Time) time.Duration {
	switch heard := d.heard.Load(); heard {
	case connectedNow:
		return 0
	case 0:
		return -1
	default:
		return max(0, now.Sub(time.Unix(0, heard)))
	}
}

func (d *dns) onState(s reactor.State, addr string, err error) {
	d.at.Store(&addr)
	logState(d.service.config.Log, "dns", s, addr, err, d.up)
	switch {
	case s == reactor.Connected:
		d.number++
		d.up = true
		d.heard.Store(connectedNow)
		d.asked.Store(0)
		number := d.number
		d.service.each(func(sh *shard) { sh.pullAll(number) })
	case d.up:
		d.up = false
		d.heard.Store(d.service.config.Wall().UnixNano())
	}
}

// pull sends a pull, from any loop; now is the loop's time, hints says that they
// are wanted, too.
func (d *dns) pull(now time.Duration, m route.Module, hints bool) error {
	if d.client == nil {
		return reactor.ErrNotConnected
	}
	var buf [32]byte
	r := wire.GetRouteRequest{ModID: m.ModID, CmdID: m.CmdID, Hints: hints}
	err := d.client.Send(wire.IDGetRouteRequest, r.AppendTo(buf[:0]))
	if err == nil {
		d.asked.CompareAndSwap(0, int64(now)+1)
	}
	return err
}

// second gives up a connection on which dns owes answers for too long: it may
// be gone without a word.
func (d *dns) second() {
	asked := d.asked.Load()
	conn := d.client.Conn()
	if asked == 0 || conn == nil || d.loop.Now()-time.Duration(asked-1) <= d.service.config.SilenceMax {
		return
	}
	d.count.add(Silences)
	d.asked.Store(0)
	conn.Close(errSilent)
}

// onRoute passes a route to the shard of its module.
func (d *dns) onRoute(q *reactor.Request) {
	d.asked.Store(0)
	r := &d.route
	if err := r.Decode(q.Body); err != nil {
		d.count.add(Malformed)
		return
	}
	d.count.add(Answers)
	i, ok := wire.PortFor(r.ModID, r.CmdID)
	if !ok {
		d.count.add(NegativeID)
		return
	}
	n, bad := newsOf(r)
	if bad > 0 {
		d.count[BadHost].Add(uint64(bad))
	}
	if len(n.hosts) == 0 && len(r.Hosts) > 0 {
		return // not one is an address: this is no word that there are none
	}
	name := route.Module{ModID: r.ModID, CmdID: r.CmdID}
	sh := d.service.shards[i]
	sh.loop.Post(func() { sh.update(name, n) })
}

// onHints passes what agents suspect to the shard of the module.
func (d *dns) onHints(q *reactor.Request) {
	h := &d.hints
	if err := h.Decode(q.Body); err != nil {
		d.count.add(Malformed)
		return
	}
	d.count.add(Hints)
	i, ok := wire.PortFor(h.ModID, h.CmdID)
	if !ok {
		d.count.add(NegativeID)
		return
	}
	name, agents, hosts := route.Module{ModID: h.ModID, CmdID: h.CmdID}, h.Agents, slices.Clone(h.Hosts)
	sh := d.service.shards[i]
	sh.loop.Post(func() { sh.hear(name, agents, hosts) })
}

func (d *dns) close() {
	if d.client != nil {
		d.timer.Stop()
		d.client.Close()
	}
}

// describe is a connection's state for people.
func describe(s reactor.State, at *string) string {
	if at == nil {
		return s.String()
	}
	return s.String() + " " + *at
}

// logState logs the changes of a connection's state that mean something: that
// it is made, and that it is lost. Attempts that fail are for debugging.
func logState(log *slog.Logger, who string, s reactor.State, addr string, err error, wasUp bool) {
	switch {
	case s == reactor.Connected:
		log.Info("connected to "+who, "addr", addr)
	case s == reactor.Waiting && wasUp:
		log.Warn("connection to "+who+" is lost, going on with what is known", "addr", addr, "err", err)
	case s == reactor.Waiting:
		log.Debug("no connection to "+who, "addr", addr, "err", err)
	}
}
