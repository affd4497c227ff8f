package reactor

import (
	"fmt"
	"net/netip"

	"lars/reactor/frame"
)

// A HandlerFunc handles one message, on the loop that it arrived on. The
// Request, and the body in it, are lent: they die when it returns.
type HandlerFunc func(*Request)

type route struct {
	handle HandlerFunc
	data   any
}

// directIDs are the ids that are looked up in an array; the protocol's own
// lie there.
const directIDs = 256

// A Router says which handler a message id belongs to. Build it before it is
// given to a server, client or socket; it must not change afterwards. One
// router may serve many of them.
type Router struct {
	direct [directIDs]route
	others map[int32]*route
	rest   route
}

// NewRouter makes a router that counts and ignores every message.
func NewRouter() *Router { return &Router{others: map[int32]*route{}} }

// Handle sets the handler of a message id; data is passed to it with each
// message. It panics when h is nil or the id is taken: both are bugs of the
// program, not of its peers.
func (r *Router) Handle(id int32, h HandlerFunc, data any) {
	if h == nil || r.find(id) != &r.rest {
		panic(fmt.Sprintf("reactor: message id %d: nil or second handler", id))
	}
	if uint32(id) < directIDs {
		r.direct[id] = route{h, data}
	} else {
		r.others[id] = &route{h, data}
	}
}

// HandleRest sets the handler of all ids that have none of their own.
// Messages that it gets are still counted as of an unknown id.
func (r *Router) HandleRest(h HandlerFunc, data any) { r.rest = route{h, data} }

// find returns the route of an id, or the one for the rest.
func (r *Router) find(id int32) *route {
	if uint32(id) < directIDs {
		if p := &r.direct[id]; p.handle != nil {
			return p
		}
	} else if p, ok := r.others[id]; ok {
		return p
	}
	return &r.rest
}

// A Request is one message as a handler sees it. It is lent for the time of
// the call; keep Peer() to answer later, as long as the sender keeps both halves
// of its connection open (see Endpoint.OnClose).
type Request struct {
	ID   int32
	Body []byte // lent
	Data any    // as given to Router.Handle
	Conn *Conn  // nil for a datagram

	loop   *Loop
	packet *Packet
	from   netip.AddrPort
}

// Loop is the loop that the handler runs on.
func (q *Request) Loop() *Loop { return q.loop }

// Reply sends a message back to whom the request came from. The error is
// ErrClosed, ErrOutputFull, or that of a body too large; it is counted, and a
// handler has nothing to do about it.
func (q *Request) Reply(id int32, body []byte) error {
	if q.Conn != nil {
		return q.Conn.Write(id, body)
	}
	b, err := q.packet.Alloc(q.from, id, len(body))
	if err == nil {
		copy(b, body)
	}
	return err
}

// ReplyAlloc is Reply for a body that is encoded in place: it returns the n
// bytes of the body in the output, to be filled before anything else is sent.
func (q *Request) ReplyAlloc(id int32, n int) ([]byte, error) {
	if q.Conn != nil {
		return q.Conn.Alloc(id, n)
	}
	return q.packet.Alloc(q.from, id, n)
}

// RemoteAddr is the address of the sender.
func (q *Request) RemoteAddr() netip.AddrPort {
	if q.Conn != nil {
		return q.Conn.RemoteAddr()
	}
	return q.from
}

// Peer is where the request came from, to be kept and answered later from any
// goroutine.
func (q *Request) Peer() Peer { return Peer{q.Conn, q.packet, q.from} }

// A Peer is the sender of a request.
type Peer struct {
	conn   *Conn
	packet *Packet
	addr   netip.AddrPort
}

// Addr is the address of a datagram's sender; the zero value for a connection's
// peer.
func (p Peer) Addr() netip.AddrPort { return p.addr }

// Send sends a message to the peer, from any goroutine. Its errors are Conn.Send's
// and Packet.Send's.
func (p Peer) Send(id int32, body []byte) error {
	if p.conn != nil {
		return p.conn.Send(id, body)
	}
	return p.packet.Send(p.addr, id, body)
}

// checkBody refuses what could not be framed.
func checkBody(n, max int) error {
	if n < 0 || n > max {
		return fmt.Errorf("%w: %d of at most %d bytes", frame.ErrTooLarge, n, max)
	}
	return nil
}
