package reactor

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"lars/reactor/driver"
)

// ServerConfig of a TCP server. The zero value is usable.
type ServerConfig struct {
	Endpoint
	// ConnsMax limits live connections; one over the limit is closed at once
	// and counted. 0 means 100,000.
	ConnsMax int
	// ReusePort opens a listening socket for each loop (SO_REUSEPORT) and
	// lets the kernel spread connections.
	ReusePort bool
	Backlog   int // of the listening socket; 0 means 1,024
}

// A Server accepts connections.
type Server struct {
	r    *Reactor
	id   uint64 // in the order of their making
	end  *endpoint
	ln   driver.Listener
	once sync.Once
}

// Listen opens a server on "ip:port"; port 0 picks a free one. It returns when
// the address is bound.
func (r *Reactor) Listen(addr string, c ServerConfig) (*Server, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("reactor: listen %q: want ip:port, such as 127.0.0.1:7777: %w", addr, err)
	}
	end, err := newEndpoint(c.Endpoint, c.ConnsMax)
	if err != nil {
		return nil, err
	}
	s := &Server{r: r, end: end, id: r.ids.Add(1)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing.Load() {
		return nil, ErrReactorClosed
	}
	o := driver.ListenOptions{Conn: end.options(), ReusePort: c.ReusePort, Backlog: c.Backlog}
	s.ln, err = r.engine.Listen(at, o, end.opener(r, nil))
	if c.ReusePort && errors.Is(err, driver.ErrUnsupported) {
		return nil, fmt.Errorf("reactor: listen %s with ReusePort on %s: %w", addr, r.name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reactor: listen %s: %w", addr, err)
	}
	r.servers[s] = struct{}{}
	return s, nil
}

func (s *Server) compare(other *Server) int { return cmp.Compare(s.id, other.id) }

// Addr is the address that the server is bound to.
func (s *Server) Addr() netip.AddrPort { return s.ln.Addr() }

// Conns is the number of live connections.
func (s *Server) Conns() int { return int(s.end.live.Load()) }

// Close stops accepting. Connections stay until they end, or the reactor does.
func (s *Server) Close() error {
	s.once.Do(func() {
		s.r.mu.Lock()
		delete(s.r.servers, s)
		s.r.mu.Unlock()
	})
	return s.ln.Close()
}

// ListenerStats are the counters of the listening socket.
func (s *Server) ListenerStats() driver.ListenerStats { return s.ln.Stats() }
