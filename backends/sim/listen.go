package sim

import (
	"net/netip"
	"slices"
	"time"

	"lars/reactor/driver"
)

// The pause of a listener that is out of descriptors doubles from one to the
// other.
const (
	acceptBackoffMin = 5 * time.Millisecond
	acceptBackoffMax = time.Second
)

// A listener gives established connections to the engine's loops. Its fields
// are under the world's lock.
type listener struct {
	event   // the next attempt, when out of descriptors
	en      *engine
	k       *listenSocket
	o       driver.ConnOptions
	open    driver.Opener
	stats   driver.ListenerStats
	backlog []*sock
	pause   time.Duration
}

// arrived takes a connection from the handshake; the world is locked.
func (ln *listener) arrived(s *sock) {
	ln.backlog = append(ln.backlog, s)
	if ln.pause == 0 {
		ln.accept()
	}
}

// happen is the end of a pause.
func (ln *listener) happen(*World) { ln.accept() }

// accept gives what waits to loops, as long as there are descriptors.
func (ln *listener) accept() {
	w := ln.en.w
	for len(ln.backlog) > 0 {
		if !ln.en.host.takeFile() {
			ln.stats.AcceptErrors++
			ln.pause = min(max(2*ln.pause, acceptBackoffMin), acceptBackoffMax)
			w.set(&ln.event, w.clock()+ln.pause)
			return
		}
		s := ln.backlog[0]
		ln.backlog[0], ln.backlog = nil, ln.backlog[1:]
		ln.k.pending--
		l := ln.en.place()
		l.stats.Conns++
		ln.stats.Accepted++
		a := &accepted{ln: ln, l: l, s: s}
		l.add(a)
		l.stir(a)
	}
	ln.pause, ln.backlog = 0, nil
}

// close stops accepting; the world is locked.
func (ln *listener) close() {
	if ln.k.closed {
		return
	}
	ln.k.close()
	ln.en.host.files--
	ln.en.w.queue.unset(&ln.event)
	for _, s := range ln.backlog {
		s.abort()
	}
	ln.backlog = nil
	if i := slices.Index(ln.en.listeners, ln); i >= 0 && !ln.en.closed {
		ln.en.listeners = slices.Delete(ln.en.listeners, i, i+1)
	}
}

// Addr implements driver.Listener.
func (ln *listener) Addr() netip.AddrPort { return ln.k.local }

// Close implements driver.Listener.
func (ln *listener) Close() error {
	ln.en.w.mu.Lock()
	defer ln.en.w.mu.Unlock()
	if !ln.en.dead {
		ln.close()
	}
	return nil
}

// Stats implements driver.Listener.
func (ln *listener) Stats() driver.ListenerStats {
	ln.en.w.mu.Lock()
	defer ln.en.w.mu.Unlock()
	return ln.stats
}

// accepted is a connection on its way to its loop.
type accepted struct {
	membership
	ln *listener
	l  *loop
	s  *sock
}

func (a *accepted) serve() {
	if !a.l.adopt(a, a.s, a.ln.o, a.ln.open) {
		a.l.w.mu.Lock()
		a.ln.stats.Refused++
		a.l.w.mu.Unlock()
	}
}

func (a *accepted) abort(error) {
	w := a.l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	a.s.abort()
	a.l.drop(a)
	a.l.stats.Conns--
}

// dialing is a connection that is being made. Its event is the time-out.
type dialing struct {
	membership
	event
	l      *loop
	s      *sock
	o      driver.ConnOptions
	open   driver.Opener
	failed func(error)
	late   bool
}

// stir implements owner; the world is locked.
func (d *dialing) stir() { d.l.stir(d) }

// happen is the time-out.
func (d *dialing) happen(*World) {
	if d.place != 0 && d.s.state == connecting {
		d.late = true
		d.l.stir(d)
	}
}

func (d *dialing) serve() {
	w := d.l.w
	w.mu.Lock()
	err, state := d.s.err, d.s.state
	if err == nil && state == connecting {
		err = driver.ErrDialTimeout
		if !d.late {
			err = nil
		}
	}
	w.mu.Unlock()
	switch {
	case d.place == 0: // over already
	case err != nil:
		d.abort(err)
	case state == established:
		w.mu.Lock()
		w.queue.unset(&d.event)
		d.l.stats.Conns++
		w.mu.Unlock()
		d.l.adopt(d, d.s, d.o, d.open)
	}
}

// abort ends the attempt.
func (d *dialing) abort(cause error) {
	w := d.l.w
	w.mu.Lock()
	w.queue.unset(&d.event)
	d.s.close()
	d.l.drop(d)
	w.mu.Unlock()
	d.failed(cause)
}
