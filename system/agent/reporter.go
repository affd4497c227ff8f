package agent

import (
	"errors"
	"sync/atomic"
	"time"

	"lars/reactor"
	"lars/reactor/frame"
)

const (
	// backlogBytesMax is the unsent output of the reporter's connection above
	// which shards have to wait.
	backlogBytesMax = 1 << 20
	// roomEvery is how often a connection with a backlog is looked at.
	roomEvery = 100 * time.Millisecond
)

var errStuck = errors.New("agent: the reporter takes nothing")

// reporter is the connection to the reporter. Shards hand it frames by ship;
// it gives them credit for the next when its output is nearly empty, so a
// reporter that is slow makes shards wait and merge, and no queue grows.
type reporter struct {
	service *Service
	client  *reactor.Client // nil: none is configured
	loop    *reactor.Loop
	count   counters // read from anywhere
	at      atomic.Pointer[string]

	// On the loop.
	number   int       // of connections so far
	up       bool      // the newest of them lives
	waiting  []*outbox // for room
	timer    bool      // roomEvery runs
	taken    uint64    // bytes given to the connection
	progress uint64    // of those, taken by the kernel when last looked at
	since    time.Duration
	closed   chan struct{} // closed when the client has stopped and its connection is gone
}

func (p *reporter) start(s *Service, loop int) (err error) {
	p.service, p.closed = s, make(chan struct{})
	addrs := s.config.Reporter.list()
	if len(addrs) == 0 {
		close(p.closed)
		return nil
	}
	p.loop = s.reactor.Loops()[loop]
	p.client, err = s.reactor.Dial(reactor.ClientConfig{
		Endpoint:   reactor.Endpoint{OnClose: func(*reactor.Conn, error) { p.checkClosed() }},
		OnState:    p.onState,
		BackoffMax: 2 * time.Second,
		Loop:       loop + 1,
	}, addrs...)
	return err
}

func (p *reporter) state() string {
	if p.client == nil {
		return "none"
	}
	return describe(p.client.State(), p.at.Load())
}

func (p *reporter) onState(s reactor.State, addr string, err error) {
	p.at.Store(&addr)
	logState(p.service.config.Log, "reporter", s, addr, err, p.up)
	switch {
	case s == reactor.Connected:
		p.number++
		p.up, p.taken, p.progress, p.since = true, 0, 0, p.loop.Now()
		number := p.number
		p.service.each(func(sh *shard) { sh.out.connected(number) })
	case p.up && s != reactor.Stopped:
		p.down()
	}
	if s == reactor.Stopped && p.client.Conn() == nil {
		p.down()
		p.finish()
	}
}

// down tells the shards that the connection is gone.
func (p *reporter) down() {
	if !p.up {
		return
	}
	p.up = false
	number := p.number
	p.service.each(func(sh *shard) { sh.out.lost(number) })
	p.giveCredit()
}

// checkClosed notices the end of a stopped client's last connection.
func (p *reporter) checkClosed() {
	if p.client.State() == reactor.Stopped {
		p.down()
		p.finish()
	}
}

func (p *reporter) finish() {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
}

// ship takes the frames of an outbox, from the shard's loop. False: the
// reactor is closed.
func (p *reporter) ship(o *outbox) bool {
	return p.loop.Post(func() { p.take(o) })
}

// take writes the frames, if they are meant for the present connection, and
// gives credit now or once there is room. What is not written is kept in the
// shard's list and sent again.
func (p *reporter) take(o *outbox) {
	conn := p.client.Conn()
	if p.up && conn != nil && o.awayLink == p.number {
		p.write(conn, o.away)
	}
	p.waiting = append(p.waiting, o)
	p.room()
}

func (p *reporter) write(conn *reactor.Conn, frames []byte) {
	for len(frames) > 0 {
		id, size, err := frame.Next(frames, frame.BodyBytesMax)
		if err != nil || size == 0 {
			break // cannot be: the frames are ours
		}
		if err := conn.Write(id, frames[frame.HeadBytes:size]); err != nil {
			p.count.add(StatusLost)
			conn.Close(err) // the next connection gets all that is kept
			return
		}
		p.taken += uint64(size)
		frames = frames[size:]
	}
	conn.Flush()
}

// room gives credit when the output is short, and looks again later when not.
func (p *reporter) room() {
	conn := p.client.Conn()
	if !p.up || conn == nil {
		p.giveCredit()
		return
	}
	backlog := conn.Buffered()
	if backlog <= backlogBytesMax {
		p.giveCredit()
	}
	if took := p.taken - uint64(backlog); took != p.progress || backlog == 0 {
		p.progress, p.since = took, p.loop.Now()
	} else if p.loop.Now()-p.since > p.service.config.SilenceMax {
		p.count.add(Silences)
		conn.Close(errStuck)
		return
	}
	if backlog > 0 && !p.timer {
		p.timer = true
		p.loop.After(roomEvery, func() {
			p.timer = false
			p.room()
		})
	}
}

func (p *reporter) giveCredit() {
	for i, o := range p.waiting {
		o.shard.loop.Post(o.credit)
		p.waiting[i] = nil
	}
	p.waiting = p.waiting[:0]
}

// close sends what is queued and ends the connection.
func (p *reporter) close() {
	if p.client != nil {
		p.client.Close()
	}
}
