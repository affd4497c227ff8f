package workload

import (
	"bytes"
	"slices"

	"lars/bench/load"
	"lars/system/wire"
)

// GetRoute is agents that pull routes from a dns. Make it with NewGetRoute.
//
// A GetRouteRequest has no number: the module stands for it, and of two requests
// in flight on a connection no two are about the same module as long as fewer
// than DepthMax are.
type GetRoute struct {
	routes  Routes
	replies [][]byte // whole frames, by module, with the hosts in order
	request int      // bytes of a frame
}

var _ load.Workload = (*GetRoute)(nil)

// NewGetRoute returns the workload for a dns that knows routes. The error is
// ErrRoutes.
func NewGetRoute(routes Routes) (*GetRoute, error) {
	if err := routes.Check(); err != nil {
		return nil, err
	}
	g := &GetRoute{routes: routes}
	for a := range routes.All() {
		g.replies = append(g.replies, finish(a.AppendTo(begin(nil)), 0, wire.IDGetRouteResponse))
	}
	g.request = len(g.MakeRequest(nil, 0, 0))
	return g, nil
}

// DepthMax is how many requests may be in flight on a connection and still be
// told apart.
func (g *GetRoute) DepthMax() int { return max(1, g.routes.Modules/2) }

// FrameBytesMax is the size of every frame.
func (g *GetRoute) FrameBytesMax() (request, reply int) { return g.request, len(g.replies[0]) }

// MakeRequest appends request seq: each connection asks for all modules in turn.
func (g *GetRoute) MakeRequest(dst []byte, conn int, seq uint64) []byte {
	at := len(dst)
	var q wire.GetRouteRequest
	q.ModID, q.CmdID = g.routes.Module(g.routes.asks(conn, seq))
	return finish(q.AppendTo(begin(dst)), at, wire.IDGetRouteRequest)
}

// CheckReply wants a module that was asked for, and exactly its hosts. Replies
// nearly always come in order and with sorted hosts, and then a comparison of
// bytes is all.
func (g *GetRoute) CheckReply(reply []byte, conn int, oldest uint64) (uint64, load.Content) {
	if bytes.Equal(reply, g.replies[g.routes.asks(conn, oldest)]) {
		return oldest, load.Answer
	}
	i, ok := g.route(reply)
	if !ok {
		return 0, load.Wrong
	}
	n := uint64(g.routes.Modules)
	turn := (uint64(i) + n - uint64(conn)%n) % n
	return nearest(oldest, turn, n), load.Answer
}

// route reads a reply, whose hosts may stand in any order: the module's number;
// false unless the hosts are exactly its own.
func (g *GetRoute) route(reply []byte) (i int, ok bool) {
	var a wire.GetRouteResponse
	if b := body(reply, wire.IDGetRouteResponse); b == nil || a.Decode(b) != nil {
		return 0, false
	}
	if i, ok = g.routes.Index(a.ModID, a.CmdID); !ok || a.Truncated {
		return 0, false
	}
	slices.SortFunc(a.Hosts, func(x, y wire.HostInfo) int { return int(x.IP) - int(y.IP) })
	return i, slices.Equal(a.Hosts, g.routes.Answer(i).Hosts)
}

// OneWay is false: every request is answered.
func (*GetRoute) OneWay() bool { return false }
