package relay

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const datagramBytesMax = 64 << 10

// UDP makes a relay to a server at target, on a loopback port of its own. Each
// client has a port of its own towards the server.
func UDP(target string, seed uint64) (*Relay, error) {
	ln, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	r := newRelay(target, seed)
	r.addr = ln.LocalAddr().String()
	r.keep(ln)
	r.work.Go(func() { r.listen(ln) })
	return r, nil
}

// listen carries what clients send.
func (r *Relay) listen(ln *net.UDPConn) {
	servers := map[netip.AddrPort]*net.UDPConn{}
	buf := make([]byte, datagramBytesMax)
	for {
		n, client, err := ln.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		server := servers[client]
		if server == nil {
			if server = r.dial(ln, client); server == nil {
				continue
			}
			servers[client] = server
		}
		r.carry(buf[:n], func(b []byte) {
			if _, err := server.Write(b); errors.Is(err, syscall.ECONNREFUSED) {
				_, _ = server.Write(b) // that was about an earlier one
			}
		})
	}
}

// dial opens a socket for a client and carries what comes back.
func (r *Relay) dial(ln *net.UDPConn, client netip.AddrPort) *net.UDPConn {
	c, err := net.Dial("udp", r.target)
	if err != nil || !r.keep(c) {
		return nil
	}
	server := c.(*net.UDPConn)
	r.work.Go(func() {
		buf := make([]byte, datagramBytesMax)
		for {
			n, err := server.Read(buf)
			if err == nil {
				r.carry(buf[:n], func(b []byte) { _, _ = ln.WriteToUDPAddrPort(b, client) })
			} else if !errors.Is(err, syscall.ECONNREFUSED) {
				return
			}
		}
	})
	return server
}

// carry sends a datagram as often and as late as the network has it.
func (r *Relay) carry(b []byte, send func([]byte)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	copies := 1
	switch {
	case r.is.Cut, r.draw(r.is.Loss):
		r.counts.Lost++
		return
	case r.draw(r.is.Duplicate):
		r.counts.Doubled++
		copies = 2
	}
	for range copies {
		late := r.delay()
		if r.draw(r.is.Reorder) {
			r.counts.Reordered++
			late += reorderBy
		}
		switch {
		case late == 0:
			send(b)
		case r.pending >= packetsMax:
			r.counts.Full++
		default:
			r.pending++
			b := bytes.Clone(b)
			time.AfterFunc(late, func() { r.arrive(b, send) })
		}
	}
}

// arrive sends what was on its way, unless the network was cut meanwhile.
func (r *Relay) arrive(b []byte, send func([]byte)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending--; r.is.Cut {
		r.counts.Lost++
		return
	}
	send(b)
}
