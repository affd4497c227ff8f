package sim

import (
	"net/netip"
	"syscall"

	"lars/reactor/driver"
)

// packetsPerTurn bounds what a socket shows in one turn of its loop.
const packetsPerTurn = 64

// A packetConn is one UDP socket of an engine. Only on its loop.
type packetConn struct {
	membership
	event // the kernel takes output again
	l     *loop
	k     *packetSocket
	h     driver.PacketHandler
	max   int // bytes that wait for Flush
	bytes int
	out   []written
	fails []error

	queued, closing, finished bool
	cause                     error
}

// written is a datagram that waits for Flush.
type written struct {
	d  *datagram
	to netip.AddrPort
}

// stir implements owner; the world is locked.
func (p *packetConn) stir() { p.l.stir(p) }

// happen has the rest of the output sent.
func (p *packetConn) happen(*World) { p.stir() }

// serve shows what has come and sends what waits.
func (p *packetConn) serve() {
	p.receive()
	p.flush()
	p.again()
}

func (p *packetConn) receive() {
	for range packetsPerTurn {
		if p.closing {
			return
		}
		d := p.take()
		if d == nil {
			return
		}
		if d.unreachable {
			p.h.Failed(systemError("read", syscall.ECONNREFUSED))
		} else {
			p.h.Received(d.from, d.data)
		}
		p.l.w.mu.Lock()
		p.l.w.done(d)
		p.l.w.mu.Unlock()
	}
}

func (p *packetConn) take() *datagram {
	p.l.w.mu.Lock()
	defer p.l.w.mu.Unlock()
	d := p.k.take()
	if d != nil {
		p.l.stats.Reads++
		p.l.stats.ReadBytes += uint64(len(d.data))
	}
	return d
}

// again has the rest served in the next turn.
func (p *packetConn) again() {
	p.l.w.mu.Lock()
	defer p.l.w.mu.Unlock()
	if !p.closing && p.k.head < len(p.k.in) {
		p.l.stir(p)
	}
}

// Alloc implements driver.PacketConn.
func (p *packetConn) Alloc(n int, to netip.AddrPort) ([]byte, error) {
	switch {
	case p.closing:
		return nil, driver.ErrClosed
	case n > driver.DatagramBytesMax:
		return nil, driver.ErrTooLong
	case len(p.out) >= driver.DatagramsMax, p.bytes > 0 && p.bytes+n > p.max:
		return nil, driver.ErrOutputFull
	case !to.IsValid() && !p.k.peer.IsValid():
		return nil, systemError("sendto", syscall.EDESTADDRREQ)
	}
	p.l.w.mu.Lock()
	d := p.l.w.datagram(n)
	p.l.w.mu.Unlock()
	p.out = append(p.out, written{d, to})
	p.bytes += n
	return d.data, nil
}

// Flush implements driver.PacketConn.
func (p *packetConn) Flush() {
	if !p.closing {
		p.flush()
	}
}

func (p *packetConn) flush() {
	if len(p.out) == 0 {
		return
	}
	p.l.w.mu.Lock()
	p.send()
	p.l.w.mu.Unlock()
	if len(p.fails) > 0 || p.closing {
		p.await()
	}
}

// send gives the kernel what it takes; the world is locked.
func (p *packetConn) send() {
	w, sent := p.l.w, 0
	for _, o := range p.out {
		if at := p.k.roomAt(o.to); at > w.clock() {
			w.set(&p.event, at)
			break
		}
		p.l.stats.Writes++
		p.l.stats.WriteBytes += uint64(len(o.d.data))
		p.bytes -= len(o.d.data)
		if err := p.k.send(o.d, o.to); err != nil {
			p.fails = append(p.fails, err)
		}
		sent++
	}
	rest := copy(p.out, p.out[sent:])
	clear(p.out[rest:])
	p.out = p.out[:rest]
}

// Unsent implements driver.PacketConn.
func (p *packetConn) Unsent() int { return len(p.out) }

// Close implements driver.PacketConn.
func (p *packetConn) Close(cause error) {
	if p.closing && (cause == nil || !p.draining()) {
		return
	}
	p.closing, p.cause = true, cause
	if cause == nil {
		p.flush()
	}
	p.await()
}

// draining reports that output is to be sent before the end.
func (p *packetConn) draining() bool { return p.closing && p.cause == nil && len(p.out) > 0 }

// abort implements socket.
func (p *packetConn) abort(cause error) { p.Close(cause) }

func (p *packetConn) await() {
	if !p.queued {
		p.queued = true
		p.l.settling = append(p.l.settling, p)
	}
}

// settle makes the callbacks that could not be made inside another one.
func (p *packetConn) settle() {
	p.queued = false
	for len(p.fails) > 0 && !p.closing {
		err := p.fails[0]
		p.fails = p.fails[1:]
		p.h.Failed(err)
	}
	if !p.closing || p.finished || p.draining() {
		return
	}
	p.finished = true
	p.release()
	p.h.Closed(p.cause)
	p.drop()
}

func (p *packetConn) release() {
	w := p.l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue.unset(&p.event)
	if !p.l.en.dead {
		p.k.close()
		p.l.drop(p)
	}
}

// drop gives up what is unsent.
func (p *packetConn) drop() {
	p.l.w.mu.Lock()
	defer p.l.w.mu.Unlock()
	for _, o := range p.out {
		p.l.w.done(o.d)
	}
	p.out = nil
}

// LocalAddr implements driver.PacketConn.
func (p *packetConn) LocalAddr() netip.AddrPort { return p.k.local }

// Loop implements driver.PacketConn.
func (p *packetConn) Loop() driver.Loop { return p.l }
