package relay

import (
	"errors"
	"io"
	"net"
	"time"
)

// TCP makes a relay to a server at target, on a loopback port of its own.
func TCP(target string, seed uint64) (*Relay, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := newRelay(target, seed)
	r.addr = ln.Addr().String()
	r.keep(ln)
	r.work.Go(func() { r.accept(ln) })
	return r, nil
}

func (r *Relay) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if !r.sleepUntil(time.Now().Add(10 * time.Millisecond)) { // out of descriptors, say
				return
			}
			continue
		}
		r.work.Go(func() { r.relay(c.(*net.TCPConn)) })
	}
}

// relay serves a connection until both directions have ended.
func (r *Relay) relay(client *net.TCPConn) {
	if !r.keep(client) {
		return
	}
	defer r.drop(client)
	if !r.await() {
		return
	}
	c, err := net.Dial("tcp", r.target)
	if err != nil {
		_ = client.SetLinger(0) // a reset: there is no server
		return
	}
	server := c.(*net.TCPConn)
	if !r.keep(server) {
		return
	}
	defer r.drop(server)
	back := make(chan struct{})
	go func() {
		defer close(back)
		r.pump(server, client)
	}()
	r.pump(client, server)
	<-back
}

// chunk is some bytes on their way; the last one has an error.
type chunk struct {
	due  time.Time
	data []byte
	err  error
}

// pump carries one direction to its end.
func (r *Relay) pump(from, to *net.TCPConn) {
	way := make(chan chunk, chunksMax)
	go r.read(from, way)
	for c := range way {
		if !r.sleepUntil(c.due) || !r.await() {
			break
		}
		if errors.Is(c.err, io.EOF) {
			_ = to.CloseWrite() // it may have ended meanwhile
			return
		}
		if c.err == nil {
			_, c.err = to.Write(c.data)
		}
		if c.err != nil {
			break
		}
	}
	for _, c := range []*net.TCPConn{from, to} {
		_ = c.SetLinger(0)
		c.Close()
	}
	for range way { // until read has noticed
	}
}

// read puts what comes onto its way.
func (r *Relay) read(from *net.TCPConn, way chan<- chunk) {
	defer close(way)
	for {
		buf := make([]byte, chunkBytes)
		n, err := from.Read(buf)
		due := time.Now().Add(r.late())
		if n > 0 {
			way <- chunk{due: due, data: buf[:n]}
		}
		if err != nil {
			way <- chunk{due: due, err: err}
			return
		}
	}
}

// late is how much later a chunk comes.
func (r *Relay) late() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.delay()
	for n := range resendsMax {
		if !r.draw(r.is.Loss) {
			break
		}
		r.counts.Lost++
		d += resendAfter << n
	}
	return d
}
